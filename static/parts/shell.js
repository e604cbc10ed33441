// The frame around the pages: the rail at the side, the bar at the foot of a phone, and what lies
// over them; and the head that each page has.

import { post } from "../lib/api.js";
import { effect, html, Icon, signal, useEffect, useRef } from "../lib/html.js";
import { LANGUAGES, language, speak, t } from "../lib/i18n.js";
import { forget, keepWord } from "../lib/keep.js";
import { hangUp } from "../lib/socket.js";
import { isAdmin, isOpen, me, unread } from "../lib/store.js";
import { Dialog, Dialogs, show } from "./dialog.js";
import { Menu } from "./menu.js";
import { Offline } from "./state.js";
import { toastError, Toasts } from "./toast.js";

const ICON = new URL("../icon.svg", import.meta.url).href;
const PLACES = [
  { name: "accounts", address: "/", icon: "plug" },
  { name: "chats", address: "/chats", icon: "message-circle" },
  { name: "messages", address: "/messages", icon: "list" },
  { name: "team", address: "/team", icon: "users", isForAdmins: true },
  { name: "developers", address: "/developers", icon: "webhook", isForAdmins: true },
  { name: "system", address: "/system", icon: "activity", isForAdmins: true },
];
const ON_BAR = 3;

// Between a phone and a desk the rail has its icons only, too.
const between = matchMedia("(max-width: 1023px)");
const isBetween = signal(between.matches);
between.addEventListener("change", () => (isBetween.value = between.matches));

function Place({ name, address, icon, current }) {
  const count = name === "chats" ? unread.value : 0;
  const isHere = current === name || (name === "accounts" && current === "account");
  return html`<li><a class="rail-item" href=${address} title=${t(`nav.${name}`)} aria-current=${isHere ? "page" : undefined}>
    <${Icon} name=${icon} /><span class="rail-label">${t(`nav.${name}`)}</span>
    ${count > 0 && html`<span class="badge"><span aria-hidden="true">${count > 99 ? "99+" : count}</span><span class="unseen">${t("nav.unread", { n: count })}</span></span>`}
  </a></li>`;
}

const THEMES = ["system", "light", "dark"];
const theme = signal(document.documentElement.dataset.theme ?? "system");

function wear(name) {
  theme.value = name;
  document.documentElement.dataset.theme = name;
  keepWord("theme", name);
}

const themes = () => THEMES.map((name) => ({ text: t(`theme.${name}`), checked: theme.value === name, run: () => wear(name) }));
const languages = () => Object.entries(LANGUAGES).map(([tag, text]) => ({ text, checked: language.value === tag, run: () => speak(tag, true).catch(toastError) }));

async function signOut() {
  try {
    await post("/api/auth/logout");
  } catch (error) {
    // Somebody who comes after would still be signed in as this person.
    if (error.status !== 401) return toastError(error);
  }
  hangUp();
  forget(me.peek()?.user?.id);
  location.assign("/login");
}

const nameOf = (user) => [user?.firstName, user?.lastName].filter(Boolean).join(" ") || user?.email || "";

async function openProfile() {
  const { Profile } = await import("./profile.js");
  show((close) => html`<${Profile} close=${close} />`);
}

let isPaletteOpen = false;

async function openPalette() {
  if (isPaletteOpen) return;
  isPaletteOpen = true;
  try {
    const { Palette } = await import("./palette.js");
    await show((close) => html`<${Palette} close=${close} places=${places()} />`);
  } finally {
    isPaletteOpen = false;
  }
}

const places = () => PLACES.filter((place) => isAdmin.value || !place.isForAdmins);

function Foot() {
  return html`
    <${Menu} icon="sun-moon" label=${t("theme.title")} items=${themes()}><span class="rail-label">${t("theme.title")}</span><//>
    <${Menu} icon="languages" label=${t("language.title")} items=${languages()}><span class="rail-label">${LANGUAGES[language.value]}</span><//>
    ${!isOpen && html`<${Menu} icon="user" label=${t("profile.title")} items=${[
      { icon: "settings", text: t("profile.edit"), run: () => openProfile().catch(toastError) },
      { icon: "log-out", text: t("profile.signOut"), run: signOut },
    ]}><span class="rail-label">${nameOf(me.value?.user)}</span><//>`}`;
}

function More({ current, close }) {
  return html`<${Dialog} title=${t("nav.more")} close=${close}>
    <div class="more" onClick=${(event) => event.target.closest("a") && close()}>
      <ul class="more-list">${places().slice(ON_BAR).map((place) => html`<${Place} ...${place} current=${current} />`)}</ul>
      ${isAdmin.value && html`<hr />`}<${Foot} />
    </div>
  <//>`;
}

/** `current` is the page's name, `isNarrow` leaves the rail its icons only. */
export function Shell({ current, isNarrow, children }) {
  const main = useRef(null);
  useEffect(() => {
    const key = (event) => {
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        openPalette().catch(toastError);
      }
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  const all = places();
  const isMore = all.slice(ON_BAR).some((place) => place.name === current);
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>${t("nav.skip")}</a>
    <div class="shell ${isNarrow || isBetween.value ? "is-narrow" : ""}">
      <nav class="rail" aria-label=${t("nav.title")}>
        <a class="brand" href="/"><img src=${ICON} alt="" width="32" height="32" /> <span>Andante</span></a>
        <ul>${all.map((place) => html`<${Place} key=${place.name} ...${place} current=${current} />`)}</ul>
        <div class="rail-foot"><${Foot} /></div>
      </nav>
      <main class="main" id="main" tabindex="-1" ref=${main}><${Offline} />${children}</main>
      <nav class="bar" aria-label=${t("nav.title")}>
        <ul>${all.slice(0, ON_BAR).map((place) => html`<${Place} key=${place.name} ...${place} current=${current} />`)}
          <li><button type="button" class="rail-item" aria-current=${isMore ? "page" : undefined} onClick=${() => show((close) => html`<${More} current=${current} close=${close} />`)}>
            <${Icon} name="ellipsis-vertical" /><span>${t("nav.more")}</span></button></li></ul>
      </nav>
    </div>
    <${Dialogs} /><${Toasts} />`;
}

/** What lies over pages that have no frame. */
export const Layers = () => html`<${Dialogs} /><${Toasts} />`;

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
