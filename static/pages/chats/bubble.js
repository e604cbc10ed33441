// One message, where it stands, and what can be done about it.

import { clock, exact } from "../../lib/dates.js";
import { html, Icon } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { kindWord } from "../../lib/media.js";
import { Button } from "../../parts/button.js";
import { heightOf, Media } from "./media.js";
import { senderOf } from "./names.js";
import { reasonOf, standingOf, within } from "./standing.js";

const ACTS = {
  queued: [["cancel", "message.cancelOne"]],
  scheduled: [["cancel", "message.cancelOne"]],
  failed: [["retry", "message.retry"]],
  uncertain: [["retry", "message.sendAgain"]],
};

const LINK = /(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/g;

/** A text with its links. */
function Text({ text }) {
  return text.split(LINK).map((part, i) => (i % 2 ? html`<a href=${part} target="_blank" rel="noopener noreferrer nofollow">${part}</a>` : part));
}

export function Bubble({ one, hold, mayWrite, hasSender, act, look }) {
  const message = one.value;
  if (!message) return null;
  const { fromMe, status, body, messageType, media } = message;
  const stands = fromMe && standingOf(message, hold.value);
  const acts = fromMe && mayWrite ? ACTS[status] ?? [] : [];
  const needsLook = status === "uncertain";
  return html`<div class="chats-bubble ${fromMe ? "is-own" : ""} is-${status} ${media ? `has-media has-${media.kind}` : ""}" data-id=${message.id} title=${exact(message.timestamp)}
      style=${media ? { containIntrinsicHeight: `auto ${heightOf(media)}rem` } : undefined}>
    ${hasSender && html`<strong class="chats-sender">${senderOf(message)}</strong>`}
    ${media ? html`<${Media} media=${media} look=${() => look(message.id)} />`
      : messageType !== "text" && html`<span class="chats-kind">${kindWord(messageType)}</span>`}
    ${body && html`<p dir="auto"><${Text} text=${body} /></p>`}
    <div class="chats-stands ${stands?.kind ?? ""}">
      ${!(stands?.kind === "alarm" || needsLook) && html`<time datetime=${message.timestamp}>${clock(message.timestamp)}</time>`}
      ${stands && html`<span class="chats-state"><${Icon} name=${stands.icon} size=${16} /><span>${stands.text}</span></span>`}
      ${acts.length > 0 && !needsLook && acts.map(([name, word]) => html`<${Button} class="text-button" onClick=${() => act(name, message)}>${t(word)}<//>`)}
    </div>
    ${needsLook && html`<div class="chats-stands"><span>${t("chats.lookInPhone")}</span>
      ${acts.map(([name, word]) => html`<${Button} class="text-button" onClick=${() => act(name, message)}>${t(word)}<//>`)}</div>`}
    ${status === "queued" && message.lastError && html`<p class="chats-stands wait">${reasonOf(message.lastError)}</p>`}
  </div>`;
}

/** A message that is not at the server yet. */
export function Waiting({ entry, isUnderWay, discard, again, explain }) {
  const { media } = entry;
  return html`<div class="chats-bubble is-own ${entry.error ? "is-failed" : "is-waiting"} ${media ? `has-media has-${media.kind}` : ""}" data-id=${entry.key}>
    ${media && html`<${Media} media=${media} />`}
    ${entry.body && html`<p dir="auto">${entry.body}</p>`}
    <div class="chats-stands ${entry.error ? "alarm" : ""}">
      <span class="chats-state"><${Icon} name=${entry.error ? "triangle-alert" : "clock"} size=${16} />
        <span>${entry.error ? t("chats.failedBecause", { reason: within(explain(entry.error)) }) : t(isUnderWay ? "chats.toServer" : "chats.waitsForServer")}</span></span>
      ${entry.error && html`<button type="button" class="text-button" onClick=${again}>${t("message.retry")}</button>`}
      ${!isUnderWay && html`<button type="button" class="text-button" onClick=${discard}>${t(entry.error ? "chats.remove" : "message.cancelOne")}</button>`}
    </div>
  </div>`;
}
