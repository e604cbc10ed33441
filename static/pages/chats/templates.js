// The company's templates: one is looked for, its places are filled, and it is taken. Admins make and
// change them here, too.

import { get, remove } from "../../lib/api.js";
import { html, Icon, useEffect, useMemo, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { isAdmin } from "../../lib/store.js";
import { Button } from "../../parts/button.js";
import { ask, Dialog, show } from "../../parts/dialog.js";
import { Menu } from "../../parts/menu.js";
import { Bones, Empty, useLoad, View } from "../../parts/state.js";
import { toast, toastError } from "../../parts/toast.js";
import { filled, Marked, namesIn } from "./places.js";

// So many are seen at one look.
const MANY = 6;

/** Answers the text of the template that the person took, its places filled; undefined if none. */
export const chooseTemplate = () => show((close) => html`<${Templates} close=${close} />`);

async function edit(template, load) {
  const { Editor } = await import("./editor.js");
  const saved = await show((close) => html`<${Editor} template=${template} close=${close} />`);
  if (saved) load.reload();
}

function drop(template, load) {
  void ask({
    title: t("templates.deleteTitle", { name: template.name }),
    text: t("templates.deleteText"),
    action: t("templates.delete"),
    run: async () => {
      await remove(`/api/templates/${template.id}`).catch((error) => { if (error.status !== 404) throw error; });
      load.set((told) => ({ ...told, data: told.data.filter((one) => one.id !== template.id) }));
      toast(t("templates.deleted", { name: template.name }));
    },
  });
}

function Row({ template, take, load }) {
  return html`<li>
    <button type="button" class="template-row" onClick=${() => take(template)}><strong>${template.name}</strong><span><${Marked} text=${template.text.replace(/\s+/g, " ")} /></span></button>
    ${isAdmin.value && html`<${Menu} label=${t("templates.more", { name: template.name })} items=${[
      { icon: "pencil", text: t("templates.edit"), run: () => void edit(template, load).catch(toastError) },
      { icon: "trash-2", text: t("templates.delete"), isDangerous: true, run: () => drop(template, load) },
    ]} />`}
  </li>`;
}

function List({ all, words, setWords, take, load }) {
  const list = useRef(null);
  const wanted = words.trim().toLowerCase();
  const shown = all.filter(({ name, text }) => `${name}\n${text}`.toLowerCase().includes(wanted));
  const isLong = all.length > MANY;
  useEffect(() => {
    const dialog = list.current?.closest("dialog");
    if (dialog) (dialog.querySelector("input[type=search]") ?? list.current.querySelector("button"))?.focus();
  }, []);
  function key(event) {
    const rows = [...list.current.querySelectorAll(".template-row")];
    const at = rows.indexOf(document.activeElement);
    const isSearch = event.target.type === "search";
    if (event.key === "Enter" && isSearch && shown.length) take(shown[0]);
    else if (event.key === "ArrowDown" && (isSearch || at >= 0)) rows[Math.min(at + 1, rows.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && at >= 0) (rows[at - 1] ?? list.current.parentElement.querySelector("input"))?.focus();
    else return;
    event.preventDefault();
  }
  if (!all.length) {
    return html`<${Empty} icon="layout-template" title=${t("templates.none")}>${t(isAdmin.value ? "templates.noneAdmin" : "templates.noneManager")}<//>`;
  }
  return html`<div class="templates" onKeyDown=${key}>
    ${isLong && html`<div class="search"><${Icon} name="search" size=${18} /><input type="search" aria-label=${t("templates.search")} placeholder=${t("templates.search")}
      autocomplete="off" spellcheck="false" value=${words} onInput=${(event) => setWords(event.target.value)} /></div>`}
    <ul class="template-list" ref=${list}>${shown.map((template) => html`<${Row} key=${template.id} template=${template} take=${take} load=${load} />`)}</ul>
    ${!shown.length && html`<p class="quiet" role="status">${t("templates.nothing", { words: words.trim() })}</p>`}
  </div>`;
}

function Fill({ template, names, done }) {
  const [values, setValues] = useState({});
  function submit(event) {
    event.preventDefault();
    done(filled(template.text, values));
  }
  return html`<form class="form" id="template-fill" onSubmit=${submit}>
    ${names.map((name, i) => html`<div class="field" key=${name}><label for="place-${i}">${name}</label>
      <input id="place-${i}" type="text" required pattern=".*\\S.*" autocomplete="off" autofocus=${i === 0} value=${values[name] ?? ""} onInput=${(event) => setValues({ ...values, [name]: event.target.value })} /></div>`)}
    <div class="field"><p class="template-word" id="template-shown">${t("templates.preview")}</p>
      <div class="template-preview" role="group" aria-labelledby="template-shown"><${Marked} text=${template.text} values=${values} /></div></div>
  </form>`;
}

function Templates({ close }) {
  const load = useLoad(({ signal }) => get("/api/templates", { query: { limit: 200 }, signal }));
  const [words, setWords] = useState("");
  const [chosen, setChosen] = useState(null);
  const names = useMemo(() => (chosen ? namesIn(chosen.text) : []), [chosen]);
  function take(template) {
    if (namesIn(template.text).length) setChosen(template);
    else close(template.text);
  }
  useEffect(() => {
    if (chosen) requestAnimationFrame(() => document.getElementById("place-0")?.focus());
  }, [chosen]);
  if (chosen) {
    return html`<${Dialog} key="templates" title=${chosen.name} close=${() => close()} actions=${html`
        <${Button} onClick=${() => setChosen(null)}>${t("templates.back")}<//><${Button} kind="primary" type="submit" form="template-fill">${t("templates.put")}<//>`}>
      <${Fill} template=${chosen} names=${names} done=${close} />
    <//>`;
  }
  return html`<${Dialog} key="templates" title=${t("templates.title")} close=${() => close()} actions=${isAdmin.value && html`
      <${Button} icon="plus" onClick=${() => void edit(null, load).catch(toastError)}>${t("templates.new")}<//>`}>
    <${View} load=${load} skeleton=${html`<${Bones} rows=${4} height=${60} />`}>${({ data }) => html`<${List} all=${data} words=${words} setWords=${setWords} take=${take} load=${load} />`}<//>
  <//>`;
}
