//! `/api/auth`: register a company, sign in, sign out.

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder};
use entity::ids::{CompanyId, LoginId, UserId};
use entity::user::{ActiveModel, Model, Role};
use garde::Validate;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use super::accounts::Done;
use super::read::{Body, OptionalBody};
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::login::{self, NewUser, normal_email};
use crate::auth::{COOKIE, Caller, Who, password};
use crate::error::ApiError;
use crate::realtime::Event;
use crate::view::Timestamp;

/// A user as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserView {
    id: UserId,
    email: String,
    first_name: Option<String>,
    last_name: Option<String>,
    role: Role,
    company_id: CompanyId,
    created_at: Timestamp,
}

impl From<Model> for UserView {
    fn from(user: Model) -> Self {
        Self {
            id: user.id,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role: user.role,
            company_id: user.company_id,
            created_at: Timestamp::ms(user.created_at_ms),
        }
    }
}

/// garde's check of an e-mail address: whether mail arrives there nobody can tell by looking.
pub(super) fn is_email(text: &str, (): &()) -> garde::Result {
    let email = normal_email(text);
    let is_email = email.len() <= 254
        && email
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && !email.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_email { Ok(()) } else { Err(garde::Error::new("must be an e-mail address")) }
}

/// garde's check of a password.
pub(super) fn is_password(text: &str, (): &()) -> garde::Result {
    if password::LENGTH.contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(garde::Error::new("must have 8 to 200 characters"))
    }
}

/// A company, and its first admin.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// What people call the company.
    #[garde(custom(text(1..=200)))]
    #[schema(min_length = 1, max_length = 200, example = "Clinic")]
    company_name: String,
    /// What the admin signs in with.
    #[garde(custom(is_email))]
    #[schema(max_length = 254, example = "admin@clinic.example")]
    email: String,
    /// 8 to 200 characters.
    #[garde(custom(is_password))]
    #[schema(min_length = 8, max_length = 200)]
    password: String,
    #[garde(inner(custom(text(1..=100))))]
    #[schema(min_length = 1, max_length = 100)]
    first_name: Option<String>,
    #[garde(inner(custom(text(1..=100))))]
    #[schema(min_length = 1, max_length = 100)]
    last_name: Option<String>,
}

/// Somebody signed in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LoginView {
    #[schema(example = true)]
    success: bool,
    /// For `Authorization: Bearer`, and for Socket.IO's `auth: {token}`.
    token: String,
    user: UserView,
    company: CompanyView,
}

/// A company as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CompanyView {
    id: CompanyId,
    name: String,
}

/// Counts an attempt of whoever makes the request to be, or to make, this user.
pub(super) fn count_attempt(app: &App, request: &HttpRequest, email: &str) -> Result<(), ApiError> {
    app.guard
        .attempts
        .count(app.guard.address(request), &normal_email(email))
        .map_err(|after| ApiError::TooMany { after })
}

/// Counts a password that is about to be hashed for a company, or for somebody's own use.
pub(super) fn count_hash(app: &App, company: CompanyId, own: Option<UserId>) -> Result<(), ApiError> {
    app.guard.attempts.count_hash(company, own).map_err(|after| ApiError::TooMany { after })
}

pub(super) async fn company(app: &App, id: CompanyId) -> Result<CompanyView, ApiError> {
    let company = app.store.company(id).await?.ok_or(ApiError::NotFound("company"))?;
    Ok(CompanyView { id, name: company.name })
}

/// The answer to who has just signed in: the token, and the cookie for browsers.
async fn signed_in(app: &App, user: Model, mut response: HttpResponseBuilder) -> Result<HttpResponse, ApiError> {
    let (token, lasts) = app.guard.sign_in(&user).await?;
    let lasts = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    let cookie = cookie(app, token.clone()).max_age(time::Duration::seconds(lasts)).finish();
    let company = company(app, user.company_id).await?;
    Ok(response.cookie(cookie).json(LoginView { success: true, token, user: user.into(), company }))
}

/// Not for scripts, not sent along from elsewhere, and in the clear only where the server is.
fn cookie(app: &App, token: String) -> actix_web::cookie::CookieBuilder<'static> {
    let is_secure = app.board.public_url.starts_with("https://");
    Cookie::build(COOKIE, token).path("/").http_only(true).same_site(SameSite::Lax).secure(is_secure)
}

