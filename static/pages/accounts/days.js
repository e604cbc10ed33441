import { day } from "../../lib/dates.js";
import { html } from "../../lib/html.js";
import { number, t } from "../../lib/i18n.js";
import { loadStats, stats } from "../../lib/store.js";
import { Bars } from "../../parts/charts.js";
import { Dialog } from "../../parts/dialog.js";
import { Loading, Problem, useLoad } from "../../parts/state.js";

const Figure = ({ value, word, more }) => html`<div><p class="figure">${number(value)}</p><p class="small quiet">${word}</p>${more && html`<p class="small quiet">${more}</p>`}</div>`;

function Table({ days }) {
  return html`<table class="table days-table">
    <thead><tr><th>${t("days.day")}</th><th class="number">${t("days.sent")}</th><th class="number">${t("days.received")}</th></tr></thead>
    <tbody>${[...days].reverse().map((one) => html`<tr key=${one.date}>
      <td>${day(`${one.date}T12:00`)}</td>
      <td class="number" data-label=${t("days.sent")}>${number(one.sent)}</td><td class="number" data-label=${t("days.received")}>${number(one.received)}</td></tr>`)}</tbody>
  </table>`;
}

/** The company's last thirty days, its chats and managers. */
export function Days({ close }) {
  const load = useLoad(loadStats);
  const known = stats.value;
  const days = known?.messages.last30Days ?? [];
  return html`<${Dialog} title=${t("days.title")} close=${close} kind="wide">
    ${!known && load.error && html`<${Problem} error=${load.error} retry=${load.reload} />`}
    ${!known && !load.error && html`<${Loading} />`}
    ${known && html`
      <div class="days-figures">
        <${Figure} value=${known.messages.sent} word=${t("days.sentEver")} />
        <${Figure} value=${known.messages.received} word=${t("days.receivedEver")} />
        <${Figure} value=${known.chats.total} word=${t("days.chats")} more=${t("days.chatsOf", { people: known.chats.individual, groups: known.chats.groups })} />
        <${Figure} value=${known.managers.total} word=${t("days.managers")} more=${t("days.managersOf", { n: known.managers.withAccess })} />
      </div>
      <figure class="days-chart"><${Bars} values=${days.map((one) => [one.sent, one.received])} height=${140} label=${t("days.chart")} />
        <figcaption class="line small"><span class="days-key is-sent">${t("days.sent")}</span><span class="days-key is-received">${t("days.received")}</span>
          <span class="push quiet">${days.length ? `${day(`${days[0].date}T12:00`)} – ${day(`${days.at(-1).date}T12:00`)}` : ""}</span></figcaption></figure>
      <${Table} days=${days} />`}
  <//>`;
}
