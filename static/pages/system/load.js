// What the server takes of its machine, and the ports that accounts have of their own.

import { span } from "../../lib/dates.js";
import { html } from "../../lib/html.js";
import { number, size, t } from "../../lib/i18n.js";
import { Card, Figure } from "./cards.js";

const dash = "–";

const Fact = ({ word, children }) => html`<div class="system-check"><span>${word}</span><span>${children}</span></div>`;

export function Load({ figures }) {
  const load = figures?.load;
  const hours = figures?.stats.average_uptime_hours;
  return html`<${Card} title=${t("system.load")}>
    <div class="system-figures"><${Figure} value=${load?.sends_per_minute} word=${t("system.perMinute")} />
      <${Figure} value=${load && Math.round(load.cpu.process_percent)} word=${t("system.percent")} /></div>
    <div class="system-checks">
      <${Fact} word=${t("system.cores")}>${load ? number(load.cpu.cores) : dash}<//>
      <${Fact} word=${t("system.loadAverage")}>${load ? load.cpu.load_average.map((one) => number(one)).join(" · ") : dash}<//>
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
      <${Fact} word=${t("system.machine")}>${memory ? t("system.of", { used: size(used), total: size(memory.total_bytes) }) : dash}<//>
    </div>
    ${memory && html`<progress class="system-bar" max="1" value=${used / memory.total_bytes} aria-label=${t("system.machine")}></progress>`}<//>`;
}

export function Ports({ figures }) {
  const ports = figures?.ports;
  if (!ports) return html`<${Card} title=${t("system.ports")}><p class="quiet">${dash}</p><//>`;
  if (!ports.range) return html`<${Card} title=${t("system.ports")}><p class="quiet">${t("system.portsNone")}</p><//>`;
  return html`<${Card} title=${t("system.ports")}>
    <div class="system-figures"><${Figure} value=${ports.used} word=${t("system.portsUsed")} /><${Figure} value=${ports.available} word=${t("system.portsFree")} /></div>
    <div class="system-checks"><${Fact} word=${t("system.portsRange")}>${ports.range}<//></div><//>`;
}
