// Short notices at the page's edge. They go after six seconds, not while somebody reads them;
// errors stay until they are closed.

import { explain } from "../lib/api.js";
import { html, Icon, signal, useEffect, useRef, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";

const LASTS_MS = 6_000;
const UNDO_MS = 8_000;
const MOST = 4;

const toasts = signal([]);
let next = 1;

/** Shows `text`; `action: {text, run}` is a button beside it. Answers a function that takes it away. */
export function toast(text, { kind = "good", action = null, lasts = LASTS_MS, requestId = null } = {}) {
  const id = next++;
  toasts.value = [...toasts.value.slice(1 - MOST), { id, text, kind, action, requestId, lasts: kind === "error" ? null : lasts }];
  return () => drop(id);
}

export function toastError(error) {
  if (error?.name === "AbortError" || error?.status === 401) return;
  if (!("status" in error)) console.error(error);
  toast(explain(error), { kind: "error", requestId: error.requestId });
}

/** Says what was done, and offers to take it back for eight seconds. */
export function undoable(text, takeBack) {
  const action = {
    text: t("toast.undo"),
    run: () => Promise.resolve(takeBack()).catch(toastError),
  };
  return toast(text, { action, lasts: UNDO_MS });
}

const drop = (id) => (toasts.value = toasts.value.filter((one) => one.id !== id));

export function Toasts() {
  const frame = useRef(null);
  const list = toasts.value;
  useEffect(() => {
    // In the top layer, above open dialogs.
    const place = frame.current;
    if (!place?.showPopover) return;
    if (place.matches(":popover-open")) place.hidePopover();
    if (list.length) place.showPopover();
  }, [list.length ? list[list.length - 1].id : 0, list.length === 0]);
  return html`<div class="toasts" popover="manual" ref=${frame}>
    ${list.map((one) => html`<${Toast} key=${one.id} ...${one} />`)}
  </div>`;
}

function Toast({ id, text, kind, action, lasts, requestId }) {
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (!lasts || isHeld) return;
    const timer = setTimeout(() => drop(id), lasts);
    return () => clearTimeout(timer);
  }, [isHeld]);
  function act() {
    drop(id);
    action.run();
  }
  return html`<div class="toast is-${kind}" role=${kind === "error" ? "alert" : "status"}
      onMouseEnter=${() => setHeld(true)} onMouseLeave=${() => setHeld(false)}
      onFocusIn=${() => setHeld(true)} onFocusOut=${() => setHeld(false)}>
    <${Icon} name=${kind === "error" ? "triangle-alert" : "check"} size=${18} />
    <p>${text}${requestId && html`<br /><span class="small">${t("state.request")} <code>${requestId}</code></span>`}</p>
    ${action && html`<button type="button" class="toast-action" onClick=${act}>${action.text}</button>`}
    <button type="button" class="toast-close" aria-label=${t("toast.close")} onClick=${() => drop(id)}><${Icon} name="x" size=${18} /></button>
  </div>`;
}
