import { signal } from "./html.js";
import { keepWord } from "./keep.js";

export const THEMES = ["system", "light", "dark"];
export const theme = signal(document.documentElement.dataset.theme ?? "system");

export function wear(name) {
  theme.value = name;
  document.documentElement.dataset.theme = name;
  keepWord("theme", name);
}
