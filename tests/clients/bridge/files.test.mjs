// @ts-check
// Files through the page side of the browser gateway. Run: node --test bridge/

import assert from "node:assert/strict";
import { test } from "node:test";

import { message, open } from "./stub.mjs";

const KEY = "3EB0AAAAAAAAAAAAAAAAAA";
const NAME = "med_1 image";
const send = { to: "111@c.us", text: "Look", key: KEY, file: { name: NAME, as: "image" } };
const base64 = (/** @type {string} */ text) => Buffer.from(text).toString("base64");
const about = { file: NAME, title: "", mimeType: "image/png", size: 10 };

/** Hands a file over in two pieces. */
async function handOver(/** @type {any} */ ask, name = NAME) {
  assert.deepEqual(await ask("putFile", { ...about, file: name, offset: 0, piece: base64("01234") }).then(ok), null);
  assert.deepEqual(await ask("putFile", { ...about, file: name, offset: 5, piece: base64("56789") }).then(ok), null);
}

const ok = (/** @type {any} */ reply) => { assert.ok(reply.ok, JSON.stringify(reply)); return reply.value; };

test("a file that is handed over once goes with each message that has it", async () => {
  const { ask, sent } = open();
  assert.equal((await ask("send", send)).error.code, "no_file");
  assert.equal(ok(await ask("hasFile", { file: NAME })), false);
  await handOver(ask);
  assert.equal(ok(await ask("hasFile", { file: NAME })), true);
  assert.equal(ok(await ask("send", send)).result, "OK");
  ok(await ask("send", { ...send, key: `${KEY}B`, text: "" }));
  assert.deepEqual(sent.map((/** @type {any} */ { text, file }) => [text, file.name, file.type]), [["0123456789", "", "image/png"], ["0123456789", "", "image/png"]]);
  assert.equal(sent[0].file, sent[1].file);
  const [{ messageId, ...first }, { caption }] = sent.map((/** @type {any} */ { options }) => options);
  assert.deepEqual({ ...first }, { linkPreview: false, detectMentioned: false, markIsRead: false, waitForAck: true, createChat: true, type: "image", caption: "Look" });
  assert.equal(String(messageId), `true_111@c.us_${KEY}`);
  assert.equal(caption, undefined, "an empty caption would be the file's name");
});

test("the last file is kept, and another one takes the place of one that is coming", async () => {
  const { ask } = open();
  await handOver(ask);
  ok(await ask("putFile", { ...about, file: "med_2 image", offset: 0, piece: base64("01234") }));
  assert.equal(ok(await ask("hasFile", { file: NAME })), true);
  await handOver(ask, "med_3 image");
  assert.equal((await ask("putFile", { ...about, file: "med_2 image", offset: 5, piece: base64("56789") })).error.code, "out_of_order");
  assert.equal(ok(await ask("hasFile", { file: NAME })), false);
  assert.equal(ok(await ask("hasFile", { file: "med_3 image" })), true);
});

test("pieces that do not fit are refused", async () => {
  const { ask } = open();
  assert.equal((await ask("putFile", { ...about, offset: 5, piece: base64("56789") })).error.code, "out_of_order");
  assert.equal((await ask("putFile", { ...about, offset: 0, piece: base64("0123456789+") })).error.code, "bad_params");
  assert.equal((await ask("putFile", { ...about, size: 2 ** 40, offset: 0, piece: "" })).error.code, "bad_params");
  const large = { ...about, size: 2_000_000, offset: 0, piece: base64("x".repeat(524_289)) };
  assert.equal((await ask("putFile", large)).error.code, "bad_params");
  assert.equal((await ask("send", { ...send, file: { name: NAME, as: "poll" } })).error.code, "bad_params");
});

test("what fails while the file is made ready has not left, and what fails later may have", async () => {
  const { ask, WPP, held } = open();
  await handOver(ask);
  WPP.chat.sendFileMessage = async () => { throw Object.assign(new Error("too much"), { code: "file_too_large" }); };
  assert.deepEqual((await ask("send", send)).error, { code: "file_too_large", message: "too much", mayBeSent: false });
  WPP.chat.sendFileMessage = async (_, __, options) => {
    held.push({ id: options.messageId, ack: 0, type: "image", delete() { held.length = 0; } });
    throw new Error("connection lost");
  };
  assert.deepEqual((await ask("send", send)).error, { code: "error", message: "connection lost", mayBeSent: true });
});

