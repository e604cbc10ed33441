// Keeps what somebody reads where it is, whatever is added above or changes its height; and who is at
// the end of a conversation, at its end.

import { useEffect, useLayoutEffect, useMemo, useRef, useSignal } from "../../lib/html.js";
import { isPhone, scrollerOf, useScroll, viewOf } from "../../lib/window.js";

const NEAR_PX = 48;

/** The first message in `body` that ends under `top`; a day's heading may go when older ones come. */
function firstUnder(body, top) {
  const all = body.children;
  let low = 0;
  let high = all.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle].getBoundingClientRect().bottom > top) high = middle;
    else low = middle + 1;
  }
  let found = all[low] ?? null;
  while (found && !found.classList.contains("chats-bubble")) found = found.nextElementSibling;
  return found;
}

/**
 * `frame` scrolls `body`. Answers `isAtEnd` (a signal), `toEnd()`, `show(element)`, and what is to be called
 * before and after `body` is drawn anew: `measure()` and `settle()`. `looked({above, below})` hears how many
 * screens are left.
 */
export function useSteady({ frame, body, looked }) {
  const isAtEnd = useSignal(true);
  const seen = useRef({ anchor: null, top: 0 });

  function measure() {
    if (!frame.current || !body.current) return;
    const scroller = scrollerOf(frame.current);
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    const anchor = firstUnder(body.current, viewOf(frame.current).top + NEAR_PX);
    seen.current = { anchor, top: anchor?.getBoundingClientRect().top ?? 0 };
    isAtEnd.value = below < NEAR_PX;
  }
  function look() {
    measure();
    const scroller = scrollerOf(frame.current);
    const screen = scroller.clientHeight || 1;
    const above = isPhone.peek() ? viewOf(frame.current).top - body.current.getBoundingClientRect().top : scroller.scrollTop;
    looked({ above: above / screen, below: (scroller.scrollHeight - scroller.scrollTop - screen) / screen });
  }
  function toEnd() {
    const scroller = scrollerOf(frame.current);
    scroller.scrollTop = scroller.scrollHeight;
    measure();
  }
  function show(element) {
    const scroller = scrollerOf(frame.current);
    scroller.scrollTop += element.getBoundingClientRect().top - viewOf(frame.current).top - 2 * NEAR_PX;
    measure();
  }
  function settle() {
    if (!frame.current || !body.current) return;
    const scroller = scrollerOf(frame.current);
    const { anchor, top } = seen.current;
    if (isAtEnd.peek()) scroller.scrollTop = scroller.scrollHeight;
    else if (anchor?.isConnected) {
      const moved = anchor.getBoundingClientRect().top - top;
      if (Math.abs(moved) >= 1) scroller.scrollTop += moved;
    }
    if (anchor) seen.current.top = anchor.getBoundingClientRect().top;
  }
  useScroll(frame, look, []);
  useLayoutEffect(settle);
  useEffect(() => {
    const watch = new ResizeObserver(settle);
    watch.observe(body.current);
    watch.observe(frame.current);
    // On a phone, where what is written beneath makes the page longer.
    watch.observe(frame.current.parentElement);
    return () => watch.disconnect();
  }, []);
  return useMemo(() => ({ isAtEnd, measure, settle, toEnd, show, look }), []);
}
