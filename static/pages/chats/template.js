// The button that opens the templates, and what it does with the one that is chosen.

import { html } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { Button } from "../../parts/button.js";

/** `field` is where the text goes, at the cursor; `change(text)` is told what is in it then. */
export function TemplateButton({ field, change, isOff }) {
  function put(text) {
    if (text === undefined || !field.current) return;
    const { value, selectionStart, selectionEnd } = field.current;
    const before = value.trim() ? value.slice(0, selectionStart) : "";
    const after = value.trim() ? value.slice(selectionEnd) : "";
    change(before + text + after);
    requestAnimationFrame(() => {
      const at = before.length + text.length;
      field.current?.focus();
      field.current?.setSelectionRange(at, at);
    });
  }
  async function open() {
    const { chooseTemplate } = await import("./templates.js");
    void chooseTemplate().then(put);
  }
  return html`<${Button} kind="quiet" icon="layout-template" label=${t("templates.title")} aria-haspopup="dialog" disabled=${isOff} onClick=${open} />`;
}
