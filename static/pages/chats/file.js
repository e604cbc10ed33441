// The file that goes with the next message: how it is chosen, pasted and dropped, and whether it can
// be sent. Its upload, and how it looks, are in attached.js, which comes with the first one.

import { html, signal, useEffect, useRef, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { planOf } from "../../lib/media.js";
import { Button } from "../../parts/button.js";
import { toast, toastError } from "../../parts/toast.js";

const slots = new Map();

/** Holds the file of a chat, or of the card, until it is sent, whatever else is looked at meanwhile. */
export function slotOf(name) {
  if (!slots.has(name)) slots.set(name, signal(null));
  return slots.get(name);
}

/** Puts the first of `files` into a slot, in place of what is there. */
export async function attach(slot, files) {
  if (!files.length) return;
  try {
    const { Attachment } = await import("./attached.js");
    slot.peek()?.end();
    slot.value = new Attachment(files[0]);
    if (files.length > 1) toast(t("file.oneOnly"));
  } catch (error) {
    toastError(error);
  }
}

export function detach(slot) {
  slot.peek()?.end();
  slot.value = null;
}

const NONE = { file: null, isReady: true };

/**
 * How the file of a slot stands, with this text under it: `{file, kind, note, problem, isReady, reason}`, and
 * `media`, which a send takes once it is ready. `reason` says why it is not.
 */
export function standingOf(slot, offer, text) {
  const file = slot.value;
  if (!file) return NONE;
  const uploaded = file.media.value;
  const plan = planOf({ kind: uploaded?.kind ?? file.kind, size: file.size }, offer, file.isDocument.value);
  const most = offer?.maxCaptionLength ?? Infinity;
  const length = [...text.trim()].length;
  const problem = plan.problem ?? (length > most ? t("file.captionTooLong", { limit: most, n: length }) : null);
  const isReady = Boolean(uploaded) && !problem;
  const reason = isReady ? undefined : (problem ?? t(file.error.value ? "file.notUploaded" : "file.wait"));
  return { file, ...plan, problem, isReady, reason, media: uploaded && { ...uploaded, kind: plan.kind } };
}

/** What is attached, once its part is here. */
export function Attached({ slot, standing, offer }) {
  const [Part, setPart] = useState(null);
  const { file } = standing;
  useEffect(() => {
    if (file && !Part) import("./attached.js").then(({ AttachedFile }) => setPart(() => AttachedFile), toastError);
  }, [file !== null]);
  return file && Part && html`<${Part} key=${file.key} ...${standing} offer=${offer} drop=${() => detach(slot)} />`;
}

/** `isUnknown`: its place is kept until it is known whether it belongs there. */
export function FileButton({ take, isOff, isUnknown }) {
  const input = useRef(null);
  function chosen({ target }) {
    const files = [...target.files];
    // So that the same one can be chosen again.
    target.value = "";
    take(files);
  }
  return html`<${Button} kind="quiet" icon="paperclip" label=${t("file.attach")} class=${isUnknown ? "is-unknown" : ""} disabled=${isOff} onClick=${() => input.current.click()} />
    <input ref=${input} type="file" hidden onChange=${chosen} />`;
}

const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
// Of a text from an office program there is a picture in the clipboard, too.
const isText = ({ types }) => types.includes("text/plain");
const ignore = (event) => { if (hasFiles(event)) event.preventDefault(); };

/** What an element needs to take files that are dropped on it or pasted in it, while `take` is not null; and whether one is over it. */
export function useDrops(take) {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    // One that is let go beside it would be shown in place of the page.
    addEventListener("dragover", ignore);
    addEventListener("drop", ignore);
    return () => {
      removeEventListener("dragover", ignore);
      removeEventListener("drop", ignore);
    };
  }, []);
  if (!take) return { isOver: false, takes: {} };
  const takes = {
    onDragOver: (event) => { if (hasFiles(event)) setOver(true); },
    onDragLeave: (event) => { if (!event.currentTarget.contains(event.relatedTarget)) setOver(false); },
    onDrop(event) {
      if (!hasFiles(event)) return;
      setOver(false);
      take([...event.dataTransfer.files]);
    },
    onPaste(event) {
      const { clipboardData } = event;
      if (!clipboardData?.files.length || isText(clipboardData)) return;
      event.preventDefault();
      take([...clipboardData.files]);
    },
  };
  return { isOver, takes };
}
