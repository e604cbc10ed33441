// Phone numbers, as people read and write them.

const GROUPS = { 996: [3, 3, 3], 7: [3, 3, 2, 2], 1: [3, 3, 4], 998: [2, 3, 2, 2], 992: [2, 3, 2, 2], 380: [2, 3, 2, 2], 375: [2, 3, 2, 2], 49: [3, 4, 4], 90: [3, 3, 2, 2] };

/** The digits of what was written, without `+`. */
export const digitsOf = (text) => text.replace(/\D/g, "");

/** `+996 700 000 001` of digits, with or without `+`; anything else as it is. */
export function pretty(text) {
  if (!text) return "";
  const digits = text.replace(/^\+/, "");
  if (!/^\d{7,15}$/.test(digits)) return text;
  const code = [3, 2, 1].map((length) => digits.slice(0, length)).find((start) => start in GROUPS);
  if (!code) return `+${digits}`;
  let rest = digits.slice(code.length);
  const groups = [];
  for (const size of GROUPS[code]) {
    if (rest) groups.push(rest.slice(0, size));
    rest = rest.slice(size);
  }
  if (rest) groups.push(rest);
  return `+${code} ${groups.join(" ")}`;
}

/** What a messenger's chat id stands for: its number, where it is one. */
export const ofChat = (chatId) => (/^\d+@(c\.us|s\.whatsapp\.net)$/.test(chatId) ? pretty(chatId.split("@")[0]) : chatId);

/** What is being typed, in the groups of its country as far as they are known; else as it is. */
export function mask(text) {
  if (!/^\+?[\d\s().-]+$/.test(text)) return text;
  const digits = digitsOf(text);
  const code = [3, 2, 1].map((length) => digits.slice(0, length)).find((start) => start in GROUPS);
  if (!code || digits.length > 15) return text;
  const size = GROUPS[code].reduce((sum, group) => sum + group, code.length);
  if (digits.length > size || (!text.startsWith("+") && digits.length <= code.length)) return text;
  let rest = digits.slice(code.length);
  const groups = [];
  for (const group of GROUPS[code]) {
    if (rest) groups.push(rest.slice(0, group));
    rest = rest.slice(group);
  }
  return [`+${code}`, ...groups].join(" ");
}
