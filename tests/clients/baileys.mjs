// The other side of a conversation, as an independent client: npm `baileys`, which has a handshake, a
// codec and encryption of its own. It links as a device of its own phone, then does as it is told, line
// by line, and says what it sees.
//
// node baileys.mjs PORT ROOT — commands on standard input: `send NUMBER TEXT`, `document NUMBER BASE64`, `end`.

import { createHash } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { syncBuiltinESMExports } from "node:module";
import { createInterface } from "node:readline";
import makeWASocket, {
  downloadMediaMessage,
  getContentType,
  initAuthCreds,
  makeCacheableSignalKeyStore,
  normalizeMessageContent,
} from "baileys";
import { WA_CERT_DETAILS } from "baileys/lib/Defaults/index.js";
import pino from "pino";

const [, , port, root] = process.argv;
// It verifies the whole chain; only whom it trusts is another.
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(root, "hex");

// WhatsApp's media hosts are where the server is.
const { fetch } = globalThis;
globalThis.fetch = (url, options) => fetch(String(url).replace(/^https:\/\/[^/]+/, `http://127.0.0.1:${port}`), options);
https.request = (options, heard) => http.request({ ...options, hostname: "127.0.0.1", port }, heard);
syncBuiltinESMExports();

const say = (word, ...rest) => console.log([word, ...rest].join(" "));
const data = new Map();
const keys = {
  get: async (type, ids) =>
    Object.fromEntries(ids.filter((id) => data.has(type + id)).map((id) => [id, data.get(type + id)])),
  set: async (all) => {
    for (const [type, some] of Object.entries(all)) {
      for (const [id, value] of Object.entries(some)) {
        if (value === null) data.delete(type + id);
        else data.set(type + id, value);
      }
    }
  },
};
const creds = initAuthCreds();
const logger = pino({ level: process.env.LOG ?? "silent" }, pino.destination(2));
let socket;

function start() {
  socket = makeWASocket({
    auth: { creds, keys: makeCacheableSignalKeyStore(keys, logger) },
    waWebSocketUrl: `ws://127.0.0.1:${port}/ws/chat`,
    version: [2, 3000, 1035194821],
    syncFullHistory: false,
    logger,
  });
  socket.ev.on("creds.update", (update) => Object.assign(creds, update));
  socket.ev.on("connection.update", ({ qr, connection }) => {
    if (qr) say("qr", qr);
    if (connection === "open") say("open");
    // Once linked it is asked to come again; whether it reads that before the end is a matter of luck.
    if (connection === "close" && creds.me) start();
  });
  socket.ev.on("messages.upsert", ({ messages }) => {
    for (const { key, message } of messages) {
      const content = normalizeMessageContent(message);
      const kind = getContentType(content);
      if (content?.[kind]?.directPath && !key.fromMe) {
        const { mimetype, caption } = content[kind];
        downloadMediaMessage({ key, message }, "buffer", {}).then(
          (file) => say("file", kind, createHash("sha256").update(file).digest("hex"), mimetype, caption ?? ""),
          (error) => say("file", kind, error),
        );
      }
      const text = message?.conversation ?? message?.extendedTextMessage?.text;
      if (text && !key.fromMe) say("message", key.remoteJid, text);
    }
  });
  socket.ev.on("messages.update", (updates) => {
    for (const { key, update } of updates) if (update.status) say("status", key.id, update.status);
  });
}

start();
for await (const line of createInterface({ input: process.stdin })) {
  const [word, number, ...text] = line.split(" ");
  if (word === "end") break;
  if (word === "send") {
    const sent = await socket.sendMessage(`${number}@s.whatsapp.net`, { text: text.join(" ") });
    say("sent", sent.key.id);
  }
  if (word === "document") {
    const document = Buffer.from(text[0], "base64");
    await socket.sendMessage(`${number}@s.whatsapp.net`, { document, mimetype: "application/pdf", fileName: "a.pdf" });
  }
}
process.exit(0);
