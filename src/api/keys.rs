//! `/api/api-keys`: what a company's programs show.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, Responder};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::action::Deed;
use entity::api_key::{Model, Scope};
use entity::ids::{AccountId, ApiKeyId};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accounts::{Done, find};
use super::actions::note;
use super::json::id;
use super::list::{Listed, PageQuery};
use super::read::{Body, Query};
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::auth::identity::{KEY_PREFIX, digest, hex};
use crate::error::ApiError;
use crate::view::Timestamp;

/// A key as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub struct KeyView {
    id: ApiKeyId,
    name: String,
    scope: Scope,
    /// The one account it is for; null: all of the company.
    account_id: Option<AccountId>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
    /// The key itself: shown this once, and kept nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<Model> for KeyView {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scope: row.scope,
            account_id: row.account_id,
            last_used_at: row.last_used_at_ms.map(Timestamp::ms),
            created_at: Timestamp::ms(row.created_at_ms),
            key: None,
        }
    }
}

/// The company's keys, oldest first.
#[utoipa::path(get, path = "/api/api-keys", tag = "people", params(PageQuery),
    responses((status = 200, body = Listed<KeyView>), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, page: Query<PageQuery>) -> Result<impl Responder, ApiError> {
    let part = page.0.read()?;
    let (keys, total) = app.store.list_api_keys(caller.company, part.offset, part.limit).await?;
    Ok(Json(part.list(keys.into_iter().map(KeyView::from).collect(), total)))
}

/// A key to be made.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewKey {
    /// What people call it.
    #[garde(custom(text(1..=200)))]
    #[schema(min_length = 1, max_length = 200, example = "Appointment system")]
    name: String,
    /// `all`, `send` (which reads, too) or `read`; unless said, `all`, or `send` for one account.
    #[garde(skip)]
    scope: Option<Scope>,
    /// The one account it is for, which it can't change: `send` or `read`. All of the company unless said.
    #[garde(skip)]
    #[schema(value_type = Option<AccountId>)]
    account_id: Option<String>,
}

/// Makes a key. This answer is the only one that shows it.
#[utoipa::path(post, path = "/api/api-keys", tag = "people", request_body = NewKey,
    responses((status = 201, body = KeyView), ApiError))]
pub async fn create(caller: Caller, app: Data<App>, body: Body<NewKey>) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    let account = match &asked.account_id {
        Some(id) => Some(find(&app, &caller, id).await?),
        None => None,
    };
    let scope = asked.scope.unwrap_or(if account.is_some() { Scope::Send } else { Scope::All });
    if account.is_some() && scope == Scope::All {
        return Err(ApiError::field("scope", "must be send or read for a key of one account"));
    }
    let (row, key) = draw(&app, &caller, asked.name, scope, account.as_ref().map(|account| account.id));
    let row = app.store.create_api_key(row).await?.ok_or(ApiError::NotFound("account"))?;
    if let Some(account) = row.account_id {
        note(&app, &caller, account, Deed::KeyMade, json!({"key": row.id, "name": row.name})).await;
    }
    Ok(HttpResponse::Created().json(KeyView { key: Some(key), ..row.into() }))
}

/// A key to be kept, for one account or for all: its row, and the key itself.
pub(super) fn draw(
    app: &App,
    caller: &Caller,
    name: String,
    scope: Scope,
    account: Option<AccountId>,
) -> (Model, String) {
    let now = app.clock.now();
    let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let row = Model {
        id: ApiKeyId::new(now, &mut rand::rng()),
        company_id: caller.company,
        account_id: account,
        name,
        scope,
        digest: hex(digest(&key)),
        last_used_at_ms: None,
        created_at_ms: now.timestamp_millis(),
    };
    (row, key)
}

/// Removes a key: it is worth nothing from here on, and its sockets are cut.
#[utoipa::path(delete, path = "/api/api-keys/{id}", tag = "people", params(("id" = ApiKeyId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn remove(caller: Caller, app: Data<App>, path: Path<String>) -> Result<impl Responder, ApiError> {
    let key: ApiKeyId = id(&path, "api key")?;
    let row = app.store.delete_api_key(caller.company, key).await?.ok_or(ApiError::NotFound("api key"))?;
    app.shut_out(caller.company, key, None);
    if let Some(account) = row.account_id {
        note(&app, &caller, account, Deed::KeyRemoved, json!({"key": row.id, "name": row.name})).await;
    }
    Ok(Json(Done::new("the key is removed")))
}
