import { html, useEffect, useRef } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { setQuery } from "../../lib/router.js";
import { accounts } from "../../lib/store.js";
import { Field } from "../../parts/field.js";
import { STATUSES } from "./status.js";

const PAUSE_MS = 500;
const isNarrow = matchMedia("(max-width: 639px)");

const change = (name) => (event) => setQuery({ [name]: event.target.value || null, accountId: null, message: null });

/** A field whose text counts once the typing rests. */
function Reference({ value }) {
  const timer = useRef(null);
  const input = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    const field = input.current.querySelector("input");
    if (document.activeElement !== field) field.value = value ?? "";
  }, [value]);
  function typed(event) {
    const text = event.target.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ reference: text.trim() || null, message: null }), PAUSE_MS);
  }
  return html`<div ref=${input}><${Field} label=${t("messages.reference")} type="search" placeholder=${t("messages.referenceHint")} autocomplete="off" spellcheck=${false} defaultValue=${value ?? ""} onInput=${typed} /></div>`;
}

function Fields({ filter }) {
  const all = accounts.all;
  const isStrange = filter.account && !all.some(({ id }) => id === filter.account);
  return html`<div class="messages-fields">
    <${Field} label=${t("messages.account")} as="select" value=${filter.account ?? ""} onChange=${change("account")}>
      <option value="">${t("messages.allAccounts")}</option>
      ${all.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}
      ${isStrange && html`<option value=${filter.account}>${filter.account}</option>`}
    <//>
    <${Field} label=${t("messages.status")} as="select" value=${filter.status ?? ""} onChange=${change("status")}>
      <option value="">${t("messages.allStatuses")}</option>
      ${STATUSES.map((status) => html`<option key=${status} value=${status}>${t(`messageStatus.${status}`)}</option>`)}
    <//>
    <${Field} label=${t("messages.from")} type="date" max=${filter.to} value=${filter.from ?? ""} onChange=${change("from")} />
    <${Field} label=${t("messages.to")} type="date" min=${filter.from} value=${filter.to ?? ""} onChange=${change("to")} />
    <${Reference} value=${filter.reference} />
  </div>`;
}

export function Filters({ filter }) {
  const count = Object.keys(filter).length;
  if (!isNarrow.matches) return html`<${Fields} filter=${filter} />`;
  return html`<details class="messages-folded">
    <summary>${t("messages.filters")}${count > 0 && html` <span class="badge">${count}</span>`}</summary>
    <${Fields} filter=${filter} />
  </details>`;
}
