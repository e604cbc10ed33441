import { put } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { readLimits } from "../../lib/limits.js";
import { go } from "../../lib/router.js";
import { accounts } from "../../lib/store.js";
import { Button } from "../../parts/button.js";
import { Check, Choice, Field, FormProblem, useForm } from "../../parts/field.js";
import { Bones, useLoad, View } from "../../parts/state.js";
import { toast } from "../../parts/toast.js";
import { disconnect, drop, unpair } from "../accounts/actions.js";
import { Config, loadProviders, readConfig, takesProxy } from "../accounts/editor.js";
import { Limits, presets } from "../accounts/limits.js";

function Form({ account, providers }) {
  const [preset, setPreset] = useState(account.useLimits ? "limited" : "unlimited");
  const [isBare, setBare] = useState(false);
  const [round, setRound] = useState(0);
  const fields = providers.find((one) => one.provider === account.provider)?.config ?? [];
  const form = useForm(async (said) => {
    const asked = { name: said.name.trim(), useLimits: preset === "limited", limits: readLimits(said, preset === "limited") };
    const config = readConfig(said);
    if (config) asked.config = config;
    if (isBare) asked.proxy = null;
    else if (said.proxy?.trim()) asked.proxy = said.proxy.trim();
    accounts.put(await put(`/api/accounts/${account.id}`, asked));
    // The secrets that were typed leave the page.
    setRound(round + 1);
    toast(t("editor.saved"));
  });
  return html`<form class="card form" key=${round} onSubmit=${form.onSubmit}>
    <${FormProblem} error=${form.problem} />
    <${Field} label=${t("editor.name")} name="name" maxlength="200" required autocomplete="off" defaultValue=${account.name} error=${form.errors.name} />
    <${Config} fields=${fields} errors=${form.errors} isNew=${false} />
    ${takesProxy(account.provider) && html`<div>
      <${Field} label=${t("editor.proxy")} hint=${t("editor.proxyHint")} name="proxy" autocomplete="off" spellcheck=${false} disabled=${isBare} placeholder="socks5://user:password@host:1080" error=${form.errors.proxy} />
      <${Check} label=${t("settings.noProxy")} checked=${isBare} onChange=${(event) => setBare(event.target.checked)} /></div>`}
    <${Choice} label=${t("editor.pace")} name="preset" value=${preset} options=${presets()} onChange=${setPreset} />
    <p class="notice ${preset === "limited" ? "info" : "wait"}">${t(preset === "limited" ? "editor.advice" : "editor.warning")}</p>
    <${Limits} limits=${account.limits} useLimits=${preset === "limited"} errors=${form.errors} />
    <div class="actions"><${Button} kind="primary" type="submit" busy=${form.isBusy}>${t("editor.save")}<//>
      <span class="small quiet">${t("settings.alsoQueued")}</span></div>
  </form>`;
}

function Danger({ account }) {
  const isOn = !["DISCONNECTED", "FAILED"].includes(account.status);
  const row = (title, text, button) => html`<div class="danger-row"><div><h3>${title}</h3><p class="small quiet">${text}</p></div>${button}</div>`;
  return html`<section class="card danger-zone" aria-label=${t("settings.danger")}>
    <h2>${t("settings.danger")}</h2>
    ${isOn && row(t("account.disconnect"), t("settings.disconnectText"), html`<${Button} icon="unplug" onClick=${() => disconnect(account)}>${t("account.disconnect")}<//>`)}
    ${account.isPaired && row(t("account.unpair"), t("settings.unpairText"), html`<${Button} kind="danger" icon="unlink" onClick=${() => void unpair(account)}>${t("account.unpair")}<//>`)}
    ${row(t("account.delete"), t("delete.text"), html`<${Button} kind="danger" icon="trash-2" onClick=${() => void drop(account, () => go("/"))}>${t("account.delete")}<//>`)}
  </section>`;
}

export function Settings({ account }) {
  const load = useLoad(loadProviders, [], { refetch: false });
  return html`<div class="account-settings">
    <${View} load=${load} skeleton=${html`<${Bones} rows=${5} height=${72} />`}>${(providers) => html`<${Form} account=${account} providers=${providers} /><${Danger} account=${account} />`}<//>
  </div>`;
}
