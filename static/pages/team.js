// The team: which manager may do what with which account.

import { html, useEffect, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { go } from "../lib/router.js";
import { accounts, accountsKnown, isOpen, loadAccounts } from "../lib/store.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { Menu } from "../parts/menu.js";
import { Page } from "../parts/shell.js";
import { Bones, Empty, Problem, useLoad, View } from "../parts/state.js";
import { useGrants } from "./team/grants.js";
import { Matrix } from "./team/matrix.js";
import { List, One } from "./team/one.js";
import { add, loadManagers, menuOf } from "./team/people.js";

const SEARCH_FROM = 7;
const narrow = matchMedia("(max-width: 639px)");

function useNarrow() {
  const [isNarrow, setNarrow] = useState(narrow.matches);
  useEffect(() => {
    const changed = () => setNarrow(narrow.matches);
    narrow.addEventListener("change", changed);
    return () => narrow.removeEventListener("change", changed);
  }, []);
  return isNarrow;
}

const Rights = () => html`<p>${t("team.may")}</p>
  <ul class="team-rights">${["mayRead", "mayWrite", "mayManage"].map((key) => html`<li key=${key}>${t(`team.${key}`)}</li>`)}</ul>
  <p>${t("team.mayNot")}</p>`;

function Ground({ managers, load, manager, isNarrow }) {
  const grants = useGrants();
  const [words, setWords] = useState("");
  const all = accounts.all;
  const wanted = words.trim().toLowerCase();
  const shown = all.filter(({ name }) => !wanted || name.toLowerCase().includes(wanted));
  if (!managers.length) {
    return html`<${Empty} icon="users" title=${t("team.none")} actions=${html`<${Button} kind="primary" icon="user-plus" onClick=${() => void add(load)}>${t("team.add")}<//>`}>
      <div class="team-may"><${Rights} /></div><//>`;
  }
  const hasSearch = all.length >= SEARCH_FROM && (!isNarrow || manager);
  return html`
    ${grants.error && html`<${Problem} error=${grants.error} retry=${grants.retry} />`}
    ${!all.length && html`<p class="notice info">${t("team.noAccounts")}</p>`}
    ${hasSearch && html`<div class="team-search"><${Field} label=${t("team.search")} type="search" autocomplete="off" value=${words} onInput=${(event) => setWords(event.target.value)} /></div>`}
    ${hasSearch && !shown.length && html`<p class="quiet" role="status">${t("team.nothing")}</p>`}
    ${isNarrow ? (manager ? html`<${One} manager=${manager} shown=${shown} />` : html`<${List} managers=${managers} />`)
      : html`<${Matrix} managers=${managers} shown=${shown} load=${load} />`}
    ${!manager && html`<details class="team-about quiet small"><summary>${t("team.about")}</summary><div class="team-may"><${Rights} /></div></details>`}`;
}

function Team({ query }) {
  const load = useLoad(async (options) => {
    const [managers] = await Promise.all([loadManagers(options), accountsKnown.peek() ? null : loadAccounts(options)]);
    return managers;
  });
  const isNarrow = useNarrow();
  const managers = load.data;
  const manager = isNarrow && query.manager ? managers?.find(({ id }) => id === query.manager) : null;
  const isGone = isNarrow && query.manager && managers && !manager;
  const actions = manager
    ? html`<${Menu} label=${t("team.more", { name: manager.name })} items=${menuOf(manager, load, () => go("/team", { replace: true }))} />`
    : managers?.length > 0 && html`<${Button} kind="primary" icon="user-plus" onClick=${() => void add(load)}>${t(isNarrow ? "team.addShort" : "team.add")}<//>`;
  return html`<${Page} title=${manager ? manager.name : t("nav.team")} heading=${manager && html`<bdi>${manager.name}</bdi>`} back=${manager ? "/team" : undefined} class=${manager ? "team-single" : ""} actions=${actions}>
    ${isGone ? html`<${Empty} icon="users" title=${t("team.gone")} actions=${html`<a class="button" href="/team">${t("team.toAll")}</a>`} />`
      : html`<${View} load=${load} skeleton=${html`<${Bones} rows=${4} height=${104} />`}>${() => html`<${Ground} managers=${managers} load=${load} manager=${manager} isNarrow=${isNarrow} />`}<//>`}
  <//>`;
}

export default function TeamPage({ query }) {
  if (!isOpen) return html`<${Team} query=${query} />`;
  return html`<${Page} title=${t("nav.team")}><${Empty} icon="lock" title=${t("team.open")}><p>${t("team.openText")}</p><//><//>`;
}
