// @ts-check
// How a message leaves: under the id that was chosen for it, once. What is there by that id already is
// not sent again, but for one whose file was never uploaded: of that nothing has left.

const sending = (() => {
  "use strict";

  const { bounded, quiet, refuse, wid } = page;
  const { codeOf, failure, online } = gate;
  const SEND = { linkPreview: false, detectMentioned: false, markIsRead: false, waitForAck: true, createChat: true };
  // With these wa-js refuses before it hands the message to the page.
  const NOT_TAKEN = new Set([
    "can_not_send_message_to_this_groupType", "chat_not_found", "invalid_wid", "message_key_is_not_from_me",
    "message_key_remote_id_is_not_same_of_chat", "no_lid",
  ]);
  /** How a file goes, by what the gateway calls its kind. */
  const AS = /** @type {const} */ ({
    image: { type: "image" },
    video: { type: "video" },
    audio: { type: "audio" },
    voice: { type: "audio", isPtt: true },
    document: { type: "document" },
    sticker: { type: "sticker" },
  });

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
      return known && (await WPP.group.iAmMember(to)) ? known : refuse("not_in_group");
    }
    if (!known) {
      const look = async () => WPP.whatsapp.functions.queryWidExists(page.widOf(to));
      const found = await look().catch((error) => refuse("check_failed", error?.message));
      if (!found) refuse("not_on_whatsapp");
    }
    return (await WPP.chat.find(to)) ?? refuse("chat_not_found");
  }

  /**
   * Whether a message stays here for ever, since its file was never uploaded.
   * @param {PageMessage} model
   */
  const isStuck = (model) => page.hasFile(model) && (model.ack ?? 0) < 0 && !model.directPath;

  /**
   * How far a message is that is there.
   * @param {PageMessage} model
   */
  function standing(model) {
    const result = isStuck(model) ? "ERROR_UPLOAD" : null;
    return { chat: wid(model.id.remote), ack: model.ack ?? null, result };
  }

  /**
   * @param {PageMessage} model
   * @param {string} key
   */
  const present = (model, key) => ({ ...standing(model), key, isRepeat: true });

  /** @type {Map<string, ReturnType<typeof sendOnce>>} */
  const underway = new Map();

  /**
   * Hands a message to the page. Of one with a file, the page makes the file ready before it takes it.
   * @param {PageChat} chat
   * @param {import("@wppconnect/wa-js").whatsapp.MsgKey} id
   * @param {BridgeMessage} message
   */
  async function handOver(chat, id, { text, key, file }) {
    const options = { ...SEND, messageId: id };
    const blob = file && (files.held(file.name) ?? refuse("no_file"));
    // wa-js takes an empty caption for none, and says the file's name instead.
    const caption = text === "" ? {} : { caption: text };
    try {
      if (!blob) return await WPP.chat.sendTextMessage(chat.id, text, options);
      return await WPP.chat.sendFileMessage(chat.id, blob, { ...options, ...AS[file.as], ...caption });
    } catch (error) {
      const { code, message } = failure(error);
      const mayBeSent = blob ? held(new Set([key])).length > 0 : !NOT_TAKEN.has(code);
      throw Object.assign(new Error(message), { code, mayBeSent });
    }
  }

  /** @param {BridgeMessage} message */
  async function sendOnce(message) {
    const { to, key, isRepeat } = message;
    const chat = await chatFor(to);
    const id = await idIn(chat.id, key);
    const earlier = isRepeat ? await stored(id) : null;
    if (earlier && !isStuck(earlier)) return present(earlier, key);
    online();
    // The page tells of one that comes, not of one that is there.
    for (const model of held(new Set([key]))) model.delete();
    const sent = await handOver(chat, id, message);
    const result = bounded(sent.sendMsgResult?.messageSendResult);
    return { chat: wid(chat.id), key, ack: sent.ack ?? null, result, isRepeat: false };
  }

  /** @param {BridgeMessage} message */
  async function send(message) {
    const { key } = message;
    online();
    const [model] = held(new Set([key]));
    const other = underway.get(key);
    if (model && (other || !isStuck(model))) return present(model, key);
    if (other) return { ...(await other), isRepeat: true };
    const attempt = sendOnce(message).finally(() => underway.delete(key));
    underway.set(key, attempt);
    return attempt;
  }

  /** @param {string} as */
  const isKind = (as) => Object.hasOwn(AS, as);

  return { isKind, held, idIn, stored, standing, send };
})();
