//! What an instance does now: its live state, its log, its code.

use actix_web::Responder;
use actix_web::web::{Data, Json, Path};
use entity::ids::AccountId;
use serde::{Deserialize, Serialize};

use super::view::{AuthStatus, InstanceStatus, auth_status_of, status_of};
use crate::api::accounts::find;
use crate::api::connection::present_code;
use crate::api::read::Query;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::sessions::Status;
use crate::logs::{Level, Line, MOST};
use crate::view::Timestamp;

/// Lines of a log that are shown unless the caller says otherwise.
const SHOWN: usize = 100;

/// An instance's live state.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Memory {
    #[schema(example = true)]
    success: bool,
    instance_id: AccountId,
    status: InstanceStatus,
    auth_status: AuthStatus,
    /// When it connected, while it is connected …
    connected_at: Option<Timestamp>,
    /// … and for how many seconds it has been.
    uptime_seconds: Option<i64>,
    /// When the messenger last answered.
    last_alive_at: Option<Timestamp>,
    /// Messages waiting, in flight or scheduled.
    queue_length: u64,
    /// Messages that left, or may have, in the last 60 s.
    sent_last_minute: u32,
    /// Messages that left, or may have, today: as its limits count them.
    sent_today: u32,
    /// Bytes of memory that its browser takes, measured in the last 15 s; null without one.
    browser_memory_bytes: Option<u64>,
}

/// What the instance does now.
#[utoipa::path(get, path = "/api/v1/instances/{id}/memory", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = Memory), ApiError))]
pub async fn memory(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let session = app.sessions.snapshot(account.id);
    let overview = app.standings.overview(&account).await?;
    let queue = app.board.queue_state(&account, &overview).await?;
    let connected_at = app.sessions.connected_since(account.id);
    Ok(Json(Memory {
        success: true,
        instance_id: account.id,
        status: status_of(&app, &account),
        auth_status: auth_status_of(&account),
        connected_at: connected_at.map(Timestamp),
        uptime_seconds: connected_at.map(|at| (app.clock.now() - at).num_seconds()),
        last_alive_at: session.last_alive_at.map(Timestamp),
        queue_length: overview.len(),
        sent_last_minute: queue.sent_last_minute,
        sent_today: queue.daily_count,
        browser_memory_bytes: app.browsers.memory_of(account.id),
    }))
}

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// How many, 100 unless said, at most 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The least level: `info` unless said, `warn`, `error`.
    #[param(inline)]
    level: Option<Level>,
}

/// The latest lines of an instance's log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Log {
    #[schema(example = true)]
    success: bool,
    instance_id: AccountId,
    /// The newest last.
    logs: Vec<LineView>,
}

/// One line of a log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LogLine)]
pub struct LineView {
    timestamp: Timestamp,
    level: Level,
    /// Plain text, one line.
    #[schema(example = "connected")]
    message: String,
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        Self { timestamp: Timestamp(line.at), level: line.level, message: line.text.into() }
    }
}

/// What happened to the instance since this server started, the newest last: 500 lines at most are kept.
#[utoipa::path(get, path = "/api/v1/instances/{id}/logs", tag = "instances", params(("id" = AccountId, Path), LogQuery),
    responses((status = 200, body = Log), ApiError))]
pub async fn logs(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    query: Query<LogQuery>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let limit = query.0.limit.unwrap_or(SHOWN);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::field("limit", "must be from 1 to 500"));
    }
    let lines = app.logs.of(account.id, query.0.level.unwrap_or(Level::Info), limit);
    let logs = lines.into_iter().map(LineView::from).collect();
    Ok(Json(Log { success: true, instance_id: account.id, logs }))
}

/// The code that pairs an instance.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstanceQr {
    #[schema(example = true)]
    success: bool,
    /// A `data:image/png` URL; null for a code that is typed.
    qr_code: Option<String>,
    /// The code itself.
    code: String,
    expires_at: Timestamp,
    /// The public page that shows it, and renews it.
    qr_url: String,
}

/// The code that pairs the instance now. Where the messenger is about to send the first one, it is waited
/// for; else, without one, the answer is 409 and says where the instance stands.
#[utoipa::path(get, path = "/api/v1/instances/{id}/qr", tag = "instances", params(("id" = AccountId, Path)),
    responses((status = 200, body = InstanceQr), ApiError))]
pub async fn qr(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let mut changes = app.bus.watch(account.id);
    let come = async {
        while app.sessions.status(account.id) == Status::Connecting {
            if changes.recv().await.is_err_and(|error| error == tokio::sync::broadcast::error::RecvError::Closed) {
                return;
            }
        }
    };
    tokio::select! {
        _ = app.clock.timeout(super::PATIENCE, come) => {}
        () = app.quiet.cancelled() => {}
    }
    let in_own_words = |error| match error {
        ApiError::Conflict { code, .. } => {
            let status = serde_json::to_value(status_of(&app, &account)).unwrap_or_default();
            let status = status.as_str().unwrap_or_default();
            ApiError::Conflict { code, message: format!("there is no QR code now: the instance is {status}") }
        }
        other => other,
    };
    let code = present_code(&app, account.id).map_err(in_own_words)?;
    Ok(Json(InstanceQr {
        success: true,
        qr_code: code.data_url().await.as_deref().map(str::to_owned),
        code: code.text,
        expires_at: Timestamp(code.expires_at),
        qr_url: app.board.qr_url(account.id),
    }))
}
