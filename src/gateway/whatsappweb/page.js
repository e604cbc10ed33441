// @ts-check
// Reads WhatsApp's page through wa-js. What leaves is plain data with bounded texts, never one of
// WhatsApp's own objects: those are cyclic, and their getters throw. Nothing here changes the page.

const page = (() => {
  "use strict";

  const LONGEST_TEXT = 65_536;
  const LONGEST_WORDS = 300;
  /** Letters of a thumbnail of 32 KiB as base64. */
  const LONGEST_THUMBNAIL = 43_692;
  const TYPES_WITH_FILE = new Set(["audio", "document", "gif", "image", "ptt", "ptv", "sticker", "video"]);
  const TYPES_WITH_BODY = new Set(["chat", "buttons_response", "list_response", "template_button_reply"]);
  // What WhatsApp keeps among the messages though nobody wrote it. A ciphertext comes again once it's read.
  const NOTICES = new Set([
    "broadcast_notification", "call_log", "ciphertext", "debug", "e2e_notification", "gp2", "group_notification",
    "keep_in_chat", "newsletter_notification", "notification", "notification_template", "pinned_message", "protocol",
    "reaction",
  ]);

  /**
   * A text that can be written as UTF-8 and is no longer than this; null for none.
   * @param {unknown} value
   */
  function bounded(value, most = LONGEST_WORDS) {
    return value === null || value === undefined ? null : String(value).slice(0, most).toWellFormed();
  }

  /**
   * @param {string} code
   * @returns {never}
   */
  function refuse(code, message = code) {
    throw Object.assign(new Error(message), { code });
  }

  /**
   * What is read, or the other value if it can't be read.
   * @template T, O
   * @param {() => T} read
   * @param {O} other
   * @returns {T | O}
   */
  function quiet(read, other) {
    try {
      return read();
    } catch {
      return other;
    }
  }

  /**
   * A WhatsApp id as text.
   * @param {any} id
   * @returns {string | null}
   */
  function wid(id) {
    return bounded(id);
  }

  /** @param {any} id */
  const isGroup = (id) => wid(id)?.endsWith("@g.us") ?? false;

  /**
   * The chats that people write in: no status, broadcast list or channel.
   * @param {any} id
   */
  const isChat = (id) => /@(c\.us|lid|g\.us)$/.test(wid(id) ?? "");

  /**
   * The chat that the page has for an address. WhatsApp moves chats from numbers to LIDs.
   * @param {string} address
   */
  function knownChat(address) {
    const chat = WPP.chat.get(address);
    if (chat || !address.endsWith("@c.us")) return chat;
    const lid = quiet(() => WPP.whatsapp.lidPnCache.getCurrentLid(widOf(address)), undefined);
    return lid && WPP.chat.get(lid);
  }

  /** @param {string} address */
  function widOf(address) {
    const id = WPP.util.createWid(address);
    if (!id) throw new Error(`no address: ${address}`);
    return id;
  }

  /**
   * The number behind an address, as far as the page knows it. Asks nobody.
   * @param {string | null} address
   */
  function phone(address) {
    if (!address?.endsWith("@lid")) return address?.endsWith("@c.us") ? address : null;
    return quiet(() => wid(WPP.whatsapp.lidPnCache.getPhoneNumber(widOf(address))), null);
  }

  /**
   * A picture's body is its thumbnail: what was written is its caption. A document without one has its
   * name there.
   * @param {PageMessage} model
   */
  function text(model) {
    const isName = model.type === "document" && model.caption === model.filename && !model.isCaptionByUser;
    const caption = isName ? null : model.caption;
    const written = caption ?? (TYPES_WITH_BODY.has(model.type ?? "") ? model.body : null);
    return bounded(written, LONGEST_TEXT);
  }

  /**
   * A small JPEG as base64. The page has it in a message's body, or with its file.
   * @param {PageMessage} model
   */
  function thumbnail(model) {
    const found = [() => model.body, () => model.mediaData?.preview?.getBase64()].map((read) => quiet(read, null));
    const isOne = (/** @type {unknown} */ one) => typeof one === "string" && one.startsWith("/9j/");
    return found.find((one) => isOne(one) && one.length <= LONGEST_THUMBNAIL) ?? null;
  }

  /** @param {PageMessage} model */
  const hasFile = (model) => TYPES_WITH_FILE.has(model.type ?? "");

  /**
   * A whole number that the gateway can read.
   * @param {unknown} value
   */
  function natural(value, most = 4_294_967_295) {
    const whole = Math.round(Number(value));
    return whole > 0 && whole <= most ? whole : null;
  }

  /**
   * What the page knows of a message's file, without its content.
   * @param {PageMessage} model
   */
  function file(model) {
    if (!hasFile(model)) return null;
    return {
      id: bounded(model.id),
      mimeType: bounded(model.mimetype),
      size: natural(model.size, Number.MAX_SAFE_INTEGER),
      name: bounded(model.filename || null),
      width: natural(model.width),
      height: natural(model.height),
      seconds: natural(model.duration),
      thumbnail: thumbnail(model),
    };
  }

  /**
   * Whether a person wrote it, in a chat.
   * @param {PageMessage} model
   */
  const isWritten = (model) => isChat(model.id.remote) && !NOTICES.has(model.type ?? "ciphertext");

  /**
   * @param {PageMessage} model
   * @param {boolean} isCaughtUp
   */
  function message(model, isCaughtUp) {
    const chat = wid(model.id.remote);
    const author = isGroup(chat) ? wid(model.author ?? model.id.participant) : null;
    return {
      key: wid(model.id.id),
      chat,
      from: wid(model.from),
      to: wid(model.to),
      author,
      fromMe: Boolean(model.id.fromMe),
      type: bounded(model.type),
      text: text(model),
      t: model.t ?? null,
      ack: model.ack ?? null,
      name: bounded(model.notifyName),
      chatName: quiet(() => title(WPP.chat.get(model.id.remote)), null),
      phone: phone(author ?? chat),
      file: quiet(() => file(model), null),
      isCaughtUp,
    };
  }

  /** @param {PageChat | undefined} model */
  const title = (model) => bounded(quiet(() => model?.formattedTitle, null) ?? quiet(() => model?.name, null));

  /** @param {PageChat} model */
  function chat(model) {
    const id = wid(model.id);
    const kind = isGroup(id) ? "group" : isChat(id) ? "user" : "other";
    return { id, name: title(model), kind, t: model.t ?? null, unread: model.unreadCount ?? 0 };
  }

  /**
   * The QR as the page draws it: it is newer than what wa-js makes of its parts.
   * @param {string | null} code
   */
  function qr(code) {
    return quiet(() => document.querySelector("[data-ref]")?.getAttribute("data-ref"), null) ?? code;
  }

  /**
   * @param {string | null} code what wa-js said last that the QR holds
   * @returns {BridgeState}
   */
  function state(code) {
    const stream = quiet(() => WPP.conn.getStreamData(), null);
    const socket = quiet(() => bounded(WPP.whatsapp.Socket.state), null);
    const isAuthenticated = quiet(() => Boolean(WPP.conn.isAuthenticated()), false);
    return {
      waJs: quiet(() => bounded(WPP.version), null),
      page: quiet(() => bounded(window.Debug?.VERSION), null),
      isInjected: quiet(() => Boolean(WPP.loader.isInjected), false),
      isFullReady: quiet(() => Boolean(WPP.isFullReady), false),
      isAuthenticated,
      isRegistered: quiet(() => Boolean(WPP.conn.isRegistered()), false),
      mode: quiet(() => bounded(stream?.mode), null),
      info: quiet(() => bounded(stream?.info), null),
      socket,
      needsUpdate: quiet(() => Boolean(WPP.conn.needsUpdate()), false),
      qr: isAuthenticated || socket === "UNPAIRED_IDLE" ? null : bounded(qr(code), LONGEST_TEXT),
      me: quiet(() => wid(WPP.conn.getMyUserId()), null),
      lid: quiet(() => wid(WPP.conn.getMyUserLid()), null),
      name: quiet(() => bounded(WPP.profile.getMyProfileName()), null),
      href: quiet(() => bounded(location.href), null),
    };
  }

  return { bounded, refuse, quiet, wid, widOf, isGroup, isChat, knownChat, hasFile, isWritten, message, chat, state };
})();
