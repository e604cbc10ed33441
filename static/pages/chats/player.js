// Plays a voice note or a piece of music where it stands. Nothing of it is fetched before somebody
// wants to hear it, and one is heard at a time.

import { explain } from "../../lib/api.js";
import { html, Icon, useEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { addressOf, askAfter, iconOf, kindWord, lengthOf } from "../../lib/media.js";
import { Button } from "../../parts/button.js";

let heard = null;

export function Player({ media }) {
  const audio = useRef(null);
  const [isOn, setOn] = useState(false);
  const [isWanted, setWanted] = useState(false);
  const [at, setAt] = useState(0);
  const [length, setLength] = useState(media.seconds ?? null);
  const [problem, setProblem] = useState(null);
  useEffect(() => () => {
    if (heard === audio.current) heard = null;
  }, []);

  async function play() {
    const player = audio.current;
    if (!player.paused) return player.pause();
    if (heard !== player) heard?.pause();
    heard = player;
    setProblem(null);
    setWanted(true);
    if (player.error) player.load();
    try {
      await player.play();
    } catch (error) {
      if (["AbortError", "NotAllowedError"].includes(error.name)) return;
      setProblem(await askAfter(media.id).then(() => t("media.cantPlay"), explain));
    } finally {
      setWanted(false);
    }
  }
  function learned({ target }) {
    // Of a file that is still recorded the browser does not know it.
    if (Number.isFinite(target.duration)) setLength(target.duration);
  }
  function seek({ target }) {
    audio.current.currentTime = Number(target.value);
    setAt(Number(target.value));
  }
  const name = media.fileName && media.kind !== "voice" ? media.fileName : kindWord(media.kind);
  const total = length === null ? "" : lengthOf(length);
  return html`<div class="media-player ${problem ? "is-missing" : ""}" role="group" aria-label=${name}>
    <${Button} kind="quiet" class="media-start" icon=${isOn ? "pause" : "play"} label=${t(isOn ? "media.pause" : "media.play")} busy=${isWanted && !isOn} onClick=${() => void play()} />
    <span class="media-track">
      <span class="media-what"><${Icon} name=${iconOf(media.kind)} size=${16} /><bdi title=${name}>${name}</bdi></span>
      <input type="range" min="0" max=${length ?? 0} step="any" value=${at} disabled=${!length} aria-label=${t("media.position")}
        aria-valuetext=${t("media.positionOf", { at: lengthOf(at), total: total || "?" })} onInput=${seek} />
      <small aria-hidden="true">${at > 0 ? `${lengthOf(at)}${total && ` / ${total}`}` : total || "–:––"}</small>
    </span>
    ${problem && html`<span class="media-missing" role="status"><span><${Icon} name="triangle-alert" size=${16} /> ${problem}</span>
      <${Button} class="text-button" onClick=${play}>${t("media.again")}<//></span>`}
    <audio ref=${audio} preload="none" src=${addressOf(media.id)} onPlay=${() => setOn(true)} onPause=${() => setOn(false)}
      onTimeUpdate=${({ target }) => setAt(target.currentTime)} onDurationChange=${learned}
      onEnded=${() => { setOn(false); setAt(0); }}></audio>
  </div>`;
}
