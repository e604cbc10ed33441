// The only socket. It says what happens, whether we are connected, and when to fetch again what is
// shown: after each connection, and where an event is missing.

import { io } from "../vendor/modules.js";
import { signal } from "./html.js";

/** `connecting`, `online` or `offline`. */
export const connection = signal("connecting");
/** When the server was last heard, while we are offline. */
export const lastHeard = signal(Date.now());

const hearers = new Map();
const refetchers = new Set();
const counted = new Map();
const LATE_MS = 2_500;
let socket = null;

/** Calls `hear(payload)` at each event of this name without its `whatsapp:`; `*` hears all, by name. */
export function on(name, hear) {
  if (!hearers.has(name)) hearers.set(name, new Set());
  hearers.get(name).add(hear);
  return () => hearers.get(name).delete(hear);
}

/** Calls `refetch(sessionId?)` when something may have been missed; without an id, anything. */
export function onMissed(refetch) {
  refetchers.add(refetch);
  return () => refetchers.delete(refetch);
}

function missed(sessionId) {
  for (const refetch of refetchers) refetch(sessionId);
}

function count({ sessionId, seq, source }) {
  if (seq === undefined || source === undefined) return;
  const key = sessionId ?? "";
  const last = counted.get(key)?.get(source);
  if (!counted.has(key)) counted.set(key, new Map());
  counted.get(key).set(source, Math.max(seq, last ?? 0));
  if (last !== undefined && seq > last + 1) missed(sessionId);
}

// Besides the server's events there is `refused`: it does not let us in, as after a login has ended.
function hear(name, payload) {
  const short = name.replace(/^whatsapp:/, "");
  for (const one of hearers.get(short) ?? []) one(payload ?? {});
  for (const one of hearers.get("*") ?? []) one(short, payload ?? {});
  if (payload && typeof payload === "object") count(payload);
}

let late = null;
function isOffline() {
  if (late || connection.value === "offline") return;
  if (connection.value === "online") lastHeard.value = Date.now();
  // A server that starts anew is back before this is worth a word.
  late = setTimeout(() => {
    late = null;
    connection.value = "offline";
  }, LATE_MS);
}

export function listen() {
  if (socket) return;
  socket = io({ transports: ["websocket", "polling"], tryAllTransports: true, reconnectionDelay: 500, reconnectionDelayMax: 10_000 });
  socket.on("connect", () => {
    clearTimeout(late);
    late = null;
    counted.clear();
    connection.value = "online";
    missed();
  });
  socket.on("disconnect", (reason) => {
    isOffline();
    // The server ended it: signed out elsewhere, or going down. It does not come back by itself.
    if (reason === "io server disconnect") setTimeout(() => socket?.connect(), 1_000);
  });
  socket.on("connect_error", () => {
    isOffline();
    if (socket.active) return;
    hear("refused");
    setTimeout(() => socket?.connect(), 5_000);
  });
  socket.onAny(hear);
  addEventListener("offline", isOffline);
  addEventListener("online", () => { if (!socket.connected) socket.connect(); });
}

export function hangUp() {
  socket?.disconnect();
  socket = null;
}
