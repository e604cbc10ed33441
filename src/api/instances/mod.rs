//! `/api/v1/instances`: a company's accounts, as instances. One account is one instance: the same row,
//! the same lane, the same counts.

pub mod live;
pub mod own;
pub mod resources;
mod view;

use std::time::Duration;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, Responder};
use entity::action::Deed;
use entity::api_key::Scope;
use entity::ids::AccountId;
use garde::Validate;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::view::{AuthStatus, InstanceAccount, InstanceStatus, InstanceView};
use super::accounts::{AccountChange, Done, alter, find};
use super::actions::note;
use super::create::{Named, NewAccount, OWN_KEY, close, open};
use super::json::present;
use super::keys;
use super::list::{Listed, PageQuery, Pagination};
use super::read::{Query, Untitled, object, present_object};
use super::wrong::{check_snake_case, text};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::Pairing;
use crate::pacing::Limits;

/// How long a code is waited for that is about to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Kinds of instance that are kept of what is given, and characters of each.
const TYPES: usize = 10;
const TYPE: usize = 50;

/// What an instance is created with.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
pub struct NewInstance {
    /// Whose it is to the program that creates it: kept as it is.
    #[garde(custom(text(1..=200)))]
    #[schema(min_length = 1, max_length = 200, example = "test")]
    user_id: String,
    /// Its messenger.
    #[garde(custom(text(1..=20)))]
    #[schema(example = "whatsappweb")]
    provider: String,
    /// What kinds of instance it is to that program, `["api"]` unless said: kept as they are.
    #[garde(skip)]
    #[schema(example = json!(["api"]), max_items = 10)]
    type_instance: Option<Vec<String>>,
    /// What people call it; `user_id` unless said.
    #[garde(inner(custom(text(1..=200))))]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// True for new accounts, false for warmed-up ones; true unless said.
    #[garde(skip)]
    use_limits: Option<bool>,
    /// Numbers that differ from the preset.
    #[garde(skip)]
    #[serde(default, deserialize_with = "object")]
    limits: Option<Limits>,
    /// A proxy for its connection.
    #[garde(inner(custom(text(0..=500))))]
    proxy: Option<String>,
    /// What its messenger needs: `{"token": "…"}` for a Telegram bot.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
}

fn read_types(types: Option<Vec<String>>) -> Result<Option<String>, ApiError> {
    let Some(types) = types else { return Ok(None) };
    let is_good = |name: &String| !name.contains('\0') && (1..=TYPE).contains(&name.chars().count());
    if types.is_empty() || types.len() > TYPES || !types.iter().all(is_good) {
        return Err(ApiError::field("type_instance", "must be a list of 1 to 10 words of up to 50 characters"));
    }
    Ok(serde_json::to_string(&types).ok())
}

/// Creates an instance with a key of its own, and starts to connect it. Answers at once.
#[utoipa::path(post, path = "/api/v1/instances", tag = "instances", request_body = NewInstance,
    responses((status = 201, body = InstanceView), ApiError))]
pub async fn create(caller: Caller, app: Data<App>, body: Untitled<NewInstance>) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check_snake_case(&asked)?;
    let named = Named {
        type_instance: read_types(asked.type_instance)?,
        user_id: Some(asked.user_id.clone()),
        is_instance: true,
        connects: true,
    };
    let new = NewAccount {
        name: asked.name.unwrap_or(asked.user_id),
        use_limits: asked.use_limits,
        provider: Some(asked.provider),
        limits: asked.limits,
        proxy: asked.proxy,
        config: asked.config,
    };
    let (account, key) = open(&app, &caller, new, named).await?;
    Ok(HttpResponse::Created().json(InstanceView::of(&app, &account).with_key(key)))
}

/// A page of instances.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Instances {
    #[schema(example = true)]
    success: bool,
    /// The page, oldest first.
    instances: Vec<InstanceView>,
    /// How many there are in all.
    total: u64,
    pagination: Pagination,
}

/// The company's instances, oldest first; those that the caller may see.
#[utoipa::path(get, path = "/api/v1/instances", tag = "instances", params(PageQuery),
    responses((status = 200, body = Instances), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, page: Query<PageQuery>) -> Result<impl Responder, ApiError> {
    let part = page.0.read()?;
    let (accounts, total) = app.store.list_accounts(caller.company, caller.visible(), part.offset, part.limit).await?;
    let instances = accounts.iter().map(|account| InstanceView::of(&app, account)).collect();
    let Listed { data: instances, pagination } = part.list(instances, total);
    Ok(Json(Instances { success: true, instances, total, pagination }))
}

/// One instance.
#[utoipa::path(get, path = "/api/v1/instances/{id}", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = InstanceView), ApiError))]
pub async fn show(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    Ok(Json(InstanceView::of(&app, &account)))
}

