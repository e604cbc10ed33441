// Fields of forms, and what a form does when it is sent.

import { explain } from "../lib/api.js";
import { html, Icon, useId, useRef, useState } from "../lib/html.js";
import { has, language, t } from "../lib/i18n.js";
import { Button } from "./button.js";

/**
 * A field with its label, a hint and what is wrong with it. `as` is input, textarea or select;
 * everything else goes to that element.
 */
export function Field({ label, hint, error, as = "input", children, after, class: more = "", ...rest }) {
  const id = useId();
  const notes = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field ${error ? "is-wrong" : ""} ${more}">
    <label for=${id}>${label}</label>
    <div class="field-row">
      <${as} id=${id} aria-describedby=${notes || undefined} aria-invalid=${error ? "true" : undefined} ...${rest}>${children}<//>
      ${after}
    </div>
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${error && html`<p class="wrong" id="${id}-error"><${Icon} name="triangle-alert" size=${16} /> ${error}</p>`}
  </div>`;
}

export function PasswordField({ label, ...rest }) {
  const [isShown, setShown] = useState(false);
  return html`<${Field} label=${label} type=${isShown ? "text" : "password"} autocapitalize="none" spellcheck=${false} ...${rest}
    after=${html`<${Button} kind="quiet" icon=${isShown ? "eye-off" : "eye"} label=${t(isShown ? "field.hide" : "field.show")} aria-pressed=${String(isShown)} onClick=${() => setShown(!isShown)} />`} />`;
}

export function Check({ label, hint, ...rest }) {
  const id = useId();
  return html`<div class="check"><input type="checkbox" id=${id} aria-describedby=${hint ? `${id}-hint` : undefined} ...${rest} />
    <label for=${id}>${label}</label>${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}</div>`;
}

/** Cards of which one is chosen: `options` are `{value, icon, title, text, disabled, reason}`. */
export function Choice({ label, name, value, options, onChange }) {
  const group = useId();
  return html`<fieldset class="choice"><legend>${label}</legend><div class="choice-cards">
    ${options.map((option) => html`<label key=${option.value} class="choice-card ${option.disabled ? "is-off" : ""}">
      <input type="radio" name=${name ?? group} value=${option.value} checked=${option.value === value} disabled=${option.disabled} onChange=${() => onChange(option.value)} />
      ${option.icon && html`<${Icon} name=${option.icon} size=${22} />`}
      <span><strong>${option.title}</strong>${option.text && html`<small>${option.text}</small>`}${option.disabled && option.reason && html`<small class="reason">${option.reason}</small>`}</span>
    </label>`)}
  </div></fieldset>`;
}

/** What is wrong with fields, in the person's language; the server's own sentence is English. */
function translated(fields) {
  if (language.peek() === "en") return fields;
  const say = ([name, message]) => [name, has(`wrong.${name}`) ? t(`wrong.${name}`) : message];
  return Object.fromEntries(Object.entries(fields).map(say));
}

/** The element of what the API calls `name`, such as `limits.delayMs`. */
function elementOf(form, name) {
  const last = name.split(".").at(-1);
  return form.elements.namedItem(name) ?? [...form.elements].find((element) => element.name?.startsWith(last));
}

/**
 * A form's state. `send(data, form)` gets its FormData as an object; what it throws is put beside
 * its fields (`errors`), or over the form (`problem`). Use: `<form onSubmit=${form.onSubmit}>`.
 */
export function useForm(send) {
  const [errors, setErrors] = useState({});
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const busy = useRef(false);
  async function onSubmit(event) {
    event.preventDefault();
    if (busy.current) return;
    const form = event.currentTarget;
    busy.current = true;
    setBusy(true);
    setErrors({});
    setProblem(null);
    try {
      await send(Object.fromEntries(new FormData(form)), form);
    } catch (error) {
      const fields = error.fields ?? {};
      const known = Object.keys(fields).filter((name) => elementOf(form, name));
      setErrors(translated(fields));
      if (!known.length) setProblem(error);
      else requestAnimationFrame(() => elementOf(form, known[0])?.focus?.());
    } finally {
      busy.current = false;
      setBusy(false);
    }
  }
  return { errors, problem, isBusy, onSubmit, setErrors, setProblem };
}

/** What is wrong with a form as a whole. */
export function FormProblem({ error }) {
  if (!error) return null;
  return html`<p class="notice alarm" role="alert"><${Icon} name="triangle-alert" size=${18} /> <span>${explain(error)}${error.retryAfter ? ` ${t("state.again", { n: error.retryAfter })}` : ""}</span></p>`;
}
