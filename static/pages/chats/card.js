// The card that sends a message to any number, always above the search.

import { explain, get, post, randomWord } from "../../lib/api.js";
import { second, span } from "../../lib/dates.js";
import { html, Icon, useEffect, useId, useRef, useState } from "../../lib/html.js";
import { has, parts, t } from "../../lib/i18n.js";
import { held, kept } from "../../lib/keep.js";
import { offerOf, offersKnown } from "../../lib/media.js";
import { digitsOf } from "../../lib/phone.js";
import { go } from "../../lib/router.js";
import { accounts, accountsKnown, may, me } from "../../lib/store.js";
import { Button } from "../../parts/button.js";
import { toast } from "../../parts/toast.js";
import { attach, Attached, detach, FileButton, slotOf, standingOf, useDrops } from "./file.js";
import { NumberField } from "./number.js";
import { TemplateButton } from "./template.js";

const MOST = 4_096;
const GIVES_UP_MS = 20_000;
const KEEPS_MS = 300;
const shelf = () => `card.${me.peek()?.user?.id ?? "open"}`;
const OPEN = "chats.card";
const FROM = "chats.from";
// What its file is kept under.
const CARD = "card";

/** What the server is told: a number loses its `+` and its signs, a group's address stays. */
const plain = (text) => (/^[+\d\s().-]+$/.test(text.trim()) ? digitsOf(text) : text.trim());

const sends = (account) => may(account, "canWrite") && account.provider !== "telegram";
const isOn = (account) => !["DISCONNECTED", "FAILED"].includes(account.status);

/** When what is sent now will leave, in words. */
function leaves(account) {
  if (!account) return "";
  if (account.queue?.isPaused) return t("chats.holdPaused");
  if (account.status !== "CONNECTED") return t("chats.holdOff");
  const at = account.queue?.estimatedDrainAt ?? account.queue?.nextSendAt;
  const left = at ? Date.parse(at) - second.value : 0;
  return left < 3_000 ? t("chats.leavesAtOnce") : t("chats.leavesAbout", { span: span(left) });
}

const Leaves = ({ account }) => leaves(account);

/** Says that it was accepted, with when it leaves, and a way to its chat. */
async function say({ messageId, accountId }, phone) {
  const told = await get(`/api/messages/${messageId}`, { signal: AbortSignal.timeout(3_000) }).catch(() => null);
  const left = told?.estimatedSendAt ? Date.parse(told.estimatedSendAt) - second.peek() : 0;
  const when = told?.holdReason ? t(told.holdReason === "paused" ? "chats.holdPaused" : "chats.holdOff") : left > 3_000 ? t("chats.leavesAbout", { span: span(left) }) : "";
  toast(html`<strong>${t("whatsapp.message_sent")}</strong><br />${when ? t("chats.sentWhen", { when }) : t("whatsapp.message_sent_successfully")}`, {
    action: { text: t("chats.openChat"), run: () => go(`/chats/${accountId}/${encodeURIComponent(phone)}`) },
  });
}

function problem(title, text, requestId) {
  toast(html`<strong>${title}</strong><br />${text}`, { kind: "error", requestId });
}

function From({ chosen, choices, choose }) {
  const id = useId();
  return html`<span class="chats-from"><label for=${id}>${t("chats.from")}</label>
    <select id=${id} name="accountId" value=${chosen ?? ""} onChange=${(event) => choose(event.target.value || null)}>
      <option value="" disabled>${t("chats.chooseAccount")}</option>
      ${choices.map(({ accountId, name }) => html`<option key=${accountId} value=${accountId}>${name}</option>`)}
    </select></span>`;
}

