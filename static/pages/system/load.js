// What the server takes of its machine, and the ports that accounts have of their own.

import { span } from "../../lib/dates.js";
import { html } from "../../lib/html.js";
import { number, size, t } from "../../lib/i18n.js";
import { Card, Figure } from "./cards.js";

const dash = "–";

/** `isWide`: on two lines from the start, so that nothing moves when what is asked for has come. */
const Fact = ({ word, isWide, children }) => html`<div class="system-check ${isWide ? "is-wide" : ""}"><span>${word}</span><span>${children}</span></div>`;

export function Load({ figures }) {
  const load = figures?.load;
  const hours = figures?.stats.average_uptime_hours;
  return html`<${Card} title=${t("system.load")}>
    <div class="system-figures"><${Figure} value=${load?.sends_per_minute} word=${t("system.perMinute")} />
      <${Figure} value=${load && Math.round(load.cpu.process_percent)} word=${t("system.percent")} /></div>
    <div class="system-checks">
      <${Fact} word=${t("system.cores")}>${load ? number(load.cpu.cores) : dash}<//>
      <${Fact} isWide word=${t("system.loadAverage")}>${load ? load.cpu.load_average.map((one) => number(one)).join(" · ") : dash}<//>
      <${Fact} word=${t("system.connectedFor")}>${hours ? span(hours * 3_600_000) : dash}<//>
    </div><//>`;
}

export function Memory({ figures }) {
  const memory = figures?.load.memory;
  const used = memory && memory.total_bytes - memory.available_bytes;
  return html`<${Card} title=${t("system.memory")}>
    <div class="system-checks">
      <${Fact} word=${t("system.process")}>${memory ? size(memory.process_bytes) : dash}<//>
      <${Fact} word=${t("system.browsers", { n: memory?.browsers ?? 0 })}>${memory ? size(memory.browsers_bytes) : dash}<//>
      <${Fact} isWide word=${t("system.machine")}>${memory ? t("system.of", { used: size(used), total: size(memory.total_bytes) }) : dash}<//>
    </div>
    <progress class="system-bar" max="1" value=${memory ? used / memory.total_bytes : 0} aria-label=${t("system.machine")}></progress><//>`;
}

export function Ports({ figures }) {
  const ports = figures?.ports;
  if (ports && !ports.range) return html`<${Card} title=${t("system.ports")}><p class="quiet">${t("system.portsNone")}</p><//>`;
  return html`<${Card} title=${t("system.ports")}>
    <div class="system-figures"><${Figure} value=${ports?.used} word=${t("system.portsUsed")} /><${Figure} value=${ports?.available} word=${t("system.portsFree")} /></div>
    <div class="system-checks"><${Fact} word=${t("system.portsRange")}>${ports?.range ?? dash}<//></div><//>`;
}
