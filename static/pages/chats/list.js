// The chats that the list shows: as many slots as there are chats, of which those near the view are
// fetched. What happens to a chat shows in its row at once; that it moves to the top waits while
// somebody points at the list.

import { get } from "../../lib/api.js";
import { batch, signal } from "../../lib/html.js";

const PAGE = 100;
const MOST = 2_000;
const NEAR = 600;
const SETTLE_MS = 200;

const FILTERS = {
  all: { includeGroups: true, archived: false },
  unread: { chatType: "all", unread: true },
  groups: { chatType: "group", archived: false },
  people: { chatType: "individual", archived: false },
  statuses: { chatType: "status", archived: false },
  archive: { chatType: "all", archived: true },
};

const timeOf = (chat) => chat.lastMessageAt ?? chat.createdAt;

/** Whether a chat is one of those that a filter shows, as far as it says itself. */
function isOf({ show, account, search }, chat) {
  if (account && chat.sessionId !== account) return false;
  if (search) return null;
  const { chatType = "all", includeGroups, archived, unread } = FILTERS[show];
  if (chatType !== "all" && chat.chatType !== chatType) return false;
  if (includeGroups && chat.chatType === "status") return false;
  if (archived !== undefined && chat.isArchived !== archived) return false;
  return !unread || chat.unreadCount > 0;
}

export class ChatList {
  /** The ids in order; null where a chat is not fetched yet. */
  slots = [];
  /** How many there are; null before the first answer. */
  total = signal(null);
  /** Counts the changes of `slots`. */
  order = signal(0);
  /** How many changes of order wait. */
  waiting = signal(0);
  error = signal(null);
  isLoading = signal(false);

  #filter = { show: "all", account: null, search: "" };
  #chats = new Map();
  #moves = new Map();
  #asked = new Set();
  #run = new AbortController();
  #isHeld = false;
  #isOld = false;
  #timer = null;

  /** The signal of one chat. */
  of(id) {
    if (!this.#chats.has(id)) this.#chats.set(id, signal(null));
    return this.#chats.get(id);
  }

  /** Fetches the chats of a filter: `{show, account, search}`. */
  async show(filter) {
    this.#filter = filter;
    batch(() => {
      this.#clear();
      this.total.value = null;
    });
    await this.refresh();
  }

  #clear() {
    this.slots = [];
    this.#chats.clear();
    this.#moves.clear();
    this.waiting.value = 0;
    this.order.value += 1;
  }

  /** Fetches it again from the top; while it is held, only what the first rows say. */
  async refresh() {
    this.#run.abort();
    const mine = (this.#run = new AbortController());
    this.#asked.clear();
    this.isLoading.value = true;
    try {
      const { data, pagination } = await this.#get(0, mine.signal);
      batch(() => {
        this.error.value = null;
        if (this.#isHeld && this.slots.length) {
          this.#isOld = true;
          for (const chat of data) this.put(chat);
          return;
        }
        this.#isOld = false;
        this.#moves.clear();
        this.waiting.value = 0;
        const ids = data.map((chat) => chat.id);
        for (const chat of data) this.of(chat.id).value = chat;
        for (const id of this.slots) if (id && !ids.includes(id)) this.#chats.delete(id);
        this.slots = [...ids, ...new Array(Math.max(0, pagination.total - ids.length)).fill(null)];
        this.total.value = pagination.total;
        this.order.value += 1;
      });
    } catch (error) {
      if (!mine.signal.aborted) this.error.value = error;
    } finally {
      if (this.#run === mine) this.isLoading.value = false;
    }
  }

  #get(page, ends) {
    const { show, account, search } = this.#filter;
    return get("/api/whatsapp/chats", {
      query: { ...FILTERS[show], sessionId: account, search, limit: PAGE, page: page + 1 },
      signal: ends,
    });
  }

  /** Fetches what is missing among the rows from `first` to `last`. */
  want(first, last) {
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page += 1) {
      if (!this.#asked.has(page) && this.slots.slice(page * PAGE, (page + 1) * PAGE).includes(null)) this.#fetch(page, first, last);
    }
  }

  async #fetch(page, first, last) {
    const { signal: ends } = this.#run;
    this.#asked.add(page);
    try {
      const { data, pagination } = await this.#get(page, ends);
      if (ends.aborted) return;
      batch(() => {
        this.#place(page * PAGE, data);
        this.#forget(first, last);
        this.total.value = pagination.total;
        this.order.value += 1;
      });
    } catch (error) {
      if (!ends.aborted && error.name !== "AbortError") this.error.value = error;
    } finally {
      this.#asked.delete(page);
    }
  }