/// Registers a company, with its first admin signed in. An installation may have closed this.
#[utoipa::path(post, path = "/api/auth/register", tag = "people", request_body = Registration, security(()),
    responses((status = 201, body = LoginView), ApiError))]
pub async fn register(
    app: Data<App>,
    request: HttpRequest,
    body: Body<Registration>,
) -> Result<HttpResponse, ApiError> {
    if !app.config.registration {
        let message = "companies are not registered here; ask the operator";
        return Err(ApiError::Forbidden { code: "registration_closed", message });
    }
    let asked = body.0;
    check(&asked)?;
    count_attempt(&app, &request, &asked.email)?;
    let now = app.clock.now();
    let new = NewUser {
        email: asked.email,
        password: asked.password,
        first_name: asked.first_name,
        last_name: asked.last_name,
        role: Role::Admin,
    };
    let company = CompanyId::new(now, &mut rand::rng());
    let user = login::create(&app.store, now, company, Some(asked.company_name), new).await?;
    signed_in(&app, user, HttpResponse::Created()).await
}

/// What somebody signs in with.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    #[garde(custom(text(0..=254)))]
    #[schema(max_length = 254, example = "admin@clinic.example")]
    email: String,
    #[garde(custom(text(0..=200)))]
    #[schema(max_length = 200)]
    password: String,
    /// In which company, for who has users with the same address and password in several.
    #[garde(skip)]
    company_id: Option<CompanyId>,
}

/// Signs in: a token, and the same as a cookie.
#[utoipa::path(post, path = "/api/auth/login", tag = "people", request_body = Credentials, security(()),
    responses((status = 200, body = LoginView), ApiError))]
pub async fn login(app: Data<App>, request: HttpRequest, body: Body<Credentials>) -> Result<HttpResponse, ApiError> {
    let asked = body.0;
    check(&asked)?;
    count_attempt(&app, &request, &asked.email)?;
    let wrong = "no user has this e-mail address and this password";
    let user = app.guard.check_password(&asked.email, &asked.password, asked.company_id).await?;
    signed_in(&app, user.ok_or(ApiError::Unauthorized(wrong))?, HttpResponse::Ok()).await
}

/// Sets the names that are given; the others stay.
pub(super) fn set_names(row: &mut ActiveModel, first: Option<&String>, last: Option<&String>) {
    if let Some(name) = first {
        row.first_name = Set(Some(name.clone()));
    }
    if let Some(name) = last {
        row.last_name = Set(Some(name.clone()));
    }
}

/// Ends all of a user's logins, but for one.
pub(super) fn end_logins(now: &Model, row: &mut ActiveModel, but: Option<LoginId>) {
    row.token_epoch = Set(now.token_epoch.wrapping_add(1));
    row.kept_login = Set(but);
}

/// Which logins end.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Logout {
    /// All of the person's, on every device; this one alone unless said.
    everywhere: bool,
}

/// Signs out: the token is worth nothing from here on, and its sockets are cut.
#[utoipa::path(post, path = "/api/auth/logout", tag = "people", request_body = Option<Logout>,
    responses((status = 200, body = Done), ApiError))]
pub async fn logout(caller: Caller, app: Data<App>, body: OptionalBody<Logout>) -> Result<impl Responder, ApiError> {
    match &caller.who {
        Who::Person(person) if body.0.everywhere => {
            let end_all = app.store.change_user(person.user.id, |now, row| {
                end_logins(now, row, None);
                true
            });
            end_all.await?;
            app.shut_out(caller.company, person.user.id, None);
        }
        Who::Person(person) => {
            app.store.end_login(person.login, person.expires_at, app.clock.now()).await?;
            app.guard.forget(caller.company);
            app.bus.tell(caller.company, None, Event::LoginEnded { login: person.login });
        }
        Who::Anyone | Who::Operator | Who::Program(..) => {}
    }
    let mut response = HttpResponse::Ok();
    let mut empty = cookie(&app, String::new()).finish();
    empty.make_removal();
    Ok(response.cookie(empty).json(Done::new("signed out")))
}
