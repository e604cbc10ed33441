// For those who write programs: the first call, keys, and what happens on the socket.

import { html, Icon, useEffect, useRef, useState } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { accountsKnown, loadAccounts } from "../lib/store.js";
import { Page } from "../parts/shell.js";
import { Bones, Loading } from "../parts/state.js";
import { FirstCall } from "./developers/call.js";
import { Events } from "./developers/events.js";
import { Keys } from "./developers/keys.js";

const TABS = { call: FirstCall, keys: Keys, events: Events };

export default function Developers({ query }) {
  const [isAlone, setAlone] = useState(false);
  // Without them there is a call all the same, only with no account's id in it.
  useEffect(() => { if (!accountsKnown.peek()) loadAccounts().catch(() => setAlone(true)); }, []);
  const tab = Object.hasOwn(TABS, query.tab ?? "") ? query.tab : "call";
  const Shown = TABS[tab];
  const tabs = useRef(null);
  useEffect(() => tabs.current.querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" }), [tab]);
  return html`<${Page} title=${t("nav.developers")} actions=${html`<a class="button" href="/docs/"><${Icon} name="book-open" size=${18} /><span>${t("developers.docs")}</span></a>`}>
    <nav class="tabs" ref=${tabs} aria-label=${t("developers.tabs")}>
      ${Object.keys(TABS).map((name) => html`<a key=${name} href=${name === "call" ? "/developers" : `/developers?tab=${name}`} aria-current=${name === tab ? "page" : undefined}>${t(`developers.${name}`)}</a>`)}
    </nav>
    ${accountsKnown.value || isAlone || tab !== "call" ? html`<${Shown} key=${tab} />` : html`<${Loading} skeleton=${html`<${Bones} rows=${3} height=${160} />`} />`}
  <//>`;
}
