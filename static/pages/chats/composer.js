// Where a message in a chat is written. What is begun is kept.

import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { Button } from "../../parts/button.js";
import { draftOf, keepDraft } from "./drafts.js";

const MOST = 4_096;
const KEEPS_MS = 400;
const growsByItself = CSS.supports("field-sizing", "content");
const isTouch = () => matchMedia("(pointer: coarse)").matches;

export function Composer({ chatId, send, takesFocus }) {
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
  function input(event) {
    setText(event.target.value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => keepDraft(chatId, latest.current), KEEPS_MS);
  }
  const isEmpty = !text.trim();
  function submit() {
    if (!latest.current.trim()) return;
    send(latest.current.trim());
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
  return html`<form class="chats-composer" onSubmit=${(event) => { event.preventDefault(); submit(); }}>
    <textarea ref=${field} rows="1" name="message" maxlength=${MOST} aria-label=${t("chats.message")} placeholder=${t("chats.message")}
      enterkeyhint=${isTouch() ? "enter" : "send"} value=${text} onInput=${input} onKeyDown=${key} />
    <${Button} kind="primary" type="submit" icon="send" label=${t("whatsapp.send")} disabled=${isEmpty} reason=${isEmpty ? t("chats.writeFirst") : undefined} />
  </form>`;
}

/** In its place, for who may not write. */
export const ReadOnly = () => html`<p class="chats-composer chats-read-only"><${Icon} name="eye" size=${18} /> ${t("chats.readOnly")}</p>`;
