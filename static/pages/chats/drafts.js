// What was begun to be written, for each chat. The newest are kept.

import { kept } from "../../lib/keep.js";
import { me } from "../../lib/store.js";

const MOST = 100;
const shelf = () => `drafts.${me.peek()?.user?.id ?? "open"}`;

export const draftOf = (chatId) => kept.get(shelf(), {})[chatId]?.text ?? "";

export function keepDraft(chatId, text) {
  const drafts = kept.get(shelf(), {});
  if (text.trim()) drafts[chatId] = { text, at: Date.now() };
  else if (drafts[chatId]) delete drafts[chatId];
  else return;
  const newest = Object.entries(drafts).sort(([, a], [, b]) => b.at - a.at).slice(0, MOST);
  kept.set(shelf(), Object.fromEntries(newest));
}
