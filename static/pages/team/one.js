// Where there is no room for a matrix: one manager at a time.

import { html, Icon } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { accounts } from "../../lib/store.js";
import { providerIcon } from "../../parts/status.js";
import { accountsOf } from "./grants.js";
import { Ticks } from "./ticks.js";

export function List({ managers }) {
  return html`<ul class="team-list card" aria-label=${t("team.list")}>
    ${managers.map((manager) => html`<li key=${manager.id}><a class="team-link" href="/team?manager=${manager.id}">
      <span><b><bdi>${manager.name}</bdi></b>${manager.name !== manager.email && html`<small><bdi>${manager.email}</bdi></small>`}
        <small>${t("team.of", { n: accountsOf(manager.id).length, total: accounts.ids.value.length })}</small></span>
      <${Icon} name="chevron-right" /></a></li>`)}
  </ul>`;
}

export function One({ manager, shown }) {
  return html`<div class="stack">
    ${manager.name !== manager.email && html`<p class="quiet"><bdi>${manager.email}</bdi></p>`}
    <ul class="team-list card" aria-label=${t("team.accounts", { name: manager.name })}>
      ${shown.map((account) => html`<li key=${account.id} class="team-one"><h2 class="team-account"><${Icon} name=${providerIcon(account.provider)} size=${18} /><bdi>${account.name}</bdi></h2>
        <${Ticks} account=${account} manager=${manager} /></li>`)}
    </ul>
  </div>`;
}
