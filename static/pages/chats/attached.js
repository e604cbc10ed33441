// A file that is attached: it is uploaded at once, and shown with how far that is.

import { explain, randomWord } from "../../lib/api.js";
import { html, Icon, signal, useEffect } from "../../lib/html.js";
import { fileSize, number, t } from "../../lib/i18n.js";
import { iconOf, kindWord } from "../../lib/media.js";
import { connection } from "../../lib/socket.js";
import { upload } from "../../lib/upload.js";
import { Button } from "../../parts/button.js";
import { Check } from "../../parts/field.js";

const SHOWN = /^image\/(png|jpeg|webp|gif)$/;
// What the server makes of them, too: what each messenger shows.
const KINDS = {
  image: /^image\/(png|jpeg|webp)$/,
  video: /^video\/(mp4|3gpp|quicktime)$/,
  audio: /^audio\/(mpeg|mp4|m4a|x-m4a|aac|amr|ogg)$/,
};

/** What it seems to be from here; the server looks inside. */
const kindOf = ({ type }) => Object.keys(KINDS).find((kind) => KINDS[kind].test(type)) ?? "document";

/** A file on its way to the server. Whoever made it ends it. */
export class Attachment {
  key = randomWord();
  /** What the server answered: `{id, kind, mimeType, size, …}`. */
  media = signal(null);
  /** How much of it is there, from 0 to 1; null before it began. */
  part = signal(null);
  error = signal(null);
  /** Whether the person wants it to go as a document. */
  isDocument = signal(false);
  #run = null;

  constructor(file) {
    this.file = file;
    this.name = file.name;
    this.size = file.size;
    this.kind = kindOf(file);
    this.url = SHOWN.test(file.type) ? URL.createObjectURL(file) : null;
  }

  /** Uploads it, unless that was begun. */
  async begin() {
    if (this.#run) return;
    const mine = (this.#run = upload(this.file, (part) => (this.part.value = part)));
    this.part.value = 0;
    this.error.value = null;
    try {
      this.media.value = await mine.done;
    } catch (error) {
      if (error.name !== "AbortError") this.error.value = error;
    }
  }

  again() {
    this.#run = null;
    return this.begin();
  }

  end() {
    this.#run?.cancel();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

// In one line, whatever it says: what is beneath does not move when the file is there.
function Progress({ file }) {
  if (file.media.value) return html`<p class="attached-progress good"><${Icon} name="check" size=${16} /><small>${t("file.ready")}</small></p>`;
  const part = Math.floor((file.part.value ?? 0) * 100);
  const words = part < 100 ? t("file.uploading", { part: number(part) }) : t("file.stored");
  return html`<p class="attached-progress"><progress max="100" value=${part} aria-label=${t("file.upload")}></progress><small aria-hidden="true">${words}</small></p>`;
}

/** `drop` takes it away; the rest is how it stands. */
export function AttachedFile({ file, kind, note, problem, offer, drop }) {
  const { media, error } = file;
  useEffect(() => {
    if (!problem) file.begin();
  }, [Boolean(problem)]);
  useEffect(() => connection.subscribe((now) => { if (now === "online" && file.error.peek()?.status === 0) file.again(); }), []);
  const own = media.value?.kind ?? file.kind;
  const maySwitch = ["image", "video"].includes(own) && !note && offer?.media.includes("document");
  const isUnderWay = !media.value && !error.value && !problem;
  return html`<div class="attached ${problem || error.value ? "is-wrong" : ""}" role="group" aria-label=${t("file.attached")}>
    <span class="attached-look">${file.url ? html`<img src=${file.url} alt="" />` : html`<${Icon} name=${iconOf(kind) ?? "file-text"} size=${24} />`}</span>
    <div class="attached-what">
      <p><strong title=${file.name}><bdi>${file.name || kindWord(kind)}</bdi></strong> <small>${kindWord(kind)} · ${fileSize(file.size)}</small></p>
      ${!problem && !error.value && html`<${Progress} file=${file} />`}
      ${problem && html`<p class="wrong" role="alert"><${Icon} name="triangle-alert" size=${16} /> ${problem}</p>`}
      ${!problem && error.value && html`<p class="wrong" role="alert"><${Icon} name="triangle-alert" size=${16} /> <span>${t("file.failed", { reason: explain(error.value) })}
        <button type="button" class="text-button" onClick=${() => file.again()}>${t("media.again")}</button></span></p>`}
      ${!problem && note && html`<p class="hint">${note}</p>`}
      ${!problem && !error.value && maySwitch && html`<${Check} label=${t("file.asFile")} checked=${file.isDocument.value} onChange=${(event) => (file.isDocument.value = event.target.checked)} />`}
      <span class="unseen" role="status">${media.value && !problem ? `${file.name}: ${t("file.ready")}` : isUnderWay ? t("file.upload") : ""}</span>
    </div>
    <${Button} kind="quiet" icon="x" label=${t(isUnderWay ? "file.cancel" : "file.remove")} onClick=${drop} />
  </div>`;
}
