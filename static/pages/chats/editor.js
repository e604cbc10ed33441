// Makes a template, or changes one: for admins.

import { post, put } from "../../lib/api.js";
import { html, useRef, useState } from "../../lib/html.js";
import { parts, t } from "../../lib/i18n.js";
import { Button } from "../../parts/button.js";
import { Dialog } from "../../parts/dialog.js";
import { Field, FormProblem, useForm } from "../../parts/field.js";
import { toast } from "../../parts/toast.js";
import { Marked } from "./places.js";

const LONGEST_NAME = 100;
const LONGEST_TEXT = 4_096;

/** `template` is null for a new one. Closes with what the server has then. */
export function Editor({ template, close }) {
  const [text, setText] = useState(template?.text ?? "");
  const form = useRef(null);
  const { errors, problem, isBusy, onSubmit, setErrors } = useForm(async (data, element) => {
    const said = { name: data.name.trim(), text: data.text.trim() };
    try {
      const saved = template ? await put(`/api/templates/${template.id}`, said) : await post("/api/templates", said);
      toast(t("templates.saved", { name: said.name }));
      close(saved);
    } catch (error) {
      if (error.code !== "template_exists") throw error;
      setErrors({ name: t("error.template_exists") });
      requestAnimationFrame(() => element.elements.namedItem("name").focus());
    }
  });
  function addPlace() {
    const field = form.current.elements.namedItem("text");
    const { selectionStart: at, selectionEnd: to, value } = field;
    const name = value.slice(at, to).trim() || t("templates.place");
    setText(`${value.slice(0, at)}{{${name}}}${value.slice(to)}`);
    requestAnimationFrame(() => {
      field.focus();
      field.setSelectionRange(at + 2, at + 2 + name.length);
    });
  }
  return html`<${Dialog} title=${t(template ? "templates.edit" : "templates.new")} close=${() => close()} actions=${html`
      <${Button} onClick=${() => close()}>${t("dialog.cancel")}<//><${Button} kind="primary" type="submit" form="template-edit" busy=${isBusy}>${t("templates.save")}<//>`}>
    <form class="form" id="template-edit" ref=${form} onSubmit=${onSubmit}>
      <${FormProblem} error=${problem} />
      <${Field} label=${t("templates.name")} name="name" required maxlength=${LONGEST_NAME} autofocus autocomplete="off" defaultValue=${template?.name ?? ""} error=${errors.name} />
      <${Field} label=${t("templates.text")} name="text" as="textarea" required rows="5" maxlength=${LONGEST_TEXT} value=${text} error=${errors.text}
        hint=${parts("templates.hint", { place: html`<code>{{${t("templates.place")}}}</code>` })} onInput=${(event) => setText(event.target.value)} />
      <div class="line"><${Button} icon="plus" onClick=${addPlace}>${t("templates.addPlace")}<//></div>
      <div class="field"><p class="template-word" id="template-look">${t("templates.preview")}</p>
        <div class="template-preview" role="group" aria-labelledby="template-look"><${Marked} text=${text} /></div></div>
    </form>
  <//>`;
}
