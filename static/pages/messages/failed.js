// What was not sent, and the way to try all of it again: one by one, to be watched and stopped.

import { get, post } from "../../lib/api.js";
import { span } from "../../lib/dates.js";
import { html, Icon, signal, useEffect } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { on, onMissed } from "../../lib/socket.js";
import { accounts, may } from "../../lib/store.js";
import { Button } from "../../parts/button.js";
import { ask } from "../../parts/dialog.js";
import { toast, toastError } from "../../parts/toast.js";
import { addressOf, asked } from "./filter.js";

const PAUSE_MS = 1_500;

/** The one run there is: `{done, skipped, total, isStopped, waits}`, also while another page is open. */
const run = signal(null);
const failed = signal(0);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const ofAll = (filter) => ({ ...asked({ ...filter, status: undefined }), status: "failed" });

async function count(filter) {
  const { pagination } = await get("/api/messages", { query: { ...ofAll(filter), limit: 1 } });
  failed.value = pagination.total;
}

/** All ids first: what is retried leaves the list that is read. */
async function idsOf(filter) {
  const ids = [];
  for (let cursor; ;) {
    const { data, pagination } = await get("/api/messages", { query: { ...ofAll(filter), limit: 200, cursor } });
    ids.push(...data.map(({ id }) => id));
    cursor = pagination.nextCursor;
    if (!cursor) return ids;
  }
}

/** Whether it is queued again. A server that asks to wait is waited for. */
async function retry(id) {
  for (;;) {
    if (run.peek().isStopped) return null;
    try {
      await post(`/api/messages/${id}/retry`);
      return true;
    } catch (error) {
      if ([403, 404, 409, 422].includes(error.status)) return false;
      if (error.status !== 429 && error.status !== 503) throw error;
      const until = Date.now() + 1_000 * (error.retryAfter ?? 2);
      run.value = { ...run.peek(), waits: until - Date.now() };
      while (Date.now() < until && !run.peek().isStopped) await sleep(200);
      run.value = { ...run.peek(), waits: 0 };
    }
  }
}

async function retryAll(filter) {
  const ids = await idsOf(filter);
  run.value = { done: 0, skipped: 0, total: ids.length, isStopped: false, waits: 0 };
  try {
    for (const id of ids) {
      const is = await retry(id);
      if (is === null) break;
      const { done, skipped } = run.peek();
      run.value = { ...run.peek(), done: done + is, skipped: skipped + !is };
    }
  } catch (error) {
    toastError(error);
  } finally {
    const { done, skipped, total } = run.peek();
    const left = total - done - skipped;
    run.value = null;
    toast([t("messages.retried", { n: done }), skipped ? t("messages.retrySkipped", { n: skipped }) : "", left ? t("messages.retryLeft", { n: left }) : ""].filter(Boolean).join(" "));
  }
}

const offer = (filter) => ask({
  title: t("messages.retryAllTitle", { n: failed.peek() }),
  text: [t("messages.retryAllText"), t("messages.retryAllReason"), t("messages.retryAllUncertain")],
  action: t("messages.retryAll"),
  isDangerous: false,
  run: async () => void retryAll(filter).catch(toastError),
});

function Progress() {
  const { done, skipped, total, waits } = run.value;
  const whole = done + skipped;
  return html`<div class="notice messages-run">
    <div class="messages-run-words"><p role="status">${t("messages.retrying", { done: whole, total })}${waits > 0 ? ` · ${t("messages.waitingRetry", { span: span(waits) })}` : ""}</p>
      <progress class="messages-progress" max=${total} value=${whole} aria-label=${t("messages.retrying", { done: whole, total })} /></div>
    <${Button} icon="x" onClick=${() => void (run.value = { ...run.peek(), isStopped: true })}>${t("messages.stop")}<//>
  </div>`;
}

/** How many of these were not sent, with Retry; while that runs, how far it is. */
export function Failed({ filter }) {
  const key = JSON.stringify({ ...filter, status: undefined });
  useEffect(() => {
    let timer = null;
    failed.value = 0;
    const load = () => void count(filter).catch(() => {});
    const later = () => {
      timer ??= setTimeout(() => {
        timer = null;
        load();
      }, PAUSE_MS);
    };
    load();
    const stops = [on("message-status", later), onMissed(load)];
    return () => {
      clearTimeout(timer);
      for (const stop of stops) stop();
    };
  }, [key]);
  if (run.value) return html`<${Progress} />`;
  if (!failed.value) return null;
  // Of accounts that they may only read, managers can't retry: then account by account.
  const meant = filter.account ? [accounts.of(filter.account).value] : accounts.all;
  const mayWrite = meant.every((account) => may(account, "canWrite"));
  return html`<div class="messages-failed">
    <a class="messages-failed-count" href=${addressOf({ ...filter, status: "failed" })}><${Icon} name="triangle-alert" size=${18} /> ${t("messages.failed", { n: failed.value })}</a>
    ${mayWrite && html`<${Button} icon="rotate-ccw" onClick=${() => void offer(filter)}>${t("messages.retryAll")}<//>`}
  </div>`;
}
