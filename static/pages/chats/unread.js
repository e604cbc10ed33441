// How many chats have something unread. Admins are told; for the others it is counted anew, now and
// then, when a chat changed.

import { get } from "../../lib/api.js";
import { signal } from "../../lib/html.js";
import { on, onMissed } from "../../lib/socket.js";
import { isAdmin, unread } from "../../lib/store.js";

const PAUSE_MS = 3_000;

/** Whether it was counted, or tried to: what shows the count does not move after that. */
export const isCounted = signal(false);

export function followUnread() {
  const mine = new AbortController();
  let timer = null;
  async function count() {
    timer = null;
    try {
      const { pagination } = await get("/api/whatsapp/chats", { query: { chatType: "all", unread: true, limit: 1 }, signal: mine.signal });
      unread.value = pagination.total;
    } catch { /* as it was */ }
    isCounted.value = true;
  }
  const soon = () => (timer ??= setTimeout(count, PAUSE_MS));
  count();
  const offs = [
    on("chat-updated", () => { if (!isAdmin.peek()) soon(); }),
    on("manager-access-revoked", () => void count()),
    on("manager-access-granted", soon),
    onMissed(soon),
  ];
  return () => {
    for (const off of offs) off();
    clearTimeout(timer);
    mine.abort();
  };
}
