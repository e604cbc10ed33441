import { get, post, randomWord } from "../../lib/api.js";
import { clock, relative, second, span, When, when } from "../../lib/dates.js";
import { html, Icon, useEffect, useRef, useState } from "../../lib/html.js";
import { number, size, t } from "../../lib/i18n.js";
import { warmUp } from "../../lib/limits.js";
import { may } from "../../lib/store.js";
import { on } from "../../lib/socket.js";
import { Bars, Beat } from "../../parts/charts.js";
import { Button } from "../../parts/button.js";
import { Field, FormProblem, useForm } from "../../parts/field.js";
import { Bones, useLoad, View } from "../../parts/state.js";
import { sentence, statusOf } from "../../parts/status.js";
import { toast } from "../../parts/toast.js";
import { remedyOf } from "../accounts/actions.js";

const MINUTES = 60;

function State({ account }) {
  const { kind, icon } = statusOf(account);
  const remedy = remedyOf(account);
  return html`<section class="card account-state" aria-label=${t("now.state")}>
    <span class="empty-icon ${kind}"><${Icon} name=${icon} size=${24} /></span>
    <p>${sentence(account)}</p>
    ${remedy?.href && html`<a class="button primary" href=${remedy.href}><${Icon} name=${remedy.icon} size=${18} /><span>${remedy.text}</span></a>`}
    ${remedy?.run && html`<${Button} kind="primary" icon=${remedy.icon} onClick=${remedy.run}>${remedy.text}<//>`}
  </section>`;
}

const Fact = ({ word, children, more }) => html`<div><dt>${word}</dt><dd>${children}</dd>${more && html`<dd class="small quiet">${more}</dd>`}</div>`;

function Pace({ account }) {
  const queue = account.queue ?? {};
  const now = second.value;
  const isResting = queue.isResting && Date.parse(queue.restUntil) > now;
  const warm = warmUp(account);
  const recent = queue.lastSentAt && Date.parse(queue.lastSentAt) > now - 60_000 ? queue.sentLastMinute : 0;
  return html`<section class="card stack" aria-label=${t("now.pace")}>
    <h2>${t("now.pace")}</h2>
    <${Beat} account=${account} isLarge />
    <dl class="facts">
      <${Fact} word=${t("now.next")} more=${queue.estimatedDrainAt ? t("account.drainAt", { time: when(queue.estimatedDrainAt) }) : "\u00a0"}>
        ${queue.nextSendAt ? html`<${When} at=${queue.nextSendAt} />` : queue.holdReason ? t(`hold.${queue.holdReason}`) : t("now.nothing")}<//>
      <${Fact} word=${t("now.rest")}>${isResting ? t("beat.more", { span: span(Date.parse(queue.restUntil) - now) }) : t("now.noRest")}<//>
      <${Fact} word=${t("now.minute")}>${queue.perMinute ? t("now.ofLimit", { n: recent, limit: queue.perMinute }) : number(recent)}<//>
      <${Fact} word=${t("account.today")} more=${!queue.dailyLimit && t("account.noLimits")}>${queue.dailyLimit ? t("now.ofLimit", { n: queue.dailyCount, limit: queue.dailyLimit }) : number(queue.dailyCount ?? 0)}<//>
      ${warm && html`<${Fact} word=${t("now.warmUp")} more=${warm.isOver ? null : t("now.grows", { n: warm.to })}>${warm.isOver ? t("now.warm") : t("now.day", { n: warm.day, days: warm.days })}<//>`}
      ${account.restrictedUntil && html`<${Fact} word=${t("now.restricted")}><${When} at=${account.restrictedUntil} as=${when} /><//>`}
    </dl>
  </section>`;
}

function Activity({ account }) {
  const load = useLoad(({ signal }) => get(`/api/accounts/${account.id}/activity`, { query: { minutes: MINUTES }, signal }), [account.id]);
  const reload = useRef(load.reload);
  reload.current = load.reload;
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) reload.current(); }, 60_000);
    const off = on("message-status", ({ sessionId, status }) => {
      if (sessionId === account.id && ["sent", "failed"].includes(status)) setTimeout(() => reload.current(), 500);
    });
    return () => {
      clearInterval(timer);
      off();
    };
  }, [account.id]);
  return html`<section class="card stack" aria-label=${t("now.hour")}>
    <h2>${t("now.hour")}</h2>
    <${View} load=${load} skeleton=${html`<${Bones} rows=${1} height=${120} />`}>${(minutes) => {
      const sum = (name) => minutes.reduce((all, one) => all + one[name], 0);
      const words = t("now.hourWords", { sent: sum("sent"), received: sum("received"), failed: sum("failed"), most: Math.max(0, ...minutes.map((one) => one.sent)) });
      return html`<figure class="stack"><${Bars} values=${minutes.map((one) => [one.sent, 0, one.failed])} height=${96} />
        <figcaption class="line small quiet"><span>${words}</span><span class="push">${minutes.length ? `${clock(minutes[0].at)} – ${clock(minutes.at(-1).at)}` : ""}</span></figcaption></figure>`;
    }}<//>
  </section>`;
}

async function session(id, options) {
  for (let page = 1; ; page += 1) {
    const { data, pagination } = await get("/api/whatsapp/sessions", { ...options, query: { limit: 200, page } });
    const found = data.find((one) => one.id === id);
    if (found || page * 200 >= pagination.total) return found ?? null;
  }
}

function About({ account }) {
  const load = useLoad(async (options) => {
    const [one, live] = await Promise.all([session(account.id, options), get(`/api/v1/instances/${account.id}/memory`, options)]);
    return one && { ...one, live };
  }, [account.id]);
  return html`<section class="card stack" aria-label=${t("now.about")}>
    <h2>${t("now.about")}</h2>
    <${View} load=${load} skeleton=${html`<${Bones} rows=${1} height=${80} />`}>${(one) => one && html`<dl class="facts">
      <${Fact} word=${t("now.lastSeen")}>${one.lastSeen ? html`<${When} at=${one.lastSeen} as=${relative} />` : t("now.never")}<//>
      ${one.live.connected_at && html`<${Fact} word=${t("now.uptime")}>${span(one.live.uptime_seconds * 1_000)}<//>`}
      ${one.live.browser_memory_bytes !== null && html`<${Fact} word=${t("now.browser")}>${size(one.live.browser_memory_bytes)}<//>`}
      <${Fact} word=${t("now.chats")}>${number(one._count.chats)}<//>
      <${Fact} word=${t("now.messages")}>${number(one._count.messages)}<//>
      <${Fact} word=${t("now.creator")} more=${one.admin.email}>${[one.admin.firstName, one.admin.lastName].filter(Boolean).join(" ") || one.admin.email}<//>
      <${Fact} word=${t("now.created")}><${When} at=${one.createdAt} as=${when} /><//>
    </dl>`}<//>
  </section>`;
}

function TestSend({ account }) {
  const key = useRef(null);
  const [round, setRound] = useState(0);
  const form = useForm(async ({ to, message }) => {
    key.current ??= randomWord();
    const { estimatedSendAt } = await post("/api/messages/send", { accountId: account.id, to, message }, { headers: { "Idempotency-Key": key.current } });
    key.current = null;
    setRound(round + 1);
    toast(estimatedSendAt ? t("test.queued", { when: relative(estimatedSendAt) }) : t("test.waits"));
  });
  return html`<section class="card stack" aria-label=${t("test.title")}>
    <h2>${t("test.title")}</h2>
    <form class="form" key=${round} onSubmit=${form.onSubmit} onInput=${() => (key.current = null)}>
      <${FormProblem} error=${form.problem} />
      <${Field} label=${t("test.to")} name="to" type=${account.provider === "telegram" ? "text" : "tel"} autocomplete="off" required placeholder=${account.provider === "telegram" ? "@channel" : "+996 700 123 456"} error=${form.errors.to} />
      <${Field} label=${t("test.message")} name="message" as="textarea" rows="2" required defaultValue=${t("test.text")} error=${form.errors.message} />
      <div class="actions"><${Button} type="submit" icon="send" busy=${form.isBusy}>${t("test.send")}<//></div>
    </form>
  </section>`;
}

export function Now({ account }) {
  return html`<div class="account-now">
    <${State} account=${account} />
    <${Pace} account=${account} />
    <${Activity} account=${account} />
    <${About} account=${account} />
    ${may(account, "canWrite") && html`<${TestSend} account=${account} />`}
  </div>`;
}
