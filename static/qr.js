// The page that pairs an account. It is told of every change by server-sent events, and asks
// every few seconds where they don't come through.

import { start as startWords, t } from "./i18n.js";

const POLL_MS = 3000;
const base = location.pathname.replace(/\/$/, "");
const element = (id) => document.getElementById(id);
const show = (id, visible) => { element(id).hidden = !visible; };

let state = null;
let clockSkew = 0; // The server's clock minus this device's, in milliseconds.
let codeSeenAt = 0;
let polling = null;

/** Which of the page's views the state calls for. */
function view({ status, codeVersion, isPaired, mayPair, errorCode }) {
  if (status === "CONNECTED") return "connected";
  if (status === "QR_READY" && codeVersion) return "scan";
  if (status === "FAILED") return "failed";
  if (status === "DISCONNECTED" && isPaired) return "off";
  if (status === "DISCONNECTED" && !mayPair) return "closed";
  if (status === "DISCONNECTED") return errorCode === "pairing_expired" ? "expired" : "idle";
  if (status === "AUTHENTICATING") return "authenticating";
  return errorCode ? "waiting" : "connecting";
}

function draw() {
  if (!state) return;
  const now = view(state);
  document.title = `${state.name} · Andante`;
  element("name").textContent = state.name;
  element("status").textContent = t(`status.${now}`);
  show("scan", now === "scan");
  show("busy", now === "connecting" || now === "authenticating");
  show("connected", now === "connected");
  show("stopped", ["failed", "waiting", "off", "closed", "expired", "idle"].includes(now));
  if (now === "scan") drawCode();
  if (now === "connected") {
    element("number").textContent = state.phoneNumber ?? state.displayName ?? "";
    element("display").textContent = state.phoneNumber ? state.displayName ?? "" : "";
  }
  element("reason").textContent = now === "failed" || now === "waiting" ? state.error ?? "" : t(`reason.${now}`);
  element("again").textContent = t(now === "failed" ? "again.failed" : "again.code");
  // Only where whoever has the link can do something about it.
  show("again", !state.isPaired && state.mayPair && now !== "waiting");
  element("offline").textContent = t("offline");
}

function drawCode() {
  const picture = element("picture");
  const source = `${base}/code.svg?v=${state.codeVersion}`;
  if (!state.typedCode && picture.getAttribute("src") !== source) picture.src = source;
  picture.alt = t("pictureAlt");
  show("picture", !state.typedCode);
  show("typed", Boolean(state.typedCode));
  element("typed").textContent = state.typedCode ?? "";
  const steps = state.provider === "simulator" ? "steps.simulator" : state.typedCode ? "steps.typed" : "steps.scan";
  const lines = t(steps).split("\n").map((line) => Object.assign(document.createElement("li"), { textContent: line }));
  element("steps").replaceChildren(...lines);
  drawCountdown();
}

function drawCountdown() {
  if (!state?.codeExpiresAt || element("scan").hidden) return;
  const left = Math.max(0, Date.parse(state.codeExpiresAt) - Date.now() - clockSkew);
  const whole = Math.max(1, Date.parse(state.codeExpiresAt) - codeSeenAt);
  element("countdown").textContent = t("countdown", { seconds: Math.ceil(left / 1000) });
  element("left").value = Math.min(100, (100 * left) / whole);
}

function accept(next) {
  // An answer and an event may overtake each other; what was said later holds.
  if (state && Date.parse(next.now) < Date.parse(state.now)) return;
  clockSkew = Date.parse(next.now) - Date.now();
  if (next.codeVersion !== state?.codeVersion) codeSeenAt = Date.parse(next.now);
  state = next;
  show("offline", false);
  draw();
}

async function ask(path, method = "GET") {
  try {
    const answer = await fetch(`${base}/${path}`, { method });
    if (answer.status === 404) return location.reload(); // Removed meanwhile: the server has a page for that.
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    accept(await answer.json());
  } catch {
    show("offline", true);
  }
}

function poll(on) {
  if (on && !polling) polling = setInterval(() => ask("state"), POLL_MS);
  if (!on && polling) polling = clearInterval(polling);
}

function listen() {
  if (typeof EventSource === "undefined") return poll(true);
  const events = new EventSource(`${base}/events`);
  events.onopen = () => poll(false);
  events.onmessage = (event) => accept(JSON.parse(event.data));
  events.onerror = () => {
    poll(true);
    // The browser tries again by itself unless the server refused the stream altogether.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5 * POLL_MS);
  };
}

element("again").addEventListener("click", () => ask("start", "POST"));
element("picture").addEventListener("error", () => ask("state"));
setInterval(drawCountdown, 1000);
await startWords(element("languages"), draw);
await ask("start", "POST");
listen();
