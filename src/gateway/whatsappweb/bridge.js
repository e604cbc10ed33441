// @ts-check
// The page side of the gateway, put into every document of the page after wa-js. It keeps what happens
// until the gateway has it, and runs each of the gateway's calls once. Nothing of it throws into wa-js.

(() => {
  "use strict";
  if (window.__andante) return;

  const { bounded, refuse, wid } = page;
  const { failure } = gate;
  const [MOST_EVENTS, MOST_TEXT, MOST_AN_ANSWER] = [5_000, 4_000_000, 1_000_000];
  const [MOST_CALLS, MOST_GIVEN] = [2_000, 10_000];
  const epoch = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;

  /** @type {{ event: BridgeEvent, size: number }[]} */
  let kept = [];
  let [seq, dropped, size] = [0, 0, 0];
  /** @type {string | null} */
  let code = null;
  /** @type {string | null} */
  let logoutReason = null;
  /** @type {Set<string>} */
  const calls = new Set();
  /** @type {Set<string>} */
  const given = new Set();
  /** @type {Map<string, Set<string>>} */
  const typing = new Map();

  /**
   * Remembers, and forgets the oldest of too many.
   * @param {Set<string>} memory
   * @param {string} what
   * @param {number} most
   */
  function remember(memory, what, most) {
    memory.add(what);
    for (const oldest of memory) {
      if (memory.size <= most) return;
      memory.delete(oldest);
    }
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  function push(kind, data) {
    const own = JSON.stringify(data).length;
    kept.push({ event: { seq: ++seq, kind, data }, size: own });
    size += own;
    while (kept.length > MOST_EVENTS || size > MOST_TEXT) drop();
  }

  /** Drops the oldest event. A reply goes last: somebody waits for it. */
  function drop() {
    const at = kept.findIndex(({ event }) => event.kind !== "reply");
    const [gone] = kept.splice(Math.max(at, 0), 1);
    size -= gone.size;
    dropped++;
    // A catch-up may bring it again.
    if (gone.event.kind === "message") given.delete(gone.event.data.key);
  }

  /**
   * @param {string} where
   * @param {any} error
   */
  const oops = (where, error) => push("oops", { in: where, message: bounded(error?.message ?? error) });

  /**
   * @template {any[]} A
   * @param {string} where
   * @param {(...args: A) => void} handler
   * @returns {(...args: A) => void}
   */
  const safely = (where, handler) => (...args) => {
    try {
      handler(...args);
    } catch (error) {
      oops(where, error);
    }
  };

  /** @type {BridgeInbox} */
  const inbox = {
    oops,
    isGiven: (key) => given.has(key),
    give(model, isCaughtUp) {
      try {
        if (!page.isWritten(model) || given.has(model.id.id)) return false;
        const message = page.message(model, isCaughtUp);
        remember(given, model.id.id, MOST_GIVEN);
        push("message", message);
        return true;
      } catch (error) {
        oops("message", error);
        return false;
      }
    },
  };

  const methods = methodsFor(inbox);

  /**
   * @param {string} document the epoch of the document that is meant
   * @param {string} id
   * @param {string} method
   * @param {any} params
   */
  function call(document, id, method, params) {
    if (document !== epoch) return "stale";
    if (calls.has(id)) return "repeated";
    remember(calls, id, MOST_CALLS);
    const run = async () => {
      if (!Object.hasOwn(methods, method)) refuse("unknown_method", `no method ${method}`);
      return methods[method](params ?? {});
    };
    run().then(
      (value) => push("reply", { id, ok: true, value: value ?? null }),
      (error) => push("reply", { id, ok: false, error: failure(error) }),
    );
    return "started";
  }

  /**
   * @param {string | null} document
   * @param {number} acked
   * @param {number} max
   * @returns {BridgePoll}
   */
  function poll(document, acked, max) {
    if (document === epoch) {
      kept = kept.filter(({ event }) => event.seq > acked);
      size = kept.reduce((sum, one) => sum + one.size, 0);
    }
    const events = [];
    let room = MOST_AN_ANSWER;
    for (const one of kept.slice(0, max)) {
      room -= one.size;
      if (room < 0 && events.length > 0) break;
      events.push(one.event);
    }
    return { epoch, dropped, state: page.state(code), events };
  }

  /** @param {unknown} state */
  const isTyping = (state) => /^(typing|composing|recording)/.test(String(state));

  /**
   * Tells who began and who stopped. The page reports everybody's presence at each change.
   * @param {{ id: unknown, isGroup: boolean, state: string, participants?: { id: string, state: string }[] }} presence
   */
  function tellTyping(presence) {
    const chat = String(wid(presence.id));
    const people = presence.isGroup ? (presence.participants ?? []) : [{ id: chat, state: presence.state }];
    const now = new Set(people.filter((one) => isTyping(one.state)).map((one) => String(wid(one.id))));
    const before = typing.get(chat) ?? new Set();
    for (const who of before) if (!now.has(who)) push("typing", { chat, who, on: false });
    for (const who of now) if (!before.has(who)) push("typing", { chat, who, on: true });
    if (now.size) typing.set(chat, now);
    else typing.delete(chat);
  }

  function listen() {
    const { on, loader } = window.WPP;
    on("conn.auth_code_change", safely("auth_code_change", (auth) => { code = auth?.fullCode ?? null; }));
    on("conn.authenticated", safely("authenticated", () => push("authenticated", null)));
    on("conn.needs_update", safely("needs_update", () => push("needs_update", null)));
    on("conn.qrcode_idle", safely("qrcode_idle", () => push("qr_idle", null)));
    on("conn.stream_mode_changed", safely("stream_mode", (mode) => push("mode", { mode: bounded(mode) })));
    on("conn.link_code_change", safely("link_code", (fresh) => push("link_code", { code: bounded(fresh) })));
    on("conn.link_code_expired", safely("link_code", () => push("link_code_ended", { message: null })));
    on("conn.link_code_error", safely("link_code", (error) => push("link_code_ended", { message: bounded(error.message) })));
    on("conn.logout_reason", safely("logout_reason", (reason) => {
      logoutReason = bounded(reason);
      push("logout_reason", { reason: logoutReason });
    }));
    on("conn.logout", safely("logout", () => push("logout", { reason: logoutReason })));
    on("chat.new_message", (model) => void inbox.give(model, false));
    on("chat.presence_change", safely("presence", tellTyping));
    on("chat.msg_ack_change", safely("ack", ({ ack, chat, sender, ids }) => {
      // The first one comes from the page's memory, too, which also has the failed ones.
      if (ack > 1) push("ack", { keys: ids.map((id) => id.id), ack, by: page.isGroup(chat) ? wid(sender) : null });
    }));
    loader.onFullReady(safely("ready", () => {
      push("ready", null);
      window.WPP.whatsapp.MsgStore.on("change:ack", safely("ack", (/** @type {PageMessage} */ model) => {
        const { ack, result } = sending.standing(model);
        if (model.id.fromMe) push("ack", { keys: [model.id.id], ack, result, by: null });
      }));
    }));
  }

  const bridge = Object.freeze({ poll, call });
  Object.defineProperty(window, "__andante", { value: bridge, configurable: true });
  safely("listen", listen)();
})();
