// The field for a number: it groups the digits as they are typed, and suggests chats by name or number.

import { get } from "../../lib/api.js";
import { html, Icon, useEffect, useId, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { mask, pretty } from "../../lib/phone.js";
import { accounts } from "../../lib/store.js";
import { accountName, Face, nameOf, numberOf } from "./names.js";

const PAUSE_MS = 250;
const MOST = 6;

function useSuggestions(words) {
  const [chats, setChats] = useState([]);
  useEffect(() => {
    if (words.replace(/[^\p{L}\p{N}]/gu, "").length < 2) return void setChats([]);
    const asked = new AbortController();
    const timer = setTimeout(() => {
      get("/api/whatsapp/chats", { query: { search: words, chatType: "individual", limit: 2 * MOST }, signal: asked.signal })
        .then(({ data }) => setChats(data.filter(numberOf).slice(0, MOST)), () => {});
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [words]);
  return chats;
}

/** `onInput(text)`; `choose(chat)` when a suggestion is taken. */
export function NumberField({ field, value, error, hint, isOff, onInput, choose, onKeyDown }) {
  const id = useId();
  const list = useId();
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const chats = useSuggestions(isOpen ? value.trim() : "");
  const shown = isOpen ? chats : [];
  const chosen = Math.min(at, shown.length - 1);

  function input(event) {
    const { target, inputType } = event;
    const isAtEnd = target.selectionStart === target.value.length;
    const grouped = isAtEnd && !inputType?.startsWith("delete") ? mask(target.value) : target.value;
    if (grouped !== target.value) target.value = grouped;
    setOpen(true);
    setAt(-1);
    onInput(grouped);
  }
  function take(chat) {
    setOpen(false);
    onInput(pretty(numberOf(chat)));
    choose(chat);
  }
  function key(event) {
    if (event.key === "ArrowDown" && shown.length) setAt((chosen + 1) % shown.length);
    else if (event.key === "ArrowUp" && shown.length) setAt((chosen - 1 + shown.length) % shown.length);
    else if (event.key === "Enter" && !event.ctrlKey && shown[chosen]) take(shown[chosen]);
    else if (event.key === "Escape" && shown.length) setOpen(false);
    else return onKeyDown(event);
    return event.preventDefault();
  }
  return html`<div class="field chats-number ${error ? "is-wrong" : ""}">
    <label for=${id}><${Icon} name="phone" size=${16} />${t("edit_appointment.phone")}</label>
    <input id=${id} ref=${field} type="tel" inputmode="tel" name="phone" placeholder="+996 (XXX) XXX-XXX" maxlength="100" autocomplete="off" spellcheck="false" value=${value} disabled=${isOff}
      role="combobox" aria-autocomplete="list" aria-expanded=${String(shown.length > 0)} aria-controls=${list} aria-activedescendant=${chosen >= 0 ? `${list}-${chosen}` : undefined}
      aria-invalid=${error ? "true" : undefined} aria-describedby="${id}-hint" onInput=${input} onKeyDown=${key} onBlur=${() => setOpen(false)} />
    <div class="chats-suggestions" id=${list} role="listbox" aria-label=${t("chats.suggestions")} hidden=${!shown.length}>
      ${shown.map((chat, i) => html`<div role="option" id="${list}-${i}" key=${chat.id} aria-selected=${String(i === chosen)}
        onPointerDown=${(event) => event.preventDefault()} onClick=${() => take(chat)}>
        <${Face} chat=${chat} /><span><strong>${nameOf(chat)}</strong><small>${[pretty(numberOf(chat)), accounts.ids.value.length > 1 && accountName(chat.sessionId)].filter(Boolean).join(" · ")}</small></span></div>`)}
    </div>
    <div class="hint" id="${id}-hint">${error ? html`<span class="wrong"><${Icon} name="triangle-alert" size=${16} /> ${error}</span>` : hint}</div>
  </div>`;
}
