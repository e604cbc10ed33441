//! `/api/accounts/{id}/actions`: who did what to an account, for ninety days.

use std::net::IpAddr;

use actix_web::Responder;
use actix_web::web::{Data, Json, Path};
use entity::action::{Actor, Deed, Model};
use entity::ids::{AccountId, ActionId};
use serde::Serialize;
use serde_json::Value;

use super::json::id;
use super::list::{Listed, PageQuery};
use super::read::Query;
use crate::app::App;
use crate::auth::{Caller, Who};
use crate::error::ApiError;
use crate::logs::step;
use crate::store::account::Account;
use crate::store::action::Action;
use crate::view::Timestamp;

/// What somebody did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Action)]
pub struct ActionView {
    id: ActionId,
    action: Deed,
    by: By,
    /// The IP address it came from; null of a phone, which came through its messenger.
    #[schema(example = "203.0.113.7")]
    from: Option<String>,
    /// What else there is to say: what changed, by name, and numbers of limits.
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
    at: Timestamp,
}

/// Who did it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct By {
    /// `user`, `api_key`, `operator`; `visitor`: whoever had the link to the pairing page, or the phone; `anyone`: open mode.
    kind: Actor,
    /// The id of the user or key.
    id: Option<String>,
    /// The user's e-mail address or the key's name, as it was then.
    name: Option<String>,
}

impl From<Model> for ActionView {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            action: row.deed,
            by: By { kind: row.actor, id: row.actor_id, name: row.actor_name },
            from: row.address,
            details: row.details.and_then(|json| serde_json::from_str(&json).ok()),
            at: Timestamp::ms(row.at_ms),
        }
    }
}

/// What was done to the account, the latest first; also to one that was removed.
#[utoipa::path(get, path = "/api/accounts/{id}/actions", tag = "accounts", params(("id" = AccountId, Path), PageQuery),
    responses((status = 200, body = Listed<ActionView>), ApiError))]
pub async fn list(
    caller: Caller,
    app: Data<App>,
    path: Path<String>,
    page: Query<PageQuery>,
) -> Result<impl Responder, ApiError> {
    let part = page.0.read()?;
    let account: AccountId = id(&path, "account")?;
    let actions = app.store.actions(caller.company, account, app.clock.now(), part.offset, part.limit);
    let (actions, total) = actions.await?;
    if total == 0 && app.store.find_account(caller.company, account).await?.is_none() {
        return Err(ApiError::NotFound("account"));
    }
    Ok(Json(part.list(actions.into_iter().map(ActionView::from).collect(), total)))
}

/// Keeps what the caller did to an account.
pub(super) async fn note(app: &App, caller: &Caller, account: AccountId, deed: Deed, details: Value) {
    let action = done_by(caller, account, deed, details);
    if deed.is_silent() {
        step!(info, account, "it is changed", what = %deed, by = %action.actor);
    }
    keep(app, action).await;
}

/// What the caller does to an account, for whoever keeps it.
pub(super) fn done_by(caller: &Caller, account: AccountId, deed: Deed, details: Value) -> Action {
    let (actor, actor_id, actor_name) = match &caller.who {
        Who::Anyone => (Actor::Anyone, None, None),
        Who::Operator => (Actor::Operator, None, None),
        Who::Program(program) => (Actor::ApiKey, Some(program.key.to_string()), Some(program.name.to_string())),
        Who::Person(person) => (Actor::User, Some(person.user.id.to_string()), Some(person.user.email.clone())),
    };
    let (company, address) = (caller.company, caller.from);
    Action { company, account, deed, actor, actor_id, actor_name, address, details }
}

/// Keeps what somebody did who came by the account's pairing page.
pub(super) async fn note_visit(app: &App, account: &Account, from: Option<IpAddr>, deed: Deed) {
    keep(app, Action { address: from, ..Action::by_visitor(account.company_id, account.id, deed) }).await;
}

async fn keep(app: &App, action: Action) {
    let (account, deed) = (action.account, action.deed);
    if let Err(error) = app.store.record(action, app.clock.now()).await {
        // It is done, and who asked for it is to hear so.
        tracing::error!(account.id = %account, %deed, %error, "an action is not kept");
    }
}
