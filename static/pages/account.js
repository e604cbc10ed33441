import { html, Icon, useEffect, useRef, useState } from "../lib/html.js";
import { number, t } from "../lib/i18n.js";
import { go } from "../lib/router.js";
import { accounts, loadAccount, may } from "../lib/store.js";
import { ApiError } from "../lib/api.js";
import { Button, Copy } from "../parts/button.js";
import { Menu } from "../parts/menu.js";
import { Page } from "../parts/shell.js";
import { Bones, Loading, Problem } from "../parts/state.js";
import { Status } from "../parts/status.js";
import { Access } from "./account/access.js";
import { Log } from "./account/log.js";
import { Now } from "./account/now.js";
import { Queue } from "./account/queue.js";
import { Settings } from "./account/settings.js";
import { menuOf, pause, resume } from "./accounts/actions.js";
import { numberOf } from "./accounts/row.js";

const TABS = { now: Now, queue: Queue, access: Access, settings: Settings, log: Log };
const FOR_ADMINS = ["access", "settings"];

function Tabs({ account, current }) {
  const names = Object.keys(TABS).filter((name) => may(account, "canAdmin") || !FOR_ADMINS.includes(name));
  const self = useRef(null);
  useEffect(() => self.current.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [current]);
  return html`<nav class="tabs" ref=${self} aria-label=${t("account.tabs")}>${names.map((name) => html`
    <a key=${name} href="/accounts/${account.id}${name === "now" ? "" : `/${name}`}" aria-current=${name === current ? "page" : undefined}>
      ${t(`account.${name}Tab`)}${name === "queue" && account.queueLength > 0 ? html` <span class="chip">${number(account.queueLength)}</span>` : ""}</a>`)}</nav>`;
}

function Actions({ account }) {
  const isPaused = account.queue?.isPaused;
  return html`
    ${may(account, "canAdmin") && html`<${Button} icon=${isPaused ? "play" : "pause"} kind=${isPaused ? "primary" : ""}
      onClick=${() => (isPaused ? resume(account) : pause(account.id))}>${t(isPaused ? "account.resume" : "account.pause")}<//>`}
    <a class="button" href="/chats?account=${account.id}"><${Icon} name="message-circle" size=${18} /><span>${t("account.chats")}</span></a>
    <${Menu} label=${t("account.more", { name: account.name })} items=${menuOf(account, { isOpen: true, then: () => go("/") })} />`;
}

export default function Account({ params: { id, tab = "now" } }) {
  const [error, setError] = useState(null);
  const [isAsked, setAsked] = useState(false);
  const account = accounts.of(id).value;
  const load = () => {
    setError(null);
    return loadAccount(id).catch(setError).finally(() => setAsked(true));
  };
  useEffect(() => { load(); }, [id]);
  if (!account) {
    return html`<${Page} title=${t("nav.accounts")} back="/">
      ${error && html`<${Problem} error=${error} retry=${load} />`}
      ${!error && isAsked && html`<${Problem} error=${new ApiError(404, { code: "account_not_found" })} />`}
      ${!error && !isAsked && html`<${Loading} skeleton=${html`<${Bones} rows=${3} height=${140} />`} />`}
    <//>`;
  }
  const Tab = (may(account, "canAdmin") || !FOR_ADMINS.includes(tab)) && Object.hasOwn(TABS, tab) && TABS[tab];
  const after = html`<span class="account-head"><${Status} account=${account} />
    <span class="quiet nowrap">${numberOf(account)}</span>${account.phoneNumber && html`<${Copy} text=${account.phoneNumber} label=${t("account.copyNumber")} />`}</span>`;
  return html`<${Page} title=${account.name} back="/" after=${after} actions=${html`<${Actions} account=${account} />`} class="account">
    <${Tabs} account=${account} current=${tab} />
    ${Tab ? html`<${Tab} key=${id} account=${account} />` : html`<${Problem} error=${new ApiError(may(account, "canAdmin") ? 404 : 403, { code: may(account, "canAdmin") ? "address_not_found" : "forbidden" })} />`}
  <//>`;
}
