// A chat that is open: its messages, and where the next is written.

import { explain, get, post, remove } from "../../lib/api.js";
import { day, daysAgo } from "../../lib/dates.js";
import { html, Icon, useComputed, useEffect, useLayoutEffect, useMemo, useRef } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { offerOf, offersKnown } from "../../lib/media.js";
import { discard, onArrived, outbox, send, tryAgain, underWay } from "../../lib/outbox.js";
import { pretty } from "../../lib/phone.js";
import { on, onMissed } from "../../lib/socket.js";
import { accounts, may } from "../../lib/store.js";
import { Button } from "../../parts/button.js";
import { ask } from "../../parts/dialog.js";
import { Empty, Loading, Problem } from "../../parts/state.js";
import { sentence, statusOf } from "../../parts/status.js";
import { Bubble, Waiting } from "./bubble.js";
import { Composer, ReadOnly } from "./composer.js";
import { attach, slotOf, useDrops } from "./file.js";
import { Head } from "./head.js";
import { nameOf, numberOf } from "./names.js";
import { useReading } from "./seen.js";
import { useSteady } from "./steady.js";
import { Talk } from "./talk.js";

const NEAR = 1.5;
const ETAS_MS = 5_000;
// Of so many, those out of view are not laid out.
const LONG = 100;

/** What holds an account, in a word or two; null: nothing does. */
function holdOf(account) {
  if (!account) return null;
  if (account.queue?.isPaused) return t("chats.holdPaused");
  return account.status === "CONNECTED" ? null : t("chats.holdOff");
}

/** Follows what happens to the messages. `claims` says which of the outbox are at the server already. */
function useNews(talk, isAtEnd, claims) {
  useEffect(() => {
    let asked = 0;
    const isMine = (payload) => payload.sessionId === talk.sessionId && (payload.chatId ?? payload.chat?.id) === talk.chatId;
    const isQueued = () => talk.ids.some((id) => ["queued", "scheduled", "sending"].includes(talk.of(id).peek().status));
    async function askTimes() {
      if (Date.now() - asked < ETAS_MS || !isQueued()) return;
      asked = Date.now();
      const { messages } = await get(`/api/accounts/${talk.sessionId}/queue`).catch(() => ({ messages: [] }));
      for (const { id, status, estimatedSendAt, sendAt } of messages) talk.change(id, { status, estimatedSendAt, sendAt });
    }
    const offs = [
      on("new-message", (payload) => {
        if (!isMine(payload)) return;
        const { message } = payload;
        const twin = message.fromMe && outbox.peek().find((one) => one.key === underWay.peek() && one.chatId === talk.chatId && one.body === message.body && one.media?.id === message.media?.id);
        if (twin) claims.set(twin.key, message.id);
        talk.add(message, isAtEnd.peek());
      }),
      on("message-status", ({ messageId, status, lastError, timestamp }) => {
        talk.change(messageId, { status, ...(lastError ? { lastError } : {}), ...(status === "sent" ? { timestamp } : {}) });
      }),
      on("account-updated", ({ sessionId }) => sessionId === talk.sessionId && askTimes()),
      onMissed((sessionId) => {
        if (!sessionId || sessionId === talk.sessionId) talk.refetch(isAtEnd.peek());
      }),
      onArrived((message, entry) => {
        if (entry.chatId === talk.chatId) talk.add({ ...message }, isAtEnd.peek());
      }),
    ];
    return () => {
      for (const off of offs) off();
      talk.close();
    };
  }, [talk]);
}

async function act(talk, name, message, number) {
  if (name === "cancel") {
    await remove(`/api/messages/${message.id}`);
    talk.set(message.id, { status: "cancelled" });
    return;
  }
  const again = async () => {
    const { status, estimatedSendAt } = await post(`/api/messages/${message.id}/retry`);
    talk.set(message.id, { status, estimatedSendAt, lastError: undefined });
  };
  if (message.status !== "uncertain") return again();
  await ask({ title: t("message.againTitle"), text: t("message.againText", { number }), action: t("message.sendAgain"), run: again });
}

