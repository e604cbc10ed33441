// The code that pairs an account, in a dialog: the same that the public page shows.

import { post } from "../lib/api.js";
import { second, span } from "../lib/dates.js";
import { html, Icon, useEffect, useRef, useState } from "../lib/html.js";
import { has, t } from "../lib/i18n.js";
import { lifeOf, viewOf, watch } from "../lib/pairing.js";
import { pretty } from "../lib/phone.js";
import { accounts } from "../lib/store.js";
import { Button, Copy } from "./button.js";
import { Dialog } from "./dialog.js";
import { Field, FormProblem, useForm } from "./field.js";

function usePairing(id) {
  const [state, setState] = useState(null);
  const [isAway, setAway] = useState(false);
  const pairing = useRef(null);
  useEffect(() => {
    const tell = (next) => { setState(next); setAway(false); };
    pairing.current = watch(`/qr/${id}`, { tell, miss: () => setAway(true) });
    return () => pairing.current.stop();
  }, [id]);
  return { state, isAway, ask: (...asked) => pairing.current.ask(...asked) };
}

function Countdown({ state }) {
  second.value; // drawn anew each second
  const { left, whole } = lifeOf(state);
  return html`<div class="qr-left" aria-hidden="true">
    <div class="meter"><i style=${{ width: `${Math.min(100, (100 * left) / whole)}%` }} /></div>
    <p class="small quiet">${t("qr.countdown", { span: span(left) })}</p>
  </div>`;
}

const steps = (state) => t(state.provider === "simulator" ? "qr.stepsSimulator" : state.typedCode ? "qr.stepsTyped" : "qr.stepsScan").split("\n");

function Scan({ state, id, ask }) {
  return html`<div class="qr-scan">
    ${state.typedCode
      ? html`<p class="qr-typed"><output>${state.typedCode}</output><${Copy} text=${state.typedCode} /></p>`
      : html`<img class="qr-picture" src="/qr/${id}/code.svg?v=${state.codeVersion}" width="280" height="280" alt=${t("qr.alt")} onError=${() => ask("state")} />`}
    <${Countdown} state=${state} />
    <ol class="qr-steps">${steps(state).map((line) => html`<li>${line}</li>`)}</ol>
  </div>`;
}

function Typed({ id, done }) {
  const form = useForm(async ({ phoneNumber }) => {
    // A pairing that is under way goes on as it began.
    await post(`/api/accounts/${id}/disconnect`);
    accounts.put(await post(`/api/accounts/${id}/connect`, { method: "code", phoneNumber }));
    done();
  });
  return html`<form class="form" onSubmit=${form.onSubmit}>
    <${FormProblem} error=${form.problem} />
    <${Field} label=${t("qr.number")} hint=${t("qr.numberHint")} name="phoneNumber" type="tel" autocomplete="off" inputmode="tel" required autofocus placeholder="+996 700 123 456" error=${form.errors.phoneNumber} />
    <div class="actions"><${Button} type="submit" kind="primary" busy=${form.isBusy}>${t("qr.getCode")}<//><${Button} onClick=${done}>${t("qr.scanInstead")}<//></div>
  </form>`;
}

function Done({ account }) {
  return html`<div class="qr-done" role="status">
    <span class="empty-icon"><${Icon} name="check" size=${36} /></span>
    <p class="figure">${t("qr.connected")}</p>
    <p>${pretty(account?.phoneNumber) || account?.displayName}</p>
    <p class="quiet">${t("qr.next")}</p>
  </div>`;
}

function Stopped({ id, view, state, ask }) {
  const mayTry = view !== "waiting";
  const again = async () => {
    accounts.put(await post(`/api/accounts/${id}/connect`));
    await ask("state");
  };
  const said = state.errorCode && has(`accountError.${state.errorCode}`) ? t(`accountError.${state.errorCode}`, { time: "" }) : state.error;
  return html`<div class="qr-done">
    <p>${(view === "failed" || view === "waiting") && said ? said : t(`qr.${view}`)}</p>
    ${mayTry && html`<${Button} kind="primary" icon="qr-code" onClick=${again}>${t(view === "failed" || view === "off" ? "qr.tryAgain" : "account.newCode")}<//>`}
  </div>`;
}

export function Pairing({ id, close }) {
  const { state, isAway, ask } = usePairing(id);
  const [isTyping, setTyping] = useState(false);
  const account = accounts.of(id).value;
  const view = state ? viewOf(state) : "connecting";
  const mayType = view === "scan" && account?.provider.startsWith("whatsapp") && !state.typedCode && !isTyping;
  const isDone = view === "connected";
  return html`<${Dialog} title=${account?.name ?? ""} close=${close} actions=${html`
      ${!isDone && account?.qrUrl && html`<${Copy} text=${account.qrUrl} kind="">${t("qr.copyLink")}<//>`}
      ${isDone && html`<a class="button primary" href="/accounts/${id}" onClick=${() => close()}><span>${t("qr.toAccount")}</span></a>`}
      <${Button} onClick=${() => close()}>${t("dialog.close")}<//>`}>
    <p class="unseen" role="status">${t(`qr.${view}`)}</p>
    ${isAway && html`<p class="notice wait">${t("qr.away")}</p>`}
    ${isTyping && !isDone && html`<${Typed} id=${id} done=${() => setTyping(false)} />`}
    ${view === "scan" && !isTyping && html`<${Scan} state=${state} id=${id} ask=${ask} />`}
    ${mayType && html`<p><button type="button" class="text-button" onClick=${() => setTyping(true)}>${t("qr.typeInstead")}</button></p>`}
    ${!isTyping && (view === "connecting" || view === "authenticating") && html`<div class="qr-done"><span class="spinner qr-spinner" aria-hidden="true" /><p class="quiet">${t(`qr.${view}`)}</p></div>`}
    ${isDone && html`<${Done} account=${account} />`}
    ${!isTyping && ["failed", "waiting", "off", "closed", "expired", "idle"].includes(view) && html`<${Stopped} id=${id} view=${view} state=${state} ask=${ask} />`}
  <//>`;
}
