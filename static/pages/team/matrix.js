import { html, Icon } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { Menu } from "../../parts/menu.js";
import { providerIcon } from "../../parts/status.js";
import { menuOf } from "./people.js";
import { Ticks } from "./ticks.js";

function Row({ manager, shown, load }) {
  return html`<tr>
    <th scope="row" class="team-who"><div class="team-person"><div><b><bdi>${manager.name}</bdi></b>${manager.name !== manager.email && html`<p class="small quiet"><bdi>${manager.email}</bdi></p>`}</div>
      <${Menu} label=${t("team.more", { name: manager.name })} items=${menuOf(manager, load)} /></div></th>
    ${shown.map((account) => html`<td key=${account.id}><${Ticks} account=${account} manager=${manager} /></td>`)}
  </tr>`;
}

/** Managers down, accounts across. */
export function Matrix({ managers, shown, load }) {
  return html`<div class="team-frame card" tabindex="0" role="region" aria-label=${t("team.matrix")}><table class="team-matrix">
    <thead><tr><th class="team-who" scope="col">${t("team.manager")}</th>
      ${shown.map((account) => html`<th scope="col" key=${account.id}><span class="team-account" title=${account.name}><${Icon} name=${providerIcon(account.provider)} size=${16} /><bdi>${account.name}</bdi></span></th>`)}</tr></thead>
    <tbody>${managers.map((manager) => html`<${Row} key=${manager.id} manager=${manager} shown=${shown} load=${load} />`)}</tbody>
  </table></div>`;
}
