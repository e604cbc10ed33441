// Watches an account being paired: told of every change by server-sent events, and asking every few
// seconds where they don't come through. For the public page and for the dialog.

const POLL_MS = 3000;

/** Which view a state of `/qr/{id}/state` calls for. */
export function viewOf({ status, codeVersion, isPaired, mayPair, errorCode }) {
  if (status === "CONNECTED") return "connected";
  if (status === "QR_READY" && codeVersion) return "scan";
  if (status === "FAILED") return "failed";
  if (status === "DISCONNECTED" && isPaired) return "off";
  if (status === "DISCONNECTED" && !mayPair) return "closed";
  if (status === "DISCONNECTED") return errorCode === "pairing_expired" ? "expired" : "idle";
  if (status === "AUTHENTICATING") return "authenticating";
  return errorCode ? "waiting" : "connecting";
}

/** Milliseconds the code is good for yet, of how many, by the server's clock. */
export function lifeOf(state) {
  const until = Date.parse(state.codeExpiresAt);
  return { left: Math.max(0, until - Date.now() - state.skew), whole: Math.max(1, until - state.codeSeenAt) };
}

/**
 * Watches the account at `base` (`/qr/{id}`). `tell(state)` hears each state, `miss(error)` that the
 * server is not reached, or answers with a status. Answers `{ask, stop}`.
 */
export function watch(base, { tell, miss }) {
  let state = null;
  let polling = null;
  let events = null;
  let isOver = false;
  let again = null;

  function accept(next) {
    // An answer and an event may overtake each other; what was said later holds.
    if (isOver || (state && Date.parse(next.now) < Date.parse(state.now))) return;
    const isNew = next.codeVersion !== state?.codeVersion;
    state = { ...next, skew: Date.parse(next.now) - Date.now(), codeSeenAt: isNew ? Date.parse(next.now) : state.codeSeenAt };
    tell(state);
  }

  async function ask(path, method = "GET") {
    try {
      const answer = await fetch(`${base}/${path}`, { method });
      if (!answer.ok) throw Object.assign(new Error(`status ${answer.status}`), { status: answer.status });
      accept(await answer.json());
    } catch (error) {
      if (!isOver) miss(error);
    }
  }

  function poll(on) {
    if (on && !polling) polling = setInterval(() => ask("state"), POLL_MS);
    if (!on && polling) polling = clearInterval(polling);
  }

  function listen() {
    if (isOver) return;
    if (typeof EventSource === "undefined") return poll(true);
    events = new EventSource(`${base}/events`);
    events.onopen = () => poll(false);
    events.onmessage = (event) => accept(JSON.parse(event.data));
    events.onerror = () => {
      poll(true);
      // The browser tries again by itself unless the server refused the stream altogether.
      if (events.readyState === EventSource.CLOSED) again = setTimeout(listen, 5 * POLL_MS);
    };
  }

  listen();
  return {
    ask,
    stop() {
      isOver = true;
      poll(false);
      clearTimeout(again);
      events?.close();
    },
  };
}
