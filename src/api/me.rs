//! `/api/auth/me`: who is calling, and what people change of themselves.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, Responder};
use entity::api_key::Scope;
use entity::ids::{AccountId, ApiKeyId};
use garde::Validate;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use super::auth::{CompanyView, UserView, company, count_attempt, count_hash, end_logins, is_password, set_names};
use super::read::Body;
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::{Caller, Program, Who, password};
use crate::error::ApiError;

/// Who is calling.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeView {
    #[schema(example = true)]
    success: bool,
    /// The person, if it is one.
    user: Option<UserView>,
    company: CompanyView,
    /// The key, if it is a program.
    api_key: Option<MyKey>,
}

/// The key that a program shows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MyKey {
    id: ApiKeyId,
    scope: Scope,
    /// The one account it is for; null: all of the company.
    account_id: Option<AccountId>,
}

/// Who is calling: a person, or a program with a key; neither in open mode.
#[utoipa::path(get, path = "/api/auth/me", tag = "people",
    responses((status = 200, body = MeView), ApiError))]
pub async fn show(caller: Caller, app: Data<App>) -> Result<impl Responder, ApiError> {
    let api_key = match caller.who.clone() {
        Who::Program(Program { key: id, scope, account: account_id, .. }) => Some(MyKey { id, scope, account_id }),
        _ => None,
    };
    let user = caller.user().cloned().map(UserView::from);
    Ok(Json(MeView { success: true, user, company: company(&app, caller.company).await?, api_key }))
}

/// What a person may change of themselves; what is absent stays.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeChange {
    /// The present password, whatever is changed.
    #[garde(custom(text(0..=200)))]
    #[schema(max_length = 200)]
    current_password: String,
    /// A new password ends all logins but this one.
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

/// Changes who is calling: a person's own name and password.
#[utoipa::path(put, path = "/api/auth/me", tag = "people", request_body = MeChange,
    responses((status = 200, body = MeView), ApiError))]
pub async fn change(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    body: Body<MeChange>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    let Who::Person(person) = &caller.who else {
        let message = "only a person who has signed in has a name and a password";
        return Err(ApiError::Forbidden { code: "not_a_person", message });
    };
    count_attempt(&app, &request, &person.user.email)?;
    if !password::verify(&asked.current_password, Some(&person.user.password_hash)).await? {
        return Err(ApiError::Forbidden { code: "wrong_password", message: "this is not your present password" });
    }
    let password_hash = match asked.password {
        Some(password) => {
            count_hash(&app, caller.company, Some(person.user.id))?;
            Some(password::hash(password).await?)
        }
        None => None,
    };
    let ends_others = password_hash.is_some();
    let now = app.clock.now().timestamp_millis();
    let me = person.clone();
    let changed = app.store.change_user(person.user.id, move |then, row| {
        // The password that was shown may be somebody's who was shut out while it was compared.
        if then.password_hash != me.user.password_hash || then.token_epoch != me.user.token_epoch {
            return false;
        }
        row.updated_at_ms = Set(now);
        if let Some(hash) = &password_hash {
            row.password_hash = Set(hash.clone());
            end_logins(then, row, Some(me.login));
        }
        set_names(row, asked.first_name.as_ref(), asked.last_name.as_ref());
        true
    });
    let user = changed.await?.ok_or(ApiError::NotFound("user"))?;
    if ends_others {
        app.shut_out(caller.company, user.id, Some(person.login));
    } else {
        app.people_changed(caller.company);
    }
    let company = company(&app, caller.company).await?;
    Ok(Json(MeView { success: true, user: Some(user.into()), company, api_key: None }))
}
