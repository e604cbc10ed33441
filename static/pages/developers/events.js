import { clock, exact } from "../../lib/dates.js";
import { html, Icon, useEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { Button, Copy, copy } from "../../parts/button.js";
import { Field } from "../../parts/field.js";
import { Empty } from "../../parts/state.js";
import { toast } from "../../parts/toast.js";
import { lineOf, tape, textOf } from "./tape.js";

const MOST_SHOWN = 20_000;
/** A finger leaves no pointer behind: what it touched stays as long as somebody may look at it. */
const TOUCH_MS = 10_000;
const two = (n, length = 2) => String(n).padStart(length, "0");
const toTheMs = (at) => `${clock(at)}:${two(at.getSeconds())}.${two(at.getMilliseconds(), 3)}`;

function gist({ payload }) {
  const { messageId, status, reason, phoneNumber, chat, message, account, managerName, isTyping } = payload;
  const words = [status ?? message?.status, message?.body ?? chat?.lastMessageText, account?.name, account?.status, managerName, reason, phoneNumber, messageId, isTyping === undefined ? null : `isTyping: ${isTyping}`];
  return words.filter((word) => typeof word === "string" && word).join(" · ").slice(0, 120);
}

function Item({ event }) {
  const [isOpen, setOpen] = useState(false);
  const text = isOpen ? textOf(event) : "";
  return html`<li><details class="event" onToggle=${(toggled) => setOpen(toggled.currentTarget.open)}>
    <summary><time datetime=${event.at.toISOString()} title=${exact(event.at)}>${toTheMs(event.at)}</time> <code>whatsapp:${event.name}</code> <bdi class="event-gist">${gist(event)}</bdi></summary>
    ${isOpen && html`<div class="code"><pre tabindex="0" role="group" aria-label=${event.name}><code>${text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text}</code></pre>
      <div class="code-copy"><${Copy} text=${text} label=${t("events.copyOne")} /></div></div>`}
  </details></li>`;
}

/** What is shown stays while somebody points at it, has opened part of it, or asked for a pause. */
function useStill(all, isPaused) {
  const still = useRef(all);
  const [isPointed, setPointed] = useState(false);
  const list = useRef(null);
  const isUsed = isPointed || Boolean(list.current?.querySelector("details[open], :focus-visible"));
  if (!isPaused && !isUsed) still.current = all;
  const newest = still.current[0]?.id ?? 0;
  const timer = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  function touched() {
    clearTimeout(timer.current);
    setPointed(true);
    timer.current = setTimeout(() => setPointed(false), TOUCH_MS);
  }
  const hold = { ref: list, onMouseEnter: () => setPointed(true), onMouseLeave: () => setPointed(false), onTouchStart: touched };
  const follow = () => {
    for (const one of list.current?.querySelectorAll("details[open]") ?? []) one.open = false;
    still.current = all;
    setPointed(false);
  };
  return { shown: still.current, fresh: all.filter(({ id }) => id > newest).length, hold, follow };
}

async function copyAll(events) {
  if (await copy(events.map(lineOf).join("\n"))) toast(t("events.copied", { n: events.length }));
  else toast(t("copy.failed"), { kind: "error" });
}

export function Events() {
  const [kind, setKind] = useState("");
  const [words, setWords] = useState("");
  const [isPaused, setPaused] = useState(false);
  const all = tape.value;
  const { shown, fresh, hold, follow } = useStill(all, isPaused);
  const kinds = [...new Set([...all.map(({ name }) => name), ...(kind ? [kind] : [])])].sort();
  const wanted = words.trim().toLowerCase();
  const found = shown.filter((event) => (!kind || event.name === kind) && (!wanted || lineOf(event).toLowerCase().includes(wanted)));
  if (!all.length) return html`<${Empty} icon="activity" title=${t("events.none")}><p>${t("events.noneText")}</p><//>`;
  return html`<section class="stack">
    <p class="quiet small">${t("events.about")}</p>
    <div class="events-top">
      <${Field} label=${t("events.kind")} as="select" value=${kind} onChange=${(event) => setKind(event.target.value)}>
        <option value="">${t("events.all")}</option>${kinds.map((name) => html`<option key=${name} value=${name}>whatsapp:${name}</option>`)}<//>
      <${Field} label=${t("events.search")} type="search" autocomplete="off" spellcheck="false" value=${words} onInput=${(event) => setWords(event.target.value)} />
      <div class="actions">
        <${Button} icon=${isPaused ? "play" : "pause"} onClick=${() => { if (isPaused) follow(); setPaused(!isPaused); }}>${t(isPaused ? "events.resume" : "events.pause")}<//>
        <${Button} icon="copy" disabled=${!found.length} onClick=${() => copyAll(found)}>${t("events.copyAll")}<//>
        <${Button} kind="quiet" icon="trash-2" label=${t("events.clear")} onClick=${() => void (tape.value = [])} />
      </div>
    </div>
    <div class="line events-count"><p class="small quiet">${t("events.count", { n: found.length })}${isPaused ? ` · ${t("events.paused")}` : ""}</p>
      ${fresh > 0 && html`<button type="button" class="filter is-news" onClick=${() => { setPaused(false); follow(); }}><${Icon} name="arrow-up" size=${16} /> ${t("events.fresh", { n: fresh })}</button>`}</div>
    ${found.length ? html`<ol class="events card" aria-label=${t("events.list")} ...${hold}>${found.map((event) => html`<${Item} key=${event.id} event=${event} />`)}</ol>`
      : html`<p class="quiet" ...${hold}>${t("events.nothing")}</p>`}
  </section>`;
}
