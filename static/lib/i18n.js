// The pages' words, in the browser's language or the one chosen here before.

import { computed, signal } from "./html.js";
import { keepWord, keptWord } from "./keep.js";

export const LANGUAGES = { ru: "Русский", ky: "Кыргызча", en: "English" };

function preferred() {
  const wanted = [keptWord("language"), ...(navigator.languages ?? [])];
  return wanted.map((tag) => tag?.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
}

export const language = signal(preferred());
const words = signal({});
const plurals = computed(() => new Intl.PluralRules(language.value));
// Chromium has no Kyrgyz numbers; they are written as the Russian ones.
const digits = computed(() => new Intl.NumberFormat(language.value === "ky" ? "ru" : language.value, { maximumFractionDigits: 1 }));

export function number(value) {
  return digits.value.format(value);
}

// Letters from right to left, and marks that turn what follows: they stay within their name.
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]/;

export const has = (key) => key in words.value;

/**
 * The text under `key`, with each `{name}` from `values`, numbers written as the language does. Of
 * a plural, the form for `values.n`.
 */
export function t(key, values = {}) {
  let text = words.value[key] ?? key;
  if (typeof text === "object") text = text[plurals.value.select(values.n ?? 0)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    if (typeof value === "number") return number(value);
    return TURNS.test(value) ? `\u2068${value}\u2069` : value;
  });
}

/** 131 MB, 1.5 GB. */
export function size(bytes) {
  const megabytes = bytes / (1 << 20);
  return megabytes < 1024 ? t("size.mb", { n: Math.round(megabytes) }) : t("size.gb", { n: Math.round(megabytes / 102.4) / 10 });
}

/** Of a file: 340 KB, 2.5 MB, 16 MB. */
export function fileSize(bytes) {
  const megabytes = bytes / (1 << 20);
  if (megabytes < 1) return t("size.kb", { n: Math.ceil(megabytes * 1024) });
  return t("size.mb", { n: megabytes < 10 ? Math.round(megabytes * 10) / 10 : Math.round(megabytes) });
}

/** Like `t`, as a list in which `{name}` may be replaced by an element. */
export function parts(key, values) {
  const text = t(key, Object.fromEntries(Object.keys(values).map((name) => [name, `{${name}}`])));
  return text.split(/(\{\w+\})/).map((part) => (/^\{\w+\}$/.test(part) ? values[part.slice(1, -1)] : part));
}

export async function speak(wanted = language.value, keep = false) {
  const answer = await fetch(new URL(`../i18n/${wanted}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`the words do not come: ${answer.status}`);
  words.value = await answer.json();
  language.value = wanted;
  document.documentElement.lang = wanted;
  if (keep) keepWord("language", wanted);
}
