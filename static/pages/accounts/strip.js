import { html, useEffect } from "../../lib/html.js";
import { number, t } from "../../lib/i18n.js";
import { accounts, isAdmin, loadStats, stats } from "../../lib/store.js";
import { onMissed } from "../../lib/socket.js";
import { Bars } from "../../parts/bars.js";
import { show } from "../../parts/dialog.js";
import { toastError } from "../../parts/toast.js";

async function openDays() {
  const { Days } = await import("./days.js");
  show((close) => html`<${Days} close=${close} />`);
}

const Figure = ({ value, of, word }) => html`<div class="strip-figure"><p><b class="figure">${number(value)}</b>${of && html` <span class="quiet">${of}</span>`}</p><p class="small quiet">${word}</p></div>`;

/** The company at a glance; its days are for admins. */
export function Strip() {
  useEffect(() => {
    if (!isAdmin.peek()) return;
    const load = () => void loadStats().catch(() => {});
    load();
    return onMissed(load);
  }, []);
  const all = accounts.all;
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
