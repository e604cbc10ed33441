// Ctrl+K: to any page, account or chat, by a few letters.

import { get } from "../lib/api.js";
import { html, Icon, useEffect, useId, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { ofChat, pretty } from "../lib/phone.js";
import { go } from "../lib/router.js";
import { accounts, accountsKnown, loadAccounts } from "../lib/store.js";
import { Dialog } from "./dialog.js";
import { providerIcon } from "./status.js";

const MOST = 8;
const PAUSE_MS = 250;

const has = (text, words) => (text ?? "").toLowerCase().includes(words);

function near(words, places) {
  const pages = places.map(({ name, address, icon }) => ({ key: name, text: t(`nav.${name}`), icon, address, kind: t("palette.page") }));
  const numbers = accounts.all.map((account) => ({
    key: account.id, text: account.name, more: pretty(account.phoneNumber), icon: providerIcon(account.provider), address: `/accounts/${account.id}`, kind: t("palette.account"),
  }));
  return [...pages, ...numbers].filter((one) => has(one.text, words) || has(one.more, words) || has(one.more?.replace(/\D/g, ""), words)).slice(0, MOST);
}

function useChats(words) {
  const [chats, setChats] = useState([]);
  useEffect(() => {
    if (!words) return setChats([]);
    const asked = new AbortController();
    const timer = setTimeout(() => {
      get("/api/whatsapp/chats", { query: { search: words, limit: MOST }, signal: asked.signal })
        .then(({ data }) => setChats(data), () => setChats([]));
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [words]);
  return chats.map((chat) => ({
    key: chat.id, text: chat.chatName || ofChat(chat.chatId), more: accounts.of(chat.sessionId).value?.name, icon: chat.isGroup ? "users" : "message-circle",
    address: `/chats/${chat.sessionId}/${encodeURIComponent(chat.id)}`, kind: t("palette.chat"),
  }));
}

export function Palette({ places, close }) {
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const list = useId();
  useEffect(() => { if (!accountsKnown.peek()) loadAccounts().catch(() => {}); }, []);
  const chats = useChats(words.trim());
  const all = [...near(words.trim().toLowerCase(), places), ...chats];
  const chosen = Math.min(at, all.length - 1);
  function open(one) {
    close();
    go(one.address);
  }
  function key(event) {
    if (event.key === "ArrowDown") setAt((chosen + 1) % all.length);
    else if (event.key === "ArrowUp") setAt((chosen - 1 + all.length) % all.length);
    else if (event.key === "Enter" && all[chosen]) open(all[chosen]);
    else return;
    event.preventDefault();
  }
  return html`<${Dialog} title=${t("palette.title")} close=${close}>
    <div class="palette">
      <input type="search" role="combobox" autofocus aria-label=${t("palette.search")} placeholder=${t("palette.search")} aria-expanded="true" aria-controls=${list}
        aria-activedescendant=${all.length ? `${list}-${chosen}` : undefined} autocomplete="off" spellcheck=${false} value=${words}
        onInput=${(event) => { setWords(event.target.value); setAt(0); }} onKeyDown=${key} />
    </div>
    <div class="palette-list" role="listbox" id=${list} aria-label=${t("palette.title")}>
      ${all.map((one, i) => html`<div role="option" id="${list}-${i}" key=${one.key} aria-selected=${String(i === chosen)} onClick=${() => open(one)} onMouseMove=${() => setAt(i)}>
        <${Icon} name=${one.icon} /><span>${one.text}</span><small>${[one.more, one.kind].filter(Boolean).join(" · ")}</small></div>`)}
    </div>
    ${!all.length && html`<p class="quiet" role="status">${t("palette.none")}</p>`}
  <//>`;
}
