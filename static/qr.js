// The page that pairs an account.

import { start as startWords, t } from "./i18n.js";
import { lifeOf, viewOf, watch } from "./lib/pairing.js";

const base = location.pathname.replace(/\/$/, "");
const element = (id) => document.getElementById(id);
const show = (id, visible) => { element(id).hidden = !visible; };

let state = null;

function draw() {
  if (!state) return;
  const now = viewOf(state);
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
  const { left, whole } = lifeOf(state);
  element("countdown").textContent = t("countdown", { seconds: Math.ceil(left / 1000) });
  element("left").value = Math.min(100, (100 * left) / whole);
}

function tell(next) {
  state = next;
  show("offline", false);
  draw();
}

function miss({ status }) {
  if (status === 404) return location.reload(); // Removed meanwhile: the server has a page for that.
  show("offline", true);
}

await startWords(element("languages"), draw);
const pairing = watch(base, { tell, miss });
element("again").addEventListener("click", () => pairing.ask("start", "POST"));
element("picture").addEventListener("error", () => pairing.ask("state"));
setInterval(drawCountdown, 1000);
await pairing.ask("start", "POST");