const dayName = (instant) => {
  const ago = daysAgo(instant);
  return ago === 0 ? t("chats.today") : ago === 1 ? t("time.yesterday") : day(instant);
};

function Messages({ talk, chat, account, steady, body, claims, unreadFrom }) {
  steady.measure();
  talk.order.value;
  const mayWrite = may(account.value, "canWrite");
  const hold = useComputed(() => holdOf(account.value));
  const runs = useMemo(() => (name, message) => act(talk, name, message, pretty(numberOf(chat.peek())) || nameOf(chat.peek())), [talk]);
  const look = useMemo(() => async (id) => {
    const { look: open } = await import("./viewer.js");
    open(talk, id);
  }, [talk]);
  useLayoutEffect(steady.settle);
  const { ids } = talk;
  const shown = [];
  let before = null;
  for (const id of ids) {
    const one = talk.of(id);
    const message = one.peek();
    const isNewDay = !before || new Date(before.timestamp).toDateString() !== new Date(message.timestamp).toDateString();
    if (isNewDay) shown.push(html`<p class="chats-day" key=${`day ${message.timestamp.slice(0, 10)} ${id}`}><time datetime=${message.timestamp}>${dayName(message.timestamp)}</time></p>`);
    if (id === unreadFrom.current) shown.push(html`<p class="chats-new" key="new" id="chats-new"><span>${t("chats.newMessages")}</span></p>`);
    const hasSender = chat.peek().isGroup && !message.fromMe && (isNewDay || before?.fromNumber !== message.fromNumber || before?.fromMe);
    shown.push(html`<${Bubble} key=${id} one=${one} hold=${hold} mayWrite=${mayWrite} hasSender=${hasSender} act=${runs} look=${look} />`);
    before = message;
  }
  const entries = outbox.value.filter((one) => one.chatId === talk.chatId && !talk.of(claims.get(one.key)));
  for (const entry of entries) {
    shown.push(html`<${Waiting} key=${entry.key} entry=${entry} isUnderWay=${underWay.value === entry.key} explain=${explain}
      discard=${() => discard(entry.key)} again=${() => tryAgain(entry.key)} />`);
  }
  const isEmpty = talk.isKnown.value && !shown.length;
  return html`<div class="chats-messages ${ids.length > LONG ? "is-long" : ""}" ref=${body}>${shown}</div>
    ${isEmpty && html`<${Empty} icon="message-circle" title=${t("chats.noMessages")} />`}`;
}

// These say themselves that messages wait.
const WAITS = ["off", "paused", "loggedOut"];

function Banner({ account }) {
  if (!account) return null;
  const { word, kind } = statusOf(account);
  if (["connected", "resting"].includes(word)) return null;
  return html`<p class="notice chats-banner ${kind || "wait"}"><${Icon} name="info" size=${18} /><span>${WAITS.includes(word) ? "" : `${t("chats.messagesWait")} `}${sentence(account)}</span></p>`;
}

