// Chats: the card that writes to any number, the list of chats, and the one that is open.

import { get } from "../lib/api.js";
import { html, Icon, signal, useCallback, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { loadOffers } from "../lib/media.js";
import { go, place } from "../lib/router.js";
import { on, onMissed } from "../lib/socket.js";
import { accounts, accountsKnown, loadAccounts, me } from "../lib/store.js";
import { isPhone } from "../lib/window.js";
import { useTitle } from "../parts/shell.js";
import { Empty, Loading, Problem } from "../parts/state.js";
import { toast } from "../parts/toast.js";
import { Announcer } from "./chats/announce.js";
import { Card } from "./chats/card.js";
import { Conversation, Ghosts } from "./chats/conversation.js";
import { ChatList } from "./chats/list.js";
import { addressOf } from "./chats/names.js";
import { Rows } from "./chats/rows.js";
import { followTyping } from "./chats/typing.js";
import { followUnread } from "./chats/unread.js";

const withQuery = (path) => {
  const text = new URLSearchParams(place.peek().query).toString();
  return path + (text ? `?${text}` : "");
};

const isMine = ({ managerId }) => managerId !== undefined && managerId === me.peek()?.user?.id;

/** Keeps the list, and the chat that is open (a signal of its chat), as they are at the server. */
function useNews(list, open) {
  useEffect(() => {
    const put = (chat) => {
      list.put(chat);
      if (open.peek()?.id === chat.id) open.value = { ...open.peek(), ...chat };
    };
    function lose(sessionId) {
      list.dropAccount(sessionId);
      if (open.peek()?.sessionId !== sessionId) return;
      go(withQuery("/chats"), { replace: true });
      toast(t("chats.accessLost"), { kind: "error" });
    }
    const offs = [
      on("new-message", ({ chat, message }) => put({ ...chat, lastMessage: { id: message.id, fromMe: message.fromMe, status: message.status, messageType: message.messageType } })),
      on("chat-updated", ({ chat }) => chat && put(chat)),
      on("message-status", ({ chatId, messageId, status }) => {
        const last = list.peek(chatId)?.lastMessage;
        if (last?.id === messageId) list.mark(chatId, { lastMessage: { ...last, status } });
      }),
      on("account-updated", ({ sessionId, account }) => account === null && lose(sessionId)),
      on("manager-access-revoked", (told) => isMine(told) && lose(told.sessionId)),
      on("manager-access-granted", (told) => isMine(told) && (told.permissions.includes("read") ? list.refresh() : lose(told.sessionId))),
      onMissed(() => {
        list.refresh();
        const chat = open.peek();
        if (chat) get(`/api/whatsapp/sessions/${chat.sessionId}/chats/${chat.id}`).then(({ data }) => put(data), (error) => error.status === 404 && lose(chat.sessionId));
      }),
      followTyping(),
      followUnread(),
    ];
    return () => {
      for (const off of offs) off();
      list.close();
    };
  }, [list]);
}

/** The chat of the address, from the list where it has it. */
function useOpen(list, open, { accountId, chatId }) {
  const [error, setError] = useState(null);
  const load = useCallback(async () => {
    setError(null);
    if (!chatId) return void (open.value = null);
    const known = list.peek(chatId);
    if (known) return void (open.value = known);
    open.value = null;
    try {
      const { data } = await get(`/api/whatsapp/sessions/${accountId}/chats/${encodeURIComponent(chatId)}`);
      const here = place.peek().path;
      if (here !== `/chats/${accountId}/${encodeURIComponent(chatId)}` && here !== `/chats/${accountId}/${chatId}`) return;
      open.value = data;
      if (data.id !== chatId) go(withQuery(addressOf(data)), { replace: true });
    } catch (problem) {
      setError(problem);
    }
  }, [accountId, chatId]);
  useEffect(() => {
    if (open.peek()?.id !== chatId) load();
    else setError(null);
  }, [load]);
  return { error, load };
}

export default function Chats({ params, query }) {
  useTitle(t("nav.chats"));
  const list = useMemo(() => new ChatList(), []);
  const open = useMemo(() => signal(null), []);
  const [given, setGiven] = useState(null);
  const [problem, setProblem] = useState(null);
  const loadAll = () => {
    setProblem(null);
    loadAccounts().catch(setProblem);
  };
  useEffect(() => {
    if (!accountsKnown.peek()) loadAll();
    loadOffers();
    return onMissed(() => {
      loadOffers();
      if (!accountsKnown.peek()) loadAll();
    });
  }, []);
  const filter = { show: ["unread", "groups", "archive", "people", "statuses"].includes(query.show) ? query.show : "all", account: query.account ?? null, search: query.q?.slice(0, 200) ?? "" };
  useEffect(() => { list.show(filter); }, [list, filter.show, filter.account, filter.search]);
  useNews(list, open);
  const { error, load } = useOpen(list, open, params);

  const scrolled = useRef(0);
  const openChat = useCallback((chat) => {
    if (!chat) return;
    if (isPhone.peek()) scrolled.current = scrollY;
    open.value = chat;
    go(withQuery(addressOf(chat)));
  }, []);
  const leave = useCallback(() => {
    go(withQuery("/chats"));
    requestAnimationFrame(() => document.querySelector(".chats-body")?.focus({ preventScroll: true }));
  }, []);
  const changed = useCallback((chat) => {
    list.put(chat);
    if (list.peek(chat.id)?.isArchived !== undefined) list.settle();
    if (open.peek()?.id === chat.id) open.value = { ...open.peek(), ...chat };
  }, []);
  const fill = useCallback((number) => setGiven({ number }), []);

  const isOpen = Boolean(params.chatId);
  const chat = isOpen ? open.value : null;
  const isNarrow = isPhone.value;
  useEffect(() => {
    if (isNarrow && !isOpen && scrolled.current) scrollTo(0, scrolled.current);
  }, [isNarrow, isOpen]);
  const hasAccounts = accountsKnown.value && accounts.ids.value.length > 0;
  const isBare = accountsKnown.value && !hasAccounts;

  const talk = isOpen && (error ? html`<section class="chats-talk"><div class="chats-scroll">${error.status === 404
      ? html`<${Empty} icon="message-circle" title=${t("state.missing")} actions=${html`<a class="button" href=${withQuery("/chats")}>${t("chats.toList")}</a>`}>${t("error.chat_not_found")}<//>`
      : html`<${Problem} error=${error} retry=${load} />`}</div></section>`
    : !chat ? html`<section class="chats-talk"><div class="chats-scroll"><${Loading} skeleton=${html`<${Ghosts} />`} /></div></section>`
    : html`<${Conversation} key=${chat.id} chat=${open} back=${withQuery("/chats")} changed=${changed} leave=${leave} />`);
  return html`<div class="page chats ${isOpen ? "is-open" : ""}">
    <h1 class="unseen" tabindex="-1">${t("nav.chats")}</h1>
    <${Announcer} openId=${chat?.id ?? null} />
    ${!(isNarrow && isOpen) && html`<${Card} given=${given} sent=${() => list.refresh()} />`}
    ${problem && !accountsKnown.value ? html`<${Problem} error=${problem} retry=${loadAll} />`
    : isBare && list.total.value === 0 ? html`<${Empty} icon="plug" title=${t("chats.noAccounts")} actions=${html`<a class="button primary" href="/">${t("state.toAccounts")}</a>`}>${t("chats.noAccountsText")}<//>`
    : html`<div class="chats-pane">
      ${!(isNarrow && isOpen) && html`<${Rows} list=${list} filter=${filter} openId=${chat?.id ?? null} open=${openChat} fill=${fill} />`}
      ${talk || (!isNarrow && html`<section class="chats-talk chats-idle"><${Icon} name="message-circle" size=${28} /><p>${t("chats.choose")}</p></section>`)}
    </div>`}
  </div>`;
}
