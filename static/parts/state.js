// The states of a view: it loads, there is nothing, it went wrong, we are offline; or what it shows.

import { explain } from "../lib/api.js";
import { clock, second } from "../lib/dates.js";
import { html, Icon, useCallback, useEffect, useRef, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { connection, lastHeard, onMissed } from "../lib/socket.js";
import { Button, Copy } from "./button.js";

const SKELETON_MS = 150;

/**
 * Fetches with `read({signal})` now, when one of `deps` changes, and whenever something may have
 * been missed. What was fetched before stays while it is fetched again.
 */
export function useLoad(read, deps = [], { refetch = true } = {}) {
  const [state, setState] = useState({ data: undefined, error: null, isLoading: true });
  const run = useRef(null);
  const load = useCallback(async () => {
    run.current?.abort();
    const mine = (run.current = new AbortController());
    setState((before) => ({ ...before, isLoading: true }));
    try {
      const data = await read({ signal: mine.signal });
      if (!mine.signal.aborted) setState({ data: data ?? null, error: null, isLoading: false });
    } catch (error) {
      if (!mine.signal.aborted) setState((before) => ({ ...before, error, isLoading: false }));
    }
  }, deps);
  useEffect(() => {
    setState({ data: undefined, error: null, isLoading: true });
    load();
    const stop = refetch ? onMissed(() => load()) : () => {};
    return () => {
      stop();
      run.current?.abort();
    };
  }, [load]);
  const set = useCallback((change) => setState((before) => ({ ...before, data: typeof change === "function" ? change(before.data) : change })), []);
  return { ...state, reload: load, set };
}

/** What a `useLoad` holds: its skeleton, its failure, or `children(data)`. */
export function View({ load, skeleton, children }) {
  if (load.data !== undefined) return children(load.data);
  if (load.error) return html`<${Problem} error=${load.error} retry=${load.reload} />`;
  return html`<${Loading} skeleton=${skeleton} />`;
}

export function Loading({ skeleton }) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), SKELETON_MS);
    return () => clearTimeout(timer);
  }, []);
  return html`<div class="loading ${isLate ? "is-late" : ""}" aria-busy="true">
    <span class="unseen" role="status">${isLate ? t("state.loading") : ""}</span>
    <div aria-hidden="true">${skeleton ?? html`<${Bones} rows=${4} />`}</div>
  </div>`;
}

/** Rows of a skeleton, `height` px each. */
export function Bones({ rows = 4, height = 72 }) {
  return html`<div class="stack">${Array.from({ length: rows }, (_, i) => html`<div class="bone" key=${i} style=${{ height: `${height / 16}rem` }} />`)}</div>`;
}

export function Empty({ icon, title, children, actions }) {
  return html`<section class="empty">
    ${icon && html`<span class="empty-icon"><${Icon} name=${icon} size=${28} /></span>`}
    <h2>${title}</h2>
    ${children && html`<div class="quiet">${children}</div>`}
    ${actions && html`<div class="actions">${actions}</div>`}
  </section>`;
}

/** What went wrong, what to do, and how to find it in the log; `isPage` where nothing else is on the page. */
export function Problem({ error, retry, title, isPage = false }) {
  const isForbidden = error.status === 403;
  const isMissing = error.status === 404;
  return html`<section class="problem" role="alert">
    <span class="empty-icon alarm"><${Icon} name=${error.status === 0 ? "wifi-off" : "triangle-alert"} size=${28} /></span>
    <${isPage ? "h1" : "h2"} class="problem-title">${title ?? t(isMissing ? "state.missing" : isForbidden ? "state.forbidden" : "state.failed")}<//>
    <p class="quiet">${isForbidden ? t("state.askAdmin") : explain(error)}</p>
    ${error.retryAfter ? html`<${CountDown} seconds=${error.retryAfter} then=${retry} />` : ""}
    <div class="actions">
      ${isMissing && html`<a class="button" href="/">${t("state.toAccounts")}</a>`}
      ${retry && !isMissing && !isForbidden && html`<${Button} icon="refresh-cw" onClick=${retry}>${t("state.retry")}<//>`}
    </div>
    ${error.requestId && html`<p class="small quiet">${t("state.request")} <code>${error.requestId}</code> <${Copy} text=${error.requestId} label=${t("state.copyRequest")} /></p>`}
  </section>`;
}

function CountDown({ seconds, then }) {
  const [until] = useState(() => Date.now() + seconds * 1_000);
  const left = Math.max(0, Math.ceil((until - Date.now()) / 1_000));
  second.value; // drawn anew each second
  useEffect(() => {
    if (left === 0) then?.();
  }, [left === 0]);
  return left > 0 && html`<p class="quiet">${t("state.again", { n: left })}</p>`;
}

/** The strip that says how old things are while the server is not reached. */
export function Offline() {
  if (connection.value !== "offline") return null;
  return html`<div class="strip" role="status"><${Icon} name="wifi-off" size=${18} /> ${t("state.offline", { time: clock(lastHeard.value) })}</div>`;
}
