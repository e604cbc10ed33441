import { html, Icon } from "../lib/html.js";
import { gist, iconOf } from "../lib/media.js";

/** What a message of the queue or the journal says, in a line: its text as `text` has it, or the kind and the name of its file. */
export function Gist({ message, text = message.message }) {
  const { media } = message;
  if (!media) return text;
  return html`<${Icon} name=${iconOf(media.kind) ?? "paperclip"} size=${16} />${text || gist(media.kind, media)}`;
}
