// What can be done to an account, from its row and from its own page.

import { post, remove } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { pretty } from "../../lib/phone.js";
import { accounts, loadAccount, may } from "../../lib/store.js";
import { copyAndSay } from "../../parts/button.js";
import { ask, show } from "../../parts/dialog.js";
import { statusOf } from "../../parts/status.js";
import { toast, toastError, undoable } from "../../parts/toast.js";

const at = (id, path = "") => `/api/accounts/${id}${path}`;

function paused(id, isPaused) {
  const account = accounts.of(id).peek();
  if (account?.queue) accounts.put({ id, queue: { ...account.queue, isPaused, pauseReason: null } });
}

export async function pause(id) {
  await post(at(id, "/queue/pause"));
  paused(id, true);
}

export async function resume(account) {
  const go = async () => {
    await post(at(account.id, "/queue/resume"));
    paused(account.id, false);
  };
  const why = account.queue?.pauseReason;
  if (!why) return go();
  await ask({
    title: t("resume.title", { name: account.name }),
    text: [t("resume.why", { reason: why }), t("resume.text", { n: account.queueLength })],
    action: t("account.resume"),
    isDangerous: false,
    run: go,
  });
}

/** Starts to connect; where it has to be paired, the code is shown. */
export async function connect(account) {
  accounts.put(await post(at(account.id, "/connect")));
}

export async function openCode(account) {
  const { Pairing } = await import("../../parts/qr.js");
  await show((close) => html`<${Pairing} id=${account.id} close=${close} />`);
}

export async function pair(account) {
  if (!["QR_READY", "CONNECTING", "AUTHENTICATING"].includes(account.status)) await connect(account);
  openCode(account).catch(toastError);
}

export async function disconnect(account) {
  accounts.put(await post(at(account.id, "/disconnect")));
  undoable(t("disconnect.done", { name: account.name }), () => connect(account));
}

export const unpair = (account) => ask({
  title: t("unpair.title", { name: account.name }),
  text: [t("unpair.text", { number: pretty(account.phoneNumber) }), account.queueLength ? t("unpair.queue", { n: account.queueLength }) : ""].filter(Boolean),
  action: t("account.unpair"),
  run: async () => {
    accounts.put(await post(at(account.id, "/disconnect"), { logout: true }));
    toast(t("unpair.done", { name: account.name }));
  },
});

export const clearQueue = (account, then) => ask({
  title: t("clear.title", { n: account.queueLength }),
  text: t("clear.text", { name: account.name }),
  action: t("clear.action"),
  run: async () => {
    const { cleared } = await remove(at(account.id, "/queue"));
    toast(t("clear.done", { n: cleared }));
    loadAccount(account.id).catch(() => {});
    then?.();
  },
});

export const drop = (account, then) => ask({
  title: t("delete.title", { name: account.name }),
  text: [account.queueLength ? t("delete.queue", { n: account.queueLength }) : t("delete.noQueue"), t("delete.text")],
  typed: account.name,
  action: t("delete.action"),
  run: async () => {
    await remove(at(account.id));
    accounts.drop(account.id);
    toast(t("delete.done", { name: account.name }));
    then?.();
  },
});

export async function openEditor(account = null) {
  const { Editor } = await import("./editor.js");
  return show((close) => html`<${Editor} account=${account} close=${close} />`);
}

/** The one button of a status that calls for something. */
export function remedyOf(account) {
  const { remedy } = statusOf(account);
  if (!remedy || !may(account, "canAdmin")) return null;
  const remedies = {
    code: { icon: "qr-code", text: t("account.showCode"), run: () => void openCode(account).catch(toastError) },
    newCode: { icon: "qr-code", text: t("account.newCode"), run: () => pair(account) },
    pair: { icon: "link", text: t("account.pair"), run: () => pair(account) },
    connect: { icon: "plug", text: t("account.connect"), run: () => connect(account) },
    settings: { icon: "settings", text: t("account.openSettings"), href: `/accounts/${account.id}/settings` },
    resume: { icon: "play", text: t("account.resume"), run: () => resume(account) },
  };
  return remedies[remedy];
}

/** What ⋮ holds. */
export function menuOf(account, { then, isOpen = false } = {}) {
  const isAdmin = may(account, "canAdmin");
  const isOn = !["DISCONNECTED", "FAILED"].includes(account.status);
  return [
    !isOpen && { icon: "info", text: t("account.open"), href: `/accounts/${account.id}` },
    account.qrUrl && { icon: "link", text: t("account.copyLink"), run: () => copyAndSay(account.qrUrl) },
    { icon: "copy", text: t("account.copyId"), run: () => copyAndSay(account.id) },
    isAdmin && { icon: "pencil", text: t("account.edit"), run: () => openEditor(account).catch(toastError) },
    isAdmin && "-",
    isAdmin && account.queueLength > 0 && { icon: "ban", text: t("account.clear", { n: account.queueLength }), isDangerous: true, run: () => clearQueue(account) },
    isAdmin && isOn && { icon: "unplug", text: t("account.disconnect"), run: () => disconnect(account).catch(toastError) },
    isAdmin && account.isPaired && { icon: "unlink", text: t("account.unpair"), isDangerous: true, run: () => unpair(account) },
    isAdmin && { icon: "trash-2", text: t("account.delete"), isDangerous: true, run: () => drop(account, then) },
  ];
}
