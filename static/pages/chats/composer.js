// Where a message in a chat is written. What is begun is kept.

import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { Button } from "../../parts/button.js";
import { draftOf, keepDraft } from "./drafts.js";
import { Attached, detach, FileButton, standingOf } from "./file.js";
import { TemplateButton } from "./template.js";

const MOST = 4_096;
const KEEPS_MS = 400;
const growsByItself = CSS.supports("field-sizing", "content");
const isTouch = () => matchMedia("(pointer: coarse)").matches;

/** `slot` holds the file that goes with it, where the messenger's `offer` has files; `take(files)` puts one in. `isUnknown`: whether it has is not known yet. */
export function Composer({ chatId, send, takesFocus, slot, offer, take, isUnknown }) {
  const [text, setText] = useState(() => draftOf(chatId));
  const field = useRef(null);
  const latest = useRef(text);
  const timer = useRef(null);
  latest.current = text;
  function grow() {
    if (growsByItself) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }
  useLayoutEffect(grow, [text]);
  useEffect(() => {
    const keep = () => keepDraft(chatId, latest.current);
    addEventListener("pagehide", keep);
    if (takesFocus && !isTouch()) field.current.focus({ preventScroll: true });
    return () => {
      removeEventListener("pagehide", keep);
      clearTimeout(timer.current);
      keep();
    };
  }, []);
  const standing = standingOf(slot, offer, text);
  const { file } = standing;
  useEffect(() => {
    if (file && !isTouch()) field.current.focus({ preventScroll: true });
  }, [file]);
  function change(next) {
    latest.current = next;
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => keepDraft(chatId, latest.current), KEEPS_MS);
  }
  const isEmpty = !text.trim() && !file;
  const isReady = !isEmpty && standing.isReady;
  function submit() {
    const now = standingOf(slot, offer, latest.current);
    if (!now.isReady || (!now.file && !latest.current.trim())) return;
    send(latest.current.trim(), now.media);
    detach(slot);
    latest.current = "";
    setText("");
    keepDraft(chatId, "");
    field.current.focus({ preventScroll: true });
  }
  function key(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    const isSend = event.ctrlKey || event.metaKey || (!event.shiftKey && !event.altKey && !isTouch());
    if (!isSend) return;
    event.preventDefault();
    submit();
  }
  const words = t(file ? "file.caption" : "chats.message");
  return html`<form class="chats-composer" onSubmit=${(event) => { event.preventDefault(); submit(); }}>
    <${Attached} slot=${slot} standing=${standing} offer=${offer} />
    <div class="chats-write">
      <span class="chats-tools"><${TemplateButton} field=${field} change=${change} />${(take || isUnknown) && html`<${FileButton} take=${take} isUnknown=${isUnknown} />`}</span>
      <textarea ref=${field} rows="1" name="message" maxlength=${MOST} aria-label=${words} placeholder=${words}
        enterkeyhint=${isTouch() ? "enter" : "send"} value=${text} onInput=${(event) => change(event.target.value)} onKeyDown=${key} />
      <${Button} kind="primary" type="submit" icon="send" label=${t("whatsapp.send")} disabled=${!isReady} reason=${isEmpty ? t("chats.writeFirst") : standing.reason} />
    </div>
  </form>`;
}

/** In its place, for who may not write. */
export const ReadOnly = () => html`<p class="chats-composer chats-read-only"><${Icon} name="eye" size=${18} /> ${t("chats.readOnly")}</p>`;
