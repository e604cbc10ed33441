import { put } from "../lib/api.js";
import { html } from "../lib/html.js";
import { t } from "../lib/i18n.js";
import { me } from "../lib/store.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";
import { Field, FormProblem, PasswordField, useForm } from "./field.js";
import { toast } from "./toast.js";

/** What people change of themselves. */
export function Profile({ close }) {
  const { user } = me.value;
  const form = useForm(async (said) => {
    const changes = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== ""));
    try {
      me.value = await put("/api/auth/me", changes);
    } catch (error) {
      if (error.code === "wrong_password") return form.setErrors({ currentPassword: t("error.wrong_password") });
      throw error;
    }
    toast(t("profile.saved"));
    close();
  });
  return html`<${Dialog} title=${t("profile.title")} close=${close} actions=${html`
      <${Button} onClick=${() => close()}>${t("dialog.cancel")}<//>
      <${Button} kind="primary" type="submit" form="profile" busy=${form.isBusy}>${t("profile.save")}<//>`}>
    <form class="form" id="profile" method="post" onSubmit=${form.onSubmit}>
      <p class="quiet">${user.email}</p>
      <${FormProblem} error=${form.problem} />
      <${Field} label=${t("profile.firstName")} name="firstName" autocomplete="given-name" maxlength="100" defaultValue=${user.firstName ?? ""} error=${form.errors.firstName} />
      <${Field} label=${t("profile.lastName")} name="lastName" autocomplete="family-name" maxlength="100" defaultValue=${user.lastName ?? ""} error=${form.errors.lastName} />
      <${PasswordField} label=${t("profile.newPassword")} name="password" autocomplete="new-password" minlength="8" maxlength="200" hint=${t("profile.newPasswordHint")} error=${form.errors.password} />
      <${PasswordField} label=${t("profile.currentPassword")} name="currentPassword" autocomplete="current-password" required error=${form.errors.currentPassword} />
    </form>
  <//>`;
}
