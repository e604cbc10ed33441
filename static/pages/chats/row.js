// One chat of the list.

import { brief, exact } from "../../lib/dates.js";
import { html, Icon } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { iconOf as kindIcon, kindWord } from "../../lib/media.js";
import { accounts } from "../../lib/store.js";
import { accountName, addressOf, Face, nameOf } from "./names.js";
import { iconOf } from "./standing.js";
import { typingIn } from "./typing.js";

function Last({ chat }) {
  if (typingIn(chat.sessionId, chat.chatId).value) return html`<span class="chats-last chats-types">${t("chats.types")}</span>`;
  const last = chat.lastMessage;
  const icon = last?.fromMe && iconOf(last.status);
  const kind = kindIcon(last?.messageType);
  const isOther = last?.messageType && last.messageType !== "text";
  const words = isOther ? kindWord(last.messageType) : t(chat.lastMessageAt ? "chats.noText" : "chats.noMessages");
  return html`<span class="chats-last">
    ${icon && html`<${Icon} name=${icon} size=${16} /><span class="unseen">${t(`messageStatus.${last.status}`)}: </span>`}${kind && html`<${Icon} name=${kind} size=${16} />`}${chat.lastMessageText || words}</span>`;
}

export function Row({ id, chat: one, index, size, isOpen, isActive, height, open }) {
  const chat = one?.value;
  const style = { transform: `translateY(${index * height}px)`, height: `${height}px` };
  const place = { role: "option", "aria-posinset": index + 1, "aria-setsize": size, "aria-selected": String(Boolean(isOpen)) };
  if (!chat) return html`<div class="chats-row is-empty" style=${style} ...${place} aria-label=${t("state.loading")}><span class="bone" /></div>`;
  const account = accounts.ids.value.length > 1 && accountName(chat.sessionId);
  const click = (event) => (event.ctrlKey || event.metaKey ? window.open(addressOf(chat), "_blank", "noopener") : open(chat));
  return html`<div class="chats-row ${isActive ? "is-active" : ""}" id="chat-${id}" style=${style} ...${place} onClick=${click}>
    <${Face} chat=${chat} />
    <span class="chats-who"><strong>${nameOf(chat)}</strong>${account && html`<small>${account}</small>`}</span>
    <span class="chats-time">${chat.lastMessageAt && html`<time datetime=${chat.lastMessageAt} title=${exact(chat.lastMessageAt)}>${brief(chat.lastMessageAt)}</time>`}</span>
    <${Last} chat=${chat} />
    ${chat.unreadCount > 0 && html`<span class="badge"><span aria-hidden="true">${chat.unreadCount > 999 ? "999+" : chat.unreadCount}</span><span class="unseen">${t("chats.unreadMessages", { n: chat.unreadCount })}</span></span>`}
  </div>`;
}
