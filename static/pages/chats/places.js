// The places of a template: `{{name}}`, which whoever sends it fills.

import { html } from "../../lib/html.js";

const PLACE = /\{\{\s*(.+?)\s*\}\}/gs;

/** The names of the places, each once, in order. */
export const namesIn = (text) => [...new Set([...text.matchAll(PLACE)].map(([, name]) => name))];

/** The text with its places filled. */
export const filled = (text, values) => text.replace(PLACE, (_, name) => (values[name] ?? "").trim());

/** The text with its places marked, those that are filled by their value. */
export function Marked({ text, values = {} }) {
  return text.split(PLACE).map((part, i) => {
    if (i % 2 === 0) return part;
    const value = values[part]?.trim();
    return html`<mark class=${value ? "is-filled" : ""}>${value || part}</mark>`;
  });
}
