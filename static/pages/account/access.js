import { get, post, remove } from "../../lib/api.js";
import { html, useEffect } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { isOpen } from "../../lib/store.js";
import { on } from "../../lib/socket.js";
import { Bones, Empty, useLoad, View } from "../../parts/state.js";
import { toastError, undoable } from "../../parts/toast.js";

const RIGHTS = ["read", "write", "manage"];
const nameOf = ({ firstName, lastName, email }) => [firstName, lastName].filter(Boolean).join(" ") || email;

async function managers(options) {
  const list = [];
  for (let page = 1; ; page += 1) {
    const { data, pagination } = await get("/api/managers", { ...options, query: { limit: 200, page } });
    list.push(...data);
    if (list.length >= pagination.total || !data.length) return list;
  }
}

async function read(id, options) {
  const [people, { data: grants }] = await Promise.all([managers(options), get(`/api/whatsapp/sessions/${id}/managers`, options)]);
  const given = new Map(grants.map((grant) => [grant.manager.id, grant.permissions]));
  return people.map((person) => ({ ...person, rights: given.get(person.id) ?? [] }));
}

function give(id, managerId, rights) {
  const path = `/api/whatsapp/sessions/${id}/managers`;
  return rights.length ? post(path, { managerId, permissions: rights }) : remove(`${path}/${managerId}`);
}

function Person({ account, person, set }) {
  const show = (rights) => set((people) => people.map((one) => (one.id === person.id ? { ...one, rights } : one)));
  async function change(right, isOn) {
    const before = person.rights;
    // Who may write or manage can't do so unseen.
    let after = isOn ? [...before, right, ...(right === "read" ? [] : ["read"])] : before.filter((one) => one !== right);
    if (!isOn && right === "read") after = [];
    after = RIGHTS.filter((one) => after.includes(one));
    show(after);
    try {
      await give(account.id, person.id, after);
    } catch (error) {
      show(before);
      return toastError(error);
    }
    undoable(t(after.length ? "access.changed" : "access.taken", { name: nameOf(person) }), async () => {
      await give(account.id, person.id, before);
      show(before);
    });
  }
  return html`<tr><th scope="row" class="access-name"><span>${nameOf(person)}</span><small class="quiet">${person.email}</small></th>
    ${RIGHTS.map((right) => html`<td key=${right}><label class="access-right"><input type="checkbox" checked=${person.rights.includes(right)}
      aria-label=${`${t(`access.${right}`)}: ${nameOf(person)}`} onChange=${(event) => change(right, event.target.checked)} /><span aria-hidden="true">${t(`access.${right}`)}</span></label></td>`)}
  </tr>`;
}

export function Access({ account }) {
  const load = useLoad((options) => (isOpen ? Promise.resolve([]) : read(account.id, options)), [account.id]);
  useEffect(() => {
    const again = ({ sessionId }) => { if (sessionId === account.id) load.reload(); };
    const offs = [on("manager-access-granted", again), on("manager-access-revoked", again)];
    return () => offs.forEach((off) => off());
  }, [account.id]);
  if (isOpen) return html`<${Empty} icon="users" title=${t("access.open")}>${t("access.openText")}<//>`;
  return html`<${View} load=${load} skeleton=${html`<${Bones} rows=${4} height=${64} />`}>${(people) => people.length === 0
    ? html`<${Empty} icon="user-plus" title=${t("access.none")} actions=${html`<a class="button primary" href="/team">${t("access.add")}</a>`}>${t("access.noneText")}<//>`
    : html`<div class="card access-card"><table class="table access-table"><caption class="unseen">${t("account.accessTab")}</caption>
        <thead><tr><th>${t("access.manager")}</th>${RIGHTS.map((right) => html`<th key=${right}>${t(`access.${right}`)}</th>`)}</tr></thead>
        <tbody>${people.map((person) => html`<${Person} key=${person.id} account=${account} person=${person} set=${load.set} />`)}</tbody></table>
        <p class="small quiet access-note">${t("access.note")}</p></div>`}<//>`;
}
