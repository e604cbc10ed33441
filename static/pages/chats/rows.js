// The list of chats: its search, its filters, and the rows in view.

import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { canNotify, notifies, setNotifies } from "../../lib/notify.js";
import { digitsOf } from "../../lib/phone.js";
import { place, setQuery } from "../../lib/router.js";
import { accounts, unread } from "../../lib/store.js";
import { isPhone, rem, reveal, scrollerOf, useRows, useScroll } from "../../lib/window.js";
import { Button } from "../../parts/button.js";
import { Menu } from "../../parts/menu.js";
import { Empty, Loading, Problem } from "../../parts/state.js";
import { toast } from "../../parts/toast.js";
import { accountName } from "./names.js";
import { Row } from "./row.js";
import { isCounted } from "./unread.js";

const ROW_REM = 4.5;
const PAUSE_MS = 250;
const LEAVES_MS = 400;

const addressOf = (changes) => {
  const next = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
  const text = next.toString();
  return place.value.path + (text ? `?${text}` : "");
};

function Search({ words }) {
  const [text, setText] = useState(words);
  const timer = useRef(null);
  useEffect(() => {
    if (words !== text.trim()) setText(words);
  }, [words]);
  useEffect(() => () => clearTimeout(timer.current), []);
  function input(event) {
    setText(event.target.value);
    const next = event.target.value.trim();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ q: next }), PAUSE_MS);
  }
  return html`<div class="search" role="search"><${Icon} name="search" size=${18} />
    <input type="search" name="search" aria-label=${t("chats.search")} placeholder=${t("chats.search")} maxlength="200" autocomplete="off" spellcheck="false" value=${text} onInput=${input} /></div>`;
}

async function notify(isWanted) {
  if (!(await setNotifies(isWanted))) toast(t("chats.notifyRefused"), { kind: "error" });
}

function MoreFilters({ show, account }) {
  const kinds = ["people", "statuses"].map((name) => ({ text: t(`chats.${name}`), checked: show === name, run: () => setQuery({ show: show === name ? null : name }) }));
  const choices = accounts.ids.value.length > 1 ? [
    { text: t("chats.allAccounts"), checked: !account, run: () => setQuery({ account: null }) },
    ...accounts.ids.value.map((id) => ({ text: accountName(id), checked: account === id, run: () => setQuery({ account: id }) })),
    "-",
  ] : [];
  const bell = canNotify ? ["-", { text: t("chats.notify"), isOn: notifies.value, run: () => notify(!notifies.peek()) }] : [];
  return html`<${Menu} label=${t("chats.moreFilters")} items=${[...choices, ...kinds, ...bell]} />`;
}

function Filters({ show, account }) {
  const filter = (name, text) => html`<a class="filter" href=${addressOf({ show: name })} aria-current=${(show === name || (!name && show === "all")) ? "true" : undefined}>${text}</a>`;
  const chosen = account && accountName(account);
  return html`<nav class="filters chats-filters ${isCounted.value ? "" : "is-late"}" aria-label=${t("chats.filters")}>
      ${filter(null, t("chats.all"))}
      ${filter("unread", unread.value ? t("chats.unread", { n: unread.value }) : t("chats.unreadNone"))}
      ${filter("groups", t("chats.groups"))}
      ${filter("archive", t("chats.archive"))}
      ${["people", "statuses"].includes(show) && filter(show, t(`chats.${show}`))}
    </nav>
    ${chosen && html`<p class="chats-chosen">${t("chats.onlyOf", { name: chosen })} <button type="button" class="text-button" onClick=${() => setQuery({ account: null })}>${t("chats.allAccounts")}</button></p>`}`;
}

function Nothing({ show, search, account, fill }) {
  if (search) {
    const digits = digitsOf(search);
    const isNumber = /^[+\d\s().-]+$/.test(search) && digits.length >= 7 && digits.length <= 15;
    return html`<${Empty} icon="search" title=${t("chats.nothingFound")} actions=${html`
      ${isNumber && html`<${Button} kind="primary" icon="send" onClick=${() => fill(search)}>${t("chats.sendToThis")}<//>`}
      <${Button} onClick=${() => setQuery({ q: null })}>${t("chats.clearSearch")}<//>`}>${t("chats.nothingFoundText", { words: search })}<//>`;
  }
  if (show !== "all" || account) return html`<${Empty} icon="message-circle" title=${t(`chats.none.${show}`)} />`;
  return html`<${Empty} icon="message-circle" title=${t("chats.none")}>${t("chats.noneText")}<//>`;
}

