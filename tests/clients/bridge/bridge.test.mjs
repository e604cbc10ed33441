// @ts-check
// The page side of the browser gateway, on stubs of what it uses of wa-js. Run: node --test bridge/

import assert from "node:assert/strict";
import { test } from "node:test";

import { Wid, message, open } from "./stub.mjs";

const KEY = "3EB0AAAAAAAAAAAAAAAAAA";
const send = { to: "111@c.us", text: "Hi", key: KEY };

test("a call runs once, and only in the document that it is meant for", async () => {
  const { bridge, epoch, ask, sent } = open();
  assert.equal(bridge.call("another", "one", "send", send), "stale");
  assert.equal(bridge.call(epoch, "one", "send", send), "started");
  assert.equal(bridge.call(epoch, "one", "send", send), "repeated");
  await ask("acks", { keys: [KEY] });
  assert.equal(sent.length, 1);
});

test("an event comes until it is acknowledged in this document", () => {
  const { bridge, epoch, emit } = open();
  for (const key of ["A", "B", "C"]) emit("chat.new_message", message(key));
  const { events } = bridge.poll(epoch, 0, 2);
  const [first, second] = events;
  assert.equal(bridge.poll(epoch, first.seq, 1).events[0].seq, second.seq);
  assert.equal(bridge.poll("another", 999, 1).events[0].seq, second.seq, "another document's numbers count for nothing");
  assert.equal(bridge.poll(epoch, 999, 9).events.length, 0);
});

test("too many events cost the oldest, but no reply, and a dropped message may come again", async () => {
  const { bridge, epoch, ask, emit, events, stored } = open();
  bridge.call(epoch, "early", "acks", { keys: [] });
  await new Promise(setImmediate);
  for (let i = 0; i < 5_100; i++) emit("chat.new_message", message(`M${i}`));
  const { dropped } = bridge.poll(epoch, 0, 1);
  assert.ok(dropped >= 100, `${dropped}`);
  assert.equal(events("reply").length, 1);
  stored.push(message("M0"));
  assert.equal((await ask("catchUp", { since: 0, limit: 10 })).value.count, 1);
});

test("long texts are cut, and the buffer holds about four megabytes of them", () => {
  const { bridge, epoch, emit } = open();
  for (let i = 0; i < 100; i++) emit("chat.new_message", message(`M${i}`, { body: "x".repeat(100_000) }));
  const answer = bridge.poll(epoch, 0, 9_999);
  assert.equal(answer.events.at(-1).data.text.length, 65_536);
  assert.ok(answer.dropped >= 38 && answer.dropped < 45, `${answer.dropped}`);
  assert.ok(JSON.stringify(answer.events).length < 1_100_000, "an answer has its bound, too");
});

test("what throws becomes an event, and the state never throws", () => {
  const { emit, events, bridge, epoch, window } = open();
  emit("chat.new_message", { get id() { throw new Error("moved".repeat(200)); } });
  assert.equal(events("oops")[0].data.message.length, 300);
  assert.equal(bridge.poll(epoch, 0, 1).state.lid, null);
  Object.defineProperty(window, "WPP", { get() { throw new Error("gone"); } });
  assert.equal(bridge.poll(epoch, 0, 1).state.waJs, null);
});

test("a message leaves as plain data, once, without what nobody wrote", () => {
  const { emit, events } = open();
  emit("chat.new_message", message("A", { type: "ciphertext" }));
  emit("chat.new_message", message("A", { body: `half ${"\ud83d"}` }));
  emit("chat.new_message", message("A"));
  emit("chat.new_message", message("B", { type: "image", body: "thumbnail", caption: "Look", id: { remote: new Wid("44@lid") } }));
  emit("chat.new_message", message("C", { id: { remote: new Wid("status@broadcast") } }));
  emit("chat.new_message", message("D", { id: { remote: new Wid("1@newsletter") } }));
  const [first, second, ...others] = events("message").map((/** @type {any} */ e) => e.data);
  assert.deepEqual(others, []);
  assert.equal(first.text, "half \ufffd");
  assert.deepEqual([second.text, second.chat, second.phone], ["Look", "44@lid", "333@c.us"]);
});

test("a message goes out under the key that was chosen, and never twice", async () => {
  const { ask, sent } = open();
  const first = await ask("send", send);
  assert.deepEqual(first.value, { chat: "111@c.us", key: KEY, ack: 1, result: "OK", isRepeat: false });
  const second = await ask("send", send);
  assert.deepEqual(second.value, { chat: "111@c.us", key: KEY, ack: 1, result: null, isRepeat: true });
  assert.equal(sent.length, 1);
  const { messageId, ...options } = sent[0].options;
  assert.equal(String(messageId), `true_111@c.us_${KEY}`);
  assert.deepEqual({ ...options }, { linkPreview: false, detectMentioned: false, markIsRead: false, waitForAck: true, createChat: true });
});

