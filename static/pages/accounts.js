import { post } from "../lib/api.js";
import { html, Icon, useEffect, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { setQuery } from "../lib/router.js";
import { accounts, accountsKnown, isAdmin, loadAccounts } from "../lib/store.js";
import { Button } from "../parts/button.js";
import { Page } from "../parts/page.js";
import { Bones, Empty, Loading, Problem } from "../parts/state.js";
import { needsAttention } from "../parts/status.js";
import { openCode, openEditor } from "./accounts/actions.js";
import { Row } from "./accounts/row.js";
import { Strip } from "./accounts/strip.js";

const SEARCH_FROM = 9;
/** Rows that are drawn whole at once; the others as they come near. */
const FIRST = 12;
const FILTERS = {
  all: () => true,
  attention: needsAttention,
  queue: (account) => account.queueLength > 0,
};

const matches = (account, words) =>
  !words || [account.name, account.phoneNumber, account.displayName, account.id].some((text) => text?.toLowerCase().includes(words.toLowerCase()));

function Filters({ shown, words }) {
  const all = accounts.all;
  const link = (name) => `/?${new URLSearchParams({ ...(name === "all" ? {} : { show: name }), ...(words ? { q: words } : {}) })}`.replace(/\?$/, "");
  return html`<div class="accounts-asked"><div class="filters accounts-filters">
    ${Object.keys(FILTERS).map((name) => html`<a class="filter" href=${link(name)} aria-current=${shown === name ? "true" : undefined}>
      ${name === "attention" && html`<${Icon} name="triangle-alert" size=${16} />`}${t(`accounts.${name}`, { n: all.filter(FILTERS[name]).length })}</a>`)}
    </div>
    ${all.length >= SEARCH_FROM && html`<div class="search accounts-search"><${Icon} name="search" size=${18} />
      <input type="search" value=${words} placeholder=${t("accounts.search")} aria-label=${t("accounts.search")} onInput=${(event) => setQuery({ q: event.target.value })} /></div>`}
  </div>`;
}

/** Which rows are shown changes with what is asked for, not under somebody's pointer. */
function useStill(ids, isWanted, asked) {
  const [isHeld, setHeld] = useState(false);
  const [still, setStill] = useState([]);
  const wanted = ids.filter((id) => isWanted(accounts.of(id).value));
  const key = isHeld ? "" : wanted.join();
  useEffect(() => setStill(wanted), [asked, key, ids.length]);
  const shown = isHeld ? still.filter((id) => ids.includes(id)) : wanted;
  const hold = { onMouseEnter: () => { setStill(wanted); setHeld(true); }, onMouseLeave: () => setHeld(false) };
  return [shown, hold];
}

function List({ query }) {
  const shown = Object.hasOwn(FILTERS, query.show ?? "") ? query.show : "all";
  const words = query.q ?? "";
  const isWanted = (account) => account && FILTERS[shown](account) && matches(account, words);
  const [ids, hold] = useStill(accounts.ids.value, isWanted, `${shown} ${words}`);
  return html`
    <${Filters} shown=${shown} words=${words} />
    ${ids.length
      ? html`<ul class="accounts-list" ...${hold}>${ids.map((id, i) => html`<${Row} key=${id} id=${id} isFirst=${i < FIRST} />`)}</ul>`
      : html`<${Empty} icon=${words ? "search" : "check"} title=${t(words ? "accounts.nothingFound" : `accounts.${shown}None`)}
          actions=${html`<a class="button" href="/">${t("accounts.showAll")}</a>`} />`}`;
}

async function tryWithout() {
  const account = await post("/api/accounts", { name: t("accounts.simulated"), provider: "simulator", useLimits: true });
  accounts.put(account);
  accounts.put(await post(`/api/accounts/${account.id}/connect`));
  openCode(account);
}

function Nothing() {
  if (!isAdmin.value) return html`<${Empty} icon="lock" title=${t("accounts.noneGranted")}>${t("accounts.noneGrantedText")}<//>`;
  return html`<${Empty} icon="plug" title=${t("accounts.none")} actions=${html`
      <${Button} kind="primary" icon="smartphone" onClick=${() => openEditor()}>${t("accounts.connectWhatsApp")}<//>
      <${Button} icon="flask-conical" onClick=${tryWithout}>${t("accounts.tryWithout")}<//>`}>
    <p>${t("accounts.noneText")}</p><//>`;
}

export default function Accounts({ query }) {
  const [error, setError] = useState(null);
  const load = () => {
    setError(null);
    return loadAccounts().catch(setError);
  };
  useEffect(() => { if (!accountsKnown.peek()) load(); }, []);
  const isKnown = accountsKnown.value;
  const isEmpty = isKnown && accounts.ids.value.length === 0;
  return html`<${Page} title=${t("nav.accounts")} actions=${isAdmin.value && html`<${Button} kind="primary" icon="plus" onClick=${() => void openEditor()}>${t("accounts.add")}<//>`}>
    ${!isKnown && error && html`<${Problem} error=${error} retry=${load} />`}
    ${!isKnown && !error && html`<${Loading} skeleton=${html`<div class="stack"><div class="bone accounts-bone" /><${Bones} rows=${5} height=${118} /></div>`} />`}
    ${isEmpty && html`<${Nothing} />`}
    ${isKnown && !isEmpty && html`<div class="accounts"><${Strip} /><${List} query=${query} /></div>`}
  <//>`;
}
