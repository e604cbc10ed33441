// Who types where. It ends by itself where the messenger does not say that it did.

import { signal } from "../../lib/html.js";
import { on } from "../../lib/socket.js";

const LASTS_MS = 15_000;
const typists = new Map();

const keyOf = (sessionId, chatId) => `${sessionId} ${chatId}`;

/** Whether somebody types in a chat, by the messenger's id of it. */
export function typingIn(sessionId, chatId) {
  const key = keyOf(sessionId, chatId);
  if (!typists.has(key)) typists.set(key, { is: signal(false), timer: null });
  return typists.get(key).is;
}

export function followTyping() {
  const offs = [
    on("typing-status", ({ sessionId, chatId, isTyping }) => {
      typingIn(sessionId, chatId).value = isTyping;
      const one = typists.get(keyOf(sessionId, chatId));
      clearTimeout(one.timer);
      one.timer = isTyping ? setTimeout(() => (one.is.value = false), LASTS_MS) : null;
    }),
    on("new-message", ({ sessionId, chat, message }) => {
      const one = typists.get(keyOf(sessionId, chat?.chatId));
      if (one && !message.fromMe) one.is.value = false;
    }),
  ];
  return () => {
    for (const off of offs) off();
    for (const { timer } of typists.values()) clearTimeout(timer);
    typists.clear();
  };
}
