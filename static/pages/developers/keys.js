import { get, post, remove } from "../../lib/api.js";
import { relative, When } from "../../lib/dates.js";
import { html, Icon, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { isOpen } from "../../lib/store.js";
import { Button } from "../../parts/button.js";
import { ask, Dialog, show } from "../../parts/dialog.js";
import { Choice, Field, FormProblem, useForm } from "../../parts/field.js";
import { Menu } from "../../parts/menu.js";
import { showOnce } from "../../parts/secret.js";
import { Bones, Empty, useLoad, View } from "../../parts/state.js";
import { toast } from "../../parts/toast.js";

const SCOPES = { send: "send", read: "eye", all: "key" };

export async function loadKeys(options) {
  const all = [];
  for (let page = 1; ; page += 1) {
    const { data, pagination } = await get("/api/api-keys", { ...options, query: { limit: 200, page } });
    all.push(...data);
    if (all.length >= pagination.total || !data.length) return all;
  }
}

function NewKey({ close }) {
  const [scope, setScope] = useState("send");
  const form = useForm(async ({ name }) => close(await post("/api/api-keys", { name: name.trim(), scope })));
  return html`<${Dialog} title=${t("keys.add")} close=${() => close()} actions=${html`
      <${Button} onClick=${() => close()}>${t("dialog.cancel")}<//>
      <${Button} kind="primary" type="submit" form="new-key" busy=${form.isBusy}>${t("keys.create")}<//>`}>
    <form class="form" id="new-key" onSubmit=${form.onSubmit}>
      <${FormProblem} error=${form.problem} />
      <${Field} label=${t("keys.name")} hint=${t("keys.nameHint")} name="name" required maxlength="200" autofocus autocomplete="off" error=${form.errors.name} />
      <${Choice} label=${t("keys.scope")} value=${scope} onChange=${setScope} options=${Object.entries(SCOPES).map(([value, icon]) => ({ value, icon, title: t(`scope.${value}`), text: t(`scope.${value}Text`) }))} />
    </form>
  <//>`;
}

async function make(load) {
  const key = await show((close) => html`<${NewKey} close=${close} />`);
  if (!key) return;
  load.reload();
  await showOnce({ title: t("keys.secretTitle", { name: key.name }), text: t("keys.secretText"), facts: [{ word: t("keys.secretWord"), value: key.key, isSecret: true }] });
}

const drop = (key, load) => ask({
  title: t("keys.removeTitle", { name: key.name }),
  text: key.lastUsedAt ? t("keys.removeUsed", { time: relative(key.lastUsedAt) }) : t("keys.removeNever"),
  action: t("keys.remove"),
  run: async () => {
    await remove(`/api/api-keys/${key.id}`);
    toast(t("keys.removed", { name: key.name }));
    load.set((keys) => keys.filter(({ id }) => id !== key.id));
  },
});

function Row({ load, item: key }) {
  return html`<tr>
    <td class="keys-name"><b><bdi>${key.name}</bdi></b></td>
    <td><span class="line keys-scope"><${Icon} name=${SCOPES[key.scope] ?? "key"} size=${16} />${t(`scope.${key.scope}`)}</span><p class="small quiet">${t(`scope.${key.scope}Text`)}</p></td>
    <td><span class="keys-word">${t("keys.used")}: </span>${key.lastUsedAt ? html`<${When} at=${key.lastUsedAt} />` : html`<span class="quiet">${t("keys.never")}</span>`}</td>
    <td><span class="keys-word">${t("keys.made")}: </span><${When} at=${key.createdAt} /></td>
    <td class="keys-acts"><${Menu} label=${t("keys.more", { name: key.name })} items=${[{ icon: "trash-2", text: t("keys.remove"), isDangerous: true, run: () => void drop(key, load) }]} /></td>
  </tr>`;
}

function Table({ keys, load }) {
  return html`<div class="card keys-card"><table class="table keys-table">
    <thead><tr><th>${t("keys.name")}</th><th>${t("keys.scope")}</th><th>${t("keys.used")}</th><th>${t("keys.made")}</th><th><span class="unseen">${t("keys.remove")}</span></th></tr></thead>
    <tbody>${keys.map((key) => html`<${Row} key=${key.id} item=${key} load=${load} />`)}</tbody>
  </table></div>`;
}

function List() {
  const load = useLoad(loadKeys);
  const add = html`<${Button} kind="primary" icon="plus" onClick=${() => void make(load)}>${t("keys.add")}<//>`;
  return html`<${View} load=${load} skeleton=${html`<${Bones} rows=${3} height=${64} />`}>${(keys) => keys.length
    ? html`<section class="stack"><div class="line"><h2>${t("keys.title")}</h2><span class="push">${add}</span></div><p class="quiet small">${t("keys.noneText")}</p><${Table} keys=${keys} load=${load} /></section>`
    : html`<${Empty} icon="key" title=${t("keys.none")} actions=${add}><p>${t("keys.noneText")}</p><//>`}<//>`;
}

export function Keys() {
  if (isOpen) return html`<${Empty} icon="lock" title=${t("keys.open")}><p>${t("keys.openText")}</p><//>`;
  return html`<${List} />`;
}
