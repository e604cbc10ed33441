// Which elements are in view, or were nearly: of a long list the others need not be drawn whole.

import { useLayoutEffect, useState } from "./html.js";

const hearers = new WeakMap();
const watch = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) if (isIntersecting) hearers.get(target)?.();
}, { rootMargin: "100% 0%" });

/** Whether the element that `ref` has was ever within a screen of the view; `isNear` is where it begins. */
export function useNear(ref, isNear) {
  const [wasNear, setNear] = useState(isNear);
  useLayoutEffect(() => {
    const element = ref.current;
    if (wasNear || !element) return undefined;
    hearers.set(element, () => setNear(true));
    watch.observe(element);
    return () => watch.unobserve(element);
  }, [wasNear]);
  return wasNear;
}
