// Files of messages: what they are called, where they are, and which of them a messenger takes.

import { get } from "./api.js";
import { computed, signal } from "./html.js";
import { fileSize, has, t } from "./i18n.js";

const ICONS = { image: "image", video: "video", audio: "music", voice: "mic", document: "file-text", sticker: "sticker" };
// The server may have to fetch a large one from the messenger first.
const FETCHED_WITHIN_MS = 180_000;

/** The icon of a kind of message that is more than text; of others none. */
export const iconOf = (kind) => ICONS[kind];
export const kindWord = (kind) => t(has(`chats.kind.${kind}`) ? `chats.kind.${kind}` : "chats.kind.other");

/** What a message without a text is, in a word or two: its kind, and the name of a file that has one. */
export function gist(kind, media) {
  const isNamed = media?.fileName && ["document", "audio"].includes(kind);
  return isNamed ? `${kindWord(kind)}: ${media.fileName}` : kindWord(kind);
}

export const addressOf = (id) => `/api/media/${encodeURIComponent(id)}`;
export const thumbnailOf = (id) => `${addressOf(id)}/thumbnail`;

/** Asks after a file without fetching it here; throws why it can't be had. */
export const askAfter = (id) => get(addressOf(id), { headers: { Accept: "*/*", Range: "bytes=0-0" }, within: FETCHED_WITHIN_MS });

/** 0:07, 12:31 */
export function lengthOf(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const offers = signal({});
let asked = null;

/** Learns once what each messenger takes. */
export function loadOffers() {
  asked ??= get("/api/v1/multi-provider/active-providers").then(
    ({ providers }) => (offers.value = Object.fromEntries(providers.map((one) => [one.provider, one]))),
    () => (asked = null),
  );
}

/** Whether that is known. */
export const offersKnown = computed(() => Object.keys(offers.value).length > 0);

/** `{media, mediaLimits, maxCaptionLength}` of a messenger that takes files; of others null. */
export function offerOf(provider) {
  const offer = offers.value[provider];
  return offer?.media?.length ? offer : null;
}

/**
 * As what a file goes: `{kind, note, problem}`. What is too large or strange for its own kind goes as a
 * document where that is possible, and `note` says so.
 */
export function planOf({ kind, size }, offer, isDocument) {
  if (!offer) return { kind, problem: t("file.noFiles") };
  const takes = (one) => offer.media.includes(one);
  const limit = (one) => offer.mediaLimits?.[one] ?? Infinity;
  const own = isDocument ? "document" : kind;
  const fits = (one) => takes(one) && size <= limit(one);
  if (fits(own)) return { kind: own };
  if (fits("document")) {
    return { kind: "document", note: takes(own) ? t("file.overAsFile", { kind: kindWord(own), limit: fileSize(limit(own)) }) : t("file.goesAsFile") };
  }
  const most = Math.max(...[own, "document"].map((one) => (takes(one) ? limit(one) : 0)));
  const problem = most ? t("file.tooLarge", { limit: fileSize(most), size: fileSize(size) }) : t("file.notSupported", { kinds: offer.media.map(kindWord).join(", ") });
  return { kind: own, problem };
}
