import { post } from "../lib/api.js";
import { html, Icon, useEffect, useRef, useState } from "../lib/html.js";
import { number, t } from "../lib/i18n.js";
import { setQuery } from "../lib/router.js";
import { accounts, accountsKnown, allAccounts, isAdmin, loadAccounts, loadStats, stats } from "../lib/store.js";
import { onMissed } from "../lib/socket.js";
import { Button } from "../parts/button.js";
import { Bars } from "../parts/charts.js";
import { show } from "../parts/dialog.js";
import { Page } from "../parts/shell.js";
import { Bones, Empty, Loading, Problem } from "../parts/state.js";
import { needsAttention } from "../parts/status.js";
import { toastError } from "../parts/toast.js";
import { openCode, openEditor } from "./accounts/actions.js";
import { Row } from "./accounts/row.js";

const SEARCH_FROM = 9;
const PAUSE_MS = 100;
/** Rows that are drawn whole at once; the others as they come near. */
const FIRST = 12;
const FILTERS = {
  all: () => true,
  attention: needsAttention,
  queue: (account) => account.queueLength > 0,
};

const matches = (account, words) =>
  !words || [account.name, account.phoneNumber, account.displayName, account.id].some((text) => text?.toLowerCase().includes(words.toLowerCase()));

async function openDays() {
  const { Days } = await import("./accounts/days.js");
  show((close) => html`<${Days} close=${close} />`);
}

const Figure = ({ value, of, word }) => html`<div class="strip-figure"><p><b class="figure">${number(value)}</b>${of && html` <span class="quiet">${of}</span>`}</p><p class="small quiet">${word}</p></div>`;

/** The company at a glance; its days are for admins. */
function Strip() {
  useEffect(() => {
    if (!isAdmin.peek()) return;
    const load = () => void loadStats().catch(() => {});
    load();
    return onMissed(load);
  }, []);
  const all = allAccounts.value;
  const waiting = all.reduce((sum, account) => sum + account.queueLength, 0);
  const today = all.reduce((sum, account) => sum + (account.queue?.dailyCount ?? 0), 0);
  const days = stats.value?.messages.last30Days;
  return html`<section class="strip-card card ${isAdmin.value ? "" : "is-short"}" aria-label=${t("strip.title")}>
    <${Figure} value=${all.filter((account) => account.status === "CONNECTED").length} of=${t("account.of", { n: all.length })} word=${t("strip.connected")} />
    <${Figure} value=${today} word=${t("strip.today")} />
    <${Figure} value=${waiting} word=${t("strip.queue")} />
    ${isAdmin.value && html`<button type="button" class="strip-days" onClick=${() => openDays().catch(toastError)}>
      <${Bars} values=${days ? days.map((one) => one.sent) : Array(30).fill(0)} /><span class="small quiet">${t("strip.days")}</span></button>`}
  </section>`;
}

/** Its text counts once the typing pauses. */
function Search({ words }) {
  const timer = useRef(null);
  const input = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (document.activeElement !== input.current) input.current.value = words;
  }, [words]);
  function typed(event) {
    const text = event.target.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ q: text || null }), PAUSE_MS);
  }
  return html`<div class="search accounts-search"><${Icon} name="search" size=${18} />
    <input ref=${input} type="search" defaultValue=${words} placeholder=${t("accounts.search")} aria-label=${t("accounts.search")} onInput=${typed} /></div>`;
}

function Filters({ shown, words }) {
  const all = allAccounts.value;
  const link = (name) => `/?${new URLSearchParams({ ...(name === "all" ? {} : { show: name }), ...(words ? { q: words } : {}) })}`.replace(/\?$/, "");
  return html`<div class="accounts-asked"><div class="filters accounts-filters">
    ${Object.keys(FILTERS).map((name) => html`<a class="filter" href=${link(name)} aria-current=${shown === name ? "true" : undefined}>
      ${name === "attention" && html`<${Icon} name="triangle-alert" size=${16} />`}${t(`accounts.${name}`, { n: all.filter(FILTERS[name]).length })}</a>`)}
    </div>
    ${all.length >= SEARCH_FROM && html`<${Search} words=${words} />`}
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
