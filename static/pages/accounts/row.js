import { when } from "../../lib/dates.js";
import { html, Icon, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { number, t } from "../../lib/i18n.js";
import { pretty } from "../../lib/phone.js";
import { accounts, may } from "../../lib/store.js";
import { Beat } from "../../parts/charts.js";
import { Button } from "../../parts/button.js";
import { Menu } from "../../parts/menu.js";
import { ProviderIcon, providerName, sentence, Status } from "../../parts/status.js";
import { menuOf, pause, remedyOf, resume } from "./actions.js";

/** Its number, or what else it is known by. */
export const numberOf = (account) => pretty(account.phoneNumber) || account.displayName || (account.provider === "telegram" ? providerName("telegram") : t("account.notPaired"));

function Who({ account }) {
  return html`<div class="account-who">
    <${ProviderIcon} provider=${account.provider} />
    <div>
      <h2 class="account-name"><a href="/accounts/${account.id}">${account.name}</a></h2>
      <p class="account-sub"><${Status} account=${account} />
        <span class="small quiet nowrap">${numberOf(account)}</span></p>
    </div>
  </div>`;
}

function Queue({ account }) {
  const queue = account.queue ?? {};
  const isWaiting = account.queueLength > 0;
  let note = queue.lastSentAt ? t("account.lastAt", { time: when(queue.lastSentAt) }) : t(account.connectedAt && account.status !== "CONNECTED" ? "now.nothing" : "account.noneYet");
  if (isWaiting) note = t(account.status === "CONNECTED" ? (queue.isPaused ? "account.waitsResume" : "account.waits") : "account.waitsConnect");
  if (isWaiting && queue.estimatedDrainAt) note = t("account.drainAt", { time: when(queue.estimatedDrainAt) });
  return html`<div class="account-queue">
    <p><a class="account-count" href="/accounts/${account.id}/queue"><b class="figure">${number(account.queueLength)}</b> ${t("account.inQueue")}</a></p>
    <p class="small quiet">${note}</p>
  </div>`;
}

export function Day({ queue = {} }) {
  const count = queue.dailyCount ?? 0;
  const limit = queue.dailyLimit;
  return html`<div class="account-day">
    <p class="account-today"><span>${t("account.today")}</span> <span><b>${number(count)}</b>${limit ? ` ${t("account.of", { n: limit })}` : ""}</span></p>
    ${limit
      ? html`<div class="meter" aria-hidden="true"><i style=${{ width: `${Math.min(100, (100 * count) / limit)}%` }} /></div>`
      : html`<p class="small quiet">${t("account.noLimits")}</p>`}
  </div>`;
}

function Standing({ account }) {
  if (account.status === "CONNECTED" && !account.queue?.pauseReason) return html`<${Beat} account=${account} />`;
  const why = sentence(account);
  return html`<p class="account-why small" title=${why}>${why}</p>`;
}

function Act({ account }) {
  const remedy = remedyOf(account);
  if (remedy?.href) return html`<a class="button primary account-act" href=${remedy.href}><${Icon} name=${remedy.icon} size=${18} /><span>${remedy.text}</span></a>`;
  if (remedy) return html`<${Button} kind="primary" class="account-act" icon=${remedy.icon} onClick=${remedy.run}>${remedy.text}<//>`;
  if (!may(account, "canAdmin")) return html`<span class="account-act" />`;
  const isPaused = account.queue?.isPaused;
  return html`<${Button} class="account-act" icon=${isPaused ? "play" : "pause"} kind=${isPaused ? "primary" : ""}
    onClick=${() => (isPaused ? resume(account) : pause(account.id))}>${t(isPaused ? "account.resume" : "account.pause")}<//>`;
}

// Which rows are in view, or were nearly: of a long list the others need not be drawn whole.
const hearers = new WeakMap();
const watch = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) if (isIntersecting) hearers.get(target)?.();
}, { rootMargin: "100% 0%" });

/** Whether the row that `ref` has was ever within a screen of the view; `isNear` is where it begins. */
function useNear(ref, isNear) {
  const [wasNear, setNear] = useState(isNear);
  useLayoutEffect(() => {
    const element = ref.current;
    if (wasNear || !element) return undefined;
    hearers.set(element, () => setNear(true));
    watch.observe(element);
    return () => watch.unobserve(element);
  }, [wasNear]);
  return wasNear;
}

/** One account; `isFirst` tells that it is among those on the first screen. */
export function Row({ id, isFirst }) {
  const account = accounts.of(id).value;
  return account && html`<${Known} account=${account} isFirst=${isFirst} />`;
}

function Known({ account, isFirst }) {
  const row = useRef(null);
  if (!useNear(row, isFirst)) {
    return html`<li class="account-row card" ref=${row}><h2 class="account-name"><a href="/accounts/${account.id}">${account.name}</a></h2></li>`;
  }
  return html`<li class="account-row card" ref=${row}>
    <${Who} account=${account} />
    <${Standing} account=${account} />
    <${Queue} account=${account} />
    <${Day} queue=${account.queue} />
    <div class="account-acts">
      <${Act} account=${account} />
      <a class="button quiet icon-only" href="/chats?account=${account.id}" aria-label=${t("account.chatsOf", { name: account.name })} title=${t("account.chats")}><${Icon} name="message-circle" /></a>
      <${Menu} label=${t("account.more", { name: account.name })} items=${menuOf(account)} />
    </div>
  </li>`;
}
