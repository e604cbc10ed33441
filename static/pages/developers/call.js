import { html, Icon, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { kept } from "../../lib/keep.js";
import { accounts, accountsKnown, isOpen } from "../../lib/store.js";
import { Copy } from "../../parts/button.js";
import { Field } from "../../parts/field.js";
import { ANSWER, askCall, LANGUAGES, sendCall } from "./calls.js";

const NUMBER = "996700123456";

/** A text to be copied, as it is. */
export function Code({ text, name }) {
  return html`<div class="code">
    <pre tabindex="0" role="group" aria-label=${name}><code>${text}</code></pre>
    <div class="code-copy"><${Copy} text=${text} label=${t("call.copy", { name })} /></div>
  </div>`;
}

function Languages({ chosen, choose }) {
  return html`<div class="filters" role="group" aria-label=${t("call.language")}>
    ${Object.entries(LANGUAGES).map(([name, word]) => html`<button type="button" key=${name} class="filter" aria-pressed=${String(name === chosen)} onClick=${() => choose(name)}>${word}</button>`)}
  </div>`;
}

/** The call that sends a message, with this origin and an account of ours. `isShort`: nothing after it. */
export function FirstCall({ isShort = false }) {
  const [language, setLanguage] = useState(() => (kept.get("call.language") in LANGUAGES ? kept.get("call.language") : "curl"));
  const [accountId, setAccount] = useState(null);
  const all = accounts.all;
  const account = all.find(({ id }) => id === accountId) ?? all.find(({ status }) => status === "CONNECTED") ?? all[0];
  const where = { origin: location.origin, accountId: account?.id ?? "acc_…", to: NUMBER, text: t("call.text"), isOpen };
  function choose(name) {
    setLanguage(name);
    kept.set("call.language", name);
  }
  return html`<div class="call">
    ${accountsKnown.value && !account && html`<div class="notice info"><${Icon} name="info" size=${18} /><div class="stack"><p>${t("call.noAccount")}</p><p><a href="/">${t("call.addAccount")}</a></p></div></div>`}
    <div class="call-top">
      ${all.length > 0 && html`<${Field} label=${t("call.account")} as="select" value=${account.id} onChange=${(event) => setAccount(event.target.value)}>
        ${all.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}<//>`}
      <${Languages} chosen=${language} choose=${choose} />
    </div>
    <section class="stack">${!isShort && html`<h2>${t("call.send")}</h2>`}<p class="quiet">${t("call.sendText")}</p>
      <${Code} text=${sendCall(language, where)} name=${`${t("call.send")}, ${LANGUAGES[language]}`} />
      <p class="small quiet">${t(isOpen ? "call.open" : "call.key")}</p></section>
    ${!isShort && html`<section class="stack"><h2>${t("call.answer")}</h2><p class="quiet">${t("call.answerText")}</p>
      <${Code} text=${ANSWER} name=${t("call.answer")} /></section>
    <section class="stack"><h2>${t("call.ask")}</h2><p class="quiet">${t("call.askText")}</p>
      <${Code} text=${askCall(language, where)} name=${`${t("call.ask")}, ${LANGUAGES[language]}`} /></section>`}
  </div>`;
}