/** `chat` is a signal; `changed(chat)` is told what was done to it here. */
export function Conversation({ chat, back, changed, leave }) {
  const { sessionId, id } = chat.peek();
  const talk = useMemo(() => {
    const made = new Talk({ sessionId, id });
    made.latest();
    return made;
  }, [id]);
  const frame = useRef(null);
  const body = useRef(null);
  const unreadFrom = useRef(null);
  const isPlaced = useRef(false);
  const claims = useRef(new Map()).current;
  const account = accounts.of(sessionId);
  const steady = useSteady({
    frame,
    body,
    looked({ above, below }) {
      if (!isPlaced.current || talk.isLoading.peek()) return;
      if (above < NEAR) talk.older();
      else if (below < NEAR) talk.newer();
    },
  });
  const { isAtEnd } = steady;
  useNews(talk, isAtEnd, claims);
  useReading({ chat, isAtEnd, talk });
  const isKnown = talk.isKnown.value;
  if (isKnown && !isPlaced.current) unreadFrom.current = talk.firstUnread(chat.peek().unreadCount);
  // Where one begins: at what is new, or at the end.
  useLayoutEffect(() => {
    if (!isKnown || isPlaced.current) return;
    steady.toEnd();
    const divider = document.getElementById("chats-new");
    if (divider && divider.getBoundingClientRect().top < frame.current.getBoundingClientRect().top) steady.show(divider);
    isPlaced.current = true;
    requestAnimationFrame(() => frame.current && steady.look());
  }, [isKnown]);
  // There is room for more than what was fetched.
  useEffect(() => {
    if (isPlaced.current && frame.current) steady.look();
  }, [talk.order.value, talk.isLoading.value]);
  async function toEnd() {
    if (!talk.isAtEnd.peek()) await talk.latest();
    talk.fresh.value = 0;
    requestAnimationFrame(steady.toEnd);
  }
  useEffect(() => {
    if (isAtEnd.value && talk.isAtEnd.value) talk.fresh.value = 0;
  }, [isAtEnd.value, talk.isAtEnd.value]);
  function write(text, media) {
    send(sessionId, id, text, media);
    toEnd();
  }
  const fresh = talk.fresh.value;
  const isFar = !isAtEnd.value || !talk.isAtEnd.value;
  const mayWrite = may(account.value, "canWrite");
  const slot = slotOf(id);
  const offer = offerOf(account.value?.provider);
  const take = mayWrite && offer ? (files) => attach(slot, files) : null;
  const { isOver, takes } = useDrops(take);
  return html`<section class="chats-talk" aria-label=${nameOf(chat.value)} ...${takes} onKeyDown=${(event) => event.key === "Escape" && !event.defaultPrevented && !document.querySelector(":popover-open, dialog[open]") && leave()}>
    <${Head} chat=${chat.value} account=${account.value} back=${back} changed=${changed} />
    <${Banner} account=${account.value} />
    <div class="chats-scroll" ref=${frame} tabindex="0" role="region" aria-label=${t("chats.messages")}>
      ${isKnown && talk.hasOlder.value && html`<div class="chats-more" aria-hidden="true">${talk.isLoading.value && html`<span class="spinner" />`}</div>`}
      ${!isKnown && !talk.error.value && html`<${Loading} skeleton=${html`<${Ghosts} />`} />`}
      ${talk.error.value && html`<${Problem} error=${talk.error.value} retry=${() => (isKnown ? talk.refetch(isAtEnd.peek()) : talk.latest())} />`}
      <${Messages} talk=${talk} chat=${chat} account=${account} steady=${steady} body=${body} claims=${claims} unreadFrom=${unreadFrom} />
    </div>
    <div class="chats-foot">
      ${isKnown && isFar && html`<${Button} class="chats-down" icon="arrow-down" label=${fresh ? undefined : t("chats.toEnd")} onClick=${toEnd}>${fresh ? t("chats.fresh", { n: fresh }) : null}<//>`}
      ${mayWrite ? html`<${Composer} key=${id} chatId=${id} send=${write} takesFocus slot=${slot} offer=${offer} take=${take} isUnknown=${!account.value || !offersKnown.value} />` : html`<${ReadOnly} />`}
    </div>
    ${isOver && html`<p class="chats-drop"><${Icon} name="upload" size=${28} />${t("file.drop")}</p>`}
  </section>`;
}

export const Ghosts = () => html`<div class="chats-messages">${[12, 18, 9, 22, 14].map((width, i) => html`<div key=${i} class="bone chats-ghost ${i % 2 ? "is-own" : ""}" style=${{ width: `${width}rem` }} />`)}</div>`;
