//! `/api/managers`: an admin's staff.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use entity::ids::UserId;
use entity::user::{Model, Role};
use garde::Validate;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use super::accounts::Done;
use super::auth::{UserView, count_attempt, count_hash, end_logins, is_email, is_password, set_names};
use super::json::id;
use super::list::{Listed, PageQuery};
use super::read::{Body, Query};
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::auth::login::{self, NewUser, normal_email};
use crate::auth::password;
use crate::error::ApiError;
use crate::store::people::UserError;

/// A manager, wrapped.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ManagerView {
    #[schema(example = true)]
    success: bool,
    data: UserView,
}

impl From<Model> for ManagerView {
    fn from(user: Model) -> Self {
        Self { success: true, data: user.into() }
    }
}

async fn find(app: &App, caller: &Caller, text: &str) -> Result<Model, ApiError> {
    let manager: UserId = id(text, "manager")?;
    app.store.find_manager(caller.company, manager).await?.ok_or(ApiError::NotFound("manager"))
}

/// The company's managers, oldest first.
#[utoipa::path(get, path = "/api/managers", tag = "people", params(PageQuery),
    responses((status = 200, body = Listed<UserView>), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, page: Query<PageQuery>) -> Result<impl Responder, ApiError> {
    let part = page.0.read()?;
    let (managers, total) = app.store.list_managers(caller.company, part.offset, part.limit).await?;
    Ok(Json(part.list(managers.into_iter().map(UserView::from).collect(), total)))
}

/// A manager to be.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewManager {
    /// What the manager signs in with.
    #[garde(custom(is_email))]
    #[schema(max_length = 254, example = "anna@clinic.example")]
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

/// Makes a manager. What the manager may do is granted account by account.
#[utoipa::path(post, path = "/api/managers", tag = "people", request_body = NewManager,
    responses((status = 201, body = ManagerView), ApiError))]
pub async fn create(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    body: Body<NewManager>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    count_attempt(&app, &request, &asked.email)?;
    // Before it is counted as a password to be hashed, which it will not be.
    if app.store.is_email_taken(&normal_email(&asked.email), Some(caller.company)).await? {
        return Err(UserError::EmailTaken.into());
    }
    count_hash(&app, caller.company, None)?;
    let new = NewUser {
        email: asked.email,
        password: asked.password,
        first_name: asked.first_name,
        last_name: asked.last_name,
        role: Role::Manager,
    };
    let user = login::create(&app.store, app.clock.now(), caller.company, None, new).await?;
    Ok(HttpResponse::Created().json(ManagerView::from(user)))
}

/// One manager.
#[utoipa::path(get, path = "/api/managers/{id}", tag = "people", params(("id" = UserId, Path)),
    responses((status = 200, body = ManagerView), ApiError))]
pub async fn show(caller: Caller, app: Data<App>, path: Path<String>) -> Result<impl Responder, ApiError> {
    Ok(Json(ManagerView::from(find(&app, &caller, &path).await?)))
}

/// What may be changed of a manager; what is absent stays.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagerChange {
    /// What the manager signs in with.
    #[garde(inner(custom(is_email)))]
    #[schema(max_length = 254)]
    email: Option<String>,
    /// A new password ends all logins.
    #[garde(inner(custom(is_password)))]
    #[schema(min_length = 8, max_length = 200)]
    password: Option<String>,
    #[garde(inner(custom(text(1..=100))))]
    #[schema(min_length = 1, max_length = 100)]
    first_name: Option<String>,
    #[garde(inner(custom(text(1..=100))))]
    #[schema(min_length = 1, max_length = 100)]
    last_name: Option<String>,
}

/// Changes a manager.
#[utoipa::path(put, path = "/api/managers/{id}", tag = "people", params(("id" = UserId, Path)), request_body = ManagerChange,
    responses((status = 200, body = ManagerView), ApiError))]
pub async fn change(
    caller: Caller,
    app: Data<App>,
    path: Path<String>,
    request: HttpRequest,
    body: Body<ManagerChange>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    let manager = find(&app, &caller, &path).await?;
    let has_new_password = asked.password.is_some();
    let password_hash = match asked.password {
        Some(password) => {
            count_attempt(&app, &request, &manager.email)?;
            count_hash(&app, caller.company, None)?;
            Some(password::hash(password).await?)
        }
        None => None,
    };
    let now = app.clock.now().timestamp_millis();
    let changed = app.store.change_user(manager.id, move |then, row| {
        row.updated_at_ms = Set(now);
        if let Some(email) = &asked.email {
            row.email = Set(normal_email(email));
        }
        if let Some(hash) = &password_hash {
            row.password_hash = Set(hash.clone());
            end_logins(then, row, None);
        }
        set_names(row, asked.first_name.as_ref(), asked.last_name.as_ref());
        true
    });
    let changed = changed.await?.ok_or(ApiError::NotFound("manager"))?;
    if has_new_password {
        app.shut_out(caller.company, changed.id, None);
    } else {
        app.people_changed(caller.company);
    }
    Ok(Json(ManagerView::from(changed)))
}

/// Removes a manager, the grants and the logins.
#[utoipa::path(delete, path = "/api/managers/{id}", tag = "people", params(("id" = UserId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn remove(caller: Caller, app: Data<App>, path: Path<String>) -> Result<impl Responder, ApiError> {
    let manager = find(&app, &caller, &path).await?;
    app.store.delete_user(manager.id).await?;
    app.shut_out(caller.company, manager.id, None);
    Ok(Json(Done::new("the manager is removed")))
}
