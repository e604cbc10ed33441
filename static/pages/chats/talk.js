// The messages of one chat that are in the document: at most eight pages of fifty, a stretch of the
// history that moves up and down it. What arrives comes last, if the stretch ends where the chat does.

import { get } from "../../lib/api.js";
import { batch, signal } from "../../lib/html.js";
import { advance } from "./standing.js";

const PAGE = 50;
const PAGES = 8;
const LONG = 150;

export class Talk {
  /** Counts the changes of `ids`. */
  order = signal(0);
  isKnown = signal(false);
  /** Whether there is more, older and newer. */
  hasOlder = signal(false);
  isAtEnd = signal(true);
  isLoading = signal(false);
  error = signal(null);
  /** How many arrived that nobody can have seen. */
  fresh = signal(0);

  // Each: `{cursor, next, ids}`, the oldest page first, its ids, too.
  #pages = [];
  // The cursors of the pages below these, the nearest last.
  #below = [];
  #messages = new Map();
  #run = new AbortController();

  constructor({ sessionId, id }) {
    this.sessionId = sessionId;
    this.chatId = id;
    this.path = `/api/whatsapp/sessions/${sessionId}/chats/${id}/messages`;
  }

  /** The ids, oldest first. */
  get ids() {
    return this.#pages.flatMap((page) => page.ids);
  }

  of(id) {
    return this.#messages.get(id);
  }

  async #fetch(cursor) {
    const asked = performance.now();
    const { data, pagination } = await get(this.path, { query: { limit: PAGE, cursor }, signal: this.#run.signal });
    return { cursor, next: pagination.nextCursor ?? null, messages: data.reverse(), asked };
  }

  /** Runs one fetch after the other, and notes what it fails of. */
  async #load(work) {
    if (this.isLoading.peek()) return false;
    this.isLoading.value = true;
    try {
      await work();
      this.error.value = null;
      return true;
    } catch (error) {
      if (!this.#run.signal.aborted) this.error.value = error;
      return false;
    } finally {
      this.isLoading.value = false;
    }
  }

  #put(message, asked) {
    const known = this.#messages.get(message.id);
    if (known) known.value = advance(known.peek(), message, asked);
    else this.#messages.set(message.id, signal(message));
    return message.id;
  }

  #page({ cursor, next, messages, asked }) {
    const known = new Set(this.#pages.flatMap((page) => page.ids));
    return { cursor, next, ids: messages.map((message) => this.#put(message, asked)).filter((id) => !known.has(id)) };
  }

  #changed() {
    this.hasOlder.value = this.#pages.length > 0 && this.#pages[0].next !== null;
    this.isAtEnd.value = this.#below.length === 0;
    this.order.value += 1;
  }

  #forget(ids) {
    for (const id of ids) this.#messages.delete(id);
  }

  /** The newest page alone. */
  latest() {
    return this.#load(async () => {
      const told = await this.#fetch(null);
      batch(() => this.#begin(told));
    });
  }

  #begin(told) {
    const before = this.ids;
    this.#pages = [];
    this.#below = [];
    this.#pages = [this.#page(told)];
    const now = new Set(this.#pages[0].ids);
    this.#forget(before.filter((id) => !now.has(id)));
    this.fresh.value = 0;
    this.isKnown.value = true;
    this.#changed();
  }

  older() {
    const cursor = this.#pages[0]?.next;
    if (!cursor) return false;
    return this.#load(async () => {
      const told = await this.#fetch(cursor);
      if (this.#pages[0]?.next !== cursor) return;
      batch(() => {
        this.#pages.unshift(this.#page(told));
        while (this.#pages.length > PAGES) {
          const gone = this.#pages.pop();
          this.#below.push(gone.cursor);
          this.#forget(gone.ids);
        }
        this.#changed();
      });
    });
  }

  newer() {
    if (!this.#below.length) return false;
    return this.#load(async () => {
      const cursor = this.#below[this.#below.length - 1];
      const fetched = cursor ? [await this.#fetch(cursor)] : await this.#down();
      batch(() => {
        this.#below.pop();
        for (const told of fetched) this.#pages.push(this.#page(told));
        if (!this.#below.length) this.fresh.value = 0;
        this.#trim();
        this.#changed();
      });
    });
  }

  // The newest page is no longer where it was: from the end of the chat up to what is here.
  async #down() {
    const known = new Set(this.ids);
    const fetched = [];
    for (let cursor = null; fetched.length < PAGES; ) {
      const told = await this.#fetch(cursor);
      fetched.unshift(told);
      if (!told.next || told.messages.some((message) => known.has(message.id))) return fetched;
      cursor = told.next;
    }
    this.#forget(this.ids);
    this.#pages = [];
    return fetched;
  }

  #trim() {
    while (this.#pages.length > PAGES) this.#forget(this.#pages.shift().ids);
  }

  /** A message of this chat arrived, or is in it now; answers whether it was not known. */
  add(message, isSeen) {
    if (this.#messages.has(message.id)) {
      this.#put(message, performance.now());
      return false;
    }
    if (!this.isKnown.peek()) return false;
    batch(() => {
      if (!isSeen && !message.fromMe) this.fresh.value += 1;
      if (this.#below.length) return;
      this.#pages[this.#pages.length - 1].ids.push(this.#put(message));
      this.#changed();
    });
    // A page that only grew is fetched anew, as short as the others.
    if (isSeen && this.#pages[this.#pages.length - 1].ids.length > LONG) this.latest();
    return true;
  }

  /** What is known of one message changed. */
  change(id, changes) {
    const one = this.#messages.get(id);
    if (one) one.value = advance(one.peek(), { ...one.peek(), ...changes }, performance.now());
  }

  /** What the person here just did with a message: the server said so. */
  set(id, changes) {
    const one = this.#messages.get(id);
    if (one) one.value = { ...one.peek(), ...changes, changedAt: performance.now() };
  }

  /** Fetches again what is shown. */
  async refetch(isSeen) {
    if (!this.isKnown.peek()) return this.latest();
    return this.#load(async () => {
      const told = await this.#fetch(null);
      const last = this.#pages[this.#pages.length - 1];
      const known = new Set(last.ids);
      const missed = told.messages.filter((message) => !this.#messages.has(message.id));
      const joins = missed.length < told.messages.length || !told.messages.length;
      if (!this.#below.length && !joins && isSeen) return batch(() => this.#begin(told));
      batch(() => {
        if (this.#below.length || !joins) {
          for (const message of told.messages) if (this.#messages.has(message.id)) this.#put(message, told.asked);
          if (!this.#below.length) this.#below.push(null);
        } else {
          const now = new Set(told.messages.map((message) => message.id));
          const elsewhere = new Set(this.#pages.slice(0, -1).flatMap((page) => page.ids));
          last.ids = [...last.ids.filter((id) => !now.has(id)),
            ...told.messages.map((message) => this.#put(message, told.asked)).filter((id) => known.has(id) || !elsewhere.has(id))];
        }
        if (!isSeen) this.fresh.value += missed.filter((message) => !message.fromMe).length;
        this.#changed();
      });
      for (const { cursor } of this.#pages.filter((page) => page.cursor)) {
        const { messages, asked } = await this.#fetch(cursor);
        batch(() => { for (const message of messages) if (this.#messages.has(message.id)) this.#put(message, asked); });
      }
      return undefined;
    });
  }

  /** The last `count` messages that the account got; the first of them, if it is here. */
  firstUnread(count) {
    const got = this.ids.filter((id) => !this.of(id).peek().fromMe);
    return count > 0 && got.length >= count ? got[got.length - count] : null;
  }

  close() {
    this.#run.abort();
  }
}
