// Notifications on this device, for who asked for them: of messages that come while nobody looks.

import { signal } from "./html.js";
import { keepWord, keptWord } from "./keep.js";
import { gist } from "./media.js";
import { go } from "./router.js";
import { on } from "./socket.js";

const MOST = 200;

/** Whether this browser has them here: not over plain HTTP from elsewhere. */
export const canNotify = "Notification" in globalThis && isSecureContext;

const isOn = () => canNotify && keptWord("notify") === "on" && Notification.permission === "granted";

/** Whether they are on. */
export const notifies = signal(isOn());

/** Turns them on, asking the browser, or off; answers whether they are as wanted. */
export async function setNotifies(isWanted) {
  if (isWanted && Notification.permission !== "granted") await Notification.requestPermission();
  keepWord("notify", isWanted ? "on" : "off");
  notifies.value = isOn();
  return notifies.value === isWanted;
}

function show({ chat, message }) {
  if (!isOn() || message.fromMe || !chat || chat.isArchived || document.hasFocus()) return;
  try {
    // Of several tabs, and several messages of a chat, one is shown.
    const shown = new Notification(chat.chatName, { body: (message.body || gist(message.messageType, message.media)).slice(0, MOST), tag: chat.id });
    shown.onclick = () => {
      shown.close();
      window.focus();
      go(`/chats/${chat.sessionId}/${encodeURIComponent(chat.id)}`);
    };
  } catch { /* Some phones' browsers have them for installed pages alone. */ }
}

on("new-message", show);
