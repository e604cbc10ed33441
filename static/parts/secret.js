// Something that is shown this once: a key, a new password.

import { html, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { Button, copy } from "./button.js";
import { Dialog, show } from "./dialog.js";
import { toast } from "./toast.js";

const LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** A password that can be read out: no letter looks like another. About 93 bits. */
export function newPassword(length = 16) {
  const bytes = new Uint8Array(length * 4);
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(bytes)) {
      // Those over a multiple are left out, so that all letters are equally likely.
      if (byte < 256 - (256 % LETTERS.length) && text.length < length) text += LETTERS[byte % LETTERS.length];
    }
  }
  return text;
}

function Secret({ title, text, facts, close }) {
  const [copied, setCopied] = useState(null);
  const [isTaken, setTaken] = useState(false);
  const [isHeld, setHeld] = useState(false);
  const mayClose = () => {
    setHeld(true);
    return isTaken;
  };
  async function take(fact, i) {
    if (!(await copy(fact.value))) return toast(t("copy.failed"), { kind: "error" });
    setCopied(i);
    if (fact.isSecret) setTaken(true);
  }
  return html`<${Dialog} title=${title} close=${close} mayClose=${mayClose} actions=${html`<${Button} kind="primary" icon="check" onClick=${() => close()}>${t("secret.saved")}<//>`}>
    <p>${text}</p>
    <dl class="secret">${facts.map((fact, i) => html`<div key=${i}><dt>${fact.word}</dt><dd><code>${fact.value}</code>
      <${Button} icon=${copied === i ? "check" : "copy"} autofocus=${fact.isSecret} label=${`${t("secret.copy")}: ${fact.word}`} onClick=${() => take(fact, i)} /></dd></div>`)}</dl>
    <p class="unseen" role="status">${copied === null ? "" : t("copy.done")}</p>
    ${isHeld && !isTaken && html`<p class="notice wait" role="alert">${t("secret.first")}</p>`}
  <//>`;
}

/** Shows `facts`, each `{word, value, isSecret}`, and does not close by accident. */
export const showOnce = (options) => show((close) => html`<${Secret} ...${options} close=${close} />`);
