//! `/api/accounts`: create, list, read, change, remove.

use std::sync::Arc;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, Responder};
use entity::account::Provider;
use entity::ids::AccountId;
use futures_util::future::try_join_all;
use garde::Validate;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::{id, present};
use super::list::{Listed, PageQuery};
use super::read::{Body, Query, object, present_object};
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::board::AccountView;
use crate::egress::Egress;
use crate::error::ApiError;
use crate::gateway::farewell::STILL_LINKED;
use crate::gateway::{check_config, check_proxy};
use crate::lane::change::NotConnected;
use crate::pacing::{Limits, Policy};
use crate::store::account::Account;

/// The account of an address, if the caller's company has it and the caller may do there what this
/// address of the API does.
pub(super) async fn find(app: &App, caller: &Caller, text: &str) -> Result<Arc<Account>, ApiError> {
    let id: AccountId = id(text, "account")?;
    let account = app.store.find_account(caller.company, id).await?.ok_or(ApiError::NotFound("account"))?;
    caller.check(account.id)?;
    Ok(account)
}

/// What an account is created with.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewAccount {
    /// What people call it.
    #[garde(custom(text(1..=200)))]
    #[schema(min_length = 1, max_length = 200, example = "My WhatsApp Account")]
    pub(super) name: String,
    /// True for new accounts, false for warmed-up ones; true unless said.
    #[garde(skip)]
    pub(super) use_limits: Option<bool>,
    /// Its messenger; unless said, the server's default.
    #[garde(skip)]
    pub(super) provider: Option<String>,
    /// Numbers that differ from the preset.
    #[garde(skip)]
    #[serde(default, deserialize_with = "object")]
    pub(super) limits: Option<Limits>,
    /// An `http`, `https`, `socks5` or `socks5h` proxy for its connection; a simulated account takes none.
    #[garde(inner(custom(text(0..=500))))]
    pub(super) proxy: Option<String>,
    /// What its messenger needs: `{"token": "…"}` for a Telegram bot.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    pub(super) config: Option<Value>,
}

/// Checks what an account of this provider is to have.
fn check_settings(app: &App, provider: Provider, config: Option<&Value>, proxy: Option<&str>) -> Result<(), ApiError> {
    check_config(provider, config, app.config.is_open, &app.browsers)
        .map_err(|bad| ApiError::field(bad.field, bad.message))?;
    if config.is_some_and(|config| config.to_string().contains("\\u0000")) {
        return Err(ApiError::field("config", "must not contain a NUL character"));
    }
    let Some(proxy) = proxy else { return Ok(()) };
    check_proxy(provider, proxy, Egress::new(app.config.private_proxies)).map_err(|why| ApiError::field("proxy", why))
}

/// Creates an account. It is not connected by that.
#[utoipa::path(post, path = "/api/accounts", tag = "accounts", request_body = NewAccount,
    responses((status = 201, body = AccountView), ApiError))]
pub async fn create(caller: Caller, app: Data<App>, body: Body<NewAccount>) -> Result<impl Responder, ApiError> {
    let account = open(&app, &caller, body.0).await?;
    Ok(HttpResponse::Created().json(app.board.show(&caller, &account).await?))
}

/// Creates an account, if the company may have one more.
pub(super) async fn open(app: &App, caller: &Caller, asked: NewAccount) -> Result<Arc<Account>, ApiError> {
    check(&asked)?;
    let provider = match &asked.provider {
        None => app.config.default_provider,
        Some(name) => name
            .parse()
            .map_err(|_| ApiError::field("provider", "must be whatsapp, whatsappweb, telegram or simulator"))?,
    };
    check_settings(app, provider, asked.config.as_ref(), asked.proxy.as_deref())?;
    let limits = asked.limits.unwrap_or_default();
    Policy::new(&app.config.presets, asked.use_limits.unwrap_or(true), &limits, None)?;
    if let Some(most) = app.config.company_accounts
        && app.store.count_accounts_in_use(caller.company).await? >= most
    {
        return Err(NotConnected::TooMany(most).into());
    }
    let now = app.clock.now();
    let account = app.store.create_account(entity::account::Model {
        id: AccountId::new(now, &mut rand::rng()),
        company_id: caller.company,
        created_by: caller.user().map(|user| user.id),
        name: asked.name,
        provider,
        use_limits: asked.use_limits.unwrap_or(true),
        limits: write_limits(&limits),
        proxy: asked.proxy,
        config: asked.config.map(|config| config.to_string()),
        pairing: None,
        phone_number: None,
        display_name: None,
        should_connect: false,
        may_pair: true,
        is_paused: false,
        pause_reason: None,
        epoch: 0,
        error_code: None,
        error_message: None,
        error_at_ms: None,
        first_connected_at_ms: None,
        connected_at_ms: None,
        restricted_until_ms: None,
        created_at_ms: now.timestamp_millis(),
        updated_at_ms: now.timestamp_millis(),
    });
    let account = account.await?;
    app.accounts.changed(&account);
    Ok(account)
}

