// The journal: every message that was accepted, and what became of it.

import { html, Icon, useEffect, useMemo, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { setQuery } from "../lib/router.js";
import { accountsKnown, isAdmin, loadAccounts } from "../lib/store.js";
import { Button } from "../parts/button.js";
import { Page } from "../parts/shell.js";
import { Bones, Empty, Loading, Problem } from "../parts/state.js";
import { toastError } from "../parts/toast.js";
import { Failed } from "./messages/failed.js";
import { read } from "./messages/filter.js";
import { Filters } from "./messages/filters.js";
import { useList } from "./messages/list.js";
import { Rows } from "./messages/rows.js";

/** A part that few need: fetched once it is wanted, and what comes after it with it. `load` answers its component. */
function Later({ load, children, ...rest }) {
  const [Part, setPart] = useState(null);
  useEffect(() => { load().then((part) => setPart(() => part), toastError); }, []);
  return Part && html`<${Part} ...${rest} />${children}`;
}

const details = async () => (await import("./messages/details.js")).Details;
const firstCall = async () => (await import("./developers/call.js")).FirstCall;

function Nothing({ filter }) {
  if (Object.keys(filter).length) {
    return html`<${Empty} icon="search" title=${t("messages.nothing")} actions=${html`<a class="button" href="/messages">${t("messages.clear")}</a>`}><p>${t("messages.nothingText")}</p><//>`;
  }
  if (!isAdmin.value) {
    return html`<${Empty} icon="list" title=${t("messages.none")} actions=${html`<a class="button primary" href="/chats">${t("messages.toChats")}</a>`}><p>${t("messages.noneManager")}</p><//>`;
  }
  return html`<div class="messages-first">
    <${Empty} icon="list" title=${t("messages.none")}><p>${t("messages.noneText")}</p><//>
    <${Later} load=${firstCall} isShort><p class="actions"><a href="/developers">${t("messages.toDevelopers")}</a></p><//>
  </div>`;
}

function Fresh({ list }) {
  const count = list.fresh.value.size;
  if (!count) return null;
  const words = count > 999 ? t("messages.freshMany", { n: 999 }) : t("messages.fresh", { n: count });
  return html`<button type="button" class="filter is-news" onClick=${() => list.load()}><${Icon} name="arrow-up" size=${16} /> ${words}</button>`;
}

function Foot({ list }) {
  const { cursor, isLoading, error } = list.state.value;
  if (error) return html`<${Problem} error=${error} retry=${list.more} />`;
  if (!cursor) return html`<p class="quiet small messages-end">${t("messages.whole")}</p>`;
  return html`<div class="messages-end"><${Button} busy=${isLoading} onClick=${() => list.more().catch(toastError)}>${t("messages.more")}<//></div>`;
}

/** How many there are, what came meanwhile, and what was not sent. */
function Bar({ list, filter }) {
  const { total } = list.state.value;
  return html`<div class="messages-bar">
    <p class="quiet small" role="status">${total === null ? "" : t("messages.found", { n: total })}</p>
    <${Fresh} list=${list} /><${Failed} filter=${filter} />
  </div>`;
}

function Content({ list, filter, hasNames }) {
  const { isLoading, error } = list.state.value;
  const hasRows = list.rows.ids.value.length > 0;
  if (error && !hasRows) return html`<${Problem} error=${error} retry=${list.load} />`;
  // With the accounts' names, so that no row changes its size when they come.
  if (!hasNames || (isLoading && !hasRows)) return html`<${Loading} skeleton=${html`<${Bones} rows=${8} height=${60} />`} />`;
  if (hasRows) return html`<div class="stack"><${Rows} list=${list} filter=${filter} /><${Foot} list=${list} /></div>`;
  return html`<${Nothing} filter=${filter} />`;
}

export default function Messages({ query }) {
  const wanted = read(query);
  // The same object as long as it says the same, so that rows are not drawn again.
  const filter = useMemo(() => wanted, [JSON.stringify(wanted)]);
  const list = useList(filter);
  const [isAlone, setAlone] = useState(false);
  useEffect(() => { if (!accountsKnown.peek()) loadAccounts().catch(() => setAlone(true)); }, []);
  const { isLoading, error } = list.state.value;
  const hasNone = !isLoading && !error && !list.rows.ids.value.length && !list.fresh.value.size && !Object.keys(filter).length;
  return html`<${Page} title=${t("nav.messages")} class="messages">
    ${!hasNone && html`<${Filters} filter=${filter} /><${Bar} list=${list} filter=${filter} />`}
    <${Content} list=${list} filter=${filter} hasNames=${accountsKnown.value || isAlone} />
    ${query.message && html`<${Later} load=${details} key=${query.message} id=${query.message} close=${() => setQuery({ message: null })} />`}
  <//>`;
}
