// One message, from the side: how far it came, and what can be done about it.

import { get, post, remove } from "../../lib/api.js";
import { exact, relative, When } from "../../lib/dates.js";
import { html, Icon, useEffect } from "../../lib/html.js";
import { fileSize, t } from "../../lib/i18n.js";
import { addressOf as fileOf, iconOf, kindWord } from "../../lib/media.js";
import { on } from "../../lib/socket.js";
import { accounts, may } from "../../lib/store.js";
import { Button, Copy } from "../../parts/button.js";
import { ask, Dialog } from "../../parts/dialog.js";
import { Bones, useLoad, View } from "../../parts/state.js";
import { toast } from "../../parts/toast.js";
import { moved } from "./list.js";
import { nameOf, recipient } from "./rows.js";
import { isWaiting, mayRetry, MessageStatus, reasonOf } from "./status.js";

/** What happened, and what is to come, in order. */
function stepsOf(message) {
  const steps = [{ word: "message.accepted", at: message.createdAt }];
  if (isWaiting(message)) {
    const isLater = message.sendAt && Date.parse(message.sendAt) > Date.parse(message.estimatedSendAt ?? 0);
    const at = isLater ? message.sendAt : message.estimatedSendAt;
    steps.push({ word: isLater ? "message.notBefore" : at ? "message.about" : "messageStatus.queued", at, isNext: true, more: message.queuePosition ? t("message.position", { n: message.queuePosition }) : "" });
  } else if (message.status === "sending") steps.push({ word: "messageStatus.sending", isNext: true });
  for (const [name, at] of [["sent", message.sentAt], ["delivered", message.deliveredAt], ["read", message.readAt]]) {
    if (at) steps.push({ word: `messageStatus.${name}`, at });
  }
  if (["failed", "uncertain", "cancelled", "expired"].includes(message.status)) {
    steps.push({ word: `messageStatus.${message.status}`, isEnd: true, at: message.status === "expired" ? message.expiresAt : null });
  }
  return steps;
}

function History({ message }) {
  return html`<ol class="message-steps">
    ${stepsOf(message).map(({ word, at, isNext, isEnd, more }) => html`<li key=${word} class=${isNext ? "is-next" : isEnd ? `is-end ${message.status}` : ""}>
      <b>${t(word)}</b>${at && html` <${When} at=${at} as=${isNext ? relative : exact} />`}${more && html`<span class="quiet"> · ${more}</span>`}</li>`)}
  </ol>`;
}

function Fact({ word, value, isCode, canCopy, children }) {
  if (value === undefined || value === null || value === "") return null;
  return html`<div><dt>${t(word)}</dt><dd>${children ?? (isCode ? html`<code>${value}</code>` : html`<bdi>${value}</bdi>`)}
    ${canCopy && html`<${Copy} text=${String(value)} label=${t("message.copyOf", { name: t(word) })} />`}</dd></div>`;
}

function File({ media }) {
  const name = media.fileName || kindWord(media.kind);
  return html`<p class="message-file"><${Icon} name=${iconOf(media.kind) ?? "paperclip"} size=${24} />
    <span><strong><bdi>${name}</bdi></strong><small>${[kindWord(media.kind), media.size > 0 && fileSize(media.size)].filter(Boolean).join(" · ")}</small></span>
    <a class="button quiet icon-only" href=${fileOf(media.id)} download=${media.fileName ?? ""} aria-label=${t("media.downloadOf", { name })} title=${t("media.download")}><${Icon} name="download" /></a></p>`;
}

