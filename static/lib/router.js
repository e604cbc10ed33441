// Addresses: which page is open, with what filters.

import { computed, signal } from "./html.js";

const here = () => ({ path: location.pathname.replace(/(.)\/$/, "$1"), query: Object.fromEntries(new URLSearchParams(location.search)) });

/** `{path, query}` of the page that is open. */
export const place = signal(here());
export const query = computed(() => place.value.query);

/** Asked before the page changes; one that answers false keeps it. */
export const guards = new Set();

export function go(address, { replace = false, keepScroll = false } = {}) {
  if ([...guards].some((mayLeave) => mayLeave() === false)) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  const before = place.value.path;
  place.value = here();
  if (!keepScroll && before !== place.value.path) scrollTo(0, 0);
}

/** Changes parameters of the address in place; null takes one away. */
export function setQuery(changes, { push = false } = {}) {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  go(location.pathname + (text ? `?${text}` : ""), { replace: !push, keepScroll: true });
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null; // Nothing of ours is written so.
  }
}

/** The parameters in `/accounts/:id/:tab?` that `path` has, or null. */
export function match(pattern, path) {
  const wanted = pattern.split("/").filter(Boolean);
  const given = path.split("/").filter(Boolean);
  if (given.length > wanted.length) return null;
  const found = {};
  for (const [i, part] of wanted.entries()) {
    if (!part.startsWith(":")) {
      if (part !== given[i]) return null;
    } else if (given[i] !== undefined) {
      const value = decode(given[i]);
      if (value === null) return null;
      found[part.replace(/[:?]/g, "")] = value;
    } else if (!part.endsWith("?")) {
      return null;
    }
  }
  return found;
}

const OTHERS = /^\/(api|docs|qr|static|openapi\.json|health|metrics)(\/|$)/;

export function followLinks() {
  addEventListener("popstate", () => (place.value = here()));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (OTHERS.test(link.pathname) || (link.hash && link.pathname === location.pathname)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
