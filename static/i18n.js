// The page's words: in the browser's language, or the one chosen here before.

export const LANGUAGES = { ru: "Рус", ky: "Кыр", en: "Eng" };
const KEPT = "andante.language";

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // Storage may be off; the choice then lasts as long as the page.
  }
}

function preferred() {
  const wanted = [kept(), ...(navigator.languages ?? [])];
  return wanted.map((tag) => tag?.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
}

let words = {};

/** The text under `key`, with each `{name}` from `values`. */
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

async function load(language) {
  const answer = await fetch(new URL(`i18n/pair/${language}.json`, import.meta.url));
  words = await answer.json();
  document.documentElement.lang = language;
}

/** Loads the words, builds the switch in `nav`, and calls `redraw` now and after each change. */
export async function start(nav, redraw) {
  const buttons = Object.entries(LANGUAGES).map(([language, label]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.lang = language;
    button.textContent = label;
    button.addEventListener("click", () => choose(language, true));
    nav.append(button);
    return [language, button];
  });
  async function choose(language, keep) {
    await load(language);
    if (keep) {
      try {
        localStorage.setItem(KEPT, language);
      } catch { /* as above */ }
    }
    for (const [other, button] of buttons) button.setAttribute("aria-pressed", String(other === language));
    redraw();
  }
  await choose(preferred(), false);
}
