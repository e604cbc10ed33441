// The only place that asks the server. The cookie says who asks.

import { learnClock } from "./dates.js";
import { fileSize, has, t } from "./i18n.js";

const GIVES_UP_MS = 10_000;
const PAUSES_MS = [300, 900, 2_000];
const AGAIN = [502, 503, 504];

/** Why the server did not do what it was asked to. Status 0: it was not reached. */
export class ApiError extends Error {
  constructor(status, { code = "unreached", error = "", details = null } = {}, requestId = null, retryAfter = null) {
    super(error);
    Object.assign(this, { status, code, details, requestId, retryAfter });
  }

  /** What is wrong with each field, by name. */
  get fields() {
    if (!Array.isArray(this.details)) return {};
    return Object.fromEntries(this.details.filter((detail) => detail.field).map(({ field, message }) => [field, message]));
  }
}

/** The sentence for a person, in the person's language where the code is known. */
export function explain(error) {
  const code = error.code ?? (error.status === undefined ? "broken" : "internal");
  // The number is in the sentence alone.
  const most = code === "too_large" && /(\d+) bytes/.exec(error.message)?.[1];
  if (most) return t("error.larger", { limit: fileSize(Number(most)) });
  if (has(`error.${code}`)) return t(`error.${code}`);
  if (error.status === 403) return t("error.forbidden");
  if (error.status === 404) return t("error.not_found");
  return error.message || t("error.internal");
}

const sleep = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

function address(path, query) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") asked.append(name, value);
  }
  const text = asked.toString();
  return text ? `${path}?${text}` : path;
}

async function once(method, path, { body, headers, signal, form, also = [] }) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      credentials: "same-origin",
      headers: { Accept: "application/json", ...(body === undefined || form ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : form ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: error.name === "TimeoutError" ? "too_slow" : "unreached" });
  }
  learnClock(answer.headers.get("Date"));
  const isJson = answer.headers.get("Content-Type")?.includes("json");
  // What is no JSON is not read: a file that was only asked after would come whole.
  if (!isJson) answer.body?.cancel().catch(() => {});
  const said = isJson ? await answer.json().catch(() => null) : null;
  if (answer.ok || (said && also.includes(answer.status))) return said;
  throw refused(answer.status, said, (name) => answer.headers.get(name));
}

/** The error that an answer is; `head` reads its headers. Whoever is not signed in is sent to do so. */
export function refused(status, said, head) {
  const error = new ApiError(status, said ?? { code: status >= 500 ? "unavailable" : "internal" },
    head("X-Request-Id"), Number(head("Retry-After")) || null);
  if (status === 401 && location.pathname !== "/login") signIn();
  return error;
}

/** Goes to the sign-in page, and back here afterwards. */
export function signIn() {
  const here = location.pathname + location.search;
  location.assign(here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`);
}

async function ask(method, path, { query, signal, within = GIVES_UP_MS, ...rest } = {}) {
  const isRead = method === "GET";
  const deadline = AbortSignal.timeout(within);
  const ends = isRead ? (signal ? either(signal, deadline) : deadline) : signal;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(method, address(path, query), { ...rest, signal: ends });
    } catch (error) {
      const mayComeRight = error.status === 0 || AGAIN.includes(error.status);
      if (!isRead || !mayComeRight || attempt >= PAUSES_MS.length || deadline.aborted || signal?.aborted) throw error;
      await sleep(PAUSES_MS[attempt], signal);
    }
  }
}

function either(one, other) {
  if (AbortSignal.any) return AbortSignal.any([one, other]);
  const both = new AbortController();
  for (const signal of [one, other]) signal.addEventListener("abort", () => both.abort(signal.reason), { once: true });
  return both.signal;
}

/** `get(path, {query, signal, within})`: tried again for up to ten seconds, or `within` ms. `also` lists statuses whose body is an answer, too. */
export const get = (path, options) => ask("GET", path, options);
/** `post(path, body, {headers, signal})`, and so `put` and `remove`: once. */
export const post = (path, body, options) => ask("POST", path, { body, ...options });
export const put = (path, body, options) => ask("PUT", path, { body, ...options });
export const patch = (path, body, options) => ask("PATCH", path, { body, ...options });
export const remove = (path, options) => ask("DELETE", path, options);

/** A random word for an Idempotency-Key; `randomUUID` wants a secure context, this does not. */
export function randomWord() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
