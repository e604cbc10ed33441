// The pictures and videos of a conversation on the whole screen, one after the other.

import { exact } from "../../lib/dates.js";
import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { addressOf, kindWord, thumbnailOf } from "../../lib/media.js";
import { Button } from "../../parts/button.js";
import { show } from "../../parts/dialog.js";
import { useThere } from "./media.js";
import { senderOf } from "./names.js";

const SWIPE_PX = 50;
const ZOOM = 2;

const isShown = (message) => ["image", "video"].includes(message?.media?.kind);

/** Opens it at the message `id`, among what `talk` has. */
export function look(talk, id) {
  const messages = talk.ids.map((one) => talk.of(one).peek()).filter(isShown);
  void show((close) => html`<${Viewer} messages=${messages} first=${messages.findIndex((one) => one.id === id)} close=${close} />`);
}

function Missing({ problem, again }) {
  return html`<div class="viewer-frame"><div class="viewer-missing" role="alert"><${Icon} name="triangle-alert" size=${28} /><p>${problem}</p><${Button} onClick=${again}>${t("media.again")}<//></div></div>`;
}

const Asked = () => html`<div class="viewer-frame"><span class="spinner" /></div>`;

function Picture({ media, name, isZoomed, zoom }) {
  const { problem, setProblem, isAsked, look: ask, tries } = useThere(media.id);
  const frame = useRef(null);
  const point = useRef([0.5, 0.5]);
  const [size, setSize] = useState(null);
  // What was pointed at stays under the pointer.
  useLayoutEffect(() => {
    if (!isZoomed || !frame.current) return;
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = frame.current;
    const [x, y] = point.current;
    frame.current.scrollTo(x * scrollWidth - clientWidth / 2, y * scrollHeight - clientHeight / 2);
  }, [isZoomed]);
  function click(event) {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    point.current = [(event.clientX - left) / width, (event.clientY - top) / height];
    zoom(!isZoomed);
  }
  function came({ target }) {
    setSize(Math.max(target.naturalWidth, target.clientWidth * ZOOM));
  }
  if (isAsked) return html`<${Asked} />`;
  if (problem) return html`<${Missing} problem=${problem} again=${ask} />`;
  const style = isZoomed && size ? { width: `${size}px`, maxWidth: "none", maxHeight: "none" } : {};
  return html`<div class="viewer-frame ${isZoomed ? "is-zoomed" : ""}" ref=${frame} tabindex=${isZoomed ? 0 : -1}>
    <img key=${tries} src=${addressOf(media.id)} alt=${name} draggable=${false} style=${style} onLoad=${came} onClick=${click}
      onError=${() => (tries > 0 ? setProblem(t("media.cantShow")) : ask())} />
  </div>`;
}

function Video({ media, name }) {
  const { problem, setProblem, isAsked, look: ask, tries } = useThere(media.id);
  async function failed() {
    if (await ask()) setProblem(t("media.cantPlay"));
  }
  if (isAsked) return html`<${Asked} />`;
  if (problem) return html`<${Missing} problem=${problem} again=${ask} />`;
  return html`<div class="viewer-frame"><video key=${tries} controls autoplay playsinline src=${addressOf(media.id)} poster=${media.hasThumbnail ? thumbnailOf(media.id) : undefined} aria-label=${name} onError=${failed}></video></div>`;
}

function Viewer({ messages, first, close }) {
  const self = useRef(null);
  const from = useRef(null);
  const [at, setAt] = useState(first);
  const [isZoomed, zoom] = useState(false);
  const message = messages[at];
  const { media, body, fromMe } = message;
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = self.current;
    dialog.showModal();
    return () => {
      dialog.close();
      if (document.contains(before)) before.focus?.({ preventScroll: true });
    };
  }, []);
  useEffect(() => zoom(false), [at]);
  const go = (to) => { if (messages[to]) setAt(to); };
  function key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    // A video, and a picture that is larger than the screen, have these keys for themselves.
    if (!step || event.target.localName === "video" || isZoomed) return;
    event.preventDefault();
    go(at + step);
  }
  function touched(event) {
    if (event.pointerType === "touch" && !isZoomed) from.current = event.clientX;
  }
  function swiped(event) {
    if (from.current === null) return;
    const moved = event.clientX - from.current;
    from.current = null;
    if (Math.abs(moved) > SWIPE_PX) go(at + (moved < 0 ? 1 : -1));
  }
  const who = fromMe ? t("media.own") : senderOf(message);
  const name = [media.fileName || kindWord(media.kind), who].filter(Boolean).join(", ");
  const Shown = media.kind === "video" ? Video : Picture;
  return html`<dialog ref=${self} class="viewer" aria-label=${t("viewer.title")} onKeyDown=${key}
      onCancel=${(event) => { if (event.target !== self.current) return; event.preventDefault(); close(); }}>
    <header>
      <p><strong>${who}</strong> <small><time datetime=${message.timestamp}>${exact(message.timestamp)}</time>${messages.length > 1 && html` · ${t("viewer.place", { n: at + 1, total: messages.length })}`}</small></p>
      ${media.kind === "image" && html`<${Button} kind="quiet" icon=${isZoomed ? "zoom-out" : "zoom-in"} label=${t(isZoomed ? "viewer.zoomOut" : "viewer.zoomIn")} onClick=${() => zoom(!isZoomed)} />`}
      <a class="button quiet icon-only" href=${addressOf(media.id)} download=${media.fileName ?? ""} aria-label=${t("media.download")} title=${t("media.download")}><${Icon} name="download" /></a>
      <${Button} kind="quiet" icon="x" label=${t("dialog.close")} autofocus onClick=${() => close()} />
    </header>
    <div class="viewer-stage" onPointerDown=${touched} onPointerUp=${swiped} onPointerCancel=${() => (from.current = null)}
        onClick=${(event) => { if (event.target.classList.contains("viewer-frame")) close(); }}>
      <${Shown} key=${message.id} media=${media} name=${name} isZoomed=${isZoomed} zoom=${zoom} />
      ${messages.length > 1 && html`
        <${Button} kind="quiet" class="viewer-step is-back" icon="chevron-left" label=${t("viewer.previous")} disabled=${at === 0} onClick=${() => go(at - 1)} />
        <${Button} kind="quiet" class="viewer-step" icon="chevron-right" label=${t("viewer.next")} disabled=${at === messages.length - 1} onClick=${() => go(at + 1)} />`}
    </div>
    <p class="viewer-caption" dir="auto" hidden=${!body}>${body}</p>
    <span class="unseen" role="status">${messages.length > 1 ? `${name}. ${t("viewer.place", { n: at + 1, total: messages.length })}` : ""}</span>
  </dialog>`;
}
