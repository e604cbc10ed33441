// What chats and people are called.

import { computed, html, Icon } from "../../lib/html.js";
import { ofChat, pretty } from "../../lib/phone.js";
import { accounts } from "../../lib/store.js";

const isNumber = (text) => /^\+?\d{7,15}$/.test(text);

/** A chat's name; of one without, the number as people read it. */
export const nameOf = (chat) => (isNumber(chat.chatName) ? pretty(chat.chatName) : chat.chatName || ofChat(chat.chatId));

/** The number of a chat with one person, where the messenger's id says it. */
export const numberOf = (chat) => (chat.isGroup ? "" : (/^\d{7,15}(?=@(c\.us|s\.whatsapp\.net)$)/.exec(chat.chatId)?.[0] ?? ""));

/** Who wrote a message in a group. */
export const senderOf = (message) => message.fromName || ofChat(message.fromNumber ?? "");

/** A name's first letter, or a number's last two digits. */
export function Face({ chat }) {
  if (chat.isGroup) return html`<span class="chats-face" aria-hidden="true"><${Icon} name="users" /></span>`;
  const name = chat.chatName ?? "";
  const letter = isNumber(name) ? name.slice(-2) : (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? "").toUpperCase();
  return html`<span class="chats-face" aria-hidden="true">${letter || html`<${Icon} name="user" />`}</span>`;
}

export const addressOf = (chat) => `/chats/${chat.sessionId}/${encodeURIComponent(chat.id)}`;

const accountNames = new Map();

/** What an account is called; who draws it is not drawn anew when other things of the account change. */
export function accountName(id) {
  if (!accountNames.has(id)) accountNames.set(id, computed(() => accounts.of(id).value?.name));
  return accountNames.get(id).value;
}
