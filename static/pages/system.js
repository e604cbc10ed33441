// The system: whether all of it answers, and what it holds.

import { get } from "../lib/api.js";
import { html, useEffect, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { accountsKnown, loadAccounts } from "../lib/store.js";
import { Button, copy } from "../parts/button.js";
import { Page } from "../parts/shell.js";
import { Bones, Problem, useLoad, View } from "../parts/state.js";
import { toast } from "../parts/toast.js";
import { Accounts, Health, Messages, Providers } from "./system/cards.js";
import { Load, Memory, Ports } from "./system/load.js";
import { usePulse } from "./system/pulse.js";
import { reportOf } from "./system/report.js";

async function hand(report) {
  if (await copy(report)) toast(t("system.reportDone"));
  else toast(t("copy.failed"), { kind: "error" });
}

export default function System() {
  const pulse = usePulse();
  const load = useLoad(async (options) => {
    const [{ providers }] = await Promise.all([get("/api/v1/multi-provider/active-providers", options), accountsKnown.peek() ? null : loadAccounts(options)]);
    return providers;
  });
  const [isShown, setShown] = useState(false);
  useEffect(() => { if (pulse.health && load.error) load.reload(); }, [pulse.at]);
  const report = () => reportOf({ ...pulse, providers: load.data });
  if (!pulse.health && pulse.error && load.error) return html`<${Page} title=${t("nav.system")}><${Problem} error=${pulse.error} retry=${load.reload} /><//>`;
  return html`<${Page} title=${t("nav.system")} actions=${html`<${Button} icon="copy" onClick=${() => hand(report())}>${t("system.copy")}<//>`}>
    <${View} load=${load} skeleton=${html`<${Bones} rows=${3} height=${220} />`}>${(providers) => html`
      <div class="system-cards"><${Health} ...${pulse} /><${Load} figures=${pulse.figures} /><${Memory} figures=${pulse.figures} /><${Accounts} figures=${pulse.figures} /><${Messages} /><${Ports} figures=${pulse.figures} /><${Providers} providers=${providers} /></div>
      <details class="system-report" onToggle=${(event) => setShown(event.currentTarget.open)}><summary>${t("system.report")}</summary>
        <p class="small quiet">${t("system.reportText")}</p>
        ${isShown && html`<pre tabindex="0" role="group" aria-label=${t("system.report")}>${report()}</pre>`}</details>`}<//>
  <//>`;
}
