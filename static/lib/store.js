// What the pages know: who is signed in, and the accounts. One signal for each account, so that an
// event redraws one row.

import { batch, computed, effect, signal } from "./html.js";
import { get } from "./api.js";
import { held, keptWord } from "./keep.js";
import { on, onMissed } from "./socket.js";

const { auth, registration } = document.documentElement.dataset;

const ASKS_UNREAD_MS = 1_500;

/** Open: whoever reaches the server is its operator, and nobody signs in. */
export const isOpen = auth !== "guarded";
export const mayRegister = registration === "true";

/** `{user, company}` of who is signed in. */
export const me = signal(null);
export const isAdmin = computed(() => isOpen || me.value?.user?.role === "admin");

/** How many chats have something unread: for the rail and the tab's title. */
export const unread = signal(0);

/** A list whose things have an id: their order, and one signal for each. */
export function keyed() {
  const things = new Map();
  const ids = signal([]);
  return {
    /** The ids, in order. */
    ids,
    /** The signal of one, which holds null while there is none. */
    of(id) {
      if (!things.has(id)) things.set(id, signal(null));
      return things.get(id);
    },
    /** The things, in order. */
    get all() {
      return ids.value.map((id) => this.of(id).value).filter(Boolean);
    },
    /** All of them, in this order. */
    set(list) {
      batch(() => {
        const next = list.map((thing) => thing.id);
        for (const id of ids.peek()) if (!next.includes(id)) this.of(id).value = null;
        for (const thing of list) this.of(thing.id).value = thing;
        if (next.join() !== ids.peek().join()) ids.value = next;
      });
    },
    /** One of them; a new one comes last, or first. */
    put(thing, isFirst = false) {
      batch(() => {
        const one = this.of(thing.id);
        one.value = { ...one.peek(), ...thing };
        if (!ids.peek().includes(thing.id)) ids.value = isFirst ? [thing.id, ...ids.peek()] : [...ids.peek(), thing.id];
      });
    },
    drop(id) {
      batch(() => {
        this.of(id).value = null;
        ids.value = ids.peek().filter((other) => other !== id);
      });
    },
  };
}

export const accounts = keyed();
/** All of them as the last frame had them: what counts over all need not do it at each event. */
export const allAccounts = signal([]);
let frame = null;
effect(() => {
  if (accounts.all && frame === null) {
    frame = requestAnimationFrame(() => {
      frame = null;
      allAccounts.value = accounts.all;
    });
  }
});
/** Whether the accounts were ever fetched. */
export const accountsKnown = signal(false);

/** What the caller may do with an account: `canRead`, `canWrite`, `canManageChats`, `canAdmin`. */
export function may(account, right) {
  return account?.permissions?.[right] ?? isAdmin.value;
}

export async function loadAccounts(options) {
  const list = [];
  for (let page = 1; ; page += 1) {
    const { data, pagination } = await get("/api/accounts", { ...options, query: { limit: 200, page } });
    list.push(...data);
    if (list.length >= pagination.total || data.length === 0) break;
  }
  accounts.set(list);
  accountsKnown.value = true;
  return list;
}

export async function loadAccount(id, options) {
  const account = await get(`/api/accounts/${encodeURIComponent(id)}`, options);
  accounts.put(account);
  return account;
}

/** `GET /api/whatsapp/stats`, for admins. */
export const stats = signal(null);

export async function loadStats(options) {
  stats.value = (await get("/api/whatsapp/stats", options)).data;
}

export async function loadUnread() {
  unread.value = (await get("/api/whatsapp/chats", { query: { unread: true, limit: 1 } })).pagination.total;
}

export async function loadMe() {
  if (!isOpen) me.value = await get("/api/auth/me");
}

export function follow() {
  // What was written and is not at the server yet is sent from whatever page is open.
  if (held.get("outbox", []).length) import("./outbox.js");
  if (keptWord("notify") === "on") import("./notify.js");
  on("account-updated", ({ sessionId, account }) => {
    if (!account) return accounts.drop(sessionId);
    const isNew = accountsKnown.peek() && !accounts.of(sessionId).peek();
    accounts.put({ ...account, id: sessionId });
    // The event has what all may know; the rest is the caller's own.
    if (isNew) loadAccount(sessionId).catch(() => {});
  });
  on("qr-updated", ({ sessionId, qrCode }) => {
    if (accounts.of(sessionId).peek()) accounts.put({ id: sessionId, qrCode });
  });
  on("stats-updated", ({ stats: told }) => {
    unread.value = told.unreadChats;
    const known = stats.peek();
    if (!known) return;
    stats.value = {
      ...known,
      sessions: { ...known.sessions, connected: told.connectedSessions },
      messages: { ...known.messages, total: told.totalMessages, today: told.todayMessages },
    };
  });
  on("refused", () => loadMe().catch(() => {}));
  on("manager-access-granted", () => accountsKnown.peek() && loadAccounts().catch(() => {}));
  on("manager-access-revoked", ({ sessionId, managerId }) => {
    if (managerId === me.peek()?.user?.id) accounts.drop(sessionId);
  });
  // Managers are told of no counts; what is unread is asked for once the chats are quiet.
  let asking = null;
  const askUnread = () => {
    clearTimeout(asking);
    asking = setTimeout(() => loadUnread().catch(() => {}), ASKS_UNREAD_MS);
  };
  on("chat-updated", () => { if (!isAdmin.peek()) askUnread(); });
  onMissed((sessionId) => {
    askUnread();
    if (!accountsKnown.peek()) return;
    (sessionId ? loadAccount(sessionId) : loadAccounts()).catch(() => {});
  });
}
