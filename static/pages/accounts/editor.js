// Adds an account, or changes what people call one and how it sends.

import { get, post, put } from "../../lib/api.js";
import { html, useState } from "../../lib/html.js";
import { has, t } from "../../lib/i18n.js";
import { readLimits } from "../../lib/limits.js";
import { accounts } from "../../lib/store.js";
import { Button } from "../../parts/button.js";
import { Dialog } from "../../parts/dialog.js";
import { Choice, Field, FormProblem, PasswordField, useForm } from "../../parts/field.js";
import { Bones, useLoad, View } from "../../parts/state.js";
import { providerIcon, providerName } from "../../parts/status.js";
import { toast, toastError } from "../../parts/toast.js";
import { openCode } from "./actions.js";
import { Limits, presets } from "./limits.js";

const cards = (providers) => providers.map(({ provider, isEnabled, reason }) => ({
  value: provider,
  icon: providerIcon(provider),
  title: providerName(provider),
  text: has(`provider.${provider}Text`) ? t(`provider.${provider}Text`) : "",
  disabled: !isEnabled,
  reason: reason && has(`accountError.${reason}`) ? t(`accountError.${reason}`) : reason,
}));

/** What a provider wants to be told, such as a bot's token. */
export function Config({ fields, errors, isNew }) {
  return fields.map(({ name, isRequired, isSecret }) => {
    const said = has(`config.${name}`) ? t(`config.${name}`) : name;
    const hint = [has(`config.${name}Hint`) && t(`config.${name}Hint`), !isNew && t("editor.secretKept")].filter(Boolean).join(" ");
    return html`<${isSecret ? PasswordField : Field} key=${name} label=${said} hint=${hint} name="config.${name}" autocomplete="off"
      required=${isNew && isRequired} error=${errors[`config.${name}`] ?? errors[name]} />`;
  });
}

/** What was said of `config`; undefined where nothing was. */
export function readConfig(said) {
  const given = Object.entries(said).filter(([name, value]) => name.startsWith("config.") && value.trim());
  return given.length ? Object.fromEntries(given.map(([name, value]) => [name.slice(7), value.trim()])) : undefined;
}

export const takesProxy = (provider) => provider !== "simulator";

async function start(account, provider, close) {
  accounts.put(account);
  accounts.put(await post(`/api/accounts/${account.id}/connect`));
  close(account);
  if (provider.pairing.length) openCode(account).catch(toastError);
  else toast(t("editor.connecting", { name: account.name }));
}

function Form({ account, providers, close }) {
  const usable = providers.filter((one) => one.isEnabled);
  const [chosen, setChosen] = useState(account?.provider ?? usable[0]?.provider);
  const [preset, setPreset] = useState(account && !account.useLimits ? "unlimited" : "limited");
  const [stage, setStage] = useState("");
  const provider = providers.find((one) => one.provider === chosen) ?? { config: [], pairing: [] };
  const isNew = !account;
  const form = useForm(async (said) => {
    const asked = { name: said.name.trim(), useLimits: preset === "limited", limits: readLimits(said, preset === "limited") };
    const config = readConfig(said);
    if (config) asked.config = config;
    if (said.proxy?.trim()) asked.proxy = said.proxy.trim();
    if (!isNew) {
      accounts.put(await put(`/api/accounts/${account.id}`, asked));
      toast(t("editor.saved"));
      return close(account);
    }
    setStage(t("editor.creating"));
    try {
      const created = await post("/api/accounts", { ...asked, provider: chosen });
      setStage(t("editor.starting"));
      await start(created, provider, close);
    } finally {
      setStage("");
    }
  });
  const isOther = Object.keys(form.errors).some((name) => name.startsWith("limits.") || name === "proxy");
  return html`<${Dialog} title=${isNew ? t("editor.add") : t("editor.edit", { name: account.name })} close=${close} kind="wide" actions=${html`
      <span class="quiet small push" role="status">${stage}</span>
      <${Button} onClick=${() => close()}>${t("dialog.cancel")}<//>
      <${Button} kind="primary" type="submit" form="editor" busy=${form.isBusy}>${t(isNew ? "editor.create" : "editor.save")}<//>`}>
    <form class="form" id="editor" onSubmit=${form.onSubmit}>
      <${FormProblem} error=${form.problem} />
      <${Field} label=${t("editor.name")} hint=${t("editor.nameHint")} name="name" maxlength="200" required autofocus autocomplete="off" defaultValue=${account?.name ?? ""} error=${form.errors.name} />
      ${isNew && html`<${Choice} label=${t("editor.provider")} name="provider" value=${chosen} options=${cards(providers)} onChange=${setChosen} />`}
      <${Config} fields=${provider.config} errors=${form.errors} isNew=${isNew} />
      <${Choice} label=${t("editor.pace")} name="preset" value=${preset} options=${presets()} onChange=${setPreset} />
      <p class="notice ${preset === "limited" ? "info" : "wait"}">${t(preset === "limited" ? "editor.advice" : "editor.warning")}</p>
      <details open=${isOther}><summary>${t("editor.more")}</summary>
        <div class="form">
          ${takesProxy(chosen) && html`<${Field} label=${t("editor.proxy")} hint=${t("editor.proxyHint")} name="proxy" autocomplete="off" spellcheck=${false} placeholder="socks5://user:password@host:1080" error=${form.errors.proxy} />`}
          <${Limits} limits=${account?.limits} useLimits=${preset === "limited"} errors=${form.errors} />
        </div>
      </details>
    </form>
  <//>`;
}

export const loadProviders = async (options) => (await get("/api/v1/multi-provider/active-providers", options)).providers;

export function Editor({ account, close }) {
  const load = useLoad(loadProviders, [], { refetch: false });
  if (load.data) return html`<${Form} account=${account} providers=${load.data} close=${close} />`;
  return html`<${Dialog} title=${t("editor.add")} close=${close} kind="wide">
    <${View} load=${load} skeleton=${html`<${Bones} rows=${4} height=${64} />`}>${() => ""}<//>
  <//>`;
}
