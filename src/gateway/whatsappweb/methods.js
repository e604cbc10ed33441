// @ts-check
// What the gateway may ask of the page. Each method checks what it is given and whether the page can
// do it before it does anything, so that an error says whether a message may have left.

/** @param {BridgeInbox} inbox */
const methodsFor = (inbox) => {
  "use strict";

  const { bounded, quiet, wid } = page;
  const SEND = { linkPreview: false, detectMentioned: false, markIsRead: false, waitForAck: true, createChat: true };
  const OFFLINE = new Set(["OFFLINE", "OPENING", "CONNECTING", "RESUMING"]);
  // With these wa-js refuses before it hands the message to the page.
  const NOT_TAKEN = new Set([
    "can_not_send_message_to_this_groupType", "chat_not_found", "invalid_wid", "message_key_is_not_from_me",
    "message_key_remote_id_is_not_same_of_chat", "no_lid",
  ]);
  const [PAGE_OF_MESSAGES, MOST_PAGES, MOST_KEYS, MOST_CAUGHT_UP] = [100, 20, 500, 1_000];

  /**
   * @param {string} code
   * @returns {never}
   */
  function refuse(code, message = code) {
    throw Object.assign(new Error(message), { code });
  }

  /** @param {any} error */
  function codeOf(error) {
    if (/no lid for user/i.test(String(error?.message ?? error))) return "no_lid";
    return typeof error?.code === "string" ? String(bounded(error.code, 60)) : "error";
  }

  /** @param {any} error */
  function failure(error) {
    return {
      code: codeOf(error),
      message: bounded(error?.message ?? error) ?? "unknown",
      mayBeSent: error?.mayBeSent === true,
    };
  }

  /** @param {boolean} isGood */
  const need = (isGood) => isGood || refuse("bad_params");

  function ready() {
    if (!quiet(() => WPP.loader.isInjected, false)) refuse("not_ready");
  }

  /** wa-js sends without a word when nobody is paired. So we look. */
  function connected() {
    const { isAuthenticated, mode, isFullReady, info } = page.state(null);
    if (!isAuthenticated || mode !== "MAIN" || !isFullReady) refuse("not_connected");
    return info;
  }

  function online() {
    const info = connected();
    if (info && OFFLINE.has(info)) refuse("not_connected", `the page is ${info}`);
  }

  /** @param {unknown} address */
  const isAddress = (address) => typeof address === "string" && /^[\d-]+@(c\.us|lid|g\.us)$/.test(address);

  /** @param {unknown} key */
  const isKey = (key) => typeof key === "string" && /^[0-9A-Z]{8,64}$/.test(key);

  /**
   * Our messages of these keys in the page's memory. Keys alone count: the chat in a message's id may
   * be a number or a LID.
   * @param {Set<string>} keys
   */
  function held(keys) {
    const isOurs = (/** @type {PageMessage} */ model) => model.id.fromMe && keys.has(model.id.id);
    return WPP.whatsapp.MsgStore.getModelsArray().filter((model) => quiet(() => isOurs(model), false));
  }

  /**
   * The whole id of our message of this key. In a group it names us, as wa-js names us.
   * @param {import("@wppconnect/wa-js").whatsapp.Wid} chat
   * @param {string} key
   */
  async function idIn(chat, key) {
    const { participant } = await WPP.chat.generateMessageID(chat);
    return new WPP.whatsapp.MsgKey({ fromMe: true, remote: chat, id: key, participant });
  }

  /**
   * A message in the page's memory or database.
   * @param {import("@wppconnect/wa-js").whatsapp.MsgKey} id
   */
  async function stored(id) {
    try {
      return await WPP.chat.getMessageById(id);
    } catch (error) {
      if (["msg_not_found", "chat_not_found"].includes(codeOf(error))) return null;
      throw error;
    }
  }

  /**
   * The chat to send in. A number that the page has no chat with is looked up first, by the call that
   * tells an error from an absence.
   * @param {string} to
   */
  async function chatFor(to) {
    const known = page.knownChat(to);
    if (page.isGroup(to)) {
      if (!known || !(await WPP.group.iAmMember(to))) refuse("not_in_group");
      return known;
    }
    if (!known) {
      const look = async () => WPP.whatsapp.functions.queryWidExists(page.widOf(to));
      const found = await look().catch((error) => refuse("check_failed", error?.message));
      if (!found) refuse("not_on_whatsapp");
    }
    return WPP.chat.find(to);
  }

  /**
   * @param {PageMessage} model
   * @param {string} key
   */
  const present = (model, key) => ({ chat: wid(model.id.remote), key, ack: model.ack ?? null, result: null, isRepeat: true });

  /** @type {Map<string, ReturnType<typeof sendOnce>>} */
  const underway = new Map();

  /** @param {{ to: string, text: string, key: string, isRepeat?: boolean }} params */
  async function sendOnce({ to, text, key, isRepeat }) {
    const chat = await chatFor(to);
    const id = await idIn(chat.id, key);
    const earlier = isRepeat ? await stored(id) : null;
    if (earlier) return present(earlier, key);
    online();
    try {
      const sent = await WPP.chat.sendTextMessage(chat.id, text, { ...SEND, messageId: id });
      const result = bounded(sent.sendMsgResult?.messageSendResult);
      return { chat: wid(chat.id), key, ack: sent.ack ?? null, result, isRepeat: false };
    } catch (error) {
      const { code, message } = failure(error);
      throw Object.assign(new Error(message), { code, mayBeSent: !NOT_TAKEN.has(code) });
    }
  }

  /**
   * The messages of a chat since then that were not given yet.
   * @param {PageChat} chat
   * @param {number} since
   */
  async function messagesSince(chat, since) {
    /** @type {Map<string, PageMessage>} */
    const found = new Map();
    /** @param {readonly PageMessage[]} models */
    const keep = (models) => {
      for (const model of models) {
        try {
          const isWanted = (model.t ?? 0) >= since && page.isWritten(model) && !inbox.isGiven(model.id.id);
          if (isWanted) found.set(model.id.id, model);
        } catch (error) {
          inbox.oops("catchUp", error);
        }
      }
    };
    keep(chat.msgs.getModelsArray());
    let before = "";
    for (let turn = 0; turn < MOST_PAGES; turn++) {
      const anchor = before ? { id: before } : {};
      const options = { count: PAGE_OF_MESSAGES, direction: /** @type {const} */ ("before"), ...anchor };
      const models = /** @type {PageMessage[]} */ (await WPP.chat.getMessages(chat.id, options));
      keep(models);
      const [first] = models.toSorted((one, other) => (one.t ?? 0) - (other.t ?? 0));
      if (models.length < PAGE_OF_MESSAGES - 1 || (first.t ?? 0) < since) return [...found.values()];
      before = first.id.toString();
    }
    inbox.oops("catchUp", `more than ${PAGE_OF_MESSAGES * MOST_PAGES} messages in one chat: older ones were left out`);
    return [...found.values()];
  }

  /** @type {Record<string, (params: any) => Promise<unknown>>} */
  const methods = {
    async refreshQr() {
      ready();
      WPP.conn.refreshQR().catch((error) => inbox.oops("refreshQr", error));
    },

    async linkCode({ phone }) {
      need(typeof phone === "string" && /^\d{5,20}$/.test(phone));
      ready();
      return bounded(await WPP.conn.startLinkDeviceCodeForPhoneNumber(phone));
    },

    async cancelLinkCode() {
      ready();
      WPP.conn.cancelLinkDeviceCode();
    },

    async send({ to, text, key, isRepeat }) {
      need(isAddress(to) && typeof text === "string" && text !== "" && isKey(key));
      online();
      const [model] = held(new Set([key]));
      if (model) return present(model, key);
      const other = underway.get(key);
      if (other) return { ...(await other), isRepeat: true };
      const attempt = sendOnce({ to, text, key, isRepeat }).finally(() => underway.delete(key));
      underway.set(key, attempt);
      return attempt;
    },

    async find({ key, chat }) {
      need(isKey(key) && (chat === undefined || chat === null || isAddress(chat)));
      connected();
      const model = held(new Set([key]))[0] ?? (chat ? await stored(await idIn(page.widOf(chat), key)) : null);
      return model && { ack: model.ack ?? null, chat: wid(model.id.remote) };
    },

    async acks({ keys }) {
      need(Array.isArray(keys) && keys.length <= MOST_KEYS);
      connected();
      return held(new Set(keys)).map((model) => ({ key: model.id.id, ack: model.ack ?? null }));
    },

    async catchUp({ since, limit }) {
      need(Number.isFinite(since) && Number.isInteger(limit) && limit > 0 && limit <= MOST_CAUGHT_UP);
      connected();
      const isChanged = (/** @type {PageChat} */ chat) => page.isChat(chat.id) && (chat.t ?? 0) >= since;
      const chats = WPP.whatsapp.ChatStore.getModelsArray().filter((chat) => quiet(() => isChanged(chat), false));
      /** @type {PageMessage[]} */
      let oldest = [];
      let hasMore = false;
      for (const chat of chats) {
        try {
          oldest.push(...(await messagesSince(chat, since)));
        } catch (error) {
          inbox.oops("catchUp", error);
        }
        oldest.sort((one, other) => (one.t ?? 0) - (other.t ?? 0));
        hasMore ||= oldest.length > limit;
        oldest = oldest.slice(0, limit);
      }
      return { count: oldest.filter((model) => inbox.give(model, true)).length, hasMore };
    },

    async chats({ count }) {
      need(Number.isInteger(count) && count > 0);
      connected();
      const models = await WPP.chat.list({ ignoreGroupMetadata: true });
      return models.map(page.chat).sort((one, other) => (other.t ?? 0) - (one.t ?? 0)).slice(0, count);
    },

    async markRead({ chat }) {
      need(isAddress(chat));
      connected();
      const { id } = page.knownChat(chat) ?? refuse("chat_not_found");
      await WPP.chat.markIsRead(id);
      // So that we hear when they type. wa-js keeps its errors to itself.
      WPP.contact.subscribePresence(id.toString()).catch((error) => inbox.oops("markRead", error));
    },

    async typing({ to, on }) {
      need(isAddress(to) && typeof on === "boolean");
      connected();
      const { id } = page.knownChat(to) ?? refuse("chat_not_found");
      await (on ? WPP.chat.markIsComposing(id) : WPP.chat.markIsPaused(id));
    },

    async logout() {
      ready();
      // wa-js begins to wait for the logout after it asked for it, and may wait for ever.
      WPP.conn.logout().catch((error) => inbox.oops("logout", error));
    },
  };

  return { methods, refuse, failure };
};
