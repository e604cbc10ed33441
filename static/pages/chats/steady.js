// Keeps what somebody reads where it is, whatever is added above or changes its height; and who is at
// the end of a conversation, at its end.

import { useEffect, useLayoutEffect, useMemo, useRef, useSignal } from "../../lib/html.js";
import { isPhone, scrollerOf, useScroll, viewOf } from "../../lib/window.js";

const NEAR_PX = 48;

/** The first element of `body` that ends under `top`. */
function firstUnder(body, top) {
  const all = body.children;
  let low = 0;
  let high = all.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle].getBoundingClientRect().bottom > top) high = middle;
    else low = middle + 1;
  }
  return all[low] ?? null;
}

/**
 * `frame` scrolls `body`. Answers `isAtEnd` (a signal), `toEnd()`, `show(element)`, and what is to be called
 * before and after `body` is drawn anew: `measure()` and `settle()`. `moved({above, below})` hears how many
 * screens are left.
 */
export function useSteady({ frame, body, moved }) {
  const isAtEnd = useSignal(true);
  const seen = useRef({ scroll: 0, anchor: null, top: 0 });

  function measure() {
    if (!frame.current || !body.current) return;
    const scroller = scrollerOf(frame.current);
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    const anchor = firstUnder(body.current, viewOf(frame.current).top + NEAR_PX);
    seen.current = { scroll: scroller.scrollTop, anchor, top: anchor?.getBoundingClientRect().top ?? 0 };
    isAtEnd.value = below < NEAR_PX;
  }
  function look() {
    measure();
    const scroller = scrollerOf(frame.current);
    const screen = scroller.clientHeight || 1;
    const above = isPhone.peek() ? viewOf(frame.current).top - body.current.getBoundingClientRect().top : scroller.scrollTop;
    moved({ above: above / screen, below: (scroller.scrollHeight - scroller.scrollTop - screen) / screen });
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
    const { anchor, top, scroll } = seen.current;
    if (isAtEnd.peek()) scroller.scrollTop = scroller.scrollHeight;
    else if (anchor?.isConnected && Math.abs(scroller.scrollTop - scroll) < 2) {
      scroller.scrollTop += anchor.getBoundingClientRect().top - top;
    }
    seen.current.scroll = scroller.scrollTop;
    seen.current.top = seen.current.anchor?.getBoundingClientRect().top ?? 0;
  }
  useScroll(frame, look, []);
  useLayoutEffect(settle);
  useEffect(() => {
    const watch = new ResizeObserver(settle);
    watch.observe(body.current);
    watch.observe(frame.current);
    return () => watch.disconnect();
  }, []);
  return useMemo(() => ({ isAtEnd, measure, settle, toEnd, show, look }), []);
}
