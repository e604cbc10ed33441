//! `/api/accounts/{id}/queue`: look at one queue, and operate it.

use actix_web::Responder;
use actix_web::web::{Data, Json, Path};
use entity::action::Deed;
use entity::ids::AccountId;
use sea_orm::ActiveValue::Set;
use serde::Serialize;
use serde_json::{Value, json};

use super::accounts::{Done, find};
use super::actions::note;
use super::messages::MessageView;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::sessions::Status;
use crate::logs::step;
use crate::pacing::estimate;
use crate::standing::{Hold, Standing};
use crate::view::Timestamp;

/// Messages shown of a queue.
const SHOWN: usize = 100;

/// One account's queue.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueView {
    /// Messages waiting, in flight or scheduled.
    queue_length: u64,
    /// The first hundred, in the order in which they go.
    messages: Vec<MessageView>,
    status: QueueStatus,
    limits: QueueLimits,
    /// When the last one will have left, on average; null while the account is held.
    estimated_drain_at: Option<Timestamp>,
}

/// What the queue does.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    client_status: Status,
    is_resting: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rest_until: Option<Timestamp>,
    messages_since_rest: u32,
    is_paused: bool,
    /// Why, if the service itself paused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_reason: Option<String>,
    /// What holds the account, so that nobody can say when it sends: `paused`, `disconnected` or `failed`.
    hold_reason: Option<Hold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_send_at: Option<Timestamp>,
}

/// What was counted against what is allowed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueLimits {
    use_limits: bool,
    daily_count: u32,
    /// Null: no cap.
    daily_limit: Option<u32>,
    /// Null: no limit.
    per_minute: Option<u32>,
    sent_last_minute: u32,
}

/// One queue: its first messages, what it does, what is counted.
#[utoipa::path(get, path = "/api/accounts/{id}/queue", tag = "queue", params(("id" = AccountId, Path)),
    responses((status = 200, body = QueueView), ApiError))]
pub async fn show(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let (overview, rows) = app.standings.queue(&account, SHOWN).await?;
    let (now, policy, pace) = (app.clock.now(), account.policy(&app.config.presets), &overview.pace);
    let state = app.board.queue_state(&account, &overview).await?;
    let hold = state.hold_reason;
    let mut position = 0;
    let messages = rows
        .into_iter()
        .map(|row| {
            let is_ready = row.status == entity::message::Status::Queued
                && row.due_at_ms.is_none_or(|at| at <= now.timestamp_millis());
            position += u64::from(is_ready);
            let at = estimate(&policy, pace, position.max(1), now);
            let at = row.due_at_ms.map_or(at, |due| at.max(crate::store::instant(due)));
            let is_waiting = row.status == entity::message::Status::Queued;
            let estimated_at = (is_waiting && hold.is_none()).then_some(at);
            let hold = hold.filter(|_| is_waiting);
            MessageView::of(row, now).standing(Standing { position: is_ready.then_some(position), estimated_at, hold })
        })
        .collect();
    Ok(Json(QueueView {
        queue_length: overview.len(),
        messages,
        status: QueueStatus {
            client_status: app.sessions.status(account.id),
            is_resting: state.is_resting,
            rest_until: state.rest_until,
            messages_since_rest: state.since_rest,
            is_paused: state.is_paused,
            pause_reason: state.pause_reason,
            hold_reason: state.hold_reason,
            next_send_at: state.next_send_at,
        },
        limits: QueueLimits {
            use_limits: account.use_limits,
            daily_count: state.daily_count,
            daily_limit: state.daily_limit,
            per_minute: state.per_minute,
            sent_last_minute: state.sent_last_minute,
        },
        estimated_drain_at: state.estimated_drain_at,
    }))
}

/// Stops the queue. What is in flight finishes; what is queued waits.
#[utoipa::path(post, path = "/api/accounts/{id}/queue/pause", tag = "queue", params(("id" = AccountId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn pause(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    set_paused(&app, &caller, account.id, true).await?;
    Ok(Json(Done::new("the queue is paused")))
}

/// Lets the queue go on, at its pace.
#[utoipa::path(post, path = "/api/accounts/{id}/queue/resume", tag = "queue", params(("id" = AccountId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn resume(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    set_paused(&app, &caller, account.id, false).await?;
    Ok(Json(Done::new("the queue goes on")))
}

async fn set_paused(app: &App, caller: &Caller, id: AccountId, is_paused: bool) -> Result<(), ApiError> {
    let now = app.clock.now().timestamp_millis();
    let change = |row: &mut entity::account::ActiveModel| {
        row.updated_at_ms = Set(now);
        row.is_paused = Set(is_paused);
        row.pause_reason = Set(None);
    };
    let account = app.store.change_account(id, change).await?.ok_or(ApiError::NotFound("account"))?;
    app.lanes.wake(id);
    if is_paused {
        step!(info, id, "the queue is paused");
    } else {
        step!(info, id, "the queue goes on");
    }
    note(app, caller, id, if is_paused { Deed::Paused } else { Deed::Resumed }, Value::Null).await;
    app.accounts.changed(&account);
    Ok(())
}

/// How many were taken back.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Cleared {
    #[schema(example = true)]
    success: bool,
    /// Messages that are `cancelled` now.
    cleared: u64,
}

/// Takes back everything that has not started.
#[utoipa::path(delete, path = "/api/accounts/{id}/queue", tag = "queue", params(("id" = AccountId, Path)),
    responses((status = 200, body = Cleared), ApiError))]
pub async fn clear(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let cleared = app.intake.cancel_all(&account).await?;
    step!(info, account.id, "the queue is cleared", cleared);
    note(&app, &caller, account.id, Deed::Cleared, json!({"cleared": cleared})).await;
    Ok(Json(Cleared { success: true, cleared }))
}
