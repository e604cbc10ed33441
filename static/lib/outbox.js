// Messages that are not at the server yet. They outlive a reload, and are sent again under the same
// Idempotency-Key until the server has said what became of them: however often one is sent, it is
// one message.

import { post, randomWord } from "./api.js";
import { computed, signal } from "./html.js";
import { held } from "./keep.js";
import { connection } from "./socket.js";
import { me } from "./store.js";

const SHELF = "outbox";
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const GIVES_UP_MS = 20_000;

const all = signal(held.get(SHELF, []));
const writer = () => me.value?.user?.id ?? null;

/**
 * `{key, by, sessionId, chatId, body, media, at, error}`, oldest first; `media` is the file that goes with it, which is at
 * the server already; `error` is why the server refused it: `{code, message, status}`. What somebody else left in this tab is not sent in another's name.
 */
export const outbox = computed(() => all.value.filter((one) => one.by === writer()));
/** The one that is under way. */
export const underWay = signal(null);

const arrived = new Set();
let timer = null;
let failures = 0;

function change(list) {
  all.value = list;
  if (list.length) held.set(SHELF, list);
  else held.remove(SHELF);
}

const put = (key, changes) => change(all.peek().map((one) => (one.key === key ? { ...one, ...changes } : one)));

/** Takes one out for good. */
export const discard = (key) => change(all.peek().filter((one) => one.key !== key));

/** Calls `hear(message, entry)` when one is at the server. */
export function onArrived(hear) {
  arrived.add(hear);
  return () => arrived.delete(hear);
}

/** Puts a text in, or a file that is at the server with what is written under it; it is sent once those before it are. */
export function send(sessionId, chatId, body, media) {
  change([...all.peek(), { key: randomWord(), by: writer(), sessionId, chatId, body, media, at: Date.now(), error: null }]);
  run();
}

/** Tries one again that the server refused. What it refused it has not, so the key is a new one. */
export function tryAgain(key) {
  put(key, { error: null, key: randomWord() });
  run();
}

/** What a send's body says of a text and a file: either may be missing. */
function contentOf(body, media) {
  if (!media) return { message: body, type: "text" };
  return { media: { id: media.id, kind: media.kind }, ...(body ? { message: body } : {}) };
}

const mayComeRight = ({ status }) => !status || status >= 500 || status === 401 || status === 408 || status === 429;

async function run() {
  if (underWay.peek()) return;
  const next = outbox.peek().find((one) => !one.error);
  if (!next) return;
  clearTimeout(timer);
  underWay.value = next.key;
  let wait = 0;
  try {
    const path = `/api/whatsapp/sessions/${next.sessionId}/chats/${encodeURIComponent(next.chatId)}/messages`;
    const { data } = await post(path, contentOf(next.body, next.media), {
      headers: { "Idempotency-Key": next.key },
      signal: AbortSignal.timeout(GIVES_UP_MS),
    });
    failures = 0;
    for (const hear of arrived) hear(data, next);
    discard(next.key);
  } catch (error) {
    if (mayComeRight(error)) {
      wait = (error.retryAfter ?? 0) * 1_000 || PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
      failures += 1;
    } else {
      put(next.key, { error: { code: error.code, message: error.message, status: error.status } });
    }
  } finally {
    underWay.value = null;
  }
  if (wait) timer = setTimeout(run, wait);
  else run();
}

// As soon as the server is reached again, and at the start: what was left by the page before.
connection.subscribe((now) => {
  if (now === "online") run();
});
addEventListener("online", run);
run();