/** `openId` is the chat that is open, `open(chat)` opens one, `fill(number)` fills the card above. */
export function Rows({ list, filter, openId, open, fill }) {
  const frame = useRef(null);
  const body = useRef(null);
  const [active, setActive] = useState(null);
  const [held, setHeld] = useState(false);
  list.order.value;
  const size = list.slots.length;
  const height = ROW_REM * rem();
  const [first, last] = useRows({ frame, body, count: size, height });
  const isAway = useRef(false);
  const hands = useRef({ pointer: false, focus: false });

  function hold() {
    const { pointer, focus } = hands.current;
    list.hold(pointer || focus || isAway.current);
    setHeld(pointer || focus || isAway.current);
  }
  const timer = useRef(null);
  function hand(name, is) {
    clearTimeout(timer.current);
    if (hands.current[name] === is) return;
    hands.current[name] = is;
    if (is) hold();
    else timer.current = setTimeout(hold, LEAVES_MS);
  }
  function look() {
    if (!frame.current || !body.current) return;
    const top = scrollerOf(frame.current).scrollTop - (isPhone.peek() ? body.current.offsetTop : 0);
    const is = top > height / 2;
    if (is !== isAway.current) {
      isAway.current = is;
      hold();
    }
  }
  useScroll(frame, look, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (size && last) list.want(first, last);
  }, [first, last, size, list.order.value]);
  // Another list begins at its top.
  const name = JSON.stringify(filter);
  useLayoutEffect(() => {
    setActive(null);
    if (frame.current && !isPhone.peek()) frame.current.scrollTop = 0;
  }, [name]);

  const at = active === null ? -1 : list.slots.indexOf(active);
  function toRow(index) {
    const next = Math.max(0, Math.min(size - 1, index));
    reveal({ frame, body, index: next, height, head: isPhone.peek() ? 8 * rem() : 0, foot: isPhone.peek() ? 4 * rem() : 0 });
    setActive(list.slots[next] ?? next);
  }
  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const from = typeof active === "number" ? active : at;
    const steps = Math.max(1, Math.floor((isPhone.peek() ? innerHeight : frame.current.clientHeight) / height) - 1);
    const to = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: size - 1, PageDown: from + steps, PageUp: from - steps }[event.key];
    if (to !== undefined) toRow(to);
    else if (event.key === "Enter" && at >= 0) open(list.peek(active));
    else return;
    event.preventDefault();
  }
  // A row that was gone to before it was fetched.
  useEffect(() => {
    if (typeof active === "number" && list.slots[active]) setActive(list.slots[active]);
  });
  function newest() {
    hands.current = { pointer: false, focus: false };
    isAway.current = false;
    list.hold(false);
    list.settle();
    const scroller = scrollerOf(frame.current);
    scroller.scrollTop = isPhone.peek() ? Math.min(scroller.scrollTop, body.current.offsetTop - 9 * rem()) : 0;
    setHeld(false);
  }

  const isKnown = list.total.value !== null;
  const waiting = list.waiting.value;
  const rows = [];
  for (let index = first; index < last; index += 1) {
    const id = list.slots[index];
    rows.push(html`<${Row} key=${id ?? index} id=${id} chat=${id ? list.of(id) : null} index=${index} size=${size} height=${height}
      isOpen=${id !== null && id === openId} isActive=${id !== null && id === active} open=${open} />`);
  }
  return html`<div class="chats-list">
    <div class="chats-find"><div class="chats-words"><${Search} words=${filter.search} /><${MoreFilters} ...${filter} /></div><${Filters} ...${filter} />
      <button type="button" class="button chats-waiting" hidden=${!(waiting && held)} onClick=${newest}><${Icon} name="arrow-up" size=${16} />${t("chats.waiting", { n: waiting })}</button></div>
    <div class="chats-frame" ref=${frame} onPointerEnter=${(event) => event.pointerType === "mouse" && hand("pointer", true)} onPointerLeave=${() => hand("pointer", false)}>
      ${!isKnown && !list.error.value && html`<${Loading} skeleton=${html`<div class="chats-bones">${Array.from({ length: 8 }, (_, i) => html`<div class="chats-row is-empty" key=${i}><span class="bone" /></div>`)}</div>`} />`}
      ${!isKnown && list.error.value && html`<${Problem} error=${list.error.value} retry=${() => list.refresh()} />`}
      ${isKnown && size === 0 && html`<${Nothing} ...${filter} fill=${fill} />`}
      <div class="chats-body" ref=${body} role=${size ? "listbox" : undefined} tabindex=${size ? 0 : undefined} aria-label=${size ? t("chats.list") : undefined} hidden=${!size}
        aria-activedescendant=${at >= first && at < last ? `chat-${active}` : undefined} style=${{ height: `${size * height}px` }}
        onKeyDown=${key} onFocus=${() => hand("focus", true)} onBlur=${() => hand("focus", false)}>${rows}</div>
    </div>
  </div>`;
}
