//! `/api/whatsapp/sessions/{id}/managers` and `/access`: who may work with a session. Two ways to
//! say the same grant.

use std::collections::HashMap;

use actix_web::Responder;
use actix_web::web::{Data, Json, Path};
use entity::action::Deed;
use entity::grant::Model;
use entity::ids::{AccountId, GrantId, UserId};
use entity::user;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Wrapped;
use crate::api::accounts::{Done, find};
use crate::api::actions::note;
use crate::api::json::id;
use crate::api::read::Body;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::realtime::Event;
use crate::realtime::event::Access;
use crate::store::account::Account;
use crate::store::grant::Rights;
use crate::view::Timestamp;

/// What a manager may do with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// See its chats and messages.
    Read,
    /// Send.
    Write,
    /// Rename chats and put them away.
    Manage,
}

fn permissions(rights: Rights) -> Vec<Permission> {
    let all = [
        (rights.can_read, Permission::Read),
        (rights.can_write, Permission::Write),
        (rights.can_manage_chats, Permission::Manage),
    ];
    all.into_iter().filter(|(may, _)| *may).map(|(_, permission)| permission).collect()
}

fn words(rights: Rights) -> Vec<String> {
    let word = |permission: &Permission| serde_json::to_value(permission).ok()?.as_str().map(str::to_owned);
    permissions(rights).iter().filter_map(word).collect()
}

/// A grant, as the list of permissions.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permit {
    #[schema(value_type = UserId)]
    manager_id: String,
    /// What the manager may do.
    permissions: Vec<Permission>,
}

/// A grant, right by right.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    #[schema(value_type = UserId)]
    manager_id: String,
    /// See the chats and messages; yes, unless said.
    can_read: Option<bool>,
    /// Send; no, unless said.
    can_write: Option<bool>,
    /// Rename chats and put them away; no, unless said.
    can_manage_chats: Option<bool>,
}

/// A grant that was given.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Grant)]
pub struct GrantView {
    id: GrantId,
    manager_id: UserId,
    session_id: AccountId,
    permissions: Vec<Permission>,
    can_read: bool,
    can_write: bool,
    can_manage_chats: bool,
    granted_at: Timestamp,
}

impl From<Model> for GrantView {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            manager_id: row.user_id,
            session_id: row.account_id,
            permissions: permissions(Rights::of(&row)),
            can_read: row.can_read,
            can_write: row.can_write,
            can_manage_chats: row.can_manage_chats,
            granted_at: Timestamp::ms(row.granted_at_ms),
        }
    }
}

/// A manager with access.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagerAccess {
    id: GrantId,
    manager: ManagerName,
    permissions: Vec<Permission>,
    granted_at: Timestamp,
}

/// A manager, by name.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagerName {
    id: UserId,
    first_name: Option<String>,
    last_name: Option<String>,
    email: String,
}

/// Who may work with the session.
#[utoipa::path(get, path = "/api/whatsapp/sessions/{id}/managers", tag = "sessions", params(("id" = AccountId, Path)),
    responses((status = 200, body = Wrapped<Vec<ManagerAccess>>), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, path: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &path).await?;
    let grants = app.store.grants_on(caller.company, account.id).await?;
    let ids: Vec<UserId> = grants.iter().map(|grant| grant.user_id).collect();
    let users = app.store.users(caller.company, &ids).await?;
    let mut users: HashMap<UserId, user::Model> = users.into_iter().map(|user| (user.id, user)).collect();
    let view = |grant: Model| {
        let user = users.remove(&grant.user_id)?;
        Some(ManagerAccess {
            id: grant.id,
            permissions: permissions(Rights::of(&grant)),
            granted_at: Timestamp::ms(grant.granted_at_ms),
            manager: ManagerName {
                id: user.id,
                first_name: user.first_name,
                last_name: user.last_name,
                email: user.email,
            },
        })
    };
    Ok(Json(Wrapped::new(grants.into_iter().filter_map(view).collect::<Vec<_>>())))
}

/// Lets a manager work with the session, or changes what the manager may do.
#[utoipa::path(post, path = "/api/whatsapp/sessions/{id}/managers", tag = "sessions", params(("id" = AccountId, Path)), request_body = Permit,
    responses((status = 200, body = Wrapped<GrantView>), ApiError))]
