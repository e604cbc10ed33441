// Dialogs, on the browser's own <dialog>: it keeps the focus inside and gives it back.

import { explain } from "../lib/api.js";
import { html, signal, useId, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { Button } from "./button.js";

const open = signal([]);
let next = 1;

/**
 * Shows a dialog: `draw(close)` answers its <Dialog>, and what `close(answer)` is given is what the
 * promise becomes.
 */
export function show(draw) {
  return new Promise((resolve) => {
    const id = next++;
    const close = (answer) => {
      if (!open.value.some((one) => one.id === id)) return;
      open.value = open.value.filter((one) => one.id !== id);
      resolve(answer);
    };
    open.value = [...open.value, { id, close, draw }];
  });
}

/** Closes all: the page they belong to is gone. */
export function closeAll() {
  for (const { close } of open.value) close(undefined);
}

export function Dialogs() {
  return open.value.map(({ id, draw, close }) => html`<${Drawn} key=${id} draw=${draw} close=${close} />`);
}

const Drawn = ({ draw, close }) => draw(close);

/**
 * The frame: `title`, the content, and `actions` at its foot. `kind`: wide, or drawer (from the
 * side). `mayClose()` answering false keeps it open.
 */
export function Dialog({ title, close, actions, kind = "", mayClose, children }) {
  const self = useRef(null);
  const heading = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = self.current;
    dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
    return () => {
      // Nothing outside of an open one takes the focus.
      dialog.close();
      if (document.contains(before)) before.focus?.();
    };
  }, []);
  const leave = () => mayClose?.() !== false && close();
  const pressed = useRef(false);
  return html`<dialog ref=${self} class="dialog ${kind}" aria-labelledby=${heading}
      onCancel=${(event) => { if (event.target !== self.current) return; event.preventDefault(); leave(); }}
      onPointerDown=${(event) => (pressed.current = event.target === self.current)}
      onClick=${(event) => { if (pressed.current && event.target === self.current) leave(); }}>
    <div class="dialog-frame">
      <header>
        <h2 id=${heading} tabindex="-1">${title}</h2>
        <${Button} kind="quiet" icon="x" label=${t("dialog.close")} onClick=${leave} />
      </header>
      <div class="dialog-body" role="group" aria-labelledby=${heading} tabindex="0">${children}</div>
      ${actions && html`<footer class="actions">${actions}</footer>`}
    </div>
  </dialog>`;
}

/**
 * Asks before something is done. `action` says what its button does; `run` does it while the dialog
 * is open, and `typed` must be typed first. Answers whether it was done.
 */
export function ask(options) {
  return show((close) => html`<${Question} ...${options} close=${close} />`);
}

function Question({ title, text, action, run, typed, isDangerous = true, close }) {
  const [said, setSaid] = useState("");
  const [error, setError] = useState(null);
  const field = useId();
  const mayGo = !typed || said.trim() === typed;
  async function go() {
    setError(null);
    try {
      await run?.();
      close(true);
    } catch (problem) {
      setError(explain(problem));
    }
  }
  return html`<${Dialog} title=${title} close=${() => close(false)} actions=${html`
      <${Button} onClick=${() => close(false)} autofocus=${!typed}>${t("dialog.cancel")}<//>
      <${Button} kind=${isDangerous ? "danger" : "primary"} disabled=${!mayGo} reason=${mayGo ? undefined : t("dialog.typeFirst")} onClick=${go}>${action}<//>`}>
    ${[].concat(text).map((line) => html`<p>${line}</p>`)}
    ${typed && html`<div class="field">
      <label for=${field}>${t("dialog.type", { name: typed })}</label>
      <input id=${field} autofocus autocomplete="off" spellcheck=${false} value=${said} onInput=${(event) => setSaid(event.target.value)} />
    </div>`}
    ${error && html`<p class="notice alarm" role="alert">${error}</p>`}
  <//>`;
}
