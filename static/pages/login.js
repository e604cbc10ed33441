import { post } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { LANGUAGES, language, speak, t } from "../lib/i18n.js";
import { place } from "../lib/router.js";
import { mayRegister } from "../lib/store.js";
import { Button } from "../parts/button.js";
import { Field, FormProblem, PasswordField, useForm } from "../parts/field.js";
import { useTitle } from "../parts/shell.js";
import { toastError } from "../parts/toast.js";

const ICON = new URL("../icon.svg", import.meta.url).href;

/** Where to go once signed in: an address of ours only. */
function next(user) {
  const wanted = place.value.query.next;
  // As the browser would read it: it drops tabs and line breaks, and takes `\` for `/`.
  const url = wanted?.startsWith("/") && URL.canParse(wanted, location.origin) ? new URL(wanted, location.origin) : null;
  if (url?.origin === location.origin) return url.pathname + url.search;
  return user.role === "manager" ? "/chats" : "/";
}

const wrongPassword = (error) => {
  if (error.status === 401) error.code = "wrong_login";
  throw error;
};

function SignIn() {
  const form = useForm(async ({ email, password }) => {
    const { user } = await post("/api/auth/login", { email, password }).catch(wrongPassword);
    location.assign(next(user));
  });
  return html`<form class="form" method="post" onSubmit=${form.onSubmit}>
    <${FormProblem} error=${form.problem} />
    <${Field} label=${t("login.email")} name="email" type="email" autocomplete="username" inputmode="email" required autofocus error=${form.errors.email} />
    <${PasswordField} label=${t("login.password")} name="password" autocomplete="current-password" required error=${form.errors.password} />
    <${Button} type="submit" kind="primary" busy=${form.isBusy}>${t("login.signIn")}<//>
  </form>`;
}

function Register() {
  const form = useForm(async ({ firstName, lastName, ...rest }) => {
    const names = Object.fromEntries(Object.entries({ firstName, lastName }).filter(([, name]) => name.trim()));
    await post("/api/auth/register", { ...rest, ...names });
    location.assign("/");
  });
  return html`<form class="form" method="post" onSubmit=${form.onSubmit}>
    <${FormProblem} error=${form.problem} />
    <${Field} label=${t("login.company")} name="companyName" autocomplete="organization" maxlength="200" required autofocus error=${form.errors.companyName} />
    <${Field} label=${t("login.email")} name="email" type="email" autocomplete="username" inputmode="email" required error=${form.errors.email} />
    <${PasswordField} label=${t("login.password")} name="password" autocomplete="new-password" minlength="8" maxlength="200" required hint=${t("login.passwordHint")} error=${form.errors.password} />
    <${Field} label=${t("login.firstName")} name="firstName" autocomplete="given-name" maxlength="100" error=${form.errors.firstName} />
    <${Field} label=${t("login.lastName")} name="lastName" autocomplete="family-name" maxlength="100" error=${form.errors.lastName} />
    <${Button} type="submit" kind="primary" busy=${form.isBusy}>${t("login.register")}<//>
  </form>`;
}

export default function Login() {
  const [isNew, setNew] = useState(false);
  const title = t(isNew ? "login.registerTitle" : "login.title");
  useTitle(title);
  return html`<main class="login" id="main" tabindex="-1">
    <div class="login-head">
      <p class="login-brand"><img src=${ICON} alt="" width="32" height="32" /> Andante</p>
      <div class="login-languages" role="group" aria-label=${t("language.title")}>
        ${Object.entries(LANGUAGES).map(([tag, name]) => html`<button type="button" lang=${tag} aria-pressed=${String(language.value === tag)}
          onClick=${() => speak(tag, true).catch(toastError)}>${name}</button>`)}
      </div>
    </div>
    <div class="card login-card">
      <h1>${title}</h1>
      ${isNew ? html`<${Register} />` : html`<${SignIn} />`}
      <div class="login-other">
        ${mayRegister
          ? html`<p class="quiet">${t(isNew ? "login.haveOne" : "login.haveNone")}</p>
            <${Button} onClick=${() => setNew(!isNew)}>${t(isNew ? "login.signIn" : "login.register")}<//>`
          : html`<p class="quiet">${t("login.closed")}</p>`}
      </div>
    </div>
  </main>`;
}
