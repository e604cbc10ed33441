// Says new messages to screen readers, a few at a time; what is loaded of the past, never.

import { html, signal, useEffect } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { gist } from "../../lib/media.js";
import { on } from "../../lib/socket.js";
import { nameOf } from "./names.js";

const PAUSE_MS = 2_500;
const MOST = 200;

export function Announcer({ openId }) {
  useEffect(() => {
    let waiting = [];
    let timer = null;
    const say = () => {
      timer = null;
      const [first] = waiting;
      said.value = waiting.length === 1 ? first : t("chats.saidMany", { n: waiting.length });
      waiting = [];
    };
    const off = on("new-message", ({ chat, message }) => {
      if (message.fromMe || !chat) return;
      const name = nameOf(chat);
      waiting.push(chat.id === openId ? `${name}: ${(message.body || gist(message.messageType, message.media)).slice(0, MOST)}` : t("chats.said", { name }));
      timer ??= setTimeout(say, PAUSE_MS);
    });
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [openId]);
  return html`<p class="unseen" role="log" aria-live="polite"><${Said} /></p>`;
}

const said = signal("");
const Said = () => said.value;
