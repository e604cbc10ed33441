import { When, when } from "../../lib/dates.js";
import { html, Icon, useMemo } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { ofChat, pretty } from "../../lib/phone.js";
import { accounts, accountsKnown } from "../../lib/store.js";
import { Gist } from "../../parts/gist.js";
import { addressOf } from "./filter.js";
import { MessageStatus, reasonOf } from "./status.js";

const MOST = 160;

/** A text's beginning, on one line. */
function beginning(text) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > MOST ? `${[...line.slice(0, MOST + 8)].slice(0, MOST).join("")}…` : line;
}

export const recipient = (to) => (to.includes("@") ? ofChat(to) : pretty(to));
export const nameOf = (accountId) => accounts.of(accountId).value?.name ?? (accountsKnown.value ? t("messages.gone") : "…");

function Row({ rows, id, filter }) {
  const message = rows.of(id).value;
  if (!message) return null;
  const reason = reasonOf(message);
  return html`<li><a class="messages-row" href=${addressOf({ ...filter, message: id })}>
    <span class="messages-time"><${When} at=${message.createdAt} as=${when} /></span>
    <span class="messages-who"><bdi class="messages-account">${nameOf(message.accountId)}</bdi> <span class="messages-number">→ <bdi>${recipient(message.to)}</bdi></span></span>
    <span class="messages-what"><bdi class="messages-text"><${Gist} message=${message} text=${beginning(message.message)} /></bdi>${message.reference && html` <bdi class="messages-reference">${message.reference}</bdi>`}</span>
    <span class="messages-became"><${MessageStatus} status=${message.status} />${reason && html`<span class="messages-reason" title=${reason}>${reason}</span>`}</span>
    <span class="messages-open"><${Icon} name="chevron-right" /></span>
  </a></li>`;
}

export function Rows({ list, filter }) {
  const ids = list.rows.ids.value;
  const drawn = useMemo(() => ids.map((id) => html`<${Row} key=${id} rows=${list.rows} id=${id} filter=${filter} />`), [ids, list, filter]);
  return html`<ol class="messages-rows card" aria-label=${t("messages.list")}>${drawn}</ol>`;
}
