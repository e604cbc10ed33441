// Where an account stands, in a word, a sentence, and the one thing to do about it.

import { html, Icon } from "../lib/html.js";
import { when } from "../lib/dates.js";
import { has, t } from "../lib/i18n.js";

const WAITS = ["temporarily_banned", "unreached", "browser_limit"];
const IN_SETTINGS = ["no_token", "invalid_token", "bad_proxy", "private_proxy", "proxy_blocked", "unreadable_secrets"];
const CONNECTED = {
  stopped: { word: "stopped", kind: "alarm", icon: "triangle-alert" },
  paused: { word: "paused", kind: "wait", icon: "pause" },
  restricted: { word: "restricted", kind: "wait", icon: "hourglass" },
  resting: { word: "resting", kind: "wait", icon: "moon" },
  connected: { word: "connected", kind: "good", icon: "check" },
};

function standing(account) {
  const queue = account.queue ?? {};
  if (queue.isPaused) return CONNECTED[queue.pauseReason ? "stopped" : "paused"];
  if (account.restrictedUntil) return CONNECTED.restricted;
  return CONNECTED[queue.isResting ? "resting" : "connected"];
}

/** `{word, kind, icon, remedy}`; the remedy is code, pair, connect, settings, resume, or none. */
export function statusOf(account) {
  const code = account.lastError?.code;
  switch (account.status) {
    case "CONNECTED": {
      const is = standing(account);
      return is.word === "stopped" ? { ...is, remedy: "resume" } : is;
    }
    case "QR_READY": return { word: "scan", kind: "info", icon: "qr-code", remedy: "code" };
    case "AUTHENTICATING": return { word: "authenticating", kind: "info", icon: "hourglass" };
    case "CONNECTING":
      return WAITS.includes(code) ? { word: "waiting", kind: "wait", icon: "hourglass" } : { word: "connecting", kind: "info", icon: "hourglass" };
    case "FAILED":
      return { word: "failed", kind: "alarm", icon: "triangle-alert", remedy: IN_SETTINGS.includes(code) ? "settings" : "connect" };
    default:
      if (code === "logged_out") return { word: "loggedOut", kind: "alarm", icon: "triangle-alert", remedy: "pair" };
      if (code === "pairing_expired" && !account.isPaired) return { word: "expired", kind: "wait", icon: "clock", remedy: "newCode" };
      if (!account.isPaired && account.provider !== "telegram") return { word: "unpaired", kind: "wait", icon: "unlink", remedy: "pair" };
      return { word: "off", kind: "", icon: "unplug", remedy: "connect" };
  }
}

/** Whether somebody should look at it: it does not send, and nobody wanted that. */
export function needsAttention(account) {
  const { kind, remedy } = statusOf(account);
  return kind === "alarm" || (remedy !== undefined && remedy !== "connect");
}

/** One sentence that says why it is so. */
export function sentence(account) {
  const { word } = statusOf(account);
  const error = account.lastError;
  if (["failed", "waiting", "loggedOut"].includes(word) && error) {
    const values = { time: when(account.restrictedUntil && error.code === "temporarily_banned" ? account.restrictedUntil : error.at) };
    if (has(`accountError.${error.code}`)) return t(`accountError.${error.code}`, values);
    return error.message;
  }
  if (word === "restricted") return t("status.restrictedWhy", { time: when(account.restrictedUntil) });
  return t(`status.${word}Why`);
}

export function Status({ account }) {
  const { word, kind, icon } = statusOf(account);
  return html`<span class="chip ${kind}"><${Icon} name=${icon} size=${14} />${t(`status.${word}`)}</span>`;
}

const PROVIDERS = { whatsapp: "smartphone", whatsappweb: "globe", telegram: "send", simulator: "flask-conical" };

export const providerIcon = (provider) => PROVIDERS[provider] ?? "message-circle";
export const providerName = (provider) => (has(`provider.${provider}`) ? t(`provider.${provider}`) : provider);

export function ProviderIcon({ provider }) {
  return html`<span class="provider" title=${providerName(provider)}><${Icon} name=${providerIcon(provider)} /><span class="unseen">${providerName(provider)}</span></span>`;
}
