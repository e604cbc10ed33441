import { clock, span } from "../../lib/dates.js";
import { html, Icon } from "../../lib/html.js";
import { number, t } from "../../lib/i18n.js";
import { accounts, stats } from "../../lib/store.js";
import { ProviderIcon, providerName, statusOf } from "../../parts/status.js";

const dash = "–";
const figure = (value) => (value === undefined || value === null ? dash : number(value));

export function Card({ title, more, class: kind = "", children }) {
  return html`<section class="card system-card ${kind}"><div class="line"><h2>${title}</h2>${more && html`<span class="push small">${more}</span>`}</div>${children}</section>`;
}

export const Figure = ({ value, word }) => html`<div><p class="figure">${figure(value)}</p><p class="small quiet">${word}</p></div>`;

function Check({ word, state, advice }) {
  const isOk = state === "ok";
  return html`<div class="system-check"><span>${word}</span>
    <span class="chip ${state ? (isOk ? "good" : "alarm") : ""}">${state && html`<${Icon} name=${isOk ? "check" : "triangle-alert"} size=${14} />`}${state ? t(isOk ? "system.ok" : "system.down") : dash}</span>
    ${state && !isOk && html`<p class="small">${advice}</p>`}</div>`;
}

export function Health({ health, error, at }) {
  const isWell = health?.status === "healthy" && !error;
  const word = error ? "unreached" : health ? (isWell ? "healthy" : "degraded") : null;
  const checks = health?.checks ?? {};
  return html`<${Card} title=${t("system.health")} class=${error ? "is-old" : ""}>
    <p class="system-state ${word ? (isWell ? "good" : "alarm") : ""}" role="status">${word ? html`<${Icon} name=${isWell ? "check" : "triangle-alert"} size=${22} />${t(`system.${word}`)}` : dash}</p>
    <div class="system-checks">
      <${Check} word=${t("system.database")} state=${checks.database} advice=${t("system.databaseDown")} />
      <${Check} word=${t("system.queue")} state=${checks.queue} advice=${t("system.queueDown")} />
      <div class="system-check"><span>${t("system.version")}</span><span>${health?.version ?? dash}</span></div>
      <div class="system-check"><span>${t("system.uptime")}</span><span>${health ? span(health.uptime * 1_000) : dash}</span></div>
    </div>
    <div><h3 class="system-under">${t("system.connections")}</h3>
    <div class="system-figures">
      <${Figure} value=${checks.providers?.connected} word=${t("system.connected")} />
      <${Figure} value=${checks.providers?.connecting} word=${t("system.connecting")} />
      <${Figure} value=${checks.providers?.failed} word=${t("system.failed")} />
    </div></div>
    <p class="small quiet">${error && at ? t("system.since", { time: `${clock(at)}` }) : t("system.every")}</p>
  <//>`;
}

const KINDS = ["alarm", "wait", "info", "good", ""];

export function Accounts({ figures }) {
  const all = accounts.all;
  const counts = figures?.stats;
  const words = new Map();
  for (const account of all) {
    const { word, kind, icon } = statusOf(account);
    words.set(word, { word, kind, icon, count: (words.get(word)?.count ?? 0) + 1 });
  }
  const found = [...words.values()].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.word.localeCompare(b.word));
  return html`<${Card} title=${t("system.accounts")} more=${html`<a href="/">${t("system.all")}</a>`}>
    <div class="system-figures"><${Figure} value=${counts?.total_instances} word=${t("system.accounts").toLowerCase()} />
      <${Figure} value=${counts?.connected_instances} word=${t("system.connected")} />
      <${Figure} value=${figures?.load.queue.waiting} word=${t("system.queued")} /></div>
    ${all.length ? html`<div class="system-checks">${found.map(({ word, kind, icon, count }) => html`<div class="system-check" key=${word}>
      <span class="chip ${kind}"><${Icon} name=${icon} size=${14} />${t(`status.${word}`)}</span><b>${number(count)}</b></div>`)}</div>` : html`<p class="quiet">${t("system.noAccounts")}</p>`}
  <//>`;
}

export function Messages() {
  const known = stats.value;
  return html`<${Card} title=${t("system.messages")} more=${html`<a href="/messages">${t("nav.messages")}</a>`}>
    <div class="system-figures">
      <${Figure} value=${known?.messages.today} word=${t("system.today")} />
      <${Figure} value=${known?.messages.sent} word=${t("system.sent")} />
      <${Figure} value=${known?.messages.received} word=${t("system.received")} />
      <${Figure} value=${known?.chats.total} word=${t("system.chats")} />
      <${Figure} value=${known?.managers.total} word=${t("system.managers")} />
    </div>
  <//>`;
}

const PAIRING = { qr: "system.pairingQr", code: "system.pairingCode" };
const RECEIPTS = { delivered: "system.receiptDelivered", read: "system.receiptRead" };
const listed = (words, names, none) => (words?.length ? words.map((word) => (names[word] ? t(names[word]) : word)).join(", ") : t(none));

function Provider({ offer }) {
  return html`<div class="system-provider">
    <div class="line"><${ProviderIcon} provider=${offer.provider} /><h3>${providerName(offer.provider)}</h3>
      <span class="chip push ${offer.isEnabled ? "good" : ""}">${t(offer.isEnabled ? "system.on" : "system.off")}</span></div>
    ${offer.reason && html`<p class="small quiet">${offer.reason === "this server was built without it" ? t("system.notBuilt") : offer.reason}</p>`}
    <dl class="system-facts small">
      <div><dt>${t("system.pairing")}</dt><dd>${listed(offer.pairing, PAIRING, "system.pairingNone")}</dd></div>
      <div><dt>${t("system.receipts")}</dt><dd>${listed(offer.receipts, RECEIPTS, "system.receiptsNone")}</dd></div>
      <div><dt>${t("system.media")}</dt><dd>${listed(offer.media, {}, "system.mediaNone")}</dd></div>
      <div><dt>${t("system.length")}</dt><dd>${t("system.letters", { n: offer.maxTextLength })}</dd></div>
    </dl>
  </div>`;
}

export const Providers = ({ providers }) => html`<${Card} title=${t("system.providers")} class="is-wide">
  <div class="system-providers">${providers.map((offer) => html`<${Provider} key=${offer.provider} offer=${offer} />`)}</div><//>`;
