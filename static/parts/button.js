import { html, Icon, useRef, useState } from "../lib/html.js";
import { toastError } from "./toast.js";

/**
 * A button. `kind`: primary, danger, quiet, or none. While `onClick`'s promise is open it is busy
 * and keeps its width; what that throws becomes a toast. `reason` says why it is disabled.
 */
export function Button({ kind = "", icon, onClick, type = "button", busy = false, disabled = false, reason, label, children, class: more = "", ...rest }) {
  const [isWorking, setWorking] = useState(false);
  const self = useRef(null);
  const isBusy = busy || isWorking;
  async function click(event) {
    if (isBusy || disabled) return event.preventDefault();
    const done = onClick?.(event);
    if (!(done instanceof Promise)) return;
    setWorking(true);
    try {
      await done;
    } catch (error) {
      toastError(error);
    } finally {
      setWorking(false);
    }
  }
  return html`<button ref=${self} type=${type} class="button ${kind} ${children ? "" : "icon-only"} ${isBusy ? "is-busy" : ""} ${more}"
    aria-disabled=${disabled || isBusy ? "true" : undefined} aria-busy=${isBusy ? "true" : undefined}
    aria-label=${label} title=${reason ?? label} onClick=${click} ...${rest}>
    ${icon && html`<${Icon} name=${icon} size=${icon && !children ? 20 : 18} />`}${children && html`<span>${children}</span>`}
    ${isBusy && html`<span class="spinner" aria-hidden="true" />`}
  </button>`;
}
