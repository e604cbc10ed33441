// What happened to the account, line by line as the server says it, and who did what to it.

import { get } from "../../lib/api.js";
import { clock, day } from "../../lib/dates.js";
import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { may } from "../../lib/store.js";
import { Button, copyAndSay } from "../../parts/button.js";
import { Check, Field } from "../../parts/field.js";
import { Bones, Empty, useLoad, View } from "../../parts/state.js";
import { Actions } from "./actions.js";

const EVERY_MS = 3_000;
const LINES = 500;
const KINDS = { info: ["", "check"], warn: ["wait", "triangle-alert"], error: ["alarm", "triangle-alert"] };

const seconds = (instant) => `${clock(instant)}:${String(new Date(instant).getSeconds()).padStart(2, "0")}`;
const plain = ({ timestamp, level, message }) => `${timestamp} ${level.toUpperCase()} ${message}`;

/** The latest lines; asked for again every few seconds while somebody follows them and looks. */
function useLines(account, level, isFollowed) {
  const load = useLoad(async ({ signal }) => (await get(`/api/v1/instances/${account.id}/logs`, { signal, query: { limit: LINES, level } })).logs, [account.id, level]);
  const reload = useRef(null);
  reload.current = load.reload;
  useEffect(() => {
    if (!isFollowed) return undefined;
    const again = () => { if (!document.hidden) reload.current(); };
    const timer = setInterval(again, EVERY_MS);
    document.addEventListener("visibilitychange", again);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", again);
    };
  }, [account.id, level, isFollowed]);
  return load;
}

function Line({ line, isFirstOfDay }) {
  const [kind, icon] = KINDS[line.level] ?? KINDS.info;
  return html`${isFirstOfDay && html`<li class="log-day small quiet">${day(line.timestamp)}</li>`}<li class="log-line ${kind}">
    <time class="quiet nowrap" datetime=${line.timestamp}>${seconds(line.timestamp)}</time>
    <span class="log-level">${kind && html`<${Icon} name=${icon} size=${14} /><span class="unseen">${t(`log.${line.level}`)}</span>`}</span>
    <span lang="en">${line.message}</span></li>`;
}

/** Stays at its end as long as it is followed, and nobody has scrolled away from there. */
function Lines({ lines, isFollowed }) {
  const self = useRef(null);
  const isAtEnd = useRef(true);
  const note = ({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => { isAtEnd.current = scrollHeight - scrollTop - clientHeight < 40; };
  useLayoutEffect(() => { if (isFollowed && isAtEnd.current && self.current) self.current.scrollTop = self.current.scrollHeight; }, [lines, isFollowed]);
  const isFirst = (line, i) => i === 0 || day(line.timestamp) !== day(lines[i - 1].timestamp);
  return html`<ol class="log-lines" ref=${self} tabindex="0" aria-label=${t("account.logTab")} onScroll=${note}>
    ${lines.map((line, i) => html`<${Line} key=${`${line.timestamp} ${i} ${line.message}`} line=${line} isFirstOfDay=${isFirst(line, i)} />`)}</ol>`;
}

export function Log({ account }) {
  const [level, setLevel] = useState("info");
  const [sought, setSought] = useState("");
  const [isFollowed, setFollowed] = useState(true);
  const load = useLines(account, level, isFollowed);
  const found = (lines) => lines.filter(({ message }) => message.toLowerCase().includes(sought.trim().toLowerCase()));
  return html`<div class="stack">
    <section class="card log-card" aria-label=${t("account.logTab")}>
      <div class="log-bar">
        <${Field} label=${t("log.level")} as="select" value=${level} onChange=${(event) => setLevel(event.currentTarget.value)}>
          ${["info", "warn", "error"].map((word) => html`<option key=${word} value=${word}>${t(`log.from.${word}`)}</option>`)}<//>
        <${Field} label=${t("log.find")} type="search" value=${sought} onInput=${(event) => setSought(event.currentTarget.value)} />
        <${Check} label=${t("log.follow")} checked=${isFollowed} onChange=${(event) => setFollowed(event.currentTarget.checked)} />
        <${Button} icon="copy" class="push" disabled=${!load.data?.length} onClick=${() => copyAndSay([account.name, ...found(load.data).map(plain)].join("\n"))}>${t("log.copy")}<//>
      </div>
      <${View} load=${load} skeleton=${html`<${Bones} rows=${1} height=${448} />`}>${(lines) => {
        const shown = found(lines);
        if (shown.length) return html`<${Lines} lines=${shown} isFollowed=${isFollowed} />`;
        return html`<${Empty} icon="activity" title=${t(lines.length ? "log.noneFound" : "log.none")}>${!lines.length && t("log.noneText")}<//>`;
      }}<//>
      <p class="small quiet">${t("log.kept")}</p>
    </section>
    ${may(account, "canAdmin") && html`<${Actions} account=${account} />`}
  </div>`;
}
