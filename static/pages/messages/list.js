// The messages that are shown: fetched page by page, and kept as they are while things happen. A
// row changes where it is; what is new waits until somebody asks for it.

import { get } from "../../lib/api.js";
import { batch, signal, useEffect, useMemo } from "../../lib/html.js";
import { on, onMissed } from "../../lib/socket.js";
import { keyed } from "../../lib/store.js";
import { asked, reachesNow } from "./filter.js";

const PAGE = 50;
const MOST_FRESH = 999;
const CAUGHT_UP_PAGES = 10;
const FIELDS = { sent: "sentAt", delivered: "deliveredAt", read: "readAt" };
const HOW_FAR = ["queued", "scheduled", "sending", "sent", "delivered", "read"];

/** The message as it is after an event; one that comes late takes nothing back. */
export function moved(message, { status, lastError, timestamp }) {
  const from = HOW_FAR.indexOf(message.status);
  const to = HOW_FAR.indexOf(status);
  const isBack = from >= HOW_FAR.indexOf("sent") && to >= 0 && to < from;
  const field = FIELDS[status];
  return {
    ...message,
    status: isBack ? message.status : status,
    ...(field && !message[field] ? { [field]: timestamp } : {}),
    lastError: isBack ? message.lastError : (lastError ?? undefined),
    ...(status === "queued" || status === "scheduled" ? {} : { queuePosition: undefined, estimatedSendAt: undefined, holdReason: undefined }),
  };
}

function listOf(filter) {
  const rows = keyed();
  const state = signal({ isLoading: true, error: null, total: null, cursor: null });
  const fresh = signal(new Set());
  let run = null;

  async function fetchPage(cursor) {
    run?.abort();
    const mine = (run = new AbortController());
    state.value = { ...state.peek(), isLoading: true, error: null };
    try {
      const { data, pagination } = await get("/api/messages", { query: { ...asked(filter), limit: PAGE, cursor }, signal: mine.signal });
      batch(() => {
        if (cursor) for (const message of data) rows.put(message);
        else {
          rows.set(data);
          fresh.value = new Set();
        }
        state.value = { isLoading: false, error: null, total: pagination.total, cursor: pagination.nextCursor ?? null };
      });
    } catch (error) {
      if (!mine.signal.aborted) state.value = { ...state.peek(), isLoading: false, error };
    }
  }

  /** What is shown is fetched again in its place, and what came meanwhile is counted. */
  async function catchUp() {
    const shown = rows.ids.peek();
    if (!shown.length || state.peek().isLoading) return fetchPage();
    // Of any status, since what is shown may have another by now.
    const query = { ...asked(filter), status: undefined, limit: 200 };
    try {
      for (let page = 0; page < CAUGHT_UP_PAGES; page += 1) {
        const { data, pagination } = await get("/api/messages", { query });
        batch(() => data.forEach(learn));
        if (!page && !filter.status) state.value = { ...state.peek(), total: pagination.total };
        query.cursor = pagination.nextCursor;
        if (!query.cursor || data.at(-1).id <= shown.at(-1)) return;
      }
    } catch { /* what is shown stays */ }
  }

  function learn(message) {
    if (rows.of(message.id).peek()) rows.put(message);
    else if (message.id > rows.ids.peek()[0] && (!filter.status || filter.status === message.status)) note(message.id);
  }

  function note(id) {
    if (fresh.peek().size <= MOST_FRESH && !fresh.peek().has(id)) fresh.value = new Set([...fresh.peek(), id]);
  }

  function hear(event) {
    const known = rows.of(event.messageId).peek();
    if (known) {
      rows.of(event.messageId).value = moved(known, event);
      return;
    }
    if (filter.account && filter.account !== event.sessionId) return;
    if (filter.status && filter.status !== event.status) return;
    if (filter.reference || !reachesNow(filter)) return;
    const first = rows.ids.peek()[0];
    // Ids are in the order of time: one beneath the first is merely not fetched yet.
    if (first && event.messageId < first && !filter.status) return;
    note(event.messageId);
  }

  return {
    rows, state, fresh,
    load: () => fetchPage(),
    more: () => fetchPage(state.peek().cursor),
    follow() {
      fetchPage();
      const stops = [on("message-status", hear), onMissed(() => void catchUp())];
      return () => {
        for (const stop of stops) stop();
        run?.abort();
      };
    },
  };
}

/** The list of a filter: `{rows, state, fresh, load, more}`. */
export function useList(filter) {
  const list = useMemo(() => listOf(filter), [filter]);
  useEffect(() => list.follow(), [list]);
  return list;
}
