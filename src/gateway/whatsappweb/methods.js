// @ts-check
// What the gateway may ask of the page. Each method checks what it is given and whether the page can
// do it before it does anything, so that an error says whether a message may have left.

/** @param {BridgeInbox} inbox */
const methodsFor = (inbox) => {
  "use strict";

  const { bounded, quiet, refuse } = page;
  const { need, ready, connected, isAddress, isKey, isCount } = gate;
  const [PAGE_OF_MESSAGES, MOST_PAGES, MOST_KEYS, MOST_CAUGHT_UP] = [100, 20, 500, 1_000];
  /** The page holds all of what it fetches in memory. */
  const MOST_FETCHED = 268_435_456;

  /**
   * The message of this whole id. A chat may have moved from a number to a LID since.
   * @param {string} id
   */
  async function messageOf(id) {
    const key = WPP.whatsapp.MsgKey.fromString(id);
    const found = await sending.stored(key);
    const chat = found ? null : page.knownChat(String(key.remote));
    if (!chat) return found;
    const { fromMe, participant } = key;
    return sending.stored(new WPP.whatsapp.MsgKey({ fromMe, remote: chat.id, id: key.id, participant }));
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

    async send({ to, text, key, isRepeat, file }) {
      need(isAddress(to) && typeof text === "string" && (text !== "" || file) && isKey(key));
      need(!file || (typeof file.name === "string" && sending.isKind(file.as)));
      return sending.send({ to, text, key, isRepeat, file });
    },

    async hasFile({ file }) {
      need(typeof file === "string");
      return files.held(file) !== null;
    },

    async putFile({ file, title, mimeType, size, offset, piece }) {
      need([file, title, mimeType, piece].every((text) => typeof text === "string") && isCount(size) && isCount(offset));
      files.put({ file, title, mimeType, size, offset, piece });
    },

    async fetchFile({ id }) {
      need(typeof id === "string");
      connected();
      const model = (await messageOf(id)) ?? refuse("gone");
      if (!model.mediaData || Number(model.size) > MOST_FETCHED) refuse("gone");
      try {
        return files.give(await WPP.chat.downloadMedia(model.id.toString()));
      } catch (error) {
        const isGone = /MISSING|UNSUPPORTED/.test(quiet(() => model.mediaData?.mediaStage, ""));
        if (isGone || [404, 410].includes(Number(/** @type {any} */ (error)?.status))) refuse("gone");
        throw error;
      }
    },

    async readFile({ number, offset }) {
      need(isCount(number) && isCount(offset));
      return files.read({ number, offset });
    },

    async find({ key, chat }) {
      need(isKey(key) && (chat === undefined || chat === null || isAddress(chat)));
      connected();
      const { held, stored, idIn, standing } = sending;
      const model = held(new Set([key]))[0] ?? (chat ? await stored(await idIn(page.widOf(chat), key)) : null);
      return model && standing(model);
    },

    async acks({ keys }) {
      need(Array.isArray(keys) && keys.length <= MOST_KEYS);
      connected();
      return sending.held(new Set(keys)).map((model) => ({ key: model.id.id, ack: model.ack ?? null }));
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

  return methods;
};