test("a message of an earlier document is found before it is sent again", async () => {
  const { ask, sent, stored } = open();
  stored.push(message(KEY, { ack: 3, id: { fromMe: true } }));
  assert.equal((await ask("send", { ...send, isRepeat: true })).value.ack, 3);
  assert.deepEqual((await ask("find", { key: KEY, chat: "111@c.us" })).value, { ack: 3, chat: "111@c.us", result: null });
  assert.equal((await ask("find", { key: KEY })).value, null);
  assert.equal(sent.length, 0);
});

test("a group's message names us, and a group without us is refused", async () => {
  const { ask, sent, WPP } = open();
  await ask("send", { ...send, to: "5-6@g.us" });
  assert.equal(String(sent[0].options.messageId.participant), "999@lid");
  WPP.group.iAmMember = async () => false;
  const other = { ...send, key: "3EB0BBBBBBBBBBBBBBBBBB" };
  assert.equal((await ask("send", { ...other, to: "5-6@g.us" })).error.code, "not_in_group");
  assert.equal((await ask("send", { ...other, to: "7-8@g.us" })).error.code, "not_in_group");
});

test("nothing is sent while nobody is paired", async () => {
  const { ask, sent } = open({ isPaired: false });
  assert.deepEqual((await ask("send", send)).error, { code: "not_connected", message: "not_connected", mayBeSent: false });
  assert.equal(sent.length, 0);
});

test("a number without an account is told from a question without an answer", async () => {
  const stranger = { ...send, to: "222@c.us" };
  assert.equal((await open().ask("send", stranger)).ok, true);
  assert.equal((await open({ exists: async () => null }).ask("send", stranger)).error.code, "not_on_whatsapp");
  const failing = open({ exists: async () => { throw new Error("time-out"); } });
  assert.deepEqual((await failing.ask("send", stranger)).error, { code: "check_failed", message: "time-out", mayBeSent: false });
});

test("an error of the sending itself says that the message may have left", async () => {
  const { ask, WPP } = open();
  WPP.chat.sendTextMessage = async () => { throw new Error("connection lost"); };
  assert.deepEqual((await ask("send", send)).error, { code: "error", message: "connection lost", mayBeSent: true });
  WPP.chat.sendTextMessage = async () => { throw new Error("No LID for user"); };
  assert.deepEqual((await ask("send", send)).error, { code: "no_lid", message: "No LID for user", mayBeSent: false });
});

test("a catch-up gives the oldest first, no more than asked for, and each message once", async () => {
  const { ask, events, emit, stored } = open();
  for (const t of [30, 10, 20, 5, 40]) stored.push(message(`K${t}`, { t }));
  emit("chat.new_message", stored[0]);
  assert.deepEqual((await ask("catchUp", { since: 10, limit: 2 })).value, { count: 2, hasMore: true });
  assert.deepEqual((await ask("catchUp", { since: 10, limit: 2 })).value, { count: 1, hasMore: false });
  const given = events("message").map((/** @type {any} */ e) => [e.data.key, e.data.isCaughtUp]);
  assert.deepEqual(JSON.parse(JSON.stringify(given)), [["K30", false], ["K10", true], ["K20", true], ["K40", true]]);
  assert.equal((await ask("catchUp", { since: 10, limit: 0 })).error.code, "bad_params");
});

test("a chat that can't be read spoils no catch-up", async () => {
  const { ask, events, stored, WPP } = open();
  stored.push(message("A"));
  const { getMessages } = WPP.chat;
  WPP.chat.getMessages = async (id) => { if (String(id).endsWith("g.us")) throw new Error("broken"); return getMessages(id); };
  assert.equal((await ask("catchUp", { since: 0, limit: 5 })).value.count, 1);
  assert.equal(events("oops").length, 1);
});

test("acks come with bare keys, those of a group's member with the member", () => {
  const { emit, events } = open();
  emit("change:ack", message("A", { ack: -1, id: { fromMe: true } }));
  emit("change:ack", message("B", { ack: 3 }));
  const receipt = { ack: 2, chat: new Wid("5-6@g.us"), sender: new Wid("44@lid"), ids: [{ id: "C" }] };
  emit("chat.msg_ack_change", receipt);
  emit("chat.msg_ack_change", { ...receipt, chat: new Wid("44@lid"), sender: undefined });
  const acks = JSON.parse(JSON.stringify(events("ack").map((/** @type {any} */ e) => e.data)));
  assert.deepEqual(acks, [
    { keys: ["A"], ack: -1, result: null, by: null }, { keys: ["C"], ack: 2, by: "44@lid" }, { keys: ["C"], ack: 2, by: null },
  ]);
});

test("typing begins and ends once", () => {
  const { emit, events } = open();
  for (const state of ["available", "typing", "typing", "available", "unavailable"]) {
    emit("chat.presence_change", { id: new Wid("111@c.us"), isGroup: false, state });
  }
  assert.deepEqual(events("typing").map((/** @type {any} */ e) => e.data.on), [true, false]);
});
