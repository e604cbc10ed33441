//! `/api/accounts`: create, list, read, change, remove.

use std::sync::Arc;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, Responder};
use entity::action::Deed;
use entity::ids::AccountId;
use futures_util::future::try_join_all;
use garde::Validate;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::actions::note;
use super::create::{Named, NewAccount, check_settings, close, open, write_limits};
use super::json::{id, present};
use super::list::{Listed, PageQuery};
use super::read::{Body, Query, present_object};
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::board::AccountView;
use crate::error::ApiError;
use crate::gateway::farewell::STILL_LINKED;
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

/// Creates an account. It is not connected by that.
#[utoipa::path(post, path = "/api/accounts", tag = "accounts", request_body = NewAccount,
    responses((status = 201, body = AccountView), ApiError))]
pub async fn create(caller: Caller, app: Data<App>, body: Body<NewAccount>) -> Result<impl Responder, ApiError> {
    let (account, _) = open(&app, &caller, body.0, Named::default()).await?;
    Ok(HttpResponse::Created().json(app.board.show(&caller, &account).await?))
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
    pub(super) name: Option<String>,
    /// Which preset holds.
    #[garde(skip)]
    pub(super) use_limits: Option<bool>,
    /// Numbers that differ from the preset, all of them; null: none.
    #[garde(skip)]
    #[serde(default, deserialize_with = "present_object")]
    #[schema(value_type = Option<Limits>)]
    pub(super) limits: Option<Option<Limits>>,
    /// A proxy for its connection; null: none. An account that should be connected connects anew.
    #[garde(inner(inner(custom(text(0..=500)))))]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(super) proxy: Option<Option<String>>,
    /// What its messenger needs, as a whole: another token for a bot. An account that should be
    /// connected connects anew.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    pub(super) config: Option<Value>,
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
    let account = find(&app, &caller, &id).await?;
    let account = alter(&app, &caller, &account, body.0).await?;
    Ok(Json(app.board.show(&caller, &account).await?))
}

/// Changes an account, and keeps who did.
pub(super) async fn alter(
    app: &App,
    caller: &Caller,
    account: &Account,
    asked: AccountChange,
) -> Result<Arc<Account>, ApiError> {
    check(&asked)?;
    let fields = asked.fields();
    let was = json!({"useLimits": account.use_limits, "limits": account.own_limits()});
    let limits = asked.limits.map(Option::unwrap_or_default);
    let use_limits = asked.use_limits.unwrap_or(account.use_limits);
    let has_limits = limits.is_some() || asked.use_limits.is_some();
    let own = limits.unwrap_or_else(|| account.own_limits().clone());
    Policy::new(&app.config.presets, use_limits, &own, None)?;
    let reconnects = asked.config.is_some() || asked.proxy.is_some();
    if reconnects {
        let proxy = asked.proxy.as_ref().unwrap_or(&account.proxy);
        let kept = account.config.as_deref().and_then(|json| serde_json::from_str(json).ok());
        check_settings(app, account.provider, asked.config.as_ref().or(kept.as_ref()), proxy.as_deref())?;
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
    if !fields.is_empty() {
        let name = fields.contains(&"name").then_some(&account.name);
        note(app, caller, account.id, Deed::Changed, json!({"fields": fields, "name": name})).await;
    }
    if has_limits {
        let limits = json!({"useLimits": use_limits, "limits": own, "was": was});
        note(app, caller, account.id, Deed::LimitsChanged, limits).await;
    }
    Ok(account)
}

impl AccountChange {
    /// What is changed besides limits, by name.
    fn fields(&self) -> Vec<&'static str> {
        let named = [("name", self.name.is_some()), ("proxy", self.proxy.is_some()), ("config", self.config.is_some())];
        named.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
    }
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
    let is_told = close(&app, &caller, &account).await?;
    let rest = if is_told { String::new() } else { format!("; {STILL_LINKED}") };
    Ok(Json(Done::new(format!("the account is removed{rest}"))))
}
