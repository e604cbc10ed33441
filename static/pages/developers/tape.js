// The last events of the socket, as they came. They hold texts and numbers: only in memory, and no
// longer than the tab.

import { signal } from "../../lib/html.js";
import { on } from "../../lib/socket.js";

const MOST = 200;
let next = 1;

/** `{id, at, name, payload}`, newest first. */
export const tape = signal([]);

on("*", (name, payload) => {
  tape.value = [{ id: next++, at: new Date(), name, payload }, ...tape.peek().slice(0, MOST - 1)];
});

export const textOf = ({ payload }) => JSON.stringify(payload, null, 2);
export const lineOf = ({ name, at, payload }) => JSON.stringify({ event: `whatsapp:${name}`, at: at.toISOString(), payload });
