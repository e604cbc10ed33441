import { effect, html, Icon, signal, useEffect } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { unread } from "../lib/store.js";

const title = signal("");

effect(() => {
  document.title = `${unread.value ? `(${unread.value}) ` : ""}${title.value ? `${title.value} · ` : ""}Andante`;
});

/** Names the tab. */
export function useTitle(text) {
  useEffect(() => {
    title.value = text;
  }, [text]);
}

/** A page: its heading, what can be done on it as a whole, and its content. `back` is an address. */
export function Page({ title: text, heading, back, actions, after, class: more = "", children }) {
  useTitle(text);
  return html`<div class="page ${more}">
    <div class="page-head">
      ${back && html`<a class="button quiet icon-only back" href=${back} aria-label=${t("page.back")}><${Icon} name="chevron-left" size=${24} /></a>`}
      <h1 tabindex="-1">${heading ?? text}</h1>
      ${after}
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
    ${children}
  </div>`;
}
