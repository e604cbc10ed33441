// Where a message stands, in an icon and words; and that it only goes on from there.

import { relative, second, when } from "../../lib/dates.js";
import { has, t } from "../../lib/i18n.js";

// What is not final may still be followed by anything below.
const RANKS = { queued: 1, scheduled: 1, sending: 2, failed: 3, uncertain: 3, cancelled: 3, expired: 3, sent: 4, delivered: 5, read: 6 };
const AGAIN = ["scheduled", "sending", "failed", "uncertain"];
const ICONS = {
  queued: "clock", scheduled: "calendar", sending: "send", sent: "check", delivered: "check-check", read: "check-check",
  failed: "triangle-alert", uncertain: "circle-help", cancelled: "ban", expired: "hourglass",
};

/** Whether `next` may follow `status`: what is tried again is queued again, all else goes on. */
const mayFollow = (status, next) => RANKS[next] >= RANKS[status] || (next === "queued" && AGAIN.includes(status));

/**
 * A message as it is now known: what was told of it goes in, unless it was asked for (at `asked`)
 * before something else was heard, and is behind that.
 */
export function advance(before, told, asked = performance.now()) {
  const isOlder = before.changedAt !== undefined && asked < before.changedAt;
  if (isOlder && RANKS[told.status] <= RANKS[before.status]) return { ...told, status: before.status, lastError: before.lastError, changedAt: before.changedAt };
  if (!mayFollow(before.status, told.status)) return before;
  const after = { ...before, ...told, changedAt: told.status === before.status ? before.changedAt : performance.now() };
  if (told.status !== before.status && !told.lastError) delete after.lastError;
  return after;
}

/** Why it did not leave, in the person's language where the code is known. */
export function reasonOf({ code, message }) {
  return has(`messageError.${code}`) ? t(`messageError.${code}`) : message;
}

/** A sentence as the rest of another. */
export function within(sentence) {
  const text = sentence.replace(/\.$/, "");
  return /^\p{Lu}\p{Ll}*(\s|$)/u.test(text) && !text.startsWith("Telegram") ? text[0].toLowerCase() + text.slice(1) : text;
}

function words({ status, lastError, estimatedSendAt, sendAt }, hold) {
  const word = t(`messageStatus.${status}`);
  if (status === "scheduled" && sendAt) return t("chats.scheduledAt", { time: when(sendAt) });
  if (status === "queued") {
    if (hold) return `${word} · ${hold}`;
    if (!estimatedSendAt) return word;
    return `${word} · ${Date.parse(estimatedSendAt) - second.value < 1_500 ? t("chats.leavesNow") : t("chats.leaves", { when: relative(estimatedSendAt) })}`;
  }
  if (status === "failed" && lastError) return t("chats.failedBecause", { reason: within(reasonOf(lastError)) });
  if (status === "uncertain") return t("chats.uncertain");
  return word;
}

/** `{icon, text, kind}`; `hold` says what holds the account. */
export function standingOf(message, hold) {
  const { status } = message;
  const kind = status === "failed" ? "alarm" : status === "uncertain" ? "wait" : status === "read" ? "good" : "";
  return { icon: ICONS[status] ?? "clock", text: words(message, hold), kind };
}

export const iconOf = (status) => ICONS[status];
