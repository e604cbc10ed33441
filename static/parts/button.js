import { html, Icon, useEffect, useRef, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { toast, toastError } from "./toast.js";

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

/** Puts text on the clipboard; also over plain HTTP, where there is no Clipboard API. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    // Within an open dialog, since nothing outside of it takes the focus.
    const open = [...document.querySelectorAll("dialog[open]")].pop();
    (open ?? document.body).append(area);
    const before = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus?.();
    return done;
  }
}

/** Copies, and says so in a toast. */
export async function copyAndSay(text) {
  if (await copy(text)) toast(t("copy.done"));
  else toast(t("copy.failed"), { kind: "error" });
}

/** A button that copies `text`, with a word beside its icon if it has children. */
export function Copy({ text, label, children, kind = "quiet" }) {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(() => setDone(false), 2_000);
    return () => clearTimeout(timer);
  }, [isDone]);
  async function run() {
    if (await copy(text)) setDone(true);
    else toast(t("copy.failed"), { kind: "error" });
  }
  return html`<${Button} kind=${kind} icon=${isDone ? "check" : "copy"} label=${children ? undefined : (label ?? t("copy.copy"))} onClick=${() => void run()}>${children}<//>
    <span class="unseen" role="status">${isDone ? t("copy.done") : ""}</span>`;
}
