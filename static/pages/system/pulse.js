// How the server is, asked for every few seconds while somebody looks.

import { get } from "../../lib/api.js";
import { useEffect, useRef, useState } from "../../lib/html.js";
import { loadStats } from "../../lib/store.js";

const EVERY_MS = 5_000;

/** 503 is an answer here: it says what is down. */
const ask = (signal) => get("/health", { signal, also: [503] });

/** What the accounts come to, and what they take. */
async function figuresOf(signal) {
  const [{ stats }, load, ports] = await Promise.all(["instances/memory/stats", "resources/performance", "resources/ports"].map((path) => get(`/api/v1/${path}`, { signal })));
  return { stats, load, ports };
}

/** `{health, figures, error, at}`: the last answers, when they came, and why those after them did not. */
export function usePulse() {
  const [state, setState] = useState({ health: null, figures: null, error: null, at: null });
  const asking = useRef(null);
  useEffect(() => {
    async function beat() {
      if (document.hidden || asking.current) return;
      const mine = (asking.current = new AbortController());
      try {
        const health = await ask(mine.signal);
        setState((before) => ({ ...before, health, error: null, at: Date.now() }));
        const [figures] = await Promise.all([figuresOf(mine.signal), loadStats({ signal: mine.signal })]);
        setState((before) => ({ ...before, figures }));
      } catch (error) {
        if (!mine.signal.aborted && (error.status === 0 || error.status >= 500)) setState((before) => ({ ...before, error: before.health && before.at > Date.now() - EVERY_MS / 2 ? null : error }));
      } finally {
        asking.current = null;
      }
    }
    beat();
    const timer = setInterval(beat, EVERY_MS);
    document.addEventListener("visibilitychange", beat);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", beat);
      asking.current?.abort();
    };
  }, []);
  return state;
}
