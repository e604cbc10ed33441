// Who may work with which account: fetched account by account, and saved as soon as it is ticked.

import { get, post, remove } from "../../lib/api.js";
import { signal, useEffect, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { on, onMissed } from "../../lib/socket.js";
import { accounts } from "../../lib/store.js";
import { toastError, undoable } from "../../parts/toast.js";

export const RIGHTS = ["read", "write", "manage"];
const AT_ONCE = 6;

const columns = new Map();
/** What the server has of a cell that is being saved, and the save that is under way. */
const saves = new Map();
let dropLast = () => {};

function column(accountId) {
  if (!columns.has(accountId)) columns.set(accountId, signal(null));
  return columns.get(accountId);
}

const address = (accountId, managerId = "") => `/api/whatsapp/sessions/${accountId}/managers${managerId && `/${managerId}`}`;
const cellOf = (accountId, managerId) => `${accountId} ${managerId}`;

/** What a manager may do with an account; null while nobody knows. */
export function rightsOf(accountId, managerId) {
  const grants = column(accountId).value;
  return grants && (grants[managerId] ?? []);
}

export const accountsOf = (managerId) => accounts.all.filter(({ id }) => rightsOf(id, managerId)?.length);

function put(accountId, managerId, rights) {
  const grants = column(accountId);
  grants.value = { ...grants.peek(), [managerId]: rights };
}

async function load(accountId) {
  const { data } = await get(address(accountId));
  const grants = Object.fromEntries(data.map(({ manager, permissions }) => [manager.id, permissions]));
  for (const [cell, { wanted }] of saves) {
    const [account, manager] = cell.split(" ");
    if (account === accountId) grants[manager] = wanted;
  }
  column(accountId).value = grants;
}

/** A few at a time, since there is one address for each account. An account that is gone meanwhile is left out. */
async function loadAll(ids) {
  const left = [...ids];
  const work = async () => {
    for (let id = left.shift(); id; id = left.shift()) {
      await load(id).catch((error) => { if (error.status !== 404) throw error; });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Fetches what all accounts' managers may, and follows it. Answers `{error, retry}`. */
export function useGrants() {
  const [error, setError] = useState(null);
  const key = accounts.ids.value.join();
  const run = (ids) => {
    setError(null);
    return loadAll(ids).catch(setError);
  };
  useEffect(() => {
    run(accounts.ids.peek().filter((id) => column(id).peek() === null));
  }, [key]);
  useEffect(() => {
    const changed = ({ sessionId, managerId, permissions }, isGranted) => {
      if (column(sessionId).peek() && !saves.has(cellOf(sessionId, managerId))) put(sessionId, managerId, isGranted ? permissions : []);
    };
    const stops = [
      on("manager-access-granted", (event) => changed(event, true)),
      on("manager-access-revoked", (event) => changed(event, false)),
      onMissed(() => void run(accounts.ids.peek())),
    ];
    return () => stops.forEach((stop) => stop());
  }, []);
  return { error, retry: () => run(accounts.ids.peek()) };
}

async function send(accountId, managerId, rights) {
  if (rights.length) return post(address(accountId), { managerId, permissions: rights });
  return remove(address(accountId, managerId)).catch((error) => { if (error.code !== "grant_not_found") throw error; });
}

/** Shows it at once, saves it after what was ticked before, and takes it back if that fails. */
async function save(accountId, managerId, rights) {
  const cell = cellOf(accountId, managerId);
  const before = saves.get(cell);
  const mine = { wanted: rights, saved: before?.saved ?? rightsOf(accountId, managerId), done: before?.done ?? Promise.resolve() };
  saves.set(cell, mine);
  put(accountId, managerId, rights);
  const isLast = () => saves.get(cell) === mine;
  mine.done = mine.done.then(async () => {
    // Ticked again before its turn: the later one says it all.
    if (!isLast()) return;
    try {
      await send(accountId, managerId, rights);
      mine.saved = rights;
    } finally {
      const last = saves.get(cell);
      if (last !== mine) last.saved = mine.saved;
    }
  });
  try {
    await mine.done;
    if (isLast()) saves.delete(cell);
  } catch (error) {
    if (isLast()) {
      saves.delete(cell);
      put(accountId, managerId, mine.saved);
    }
    throw error;
  }
}

/** Reading is the ground: whoever writes or manages reads, too, and who doesn't read has nothing. */
function toggled(rights, right, isOn) {
  if (!isOn && right === "read") return [];
  const wanted = new Set(isOn ? [...rights, "read", right] : rights.filter((one) => one !== right));
  return RIGHTS.filter((one) => wanted.has(one));
}

export const inWords = (rights) => (rights.length ? rights.map((right) => t(`right.${right}`).toLowerCase()).join(", ") : t("team.noAccess"));

/** Ticks a right, and offers to take it back. */
export async function tick(account, manager, right, isOn) {
  const before = rightsOf(account.id, manager.id);
  const after = toggled(before, right, isOn);
  dropLast();
  try {
    await save(account.id, manager.id, after);
    dropLast();
    dropLast = undoable(t("team.saved", { manager: manager.name, account: account.name, rights: inWords(after) }), () => save(account.id, manager.id, before));
  } catch (error) {
    toastError(error);
  }
}
