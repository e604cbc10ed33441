// Managers: adding, renaming, a new password, removing.

import { explain, get, post, put, remove } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { Button } from "../../parts/button.js";
import { ask, Dialog, show } from "../../parts/dialog.js";
import { Field, FormProblem, useForm } from "../../parts/field.js";
import { newPassword, showOnce } from "../../parts/secret.js";
import { toast } from "../../parts/toast.js";
import { accountsOf } from "./grants.js";

/** As the API has them, with the name that people see. */
const named = (manager) => ({ ...manager, name: [manager.firstName, manager.lastName].filter(Boolean).join(" ") || manager.email });

export async function loadManagers(options) {
  const all = [];
  for (let page = 1; ; page += 1) {
    const { data, pagination } = await get("/api/managers", { ...options, query: { limit: 200, page } });
    all.push(...data.map(named));
    if (all.length >= pagination.total || !data.length) return all;
  }
}

/** Adds a manager, or changes one. A name that is left empty stays as it is: the API does not take names away. */
function Person({ manager, close }) {
  const form = useForm(async ({ email, firstName, lastName }) => {
    const said = { email: email.trim(), ...(firstName.trim() ? { firstName: firstName.trim() } : {}), ...(lastName.trim() ? { lastName: lastName.trim() } : {}) };
    const password = newPassword();
    try {
      if (manager) close(named((await put(`/api/managers/${manager.id}`, said)).data));
      else close({ ...named((await post("/api/managers", { ...said, password })).data), password });
    } catch (error) {
      if (error.code !== "email_taken") throw error;
      form.setErrors({ email: explain(error) });
    }
  });
  return html`<${Dialog} title=${t(manager ? "team.edit" : "team.add")} close=${() => close()} actions=${html`
      <${Button} onClick=${() => close()}>${t("dialog.cancel")}<//>
      <${Button} kind="primary" type="submit" form="person" busy=${form.isBusy}>${t(manager ? "team.save" : "team.create")}<//>`}>
    <form class="form" id="person" onSubmit=${form.onSubmit} autocomplete="off">
      <${FormProblem} error=${form.problem} />
      <${Field} label=${t("team.email")} hint=${t("team.emailHint")} type="email" name="email" required maxlength="254" autofocus autocomplete="off" defaultValue=${manager?.email} error=${form.errors.email} />
      <${Field} label=${t("login.firstName")} name="firstName" maxlength="100" autocomplete="off" defaultValue=${manager?.firstName} error=${form.errors.firstName} />
      <${Field} label=${t("login.lastName")} name="lastName" maxlength="100" autocomplete="off" defaultValue=${manager?.lastName} error=${form.errors.lastName} />
      ${!manager && html`<p class="hint">${t("team.passwordHint")}</p>`}
    </form>
  <//>`;
}

const handOver = ({ name, email }, password) => showOnce({
  title: t("team.made", { name }),
  text: t("team.madeText"),
  facts: [
    { word: t("team.address"), value: `${location.origin}/login` },
    { word: t("team.email"), value: email },
    { word: t("team.password"), value: password, isSecret: true },
  ],
});

export async function add(load) {
  const made = await show((close) => html`<${Person} close=${close} />`);
  if (!made) return;
  const { password, ...manager } = made;
  load.set((managers) => [...managers, manager]);
  await handOver(manager, password);
}

async function edit(manager, load) {
  const changed = await show((close) => html`<${Person} manager=${manager} close=${close} />`);
  if (changed) load.set((managers) => managers.map((one) => (one.id === changed.id ? changed : one)));
}

async function reset(manager) {
  const password = newPassword();
  const isDone = await ask({
    title: t("team.resetTitle", { name: manager.name }),
    text: t("team.resetText"),
    action: t("team.reset"),
    run: () => put(`/api/managers/${manager.id}`, { password }),
  });
  if (isDone) await handOver(manager, password);
}

const drop = (manager, load, then) => ask({
  title: t("team.removeTitle", { name: manager.name }),
  text: t("team.removeText", { email: manager.email, n: accountsOf(manager.id).length }),
  action: t("team.remove"),
  run: async () => {
    await remove(`/api/managers/${manager.id}`);
    load.set((managers) => managers.filter(({ id }) => id !== manager.id));
    toast(t("team.removed", { name: manager.name }));
    then?.();
  },
});

/** What ⋮ of a manager holds. */
export const menuOf = (manager, load, then) => [
  { icon: "pencil", text: t("team.edit"), run: () => void edit(manager, load) },
  { icon: "key", text: t("team.reset"), run: () => void reset(manager) },
  "-",
  { icon: "trash-2", text: t("team.remove"), isDangerous: true, run: () => void drop(manager, load, then) },
];
