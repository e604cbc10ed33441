// Who did what to the account.

import { get } from "../../lib/api.js";
import { When, when } from "../../lib/dates.js";
import { html, useState } from "../../lib/html.js";
import { has, number, t } from "../../lib/i18n.js";
import { Button } from "../../parts/button.js";
import { Bones, useLoad, View } from "../../parts/state.js";

const MORE = 20;
const MOST = 200;

const who = ({ kind, name }) => (name ? (kind === "api_key" ? t("action.key", { name }) : name) : t(`action.by.${kind}`));

const written = (value) => (Array.isArray(value) ? value.join("–") : typeof value === "boolean" ? t(value ? "action.on" : "action.off") : String(value));

/** Which limits hold now, where that changed, and the account's own numbers. */
function limitsOf({ useLimits, limits, was } = {}) {
  const preset = useLimits === was?.useLimits ? [] : [t(useLimits ? "action.limited" : "action.unlimited")];
  const names = [...new Set([...Object.keys(limits ?? {}), ...Object.keys(was?.limits ?? {})])];
  const changed = names.filter((name) => JSON.stringify(limits?.[name]) !== JSON.stringify(was?.limits?.[name]));
  return [...preset, ...changed.map((name) => `${has(`limits.${name}`) ? t(`limits.${name}`) : name}: ${limits?.[name] === undefined ? "–" : written(limits[name])}`)].join(", ");
}

/** What more there is to say: names of what changed, and numbers. */
function more({ action, details }) {
  if (action === "granted" || action === "revoked") return [details?.manager, details?.permissions?.map((word) => t(`action.may.${word}`)).join(", ")].filter(Boolean).join(": ");
  if (action === "cleared") return t("action.messages", { n: details?.cleared ?? 0 });
  if (action === "changed") return details?.fields?.map((field) => (has(`action.field.${field}`) ? t(`action.field.${field}`) : field)).join(", ") + (details?.name ? `: ${details.name}` : "");
  if (action === "limits_changed") return limitsOf(details);
  return "";
}

function Row({ one }) {
  return html`<tr>
    <td class="action-at nowrap quiet"><${When} at=${one.at} as=${when} /></td>
    <td class="action-what"><b>${t(`action.${one.action}`)}</b> <span class="small quiet">${more(one)}</span></td>
    <td class="action-who">${who(one.by)}</td>
    <td class="action-from quiet nowrap">${one.from ?? ""}</td></tr>`;
}

export function Actions({ account }) {
  const [limit, setLimit] = useState(MORE);
  const load = useLoad(({ signal }) => get(`/api/accounts/${account.id}/actions`, { signal, query: { limit } }), [account.id, limit, account.queue?.isPaused, account.status, account.updatedAt]);
  return html`<section class="card action-card" aria-label=${t("action.title")}><h2>${t("action.title")}</h2>
    <${View} load=${load} skeleton=${html`<${Bones} rows=${4} height=${40} />`}>${({ data, pagination: { total } }) => html`
      <table class="table action-table"><caption class="unseen">${t("action.title")}</caption>
        <thead><tr><th>${t("action.at")}</th><th>${t("action.what")}</th><th>${t("action.who")}</th><th>${t("action.from")}</th></tr></thead>
        <tbody>${data.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</tbody></table>
      ${total > data.length && (limit < MOST
        ? html`<p class="actions"><${Button} onClick=${() => setLimit(MOST)}>${t("action.older", { n: Math.min(total, MOST) - data.length })}<//></p>`
        : html`<p class="small quiet">${t("action.rest", { n: total - data.length })}</p>`)}`}<//>
    <p class="small quiet">${t("action.kept", { n: number(90) })}</p></section>`;
}
