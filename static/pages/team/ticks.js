import { html } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { RIGHTS, rightsOf, tick } from "./grants.js";

/** What a manager may do with an account, to be ticked. */
export function Ticks({ account, manager }) {
  const rights = rightsOf(account.id, manager.id);
  const isKnown = rights !== null;
  return html`<div class="team-ticks" aria-busy=${isKnown ? undefined : "true"}>
    ${RIGHTS.map((right) => html`<label key=${right} class="team-tick">
      <input type="checkbox" checked=${Boolean(rights?.includes(right))} disabled=${!isKnown} aria-label=${t("team.cell", { right: t(`right.${right}`), manager: manager.name, account: account.name })}
        onChange=${(event) => void tick(account, manager, right, event.target.checked)} /><span aria-hidden="true">${t(`right.${right}`)}</span></label>`)}
  </div>`;
}