function Facts({ message }) {
  return html`<dl class="message-facts">
    <${Fact} word="message.to" value=${recipient(message.to)} canCopy />
    <${Fact} word="message.account" value=${message.accountId}><a href="/accounts/${message.accountId}"><bdi>${nameOf(message.accountId)}</bdi></a><//>
    <${Fact} word="message.attempts" value=${String(message.attempts)} />
    ${message.priority !== 5 && html`<${Fact} word="message.priority" value=${String(message.priority)} />`}
    ${message.expiresAt && html`<${Fact} word="message.expires" value=${message.expiresAt}><${When} at=${message.expiresAt} as=${exact} /><//>`}
    <${Fact} word="message.reference" value=${message.reference} canCopy />
    <${Fact} word="message.id" value=${message.id} isCode canCopy />
    <${Fact} word="message.providerId" value=${message.providerMessageId} isCode canCopy />
  </dl>`;
}

function Why({ message }) {
  const reason = reasonOf(message);
  const hold = isWaiting(message) && message.holdReason && t(`messageHold.${message.holdReason}`);
  const kind = message.status === "failed" ? "alarm" : message.status === "uncertain" ? "wait" : "info";
  if (!reason && !hold) return null;
  return html`<div class="notice ${kind}"><${Icon} name=${kind === "info" ? "info" : kind === "wait" ? "circle-help" : "triangle-alert"} size=${18} />
    <div class="stack">${[reason, hold].filter(Boolean).map((text) => html`<p>${text}</p>`)}
      ${reason && message.lastError.message !== reason && html`<p class="small">${t("message.error")}: <bdi>${message.lastError.message}</bdi> <code>${message.lastError.code}</code></p>`}</div></div>`;
}

async function cancel(message, load) {
  const number = recipient(message.to);
  await ask({
    title: t("message.cancelTitle"),
    text: t("message.cancelText", { number }),
    action: t("message.cancel"),
    run: async () => {
      await remove(`/api/messages/${message.id}`);
      load.reload();
    },
  });
}

/** At once what failed; what may have left, after a word of warning. */
async function retry(message, load) {
  const go = async () => {
    load.set(await post(`/api/messages/${message.id}/retry`));
    // It may be refused again before anybody sees the difference.
    toast(t("message.retried"));
    load.reload();
  };
  if (message.status === "failed") return go();
  void ask({ title: t("message.againTitle"), text: t("message.againText", { number: recipient(message.to) }), action: t("message.sendAgain"), run: go });
}

function Acts({ message, load }) {
  const account = accounts.of(message.accountId).value;
  const mayWrite = may(account, "canWrite");
  return html`
    ${mayWrite && isWaiting(message) && html`<${Button} icon="ban" onClick=${() => void cancel(message, load)}>${t("message.stop")}<//>`}
    ${mayWrite && mayRetry(message) && html`<${Button} icon="rotate-ccw" onClick=${() => retry(message, load)}>${t(message.status === "failed" ? "message.retry" : "message.sendAgain")}<//>`}
    <a class="button primary" href="/chats/${message.accountId}/${encodeURIComponent(message.to)}"><${Icon} name="message-circle" size=${18} /><span>${t("message.openChat")}</span></a>`;
}

/** The message `id`; `close` is told when it is to go. */
export function Details({ id, close }) {
  const load = useLoad(({ signal }) => get(`/api/messages/${encodeURIComponent(id)}`, { signal }), [id]);
  useEffect(() => on("message-status", (event) => {
    if (event.messageId !== id) return;
    load.set((message) => message && moved(message, event));
    if (event.status === "queued" || event.status === "failed") load.reload();
  }), [id]);
  const message = load.data;
  return html`<${Dialog} kind="drawer" title=${t("message.title")} close=${close} actions=${message && html`<${Acts} message=${message} load=${load} />`}>
    <${View} load=${load} skeleton=${html`<${Bones} rows=${4} height=${64} />`}>${() => html`
      <p class="message-now" role="status"><${MessageStatus} status=${message.status} /></p>
      <${Why} message=${message} />
      ${message.media && html`<${File} media=${message.media} />`}
      ${(message.message || !message.media) && html`<p class="message-text"><bdi>${message.message}</bdi></p>`}
      <section class="stack"><h3>${t("message.history")}</h3><${History} message=${message} /></section>
      <${Facts} message=${message} />`}<//>
  <//>`;
}
