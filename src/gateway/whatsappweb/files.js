// @ts-check
// Files on their way through the page. One that is to be sent comes in pieces, and the last is kept, so
// that many messages with one file take it over once. One that was fetched goes out in pieces.

const files = (() => {
  "use strict";

  const { refuse, bounded } = page;
  /** The most bytes of a piece: as base64 it leaves room for others in an answer. */
  const PIECE = 524_288;
  const [MOST_BYTES, MOST_FETCHED] = [104_857_600, 2];

  /** @type {{ name: string, size: number, pieces: Blob[], received: number } | null} */
  let coming = null;
  /** @type {{ name: string, file: File } | null} */
  let kept = null;
  /** @type {Map<number, Blob>} */
  const fetched = new Map();
  let count = 0;

  /** @param {string} base64 */
  function bytes(base64) {
    const letters = atob(base64);
    const found = new Uint8Array(letters.length);
    for (let at = 0; at < letters.length; at++) found[at] = letters.charCodeAt(at);
    return found;
  }

  /** @param {Uint8Array} from */
  function base64(from) {
    const parts = [];
    // So many letters fit into one call.
    for (let at = 0; at < from.length; at += 32_768) parts.push(String.fromCharCode(...from.subarray(at, at + 32_768)));
    return btoa(parts.join(""));
  }

  /** @param {string} name what the gateway calls a file */
  const held = (name) => (kept?.name === name ? kept.file : null);

  /**
   * Takes a piece of a file, and all of it with the last one. What is another file than the one before
   * takes its place, also in the middle. Pieces lie with the browser, not in the page's own memory.
   * @param {{ file: string, title: string, mimeType: string, size: number, offset: number, piece: string }} params
   */
  function put({ file: name, title, mimeType, size, offset, piece }) {
    const part = bytes(piece);
    if (size > MOST_BYTES || part.length > PIECE || offset + part.length > size) return refuse("bad_params");
    if (offset === 0) coming = { name, size, pieces: [], received: 0 };
    if (coming?.name !== name || coming.received !== offset) return refuse("out_of_order");
    coming.pieces.push(new Blob([part]));
    coming.received += part.length;
    if (coming.received < size) return;
    kept = { name, file: new File(coming.pieces, title, { type: mimeType }) };
    coming = null;
  }

  /**
   * Keeps what was fetched until it has gone out, or others have come.
   * @param {Blob} blob
   */
  function give(blob) {
    fetched.set(++count, blob);
    for (const oldest of fetched.keys()) {
      if (fetched.size <= MOST_FETCHED) break;
      fetched.delete(oldest);
    }
    return { number: count, size: blob.size, mimeType: bounded(blob.type) };
  }

  /**
   * A piece of what was fetched; after the last one it is kept no more.
   * @param {{ number: number, offset: number }} params
   */
  async function read({ number, offset }) {
    const blob = fetched.get(number) ?? refuse("no_file");
    const piece = await blob.slice(offset, offset + PIECE).arrayBuffer();
    if (offset + PIECE >= blob.size) fetched.delete(number);
    return base64(new Uint8Array(piece));
  }

  return { held, put, give, read };
})();
