// Pictures of what an account does, each beside the words that say the same.

import { second, span, when } from "../lib/dates.js";
import { html, signal } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { held } from "../lib/keep.js";
import { on } from "../lib/socket.js";

/**
 * Bars side by side: `values` from the oldest on, each a number or an array that is stacked. Only
 * a picture: what it says must be beside it in words, or in a table.
 */
export function Bars({ values, height = 40, label }) {
  const stacks = values.map((value) => [].concat(value));
  const most = Math.max(1, ...stacks.map((stack) => stack.reduce((sum, part) => sum + part, 0)));
  const bar = (stack, i) => {
    let under = 0;
    return stack.map((part, layer) => {
      const tall = part ? Math.max(2, (part / most) * 100) : 0;
      const rect = html`<rect class="bar-${layer}" x=${i * 10 + 1} y=${100 - under - tall} width="8" height=${tall} />`;
      under += tall;
      return rect;
    });
  };
  return html`<svg class="bars" viewBox="0 0 ${stacks.length * 10} 100" preserveAspectRatio="none" height=${height} role=${label ? "img" : undefined} aria-label=${label} aria-hidden=${label ? undefined : "true"}>
    ${stacks.map((stack, i) => html`<g key=${i}><rect class="bar-ground" x=${i * 10 + 1} y="98" width="8" height="2" />${bar(stack, i)}</g>`)}
  </svg>`;
}

// The beat of an account: the last minute's messages as dots, rests as bands, the next message as a
// ring.
const BEHIND = 60_000;
const AHEAD = 20_000;
const WHOLE = BEHIND + AHEAD;

const KEPT = "beats";
const histories = new Map();

function history(id) {
  if (!histories.has(id)) histories.set(id, { sends: signal([]), rests: [] });
  return histories.get(id);
}

function note(id, at) {
  const { sends } = history(id);
  const known = sends.peek();
  // The same message is told by its status and by its account, a few milliseconds apart.
  if (known.some((other) => Math.abs(other - at) < 50)) return;
  sends.value = [...known.filter((other) => other > at - 2 * BEHIND), at].sort((a, b) => a - b);
}

// A reload forgets nothing of the last minute.
for (const [id, { sends, rests }] of Object.entries(held.get(KEPT, {}))) histories.set(id, { sends: signal(sends), rests });
addEventListener("pagehide", () => {
  held.set(KEPT, Object.fromEntries([...histories].map(([id, { sends, rests }]) => [id, { sends: sends.peek(), rests }])));
});

on("message-status", ({ sessionId, status, timestamp }) => {
  if (status === "sent") note(sessionId, Date.parse(timestamp));
});

function learn({ id, queue }) {
  for (const at of [...(queue?.sentLately ?? []), queue?.lastSentAt]) if (at) note(id, Date.parse(at));
  if (!queue?.isResting || !queue.restUntil) return;
  const { rests } = history(id);
  const to = Date.parse(queue.restUntil);
  if (rests.some((rest) => rest.to === to)) return;
  rests.push({ from: queue.lastSentAt ? Date.parse(queue.lastSentAt) : second.peek(), to });
  if (rests.length > 5) rests.shift();
}

const percent = (ms) => `${(100 * Math.max(0, Math.min(WHOLE, ms))) / WHOLE}%`;

function Line({ account, now }) {
  const { sends, rests } = history(account.id);
  const start = now - BEHIND;
  const seen = new Set();
  const dots = sends.value.filter((at) => at > start && at <= now && !seen.has(Math.round(at / 700)) && seen.add(Math.round(at / 700)));
  const bands = rests.filter((rest) => rest.to > start && rest.from < now + AHEAD);
  const next = account.queue?.nextSendAt ? Date.parse(account.queue.nextSendAt) : null;
  const isSoon = next !== null && next < now + AHEAD;
  return html`<div class="beat-line" aria-hidden="true">
    ${bands.map((rest) => html`<i key=${`r${rest.to}`} class="beat-rest" style=${{ left: percent(rest.from - start), right: `calc(100% - ${percent(rest.to - start)})` }} />`)}
    <i class="beat-now" />
    ${dots.map((at) => html`<i key=${at} class="beat-dot" style=${{ left: percent(at - start) }} />`)}
    ${isSoon && html`<i class="beat-next" style=${{ left: percent(Math.max(next, now + 500) - start) }} />`}
  </div>`;
}

/** What the beat says, in words: `{what, next}`. */
export function beatWords(account, now = second.value) {
  const queue = account.queue ?? {};
  if (queue.isPaused) return { what: t(account.queueLength ? "beat.paused" : "status.paused"), next: "" };
  if (queue.isResting && Date.parse(queue.restUntil) > now) {
    return { what: t("beat.resting"), next: t("beat.more", { span: span(Date.parse(queue.restUntil) - now) }) };
  }
  const sent = queue.lastSentAt && Date.parse(queue.lastSentAt) > now - BEHIND ? (queue.sentLastMinute ?? 0) : 0;
  const what = queue.perMinute ? t("beat.ofPerMinute", { n: sent, limit: queue.perMinute }) : t("beat.perMinute", { n: sent });
  if (!account.queueLength) return { what: sent ? what : t("beat.empty"), next: "" };
  if (!queue.nextSendAt) return { what, next: "" };
  const left = Date.parse(queue.nextSendAt) - now;
  if (left >= 3_600_000) return { what, next: t("beat.nextAt", { time: when(queue.nextSendAt) }) };
  return { what, next: left < 1_000 ? t("time.now") : t("time.in", { span: span(left) }) };
}

export function Beat({ account, isLarge = false }) {
  learn(account);
  const now = second.value;
  const { what, next } = beatWords(account, now);
  return html`<div class="beat ${isLarge ? "is-large" : ""}">
    <${Line} account=${account} now=${now} />
    <p class="beat-words"><span>${what}</span><b>${next}</b></p>
  </div>`;
}
