// @ts-check
// A page with stubs of what the bridge uses of wa-js. Each stub has the type that wa-js publishes.

import assert from "node:assert/strict";
import fs from "node:fs";
import vm from "node:vm";

/** @typedef {typeof import("@wppconnect/wa-js")} WaJs */

const SOURCE = new URL("../../../src/gateway/whatsappweb/", import.meta.url);
const scripts = ["config.js", "page.js", "files.js", "gate.js", "sending.js", "methods.js", "bridge.js"].map((name) => {
  return new vm.Script(fs.readFileSync(new URL(name, SOURCE), "utf8"), { filename: name });
});

export class Wid {
  /** @param {string} text */
  constructor(text) { this.text = text; }
  toString() { return this.text; }
}

export class MsgKey {
  /** @param {any} parts */
  constructor({ fromMe, remote, id, participant }) { Object.assign(this, { fromMe, remote, id, participant }); }
  toString() { const { fromMe, remote, id } = /** @type {any} */ (this); return `${fromMe}_${remote}_${id}`; }
  /** @param {string} text */
  static fromString(text) { const [fromMe, remote, id] = text.split("_"); return new MsgKey({ fromMe: fromMe === "true", remote: new Wid(remote), id }); }
}

/** @returns {any} a message as the page has it */
export const message = (/** @type {string} */ key, /** @type {any} */ more = {}) => ({
  id: new MsgKey({ fromMe: false, remote: new Wid("111@c.us"), id: key, ...more.id }),
  from: new Wid("111@c.us"), to: new Wid("999@c.us"), type: "chat", body: "Hello", t: 1_000, ack: 1, notifyName: "Ada",
  ...more, ...(more.id && { id: new MsgKey({ fromMe: false, remote: new Wid("111@c.us"), id: key, ...more.id }) }),
});

/** A page with wa-js in it, connected unless it's told otherwise. */
export function open(/** @type {any} */ { isPaired = true, exists = async () => ({ wid: new Wid("222@c.us"), biz: false }) } = {}) {
  /** @type {Map<string, Function>} */
  const listeners = new Map();
  /** @type {any[]} */
  const [sent, held, stored] = [[], [], []];
  const chats = ["111@c.us", "5-6@g.us"].map((id) => ({
    id: new Wid(id), t: 5_000, unreadCount: 0, formattedTitle: `Chat ${id}`, msgs: { getModelsArray: () => held },
  }));
  /** @type {Pick<WaJs["chat"], "get" | "find" | "generateMessageID" | "getMessageById" | "sendTextMessage" | "sendFileMessage" | "downloadMedia" | "getMessages">} */
  const chat = {
    get: (id) => /** @type {any} */ (chats.find((one) => String(one.id) === String(id))),
    find: async (id) => /** @type {any} */ ({ id: new Wid(String(id)) }),
    generateMessageID: async (id) => /** @type {any} */ (new MsgKey({ fromMe: true, remote: id, id: "GENERATED", participant: String(id).endsWith("g.us") ? new Wid("999@lid") : undefined })),
    getMessageById: async (/** @type {any} */ id) => {
      const found = stored.find((/** @type {any} */ one) => String(one.id) === String(id));
      if (!found) throw Object.assign(new Error("nothing there"), { code: "msg_not_found" });
      return found;
    },
    sendTextMessage: async (to, text, options) => {
      sent.push({ to: String(to), text, options });
      const id = /** @type {any} */ (options?.messageId);
      held.push({ id, ack: 1, t: 1_000, type: "chat", body: text });
      return { id: String(id), ack: 1, sendMsgResult: /** @type {any} */ ({ messageSendResult: "OK" }) };
    },
    sendFileMessage: async (to, content, options) => {
      const file = /** @type {File} */ (content);
      sent.push({ to: String(to), file, options, text: await file.text() });
      const id = /** @type {any} */ (options?.messageId);
      held.push({ id, ack: 1, t: 1_000, type: options.type, directPath: "/there", delete() { held.splice(held.indexOf(this), 1); } });
      return { id: String(id), ack: 1, sendMsgResult: /** @type {any} */ ({ messageSendResult: "OK" }) };
    },
    downloadMedia: async () => new Blob(["content"], { type: "image/jpeg" }),
    getMessages: async (id) => (String(id) === "111@c.us" ? stored : []),
  };
  /** @type {Pick<WaJs["conn"], "isAuthenticated" | "isRegistered" | "needsUpdate" | "getStreamData" | "getMyUserId" | "getMyUserLid">} */
  const conn = {
    isAuthenticated: () => isPaired, isRegistered: () => isPaired, needsUpdate: () => false,
    getStreamData: () => /** @type {any} */ ({ mode: isPaired ? "MAIN" : "QR", info: "NORMAL" }),
    getMyUserId: () => /** @type {any} */ (new Wid("999@c.us")),
    getMyUserLid: () => { throw new Error("no LID"); },
  };
  const store = (/** @type {any[]} */ models) => ({ getModelsArray: () => models, on: listen });
  function listen(/** @type {string} */ name, /** @type {Function} */ handler) { listeners.set(name, handler); }
  const WPP = {
    version: "4.6.0", isFullReady: true, chat, conn, on: listen,
    loader: { isInjected: true, onFullReady: (/** @type {Function} */ handler) => handler() },
    util: { createWid: (/** @type {string} */ id) => new Wid(id) },
    group: { iAmMember: async () => true },
    whatsapp: {
      MsgKey, MsgStore: store(held), ChatStore: store(chats), functions: { queryWidExists: exists },
      lidPnCache: { getCurrentLid: () => undefined, getPhoneNumber: () => new Wid("333@c.us") },
    },
  };
  const window = /** @type {any} */ ({ WPP, Blob, File, atob, btoa, location: { href: "about:blank" }, document: { querySelector: () => null } });
  window.window = window;
  vm.createContext(window);
  for (const script of scripts) script.runInContext(window);
  const bridge = window.__andante;
  const { epoch } = bridge.poll(null, 0, 0);
  /** @type {any[]} */
  const seen = [];
  /** All events of a kind so far. They are acknowledged. */
  const events = (/** @type {string} */ kind) => {
    for (let more = [1]; more.length > 0; seen.push(...more)) more = bridge.poll(epoch, seen.at(-1)?.seq ?? 0, 9_999).events;
    return seen.filter((event) => event.kind === kind);
  };
  let calls = 0;
  /** What a method answers. */
  const ask = async (/** @type {string} */ method, /** @type {any} */ params) => {
    const id = `call ${++calls}`;
    assert.equal(bridge.call(epoch, id, method, params), "started");
    for (let turn = 0; turn < 100; turn++) {
      const reply = events("reply").find((/** @type {any} */ e) => e.data.id === id);
      if (reply) return JSON.parse(JSON.stringify(reply.data));
      await new Promise(setImmediate);
    }
    throw new Error(`${method} does not answer`);
  };
  const emit = (/** @type {string} */ name, /** @type {any} */ what) => listeners.get(name)?.(what);
  return { window, WPP, bridge, epoch, events, ask, emit, sent, held, stored, chats };
}