/** `given` is a number to start with; `sent()` is called when one was accepted. */
export function Card({ given, sent }) {
  const [isOpen, setOpen] = useState(() => kept.get(OPEN, true));
  const [draft, setDraft] = useState(() => held.get(shelf(), null) ?? { phone: "", message: "", key: null });
  const [from, setFrom] = useState(() => kept.get(FROM, null));
  const [offered, setOffered] = useState(null);
  const [isSending, setSending] = useState(false);
  const [error, setError] = useState(null);
  const number = useRef(null);
  const text = useRef(null);
  const latest = useRef(draft);
  const busy = useRef(false);
  const timer = useRef(null);
  const ids = useId();

  function change(changes) {
    latest.current = { ...latest.current, ...changes };
    setDraft(latest.current);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => held.set(shelf(), latest.current), KEEPS_MS);
  }
  const keep = () => held.set(shelf(), latest.current);
  useEffect(() => () => { clearTimeout(timer.current); keep(); }, []);
  useEffect(() => {
    if (!given) return;
    setOpen(true);
    change({ phone: given.number });
    requestAnimationFrame(() => text.current?.focus());
  }, [given]);
  function toggle() {
    kept.set(OPEN, !isOpen);
    setOpen(!isOpen);
  }

  const usable = accounts.all.filter((account) => sends(account) && isOn(account));
  const choices = offered ?? (usable.length > 1 ? usable.map(({ id, name }) => ({ accountId: id, name })) : []);
  const chosen = choices.some((choice) => choice.accountId === from) ? from : null;
  const account = chosen ? accounts.of(chosen).value : usable.length === 1 ? usable[0] : null;
  function choose(id) {
    setFrom(id);
    setError(null);
    kept.set(FROM, id);
  }

  const { phone, message } = draft;
  const slot = slotOf(CARD);
  // Until it is known which account sends, what any of them takes.
  const offer = account ? offerOf(account.provider) : (usable.map(({ provider }) => offerOf(provider)).find(Boolean) ?? null);
  const isUnknown = !accountsKnown.value || !offersKnown.value;
  const standing = standingOf(slot, offer, message);
  const take = offer && !isSending ? (files) => { setOpen(true); void attach(slot, files).then(() => text.current?.focus()); } : null;
  const { isOver, takes } = useDrops(take);
  const isFilled = phone.trim() && (message.trim() || standing.file);
  const isReady = isFilled && standing.isReady && !isSending;
  async function send() {
    const { phone: to, message: body } = latest.current;
    const { file, media, ...now } = standingOf(slot, offer, body);
    if (busy.current) return;
    if (!to.trim() || !(body.trim() || file)) {
      problem(t("error"), t(to.trim() ? "whatsapp.type_message" : "chats.typeNumber"));
      (to.trim() ? text : number).current?.focus();
      return;
    }
    if (!now.isReady) return void problem(t("error"), now.reason);
    // One attempt, one key: sent again unchanged it is the same message, however the first time ended.
    const asked = {
      phone: plain(to),
      ...(body.trim() || !media ? { message: body.trim() } : {}),
      ...(media ? { media: { id: media.id, kind: media.kind } } : {}),
      ...(chosen ? { accountId: chosen } : {}),
    };
    const what = JSON.stringify(asked);
    if (latest.current.what !== what || !latest.current.key) change({ key: randomWord(), what });
    keep();
    busy.current = true;
    setSending(true);
    setError(null);
    try {
      const { data } = await post("/api/whatsapp/send", asked, { headers: { "Idempotency-Key": latest.current.key }, signal: AbortSignal.timeout(GIVES_UP_MS) });
      change({ phone: "", message: "", key: null, what: null });
      detach(slot);
      keep();
      setOffered(null);
      requestAnimationFrame(() => number.current?.focus());
      sent();
      void say(data, asked.phone);
    } catch (failed) {
      if (failed.status === 401) return;
      refuse(failed);
    } finally {
      busy.current = false;
      setSending(false);
    }
  }
  function refuse(failed) {
    if (failed.code === "account_required" && failed.details?.[0]?.accountId) {
      setOffered(failed.details);
      setError({ field: "account", text: t("chats.chooseWhich") });
      requestAnimationFrame(() => document.querySelector(".chats-from select")?.focus());
      return;
    }
    const isNumber = failed.code === "invalid_number" || failed.fields?.phone;
    if (isNumber) {
      setError({ field: "phone", text: t("error.invalid_number") });
      number.current?.focus();
    }
    const isTold = has(`error.${failed.code}`) || failed.status === 404 || failed.status === 403;
    problem(t("whatsapp.send_error"), isTold ? explain(failed) : t("whatsapp.send_error_message"), failed.requestId);
  }
  function key(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  }

  const to = plain(phone);
  const hint = html`${!to ? t("chats.format") : account && !choices.length ? parts("chats.goesFrom", { number: to, account: html`<b>${account.name}</b>` }) : t("chats.goes", { number: to })}
    ${choices.length > 0 && (to || offered) && html` <${From} chosen=${chosen} choices=${choices} choose=${choose} />`}
    ${error?.field === "account" && html`<span class="wrong" role="alert"><${Icon} name="triangle-alert" size=${16} /> ${error.text}</span>`}`;
  return html`<section class="chats-card" aria-labelledby="${ids}-title" ...${takes}>
    <h2 id="${ids}-title"><button type="button" aria-expanded=${String(isOpen)} aria-controls="${ids}-body" onClick=${toggle}>
      <${Icon} name="send" /><span>${t("chats.sendTitle")}</span><${Icon} name=${isOpen ? "chevron-up" : "chevron-down"} /></button></h2>
    <form id="${ids}-body" class="chats-card-body" hidden=${!isOpen} onSubmit=${(event) => { event.preventDefault(); send(); }}>
      <${NumberField} field=${number} value=${phone} error=${error?.field === "phone" && error.text} hint=${hint} isOff=${isSending}
        onInput=${(next) => { change({ phone: next }); if (error) setError(null); }} choose=${(chat) => { if (usable.some(({ id }) => id === chat.sessionId)) choose(chat.sessionId); text.current?.focus(); }} onKeyDown=${key} />
      <div class="field">
        <label for="${ids}-text"><${Icon} name="message-circle" size=${16} />${t("whatsapp.type_message")}</label>
        <${Attached} slot=${slot} standing=${standing} offer=${offer} />
        <textarea id="${ids}-text" ref=${text} name="text" rows="2" maxlength=${MOST} placeholder=${t(standing.file ? "file.caption" : "whatsapp.type_message")} value=${message} disabled=${isSending}
          onInput=${(event) => change({ message: event.target.value })} onKeyDown=${key} />
        <div class="chats-card-foot">
          <p class="hint"><span class="chats-ctrl">${t("chats.ctrlEnter")}</span>${account && html`<span><${Leaves} account=${account} /></span>`}</p>
          <span class="chats-tools"><${TemplateButton} field=${text} change=${(next) => change({ message: next })} isOff=${isSending} />${(offer || isUnknown) && html`<${FileButton} take=${take} isOff=${isSending} isUnknown=${isUnknown} />`}
            <${Button} kind="primary" icon="send" type="submit" busy=${isSending} disabled=${!isReady} label=${isSending ? t("whatsapp.loading") : undefined}
              reason=${isSending ? undefined : isFilled ? standing.reason : t("chats.fillBoth")}>${t("whatsapp.send")}<//></span>
        </div>
        <span class="unseen" role="status">${isSending ? t("whatsapp.loading") : ""}</span>
      </div>
    </form>
    ${isOver && html`<p class="chats-drop"><${Icon} name="upload" size=${28} />${t("file.drop")}</p>`}
  </section>`;
}
