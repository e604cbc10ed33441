// What every part is written with.

import { h, htm } from "../vendor/modules.js";

export { Component, createContext, createRef, render } from "../vendor/modules.js";
export { useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/modules.js";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "../vendor/modules.js";

export const html = htm.bind(h);

const SPRITE = new URL("../vendor/icons.svg", import.meta.url).href;

/** An icon of the sprite, unseen by screen readers: the word beside it says the same. */
export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" width=${size} height=${size} aria-hidden="true" focusable="false"><use href=${`${SPRITE}#${name}`} /></svg>`;
}
