//! `/api/accounts/{id}/activity`: what an account did lately.

use actix_web::Responder;
use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::AccountId;
use serde::{Deserialize, Serialize};

use super::accounts::find;
use super::read::Query;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::view::Timestamp;

/// Minutes that are shown unless the caller says otherwise …
const SHOWN: i64 = 60;
/// … and at most: a day.
const MOST: i64 = 1_440;

/// How far back.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivityQuery {
    /// Minutes up to now, 60 unless said, at most 1440.
    #[param(minimum = 1, maximum = 1440)]
    minutes: Option<i64>,
}

/// One minute of an account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MinuteView {
    /// When it began.
    at: Timestamp,
    /// Messages that left.
    sent: u32,
    /// Messages that came in.
    received: u32,
    /// Messages that will not arrive.
    failed: u32,
}

/// What the account did, minute by minute, up to this one.
#[utoipa::path(get, path = "/api/accounts/{id}/activity", tag = "accounts", params(("id" = AccountId, Path), ActivityQuery),
    responses((status = 200, body = Vec<MinuteView>), ApiError))]
pub async fn show(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    query: Query<ActivityQuery>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let minutes = query.0.minutes.unwrap_or(SHOWN);
    if !(1..=MOST).contains(&minutes) {
        return Err(ApiError::field("minutes", "must be from 1 to 1440"));
    }
    let now = app.clock.now().timestamp() / 60;
    let start = |minute: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute);
    let first = now - minutes + 1;
    let done = app.store.activity(&account, start(first)).await?;
    let views = (first..=now).map(|minute| {
        let done = done.get(&minute).copied().unwrap_or_default();
        MinuteView { at: Timestamp(start(minute)), sent: done.sent, received: done.received, failed: done.failed }
    });
    Ok(Json(views.collect::<Vec<_>>()))
}