/// What may be changed of an instance; what is absent stays.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
pub struct InstanceChange {
    /// Whose it is to the program that manages it.
    #[garde(inner(custom(text(1..=200))))]
    #[schema(min_length = 1, max_length = 200)]
    user_id: Option<String>,
    /// What kinds of instance it is to that program.
    #[garde(skip)]
    #[schema(max_items = 10)]
    type_instance: Option<Vec<String>>,
    /// What people call it.
    #[garde(inner(custom(text(1..=200))))]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Which preset holds.
    #[garde(skip)]
    use_limits: Option<bool>,
    /// Numbers that differ from the preset, all of them; null: none.
    #[garde(skip)]
    #[serde(default, deserialize_with = "present_object")]
    #[schema(value_type = Option<Limits>)]
    limits: Option<Option<Limits>>,
    /// A proxy for its connection; null: none.
    #[garde(inner(inner(custom(text(0..=500)))))]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    proxy: Option<Option<String>>,
    /// What its messenger needs, as a whole.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
}

/// Changes an instance, at once and for what is already queued.
#[utoipa::path(patch, path = "/api/v1/instances/{id}", tag = "instances", params(("id" = AccountId, Path)),
    request_body = InstanceChange, responses((status = 200, body = InstanceView), ApiError))]
pub async fn change(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    body: Untitled<InstanceChange>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check_snake_case(&asked)?;
    let account = find(&app, &caller, &id).await?;
    let types = read_types(asked.type_instance)?;
    let InstanceChange { name, use_limits, limits, proxy, config, .. } = asked;
    let change = AccountChange { name, use_limits, limits, proxy, config };
    let mut account = alter(&app, &caller, &account, change).await?;
    if asked.user_id.is_some() || types.is_some() {
        let named = [("user_id", asked.user_id.is_some()), ("type_instance", types.is_some())];
        let fields: Vec<_> = named.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect();
        let changed = app.store.change_account(account.id, |row| {
            if let Some(user) = asked.user_id {
                row.user_id = Set(Some(user));
            }
            if let Some(types) = types {
                row.type_instance = Set(Some(types));
            }
        });
        account = changed.await?.ok_or(ApiError::NotFound("account"))?;
        note(&app, &caller, account.id, Deed::Changed, json!({"fields": fields})).await;
    }
    Ok(Json(InstanceView::of(&app, &account)))
}

/// Cancels what is queued, logs the instance out and removes it, with its key and its port.
#[utoipa::path(delete, path = "/api/v1/instances/{id}", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn remove(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    close(&app, &caller, &account).await?;
    Ok(Json(Done::new("the instance is removed")))
}

/// Connects an instance, or pairs it. Answers at once.
#[utoipa::path(post, path = "/api/v1/instances/{id}/start", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = InstanceView), ApiError))]
pub async fn start(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let account = app.lanes.connect(account.id, Pairing::Qr).await?;
    note(&app, &caller, account.id, Deed::Connected, Value::Null).await;
    Ok(Json(InstanceView::of(&app, &account)))
}

/// Disconnects an instance. Its pairing stays, and its queue waits.
#[utoipa::path(post, path = "/api/v1/instances/{id}/stop", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = InstanceView), ApiError))]
pub async fn stop(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let account = app.lanes.disconnect(account.id, false).await?.ok_or(ApiError::NotFound("account"))?;
    note(&app, &caller, account.id, Deed::Disconnected, Value::Null).await;
    Ok(Json(InstanceView::of(&app, &account)))
}

/// Disconnects an instance and connects it again.
#[utoipa::path(post, path = "/api/v1/instances/{id}/restart", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = InstanceView), ApiError))]
pub async fn restart(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    app.lanes.disconnect(account.id, false).await?.ok_or(ApiError::NotFound("account"))?;
    let account = app.lanes.connect(account.id, Pairing::Qr).await?;
    note(&app, &caller, account.id, Deed::Restarted, Value::Null).await;
    Ok(Json(InstanceView::of(&app, &account)))
}

/// Makes a new key for the instance, which is the only one from here on: the one before is worth nothing.
#[utoipa::path(post, path = "/api/v1/instances/{id}/api-key", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 201, body = InstanceView), ApiError))]
pub async fn renew_key(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let (row, key) = keys::draw(&app, &caller, OWN_KEY.to_owned(), Scope::Send, Some(account.id));
    let replaced = app.store.replace_api_key(row).await?;
    let (made, old) = replaced.ok_or(ApiError::NotFound("account"))?;
    for key in old {
        app.shut_out(caller.company, key, None);
        note(&app, &caller, account.id, Deed::KeyRemoved, json!({"key": key, "name": OWN_KEY})).await;
    }
    note(&app, &caller, account.id, Deed::KeyMade, json!({"key": made.id, "name": OWN_KEY})).await;
    Ok(HttpResponse::Created().json(InstanceView::of(&app, &account).with_key(Some(key))))
}
