// Which messages: what the address says, and what is asked of the server for it.

import { STATUSES } from "./status.js";

const NAMES = ["account", "status", "from", "to", "reference"];

const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? "") && !Number.isNaN(Date.parse(text));

const IS_FINE = { status: (word) => STATUSES.includes(word), from: isDay, to: isDay };

/** `{account, status, from, to, reference}` of the address, without what makes no sense; days are the browser's. */
export function read(query) {
  const { accountId, ...rest } = query;
  const wanted = { ...rest, account: rest.account ?? accountId };
  const filter = {};
  for (const name of NAMES) {
    const value = wanted[name];
    if (value && (IS_FINE[name]?.(value) ?? true)) filter[name] = value;
  }
  return filter;
}

function midnight(day, later = 0) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later);
}

/** The parameters of `GET /api/messages`. The last day counts as a whole. */
export function asked({ account, status, from, to, reference }) {
  return {
    accountId: account,
    status,
    reference,
    from: from && midnight(from).toISOString(),
    to: to && midnight(to, 1).toISOString(),
  };
}

/** The address with these filters. */
export function addressOf(filter) {
  const text = new URLSearchParams(Object.entries(filter).filter(([, value]) => value)).toString();
  return text ? `/messages?${text}` : "/messages";
}

/** Whether a message that was accepted just now could be among them. */
export function reachesNow({ to }) {
  return !to || midnight(to, 1) > new Date();
}
