// The file of a message, in its bubble. Its room is kept before any of it has come, so that nothing
// moves: by its width and height, or by those that most have.

import { explain } from "../../lib/api.js";
import { html, Icon, useEffect, useRef, useState } from "../../lib/html.js";
import { fileSize, t } from "../../lib/i18n.js";
import { addressOf, askAfter, iconOf, kindWord, lengthOf, thumbnailOf } from "../../lib/media.js";
import { connection } from "../../lib/socket.js";
import { Button } from "../../parts/button.js";
import { Player } from "./player.js";

// In rem.
const WIDEST = 20;
const HIGHEST = 21;
const LEAST = 8;
const USUAL = { width: 16, ratio: 4 / 3 };
const A_REM = 16;

/** The room of a picture: its width in rem, and its width by its height. One that is long and thin is cut. */
function roomOf({ width, height }) {
  if (!width || !height) return USUAL;
  const ratio = Math.min(2.5, Math.max(0.6, width / height));
  const most = Math.min(WIDEST, HIGHEST * ratio);
  return { width: Math.max(Math.min(LEAST, most), Math.min(most, width / A_REM)), ratio };
}

/** Height of a bubble with this file, in rem, while it is not drawn. */
export function heightOf({ kind, ...media }) {
  if (kind === "sticker") return 11;
  if (kind !== "image" && kind !== "video") return 7;
  const { width, ratio } = roomOf(media);
  return width / ratio + 3;
}

/** What is there instead of a file that does not come; `again()` looks after it once more, unless nobody has it. */
function Missing({ problem, again }) {
  const isGone = problem === t("error.media_gone");
  return html`<span class="media-missing" role="status"><span><${Icon} name="triangle-alert" size=${16} /> ${problem}</span>
    ${!isGone && html`<${Button} class="text-button" onClick=${again}>${t("media.again")}<//>`}</span>`;
}

/** Whether a file can be had: `{problem, isAsked, look, tries}`; `look()` asks, and answers whether it can. */
export function useThere(id) {
  const [state, setState] = useState({ problem: null, isAsked: false, tries: 0 });
  const isUnreached = useRef(false);
  const change = (changes) => setState((before) => ({ ...before, ...changes }));
  async function look() {
    change({ isAsked: true });
    try {
      await askAfter(id);
    } catch (error) {
      isUnreached.current = error.status === 0;
      change({ isAsked: false, problem: explain(error) });
      return false;
    }
    isUnreached.current = false;
    setState(({ tries }) => ({ problem: null, isAsked: false, tries: tries + 1 }));
    return true;
  }
  useEffect(() => connection.subscribe((now) => { if (now === "online" && isUnreached.current) look(); }), []);
  return { ...state, look, setProblem: (problem) => change({ problem }) };
}

function Thumbnail({ media }) {
  const [isThere, setThere] = useState(Boolean(media.hasThumbnail));
  return isThere && html`<img class="media-thumbnail" src=${thumbnailOf(media.id)} alt="" loading="lazy" onError=${() => setThere(false)} />`;
}

function Picture({ media, look }) {
  const { problem, setProblem, isAsked, look: ask, tries } = useThere(media.id);
  const { width, ratio } = roomOf(media);
  const [isWhole, setWhole] = useState(false);
  // A camera's picture may lie on its side until it is shown: then its room is not of its form.
  const came = ({ target }) => setWhole((target.naturalWidth > target.naturalHeight) !== ratio > 1);
  // What is there, and yet not shown, is nothing that a browser knows.
  const failed = () => void (tries > 0 ? setProblem(t("media.cantShow")) : ask());
  const picture = html`<${Thumbnail} media=${media} />${isAsked && html`<span class="spinner" />`}${!problem && !isAsked && html`<img key=${tries} class="media-full ${isWhole ? "is-whole" : ""}" src=${addressOf(media.id)} alt="" loading="lazy" decoding="async" onLoad=${came} onError=${failed} />`}`;
  const style = { width: `${width}rem`, aspectRatio: String(ratio) };
  if (problem) return html`<div class="media-picture is-missing" style=${style}>${picture}<${Missing} problem=${problem} again=${ask} /></div>`;
  if (!look) return html`<div class="media-picture" style=${style}>${picture}</div>`;
  return html`<button type="button" class="media-picture" style=${style} aria-label=${t("media.open", { kind: kindWord(media.kind) })} onClick=${look}>${picture}</button>`;
}

function Video({ media, look }) {
  const { width, ratio } = roomOf(media);
  const length = media.seconds ? lengthOf(media.seconds) : fileSize(media.size ?? 0);
  return html`<button type="button" class="media-picture is-video" style=${{ width: `${width}rem`, aspectRatio: String(ratio) }}
      aria-label=${t("media.open", { kind: `${kindWord("video")} ${length}` })} aria-disabled=${look ? undefined : "true"} onClick=${look}>
    <${Thumbnail} media=${media} /><span class="media-play"><${Icon} name="play" size=${28} /></span>
    <span class="media-length"><${Icon} name="video" size=${16} />${length}</span>
  </button>`;
}

function Sticker({ media }) {
  const { problem, isAsked, look: ask, tries } = useThere(media.id);
  return html`<div class="media-sticker">${problem ? html`<${Missing} problem=${problem} again=${ask} />`
    : isAsked ? html`<span class="spinner" />`
    : html`<img key=${tries} src=${addressOf(media.id)} alt=${kindWord("sticker")} loading="lazy" onError=${() => tries === 0 && ask()} />`}</div>`;
}

function Document({ media }) {
  const { problem, look: ask } = useThere(media.id);
  const link = useRef(null);
  const name = media.fileName || kindWord("document");
  // A long name is cut, and its end is what tells most.
  const end = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1].toUpperCase();
  const facts = [end, media.size > 0 && fileSize(media.size)].filter(Boolean).join(" · ");
  async function save() {
    // A page of the server's words would be saved in the place of what is gone.
    if (await ask()) link.current.click();
  }
  return html`<div class="media-document">
    <span class="media-paper"><${Icon} name=${iconOf(media.kind) ?? "file-text"} size=${24} /></span>
    <span class="media-name"><strong title=${name}><bdi>${name}</bdi></strong>${facts && html`<small>${facts}</small>`}</span>
    <${Button} kind="quiet" icon="download" label=${t("media.downloadOf", { name })} onClick=${save} />
    <a ref=${link} hidden href=${addressOf(media.id)} download=${media.fileName ?? ""}></a>
    ${problem && html`<${Missing} problem=${problem} again=${save} />`}
  </div>`;
}

/** `look()` shows it on the whole screen; without, it is only seen here. */
export function Media({ media, look }) {
  switch (media.kind) {
    case "image": return html`<${Picture} media=${media} look=${look} />`;
    case "video": return html`<${Video} media=${media} look=${look} />`;
    case "voice":
    case "audio": return html`<${Player} media=${media} />`;
    case "sticker": return html`<${Sticker} media=${media} />`;
    default: return html`<${Document} media=${media} />`;
  }
}
