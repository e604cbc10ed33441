import { html } from "../../lib/html.js";
import { number, t } from "../../lib/i18n.js";
import { DEFAULTS, NUMBERS, SPANS, zones } from "../../lib/limits.js";
import { Field } from "../../parts/field.js";

const MOST = { warmupDays: 3650 };
const errorOf = (errors, name) => errors[`limits.${name}`];

function Span({ name, value, preset, errors }) {
  const [min, max] = value ?? [];
  const seconds = (ms) => (ms === undefined ? "" : ms / 1000);
  return html`<fieldset class="limits-span ${errorOf(errors, name) ? "is-wrong" : ""}">
    <legend>${t(`limits.${name}`)}</legend>
    <div class="line">
      <input type="number" name="${name}Min" min="0" max="86400" step="0.1" inputmode="decimal" defaultValue=${seconds(min)} placeholder=${number(preset[0] / 1000)} aria-label=${t("limits.from", { what: t(`limits.${name}`) })} />
      <span aria-hidden="true">–</span>
      <input type="number" name="${name}Max" min="0" max="86400" step="0.1" inputmode="decimal" defaultValue=${seconds(max)} placeholder=${number(preset[1] / 1000)} aria-label=${t("limits.to", { what: t(`limits.${name}`) })} />
      <span class="quiet">${t("limits.seconds")}</span>
    </div>
    ${errorOf(errors, name) && html`<p class="wrong">${errorOf(errors, name)}</p>`}
  </fieldset>`;
}

/** The fields of `limits`; what is left empty is the preset's, shown as the placeholder. */
export function Limits({ limits = {}, useLimits, errors }) {
  const preset = useLimits ? DEFAULTS.limited : DEFAULTS.unlimited;
  const [from, to] = limits.quietHours ?? [];
  return html`<div class="limits">
    <p class="hint limits-wide">${t("limits.hint")}</p>
    ${NUMBERS.map((name) => html`<${Field} key=${name} label=${t(`limits.${name}`)} name=${name} type="number" inputmode="numeric" min=${name === "warmupDays" ? 0 : 1} max=${MOST[name] ?? 4294967295} step="1"
      defaultValue=${limits[name] ?? ""} placeholder=${preset[name] === null ? t("limits.none") : number(preset[name])} error=${errorOf(errors, name)} />`)}
    ${SPANS.map((name) => html`<${Span} key=${name} name=${name} value=${limits[name]} preset=${preset[name]} errors=${errors} />`)}
    <fieldset class="limits-span ${errorOf(errors, "quietHours") ? "is-wrong" : ""}">
      <legend>${t("limits.quietHours")}</legend>
      <div class="line">
        <input type="time" name="quietFrom" defaultValue=${from ?? ""} aria-label=${t("limits.from", { what: t("limits.quietHours") })} /><span aria-hidden="true">–</span>
        <input type="time" name="quietTo" defaultValue=${to ?? ""} aria-label=${t("limits.to", { what: t("limits.quietHours") })} />
      </div>
      <p class="hint">${t("limits.quietHint")}</p>
      ${errorOf(errors, "quietHours") && html`<p class="wrong">${errorOf(errors, "quietHours")}</p>`}
    </fieldset>
    <${Field} label=${t("limits.timezone")} hint=${t("limits.timezoneHint")} name="timezone" list="limits-zones" autocomplete="off" defaultValue=${limits.timezone ?? ""} placeholder="UTC" error=${errorOf(errors, "timezone")} />
    <datalist id="limits-zones">${zones().map((zone) => html`<option value=${zone} />`)}</datalist>
    <${Field} label=${t("limits.typing")} name="typing" as="select" defaultValue=${limits.typing === undefined ? "" : limits.typing ? "yes" : "no"} error=${errorOf(errors, "typing")}>
      ${["", "yes", "no"].map((value) => html`<option value=${value} selected=${value === (limits.typing === undefined ? "" : limits.typing ? "yes" : "no")}>${t(`limits.typing${value || "Preset"}`)}</option>`)}
    <//>
  </div>`;
}

/** The two presets, as cards with what they mean. */
export function presets() {
  return [
    { value: "limited", icon: "gauge", title: t("limits.limited"), text: t("limits.limitedText") },
    { value: "unlimited", icon: "activity", title: t("limits.unlimited"), text: t("limits.unlimitedText") },
  ];
}