  // The server's order is of now, ours of before: a chat that is elsewhere by now has its place.
  #place(start, data) {
    const known = new Set(this.slots);
    const fresh = data.filter((chat) => !known.has(chat.id));
    const part = this.slots.slice(start, start + PAGE).map((id) => {
      const chat = id ? null : fresh.shift();
      if (chat) this.of(chat.id).value = chat;
      return id ?? chat?.id ?? null;
    });
    this.slots.splice(start, PAGE, ...part.filter(Boolean));
  }

  #forget(first, last) {
    if (this.#chats.size < MOST) return;
    this.slots.forEach((id, i) => {
      if (!id || (i >= first - NEAR && i <= last + NEAR)) return;
      this.slots[i] = null;
      this.#chats.delete(id);
    });
  }

  /** A chat as it is now. */
  put(chat) {
    const isKnown = this.slots.includes(chat.id);
    const belongs = isOf(this.#filter, chat);
    if (isKnown) {
      const one = this.of(chat.id);
      const before = one.peek();
      one.value = { ...before, ...chat };
      // What was just read stays among the unread as long as somebody looks at them.
      if (belongs === false && before.isArchived !== chat.isArchived) return this.#move(chat, "gone");
      if (belongs !== true || timeOf(before) === timeOf(chat) || this.slots[0] === chat.id) return undefined;
      return this.#move(chat, "up");
    }
    return belongs === true && this.total.peek() !== null ? this.#move(chat, "up") : undefined;
  }

  /** Notes how the last message of a chat stands. */
  mark(id, changes) {
    const one = this.#chats.get(id);
    if (one?.peek()) one.value = { ...one.peek(), ...changes };
  }

  peek(id) {
    return this.#chats.get(id)?.peek() ?? null;
  }

  #move(chat, where) {
    this.#moves.set(chat.id, { chat, where });
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#isHeld) this.waiting.value = this.#moves.size;
      else this.settle();
    }, SETTLE_MS);
  }

  /** Whether order may not change now. */
  hold(isHeld) {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    if (!isHeld) this.settle();
  }

  /** Lets what waits happen. */
  settle() {
    if (this.#isOld) {
      this.#isHeld = false;
      return void this.refresh();
    }
    if (!this.#moves.size) return undefined;
    const moves = [...this.#moves.values()].sort((a, b) => (timeOf(a.chat) < timeOf(b.chat) ? -1 : 1));
    this.#moves.clear();
    return batch(() => {
      for (const { chat, where } of moves) this.#apply(chat, where);
      this.waiting.value = 0;
      this.order.value += 1;
    });
  }

  #apply(chat, where) {
    const at = this.slots.indexOf(chat.id);
    if (at >= 0) this.slots.splice(at, 1);
    else if (where === "up") this.#makeRoom(chat);
    if (where === "gone") {
      if (at >= 0) this.total.value -= 1;
      this.#chats.delete(chat.id);
      return;
    }
    if (at < 0) this.of(chat.id).value = chat;
    this.slots.splice(this.#placeOf(chat), 0, chat.id);
  }

  // It is new, or it is one of those that are not fetched yet.
  #makeRoom(chat) {
    const empty = chat._count.messages > 1 ? this.slots.lastIndexOf(null) : -1;
    if (empty >= 0) this.slots.splice(empty, 1);
    else this.total.value += 1;
  }

  #placeOf(chat) {
    const time = timeOf(chat);
    const later = this.slots.findIndex((id) => {
      const other = id && this.peek(id);
      return !other || timeOf(other) <= time;
    });
    return later < 0 ? this.slots.length : later;
  }

  /** Takes a chat out at once. */
  drop(id) {
    const chat = this.peek(id);
    if (!chat) return;
    batch(() => {
      this.#apply(chat, "gone");
      this.#moves.delete(id);
      this.order.value += 1;
    });
  }

  /** Takes out at once what belongs to an account. */
  dropAccount(sessionId) {
    batch(() => {
      for (const [id, chat] of this.#chats) if (chat.peek()?.sessionId === sessionId) this.#moves.delete(id);
      for (const [id, { chat }] of this.#moves) if (chat.sessionId === sessionId) this.#moves.delete(id);
      const gone = new Set(this.slots.filter((id) => id && this.peek(id)?.sessionId === sessionId));
      this.slots = this.slots.filter((id) => id && !gone.has(id));
      for (const id of gone) this.#chats.delete(id);
      this.total.value = this.slots.length;
      this.order.value += 1;
      this.waiting.value = this.#moves.size;
    });
    this.#isHeld = false;
    this.refresh();
  }

  close() {
    this.#run.abort();
    clearTimeout(this.#timer);
  }
}
