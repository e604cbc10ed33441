// Whether somebody looks at this window: a chat is read only then.

import { effect, signal, useEffect } from "../../lib/html.js";
import { post } from "../../lib/api.js";

const LOOKS_MS = 1_000;
const isLookedAt = () => document.visibilityState === "visible" && document.hasFocus();

const isWatched = signal(isLookedAt());
for (const name of ["focus", "blur"]) addEventListener(name, () => (isWatched.value = isLookedAt()));
document.addEventListener("visibilitychange", () => (isWatched.value = isLookedAt()));

/** Notes that `chat` (a signal) was read, once its newest message was looked at for a second. */
export function useReading({ chat, isAtEnd, talk }) {
  useEffect(() => {
    let timer = null;
    let failed = 0;
    const off = effect(() => {
      if (!chat.value) return; // Another is being opened.
      const { unreadCount, lastMessageAt, sessionId, id } = chat.value;
      talk.order.value;
      clearTimeout(timer);
      if (!lastMessageAt || !unreadCount || !isWatched.value || !isAtEnd.value || !talk.isAtEnd.value || !talk.isKnown.value || failed > 3) return;
      timer = setTimeout(() => {
        post(`/api/whatsapp/sessions/${sessionId}/chats/${id}/read`).then(() => (failed = 0), () => (failed += 1));
      }, LOOKS_MS);
    });
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [talk]);
}
