// What became of a message: a word, an icon, and the reason where there is one.

import { html, Icon } from "../../lib/html.js";
import { has, t } from "../../lib/i18n.js";

const LOOKS = {
  queued: { icon: "clock", kind: "" },
  scheduled: { icon: "calendar", kind: "info" },
  sending: { icon: "send", kind: "info" },
  sent: { icon: "check", kind: "" },
  delivered: { icon: "check-check", kind: "" },
  read: { icon: "check-check", kind: "good" },
  failed: { icon: "triangle-alert", kind: "alarm" },
  uncertain: { icon: "circle-help", kind: "wait" },
  cancelled: { icon: "ban", kind: "" },
  expired: { icon: "hourglass", kind: "" },
};

export const STATUSES = Object.keys(LOOKS);
export const isWaiting = ({ status }) => status === "queued" || status === "scheduled";
export const mayRetry = ({ status }) => status === "failed" || status === "uncertain";

/** Why it is where it is, or nothing. The messenger's own words where ours don't know its code. */
export function reasonOf({ status, lastError }) {
  if (!lastError || ["sent", "delivered", "read", "cancelled"].includes(status)) return "";
  const key = `messageError.${lastError.code}`;
  return has(key) ? t(key) : lastError.message;
}

export function MessageStatus({ status }) {
  const { icon, kind } = LOOKS[status] ?? { icon: "circle-help", kind: "" };
  return html`<span class="messages-status ${kind}"><${Icon} name=${icon} size=${16} />${LOOKS[status] ? t(`messageStatus.${status}`) : status}</span>`;
}
