// The head of a conversation: with whom, from which account, and what can be done with the chat.

import { put } from "../../lib/api.js";
import { html, Icon } from "../../lib/html.js";
import { t } from "../../lib/i18n.js";
import { pretty } from "../../lib/phone.js";
import { may } from "../../lib/store.js";
import { Button, Copy, copyAndSay } from "../../parts/button.js";
import { Dialog, show } from "../../parts/dialog.js";
import { Field, FormProblem, useForm } from "../../parts/field.js";
import { Menu } from "../../parts/menu.js";
import { providerName } from "../../parts/status.js";
import { toastError, undoable } from "../../parts/toast.js";
import { Face, nameOf, numberOf } from "./names.js";
import { typingIn } from "./typing.js";

const change = (chat, changes) => put(`/api/whatsapp/sessions/${chat.sessionId}/chats/${chat.id}`, changes);

/** Puts a chat away, or takes it out again. */
export async function archive(chat, isArchived, changed) {
  changed((await change(chat, { isArchived })).data);
  undoable(t(isArchived ? "chats.archived" : "chats.unarchived", { name: nameOf(chat) }), async () => {
    changed((await change(chat, { isArchived: !isArchived })).data);
  });
}

function Rename({ chat, changed, close }) {
  const form = useForm(async ({ chatName }) => {
    const name = chatName.trim();
    if (name && name !== chat.chatName) {
      changed((await change(chat, { chatName: name })).data);
      undoable(t("chats.renamed", { name }), async () => changed((await change(chat, { chatName: chat.chatName })).data));
    }
    close();
  });
  return html`<${Dialog} title=${t("chats.rename")} close=${() => close()} actions=${html`
      <${Button} onClick=${() => close()}>${t("dialog.cancel")}<//>
      <${Button} kind="primary" type="submit" form="chats-rename" busy=${form.isBusy}>${t("chats.save")}<//>`}>
    <form class="form" id="chats-rename" onSubmit=${form.onSubmit}>
      <${FormProblem} error=${form.problem} />
      <${Field} label=${t("chats.name")} hint=${t("chats.nameHint")} name="chatName" required maxlength="200" autofocus autocomplete="off" defaultValue=${chat.chatName} error=${form.errors.chatName} />
    </form>
  <//>`;
}

function Under({ chat, account }) {
  if (typingIn(chat.sessionId, chat.chatId).value) return html`<span class="chats-types">${t("chats.types")}</span>`;
  const number = pretty(numberOf(chat));
  const isNamed = number && nameOf(chat) !== number;
  return html`<span>${[isNamed && number, account?.name, account && providerName(account.provider)].filter(Boolean).join(" · ")}</span>`;
}

export function Head({ chat, account, back, changed }) {
  const mayManage = may(account, "canManageChats");
  const number = numberOf(chat);
  const put = chat.isArchived;
  return html`<header class="chats-head">
    <a class="button quiet icon-only chats-back" href=${back} aria-label=${t("chats.toList")}><${Icon} name="chevron-left" size=${24} /></a>
    <${Face} chat=${chat} />
    <div class="chats-title"><h2 tabindex="-1">${nameOf(chat)}</h2><p><${Under} chat=${chat} account=${account} /></p></div>
    <div class="actions">
      ${number && html`<${Copy} text=${number} label=${t("chats.copyNumber")} />`}
      ${mayManage && html`<${Button} kind="quiet" icon=${put ? "archive-restore" : "archive"} label=${t(put ? "chats.unarchive" : "chats.toArchive")} onClick=${() => archive(chat, !put, changed)} />`}
      <${Menu} label=${t("chats.more")} items=${[
        mayManage && { icon: "pencil", text: t("chats.rename"), run: () => void show((close) => html`<${Rename} chat=${chat} changed=${changed} close=${close} />`).catch(toastError) },
        { icon: "copy", text: t("chats.copyId"), run: () => void copyAndSay(chat.id) },
        account && { icon: "plug", text: t("chats.toAccount"), href: `/accounts/${account.id}` },
      ]} />
    </div>
  </header>`;
}
