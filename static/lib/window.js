// Long lists: of rows that are all as high, only those in view are in the document. On a phone the
// page itself scrolls, on a desk the frame around the list does.

import { signal, useEffect, useLayoutEffect, useRef, useState } from "./html.js";

const phone = matchMedia("(max-width: 639px)");
export const isPhone = signal(phone.matches);
phone.addEventListener("change", () => (isPhone.value = phone.matches));

/** One rem in px, which who needs larger letters changes. */
export const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;

/** What scrolls `frame`: itself, or on a phone the page. */
export const scrollerOf = (frame) => (isPhone.peek() ? document.scrollingElement : frame);

/** What hears of it. */
const hearerOf = (frame) => (isPhone.peek() ? window : frame);

/** Where the view of `frame` begins and ends, in px of the window. */
export function viewOf(frame) {
  if (isPhone.peek()) return { top: 0, bottom: innerHeight };
  const { top, bottom } = frame.getBoundingClientRect();
  return { top, bottom };
}

/** Calls `run` at most once a frame while `frame` is scrolled, or the window's size changes. */
export function useScroll(frame, run, deps = []) {
  const isPage = isPhone.value;
  useEffect(() => {
    if (!frame.current) return undefined;
    const hearer = hearerOf(frame.current);
    let asked = 0;
    const ask = () => {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        run();
      });
    };
    hearer.addEventListener("scroll", ask, { passive: true });
    addEventListener("resize", ask);
    return () => {
      cancelAnimationFrame(asked);
      hearer.removeEventListener("scroll", ask);
      removeEventListener("resize", ask);
    };
  }, [isPage, ...deps]);
}

const SPARE = 6;
const STEP = 4;

/**
 * The rows in view, `[first, last]`, and a few around them. `body` is the element that is `count`
 * rows high, `height` is theirs in px.
 */
export function useRows({ frame, body, count, height }) {
  const [range, setRange] = useState([0, 0]);
  const kept = useRef(range);
  function look() {
    if (!body.current || !frame.current) return;
    const view = viewOf(frame.current);
    const { top } = body.current.getBoundingClientRect();
    const from = Math.floor((view.top - top) / height / STEP) * STEP - SPARE;
    const to = Math.ceil((view.bottom - top) / height / STEP) * STEP + SPARE;
    const next = [Math.max(0, Math.min(from, count)), Math.max(0, Math.min(count, to))];
    if (next[0] === kept.current[0] && next[1] === kept.current[1]) return;
    kept.current = next;
    setRange(next);
  }
  useScroll(frame, look, [count, height]);
  useLayoutEffect(look, [count, height, isPhone.value]);
  return [Math.min(range[0], count), Math.min(range[1], count)];
}

/** Brings row `index` into view, as little as it takes; `head` px at the top are covered. */
export function reveal({ frame, body, index, height, head = 0, foot = 0 }) {
  const view = viewOf(frame.current);
  const top = body.current.getBoundingClientRect().top + index * height;
  const over = view.top + head - top;
  const under = top + height - (view.bottom - foot);
  const scroller = scrollerOf(frame.current);
  if (over > 0) scroller.scrollTop -= over;
  else if (under > 0) scroller.scrollTop += under;
}