pub async fn permit(
    caller: Caller,
    app: Data<App>,
    path: Path<String>,
    body: Body<Permit>,
) -> Result<impl Responder, ApiError> {
    let may = |permission| body.0.permissions.contains(&permission);
    let rights = Rights {
        can_read: may(Permission::Read),
        can_write: may(Permission::Write),
        can_manage_chats: may(Permission::Manage),
    };
    let account = find(&app, &caller, &path).await?;
    give(&app, &caller, &account, &body.0.manager_id, rights).await
}

/// Lets a manager work with the session, or changes what the manager may do.
#[utoipa::path(post, path = "/api/whatsapp/sessions/{id}/access", tag = "sessions", params(("id" = AccountId, Path)), request_body = Grant,
    responses((status = 200, body = Wrapped<GrantView>), ApiError))]
pub async fn grant(
    caller: Caller,
    app: Data<App>,
    path: Path<String>,
    body: Body<Grant>,
) -> Result<impl Responder, ApiError> {
    let rights = Rights {
        can_read: body.0.can_read.unwrap_or(true),
        can_write: body.0.can_write.unwrap_or(false),
        can_manage_chats: body.0.can_manage_chats.unwrap_or(false),
    };
    let account = find(&app, &caller, &path).await?;
    give(&app, &caller, &account, &body.0.manager_id, rights).await
}

async fn find_manager(app: &App, caller: &Caller, text: &str) -> Result<user::Model, ApiError> {
    let manager: UserId = id(text, "manager")?;
    app.store.find_manager(caller.company, manager).await?.ok_or(ApiError::NotFound("manager"))
}

fn access(app: &App, caller: &Caller, manager: &user::Model, rights: Rights) -> Access {
    Access {
        manager: manager.id,
        manager_name: manager.name(),
        permissions: words(rights),
        by: caller.user().map(|user| user.id),
        at: app.clock.now(),
    }
}

async fn give(
    app: &App,
    caller: &Caller,
    account: &Account,
    manager: &str,
    rights: Rights,
) -> Result<Json<Wrapped<GrantView>>, ApiError> {
    let manager = find_manager(app, caller, manager).await?;
    if !(rights.can_read || rights.can_write || rights.can_manage_chats) {
        return Err(ApiError::field("permissions", "must have something in it; to take all back, DELETE"));
    }
    let access = access(app, caller, &manager, rights);
    let grant = app.store.put_grant(Model {
        id: GrantId::new(access.at, &mut rand::rng()),
        company_id: caller.company,
        account_id: account.id,
        user_id: manager.id,
        can_read: rights.can_read,
        can_write: rights.can_write,
        can_manage_chats: rights.can_manage_chats,
        granted_by: access.by,
        granted_at_ms: access.at.timestamp_millis(),
    });
    let grant = grant.await?;
    app.people_changed(caller.company);
    let details = json!({"managerId": manager.id, "manager": manager.email, "permissions": access.permissions});
    note(app, caller, account.id, Deed::Granted, details).await;
    app.bus.publish(caller.company, account.id, Event::AccessGranted(access));
    Ok(Json(Wrapped::new(grant.into())))
}

async fn take_back(app: &App, caller: &Caller, session: &str, manager: &str) -> Result<Json<Done>, ApiError> {
    let account = find(app, caller, session).await?;
    let manager = find_manager(app, caller, manager).await?;
    if !app.store.delete_grant(account.id, manager.id).await? {
        return Err(ApiError::NotFound("grant"));
    }
    app.people_changed(caller.company);
    let none = Rights { can_read: false, can_write: false, can_manage_chats: false };
    let access = access(app, caller, &manager, none);
    let details = json!({"managerId": manager.id, "manager": manager.email});
    note(app, caller, account.id, Deed::Revoked, details).await;
    app.bus.publish(caller.company, account.id, Event::AccessRevoked(access));
    Ok(Json(Done::new("the manager's access is taken back")))
}

/// Takes a manager's access back, at once.
#[utoipa::path(delete, path = "/api/whatsapp/sessions/{id}/managers/{managerId}", tag = "sessions",
    params(("id" = AccountId, Path), ("managerId" = UserId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn forbid(caller: Caller, app: Data<App>, path: Path<(String, String)>) -> Result<impl Responder, ApiError> {
    take_back(&app, &caller, &path.0, &path.1).await
}

/// Takes a manager's access back, at once.
#[utoipa::path(delete, path = "/api/whatsapp/sessions/{id}/access/{managerId}", tag = "sessions",
    params(("id" = AccountId, Path), ("managerId" = UserId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn revoke(caller: Caller, app: Data<App>, path: Path<(String, String)>) -> Result<impl Responder, ApiError> {
    take_back(&app, &caller, &path.0, &path.1).await
}
