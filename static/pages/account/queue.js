import { get, remove } from "../../lib/api.js";
import { relative, second, When, when } from "../../lib/dates.js";
import { html, Icon, useEffect, useRef, useState } from "../../lib/html.js";
import { number, t } from "../../lib/i18n.js";
import { ofChat, pretty } from "../../lib/phone.js";
import { may } from "../../lib/store.js";
import { on } from "../../lib/socket.js";
import { Button } from "../../parts/button.js";
import { Gist } from "../../parts/gist.js";
import { Menu } from "../../parts/menu.js";
import { Bones, Empty, useLoad, View } from "../../parts/state.js";
import { toast } from "../../parts/toast.js";
import { clearQueue } from "../accounts/actions.js";

const PAUSE_MS = 1_000;

/** Loads the queue anew when it moves, at most once a second. */
function useQueue(account) {
  const load = useLoad(({ signal }) => get(`/api/accounts/${account.id}/queue`, { signal }), [account.id]);
  const reload = useRef(null);
  reload.current = load.reload;
  const timer = useRef(null);
  const soon = () => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      reload.current();
    }, PAUSE_MS);
  };
  useEffect(() => {
    const off = on("message-status", ({ sessionId }) => { if (sessionId === account.id) soon(); });
    return () => {
      off();
      clearTimeout(timer.current);
      timer.current = null;
    };
  }, [account.id]);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) soon();
    isFirst.current = false;
  }, [account.queueLength, account.queue?.isPaused, account.status]);
  return load;
}

/** In 40 s; beyond a minute the time of day. */
const eta = (instant) => (Date.parse(instant) - second.value < 60_000 ? relative(instant) : t("queue.about", { time: when(instant) }));

function Eta({ message }) {
  if (message.status === "sending") return html`<span class="chip info"><${Icon} name="send" size=${14} />${t("queue.sending")}</span>`;
  if (message.status === "scheduled" && message.sendAt) return html`<span class="nowrap"><${Icon} name="calendar" size=${16} /> <${When} at=${message.sendAt} as=${when} /></span>`;
  if (message.estimatedSendAt) return html`<${When} at=${message.estimatedSendAt} as=${eta} />`;
  return message.holdReason ? t(`hold.${message.holdReason}`) : t("queue.waits");
}

function Item({ message, isGone, mayCancel, cancel }) {
  return html`<tr class=${isGone ? "is-gone" : ""}>
    <td class="queue-place quiet">${message.status === "sending" ? html`<${Icon} name="send" size=${16} /><span class="unseen">${t("queue.sending")}</span>` : message.queuePosition ?? "–"}</td>
    <td class="queue-eta">${isGone ? t("queue.gone") : html`<${Eta} message=${message} />`}</td>
    <td class="queue-to nowrap">${message.to.includes("@") ? ofChat(message.to) : pretty(message.to)}</td>
    <td class="queue-text"><${Gist} message=${message} />${message.attempts > 0 && html` <span class="chip wait">${t("queue.attempts", { n: message.attempts })}</span>`}</td>
    <td class="queue-act">${mayCancel && !isGone && message.status !== "sending" && html`<${Button} kind="quiet" icon="x" label=${t("queue.cancel", { to: pretty(message.to) })} onClick=${() => cancel(message)} />`}</td>
  </tr>`;
}

/** What is shown stays where it is while somebody points at it; what has left meanwhile says so. */
function useStill(messages) {
  const [still, setStill] = useState(null);
  const shown = still ?? messages;
  const here = new Set(messages.map((message) => message.id));
  return {
    shown: still ? still.map((old) => messages.find((message) => message.id === old.id) ?? old) : shown,
    isGone: (message) => !here.has(message.id),
    hold: { onMouseEnter: () => setStill(messages), onMouseLeave: () => setStill(null) },
  };
}

function Table({ account, queue, reload }) {
  const { shown, isGone, hold } = useStill(queue.messages);
  async function cancel(message) {
    await remove(`/api/messages/${message.id}`);
    toast(t("queue.cancelled", { to: pretty(message.to) }));
    reload();
  }
  return html`<div class="card queue-card" ...${hold}>
    <table class="table queue-table"><caption class="unseen">${t("account.queueTab")}</caption>
      <thead><tr><th>№</th><th>${t("queue.leaves")}</th><th>${t("queue.to")}</th><th>${t("queue.text")}</th><th><span class="unseen">${t("queue.actions")}</span></th></tr></thead>
      <tbody>${shown.map((message) => html`<${Item} key=${message.id} message=${message} isGone=${isGone(message)} mayCancel=${may(account, "canWrite")} cancel=${cancel} />`)}</tbody>
    </table>
    ${queue.queueLength > queue.messages.length && html`<p class="small quiet queue-rest">${t("queue.rest", { n: queue.queueLength - queue.messages.length })}</p>`}
  </div>`;
}

function Head({ account, queue, reload }) {
  return html`<section class="card queue-head" aria-label=${t("queue.summary")}>
    <p><b class="big-figure">${number(queue.queueLength)}</b> ${t("account.inQueue")}</p>
    <p class="quiet">${queue.estimatedDrainAt ? t("account.drainAt", { time: when(queue.estimatedDrainAt) }) : queue.status.holdReason ? t(`hold.${queue.status.holdReason}`) : ""}</p>
    ${may(account, "canAdmin") && html`<div class="actions push">
      ${queue.queueLength > 0 && html`<${Menu} label=${t("queue.more")} items=${[{ icon: "ban", text: t("account.clear", { n: queue.queueLength }), isDangerous: true, run: () => clearQueue({ ...account, queueLength: queue.queueLength }, reload) }]} />`}
    </div>`}
  </section>`;
}

export function Queue({ account }) {
  const load = useQueue(account);
  const why = account.queue?.pauseReason;
  return html`<${View} load=${load} skeleton=${html`<${Bones} rows=${5} height=${64} />`}>${(queue) => html`<div class="stack">
    ${why && html`<p class="notice alarm"><${Icon} name="triangle-alert" size=${18} /> <span>${t("resume.why", { reason: why })}</span></p>`}
    <${Head} account=${account} queue=${queue} reload=${load.reload} />
    ${queue.messages.length
      ? html`<${Table} account=${account} queue=${queue} reload=${load.reload} />`
      : html`<${Empty} icon="check" title=${t("beat.empty")} actions=${html`<a class="button" href="/chats?account=${account.id}">${t("queue.write")}</a>`}>${t("queue.emptyText")}<//>`}
  </div>`}<//>`;
}