fn write_limits(limits: &Limits) -> Option<String> {
    (*limits != Limits::default()).then(|| serde_json::to_string(limits).ok()).flatten()
}

/// The company's accounts, oldest first.
#[utoipa::path(get, path = "/api/accounts", tag = "accounts", params(PageQuery),
    responses((status = 200, body = Listed<AccountView>), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, page: Query<PageQuery>) -> Result<impl Responder, ApiError> {
    let part = page.0.read()?;
    let (accounts, total) = app.store.list_accounts(caller.company, caller.visible(), part.offset, part.limit).await?;
    Ok(Json(part.list(try_join_all(accounts.iter().map(|account| app.board.show(&caller, account))).await?, total)))
}

/// One account.
#[utoipa::path(get, path = "/api/accounts/{id}", tag = "accounts", params(("id" = AccountId, Path)),
    responses((status = 200, body = AccountView), ApiError))]
pub async fn show(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    Ok(Json(app.board.show(&caller, &account).await?))
}

/// What may be changed of an account; what is absent stays.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountChange {
    /// What people call it.
    #[garde(inner(custom(text(1..=200))))]
    name: Option<String>,
    /// Which preset holds.
    #[garde(skip)]
    use_limits: Option<bool>,
    /// Numbers that differ from the preset, all of them; null: none.
    #[garde(skip)]
    #[serde(default, deserialize_with = "present_object")]
    #[schema(value_type = Option<Limits>)]
    limits: Option<Option<Limits>>,
    /// A proxy for its connection; null: none. An account that should be connected connects anew.
    #[garde(inner(inner(custom(text(0..=500)))))]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    proxy: Option<Option<String>>,
    /// What its messenger needs, as a whole: another token for a bot. An account that should be
    /// connected connects anew.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
}

/// Changes an account, at once and for what is already queued.
#[utoipa::path(put, path = "/api/accounts/{id}", tag = "accounts", params(("id" = AccountId, Path)), request_body = AccountChange,
    responses((status = 200, body = AccountView), ApiError))]
pub async fn change(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    body: Body<AccountChange>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    let account = find(&app, &caller, &id).await?;
    let limits = asked.limits.map(Option::unwrap_or_default);
    let use_limits = asked.use_limits.unwrap_or(account.use_limits);
    let own = limits.clone().unwrap_or_else(|| account.own_limits().clone());
    Policy::new(&app.config.presets, use_limits, &own, None)?;
    let reconnects = asked.config.is_some() || asked.proxy.is_some();
    if reconnects {
        let proxy = asked.proxy.as_ref().unwrap_or(&account.proxy);
        let kept = account.config.as_deref().and_then(|json| serde_json::from_str(json).ok());
        check_settings(&app, account.provider, asked.config.as_ref().or(kept.as_ref()), proxy.as_deref())?;
    }
    let now = app.clock.now().timestamp_millis();
    let changed = app.store.change_account(account.id, |row| {
        row.use_limits = Set(use_limits);
        row.limits = Set(write_limits(&own));
        row.updated_at_ms = Set(now);
        if let Some(name) = asked.name {
            row.name = Set(name);
        }
        if let Some(config) = asked.config {
            row.config = Set(Some(config.to_string()));
        }
        if let Some(proxy) = asked.proxy {
            row.proxy = Set(proxy);
        }
    });
    let mut account = changed.await?.ok_or(ApiError::NotFound("account"))?;
    if reconnects {
        account = app.lanes.reconnect(account.id).await?;
    }
    // Its pace follows the new limits, also for what is queued.
    app.lanes.refresh(account.id);
    app.accounts.changed(&account);
    Ok(Json(app.board.show(&caller, &account).await?))
}

/// That something was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Done {
    #[schema(example = true)]
    success: bool,
    /// A sentence.
    message: String,
}

impl Done {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { success: true, message: message.into() }
    }
}

/// Cancels what is queued, logs the account out and removes it.
#[utoipa::path(delete, path = "/api/accounts/{id}", tag = "accounts", params(("id" = AccountId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn remove(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let is_told = app.lanes.remove(&account).await?;
    let rest = if is_told { String::new() } else { format!("; {STILL_LINKED}") };
    Ok(Json(Done::new(format!("the account is removed{rest}"))))
}
