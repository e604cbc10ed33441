// Starts the pages, and shows the one that the address names.

import { computed, html, render, useEffect, useRef, useState } from "./lib/html.js";
import { speak } from "./lib/i18n.js";
import { held } from "./lib/keep.js";
import { followLinks, go, match, place } from "./lib/router.js";
import { listen } from "./lib/socket.js";
import { follow, isAdmin, isOpen, loadMe } from "./lib/store.js";
import { ApiError } from "./lib/api.js";
import { closeAll } from "./parts/dialog.js";
import { Layers, Shell } from "./parts/shell.js";
import { Loading, Problem } from "./parts/state.js";

// `css` names sheets of css/; a page `isBare` has no frame, `isNarrow` leaves the rail its icons.
const ROUTES = [
  { name: "accounts", pattern: "/", css: ["accounts"], load: () => import("./pages/accounts.js") },
  { name: "account", pattern: "/accounts/:id/:tab?", css: ["accounts", "account"], load: () => import("./pages/account.js") },
  { name: "chats", pattern: "/chats/:accountId?/:chatId?", css: ["chats", "media"], isNarrow: true, load: () => import("./pages/chats.js") },
  { name: "messages", pattern: "/messages", css: ["messages"], load: () => import("./pages/messages.js") },
  { name: "team", pattern: "/team", css: ["team"], isForAdmins: true, load: () => import("./pages/team.js") },
  { name: "developers", pattern: "/developers", css: ["developers"], isForAdmins: true, load: () => import("./pages/developers.js") },
  { name: "system", pattern: "/system", css: ["system"], isForAdmins: true, load: () => import("./pages/system.js") },
  { name: "login", pattern: "/login", css: ["login"], isBare: true, load: () => import("./pages/login.js") },
];

const found = computed(() => {
  for (const route of ROUTES) {
    const params = match(route.pattern, place.value.path);
    if (params) return { route, params };
  }
  return null;
});

const sheets = new Map();

function dress(name) {
  if (!sheets.has(name)) {
    sheets.set(name, new Promise((resolve) => {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = new URL(`css/${name}.css`, import.meta.url);
      link.onload = link.onerror = resolve;
      document.head.append(link);
    }));
  }
  return sheets.get(name);
}

/** Loads a page's module and sheets. After an upgrade its file has another name: then the shell is fetched anew, once. */
async function open(route) {
  try {
    const [module] = await Promise.all([route.load(), ...route.css.map(dress)]);
    held.remove("reloaded");
    return module.default;
  } catch (error) {
    if (!held.get("reloaded") && navigator.onLine) {
      held.set("reloaded", true);
      location.reload();
      return new Promise(() => {});
    }
    console.error(error);
    throw new ApiError(0);
  }
}

const mayOpen = (route) => isAdmin.value || !route.isForAdmins;

function App() {
  const here = found.value;
  const [shown, setShown] = useState(null);
  const [error, setError] = useState(null);
  const isFirst = useRef(true);
  const route = here?.route ?? null;
  function show() {
    setError(null);
    closeAll();
    if (!route || !mayOpen(route)) return;
    open(route).then(
      (page) => found.value?.route === route && setShown({ page, route }),
      (problem) => found.value?.route === route && setError(problem),
    );
  }
  useEffect(show, [route]);
  useEffect(() => {
    if (!shown) return;
    if (!isFirst.current) document.getElementById("main")?.querySelector("h1")?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [shown]);

  let content;
  if (!here) content = html`<${Problem} error=${new ApiError(404, { code: "address_not_found" })} isPage />`;
  else if (!mayOpen(route)) content = html`<${Problem} error=${new ApiError(403, { code: "forbidden" })} isPage />`;
  else if (error) content = html`<${Problem} error=${error} retry=${show} />`;
  else if (shown?.route === route) content = html`<${shown.page} key=${route.name} params=${here.params} query=${place.value.query} />`;
  else content = html`<div class="page"><${Loading} /></div>`;
  if (route?.isBare) return html`${content}<${Layers} />`;
  return html`<${Shell} current=${route?.name} isNarrow=${route?.isNarrow}>${content}<//>`;
}

async function start() {
  const root = document.createElement("div");
  root.id = "app";
  document.body.append(root);
  followLinks();
  const isLogin = location.pathname.startsWith("/login");
  if (isLogin && isOpen) go("/", { replace: true });
  try {
    const words = speak();
    const route = found.peek()?.route;
    if (route && (isOpen || !route.isForAdmins)) open(route).catch(() => {});
    await Promise.all([words, isLogin ? null : loadMe()]);
  } catch (error) {
    if (error.status === 401) return;
    render(html`<${Problem} error=${error instanceof ApiError ? error : new ApiError(0)} retry=${() => location.reload()} />`, root);
    return;
  }
  if (!isLogin || isOpen) {
    follow();
    listen();
  }
  render(html`<${App} />`, root);
}

await start();