test("a message whose file was not uploaded says so, and is sent again under its key", async () => {
  const { ask, sent, held, stored } = open();
  await handOver(ask);
  const failed = message(KEY, { ack: -1, type: "image", id: { fromMe: true } });
  failed.delete = () => void held.splice(held.indexOf(failed), 1);
  held.push(failed);
  stored.push(failed);
  assert.deepEqual(ok(await ask("find", { key: KEY })), { ack: -1, chat: "111@c.us", result: "ERROR_UPLOAD" });
  assert.equal(ok(await ask("send", { ...send, isRepeat: true })).isRepeat, false);
  assert.deepEqual([sent.length, held.length], [1, 1]);
  // One that was uploaded stays what it is.
  held[0].ack = -1;
  assert.deepEqual(ok(await ask("send", send)), { ack: -1, chat: "111@c.us", result: null, key: KEY, isRepeat: true });
});

test("a message that comes with a file says what it is, with its thumbnail", () => {
  const { emit, events } = open();
  const picture = { type: "image", body: "/9j/AAAA", mimetype: "image/jpeg", size: 70_000, width: 640, height: 480 };
  emit("chat.new_message", message("A", picture));
  emit("chat.new_message", message("B", { ...picture, body: `/9j/${"A".repeat(50_000)}` }));
  emit("chat.new_message", message("C", { ...picture, body: undefined, mediaData: { preview: { getBase64: () => "/9j/BBBB" } } }));
  const note = { body: undefined, mimetype: "audio/ogg; codecs=opus", size: "900", duration: "3" };
  emit("chat.new_message", message("D", { ...note, type: "ptt" }));
  const paper = { type: "document", body: undefined, filename: "a.pdf", caption: "a.pdf", mimetype: "application/pdf", size: 1e21, width: 2 ** 40 };
  emit("chat.new_message", message("E", paper));
  const moved = { get: () => { throw new Error("moved"); } };
  emit("chat.new_message", Object.defineProperty(message("F", paper), "mimetype", moved));
  emit("chat.new_message", message("G"));
  const told = events("message").map((/** @type {any} */ event) => JSON.parse(JSON.stringify(event.data)));
  const [first, ...rest] = told.map((/** @type {any} */ { file }) => file);
  assert.deepEqual(first, {
    id: "false_111@c.us_A", mimeType: "image/jpeg", size: 70_000, name: null, width: 640, height: 480, seconds: null,
    thumbnail: "/9j/AAAA",
  });
  assert.deepEqual(rest.map((/** @type {any} */ file) => file?.thumbnail ?? null), [null, "/9j/BBBB", null, null, null, null]);
  assert.deepEqual([rest[2].size, rest[2].seconds], [900, 3]);
  assert.deepEqual([rest[3].name, rest[3].size, rest[3].width, told[4].text], ["a.pdf", null, null, null]);
  assert.deepEqual([rest[4], rest[5]], [null, null]);
});

test("a file goes out in pieces, and is gone after the last", async () => {
  const { ask, stored, WPP } = open();
  stored.push(message("A", { type: "image", mediaData: {} }));
  const content = "0123456789".repeat(60_000);
  WPP.chat.downloadMedia = async () => new Blob([content]);
  const { number, size } = ok(await ask("fetchFile", { id: "false_111@c.us_A" }));
  let read = "";
  while (read.length < size) read += Buffer.from(ok(await ask("readFile", { number, offset: read.length })), "base64");
  assert.ok(read === content);
  assert.equal((await ask("readFile", { number, offset: 0 })).error.code, "no_file");
  for (let count = 0; count < 3; count++) ok(await ask("fetchFile", { id: "false_111@c.us_A" }));
  assert.equal((await ask("readFile", { number: number + 1, offset: 0 })).error.code, "no_file", "two are kept");
  ok(await ask("readFile", { number: number + 3, offset: 0 }));
});

test("a file that is gone is told from one that can't be had now", async () => {
  const { ask, stored, WPP } = open();
  const id = "false_111@c.us_A";
  assert.equal((await ask("fetchFile", { id })).error.code, "gone", "there is no such message");
  stored.push(message("A"));
  assert.equal((await ask("fetchFile", { id })).error.code, "gone", "it has no file");
  stored[0].mediaData = { mediaStage: "INIT" };
  WPP.chat.downloadMedia = async () => { throw { error: true, code: "media_not_found", message: "Media not found" }; };
  assert.equal((await ask("fetchFile", { id })).error.code, "media_not_found");
  stored[0].mediaData.mediaStage = "ERROR_MISSING";
  assert.equal((await ask("fetchFile", { id })).error.code, "gone");
});
