//! `/health`, `/health/live`, `/metrics`: for those who watch over the server.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, Responder};
use serde::Serialize;

use crate::app::App;
use crate::error::ApiError;
use crate::gateway::sessions::Status;

/// How long what is asked may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the server is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HealthView {
    /// `healthy`, or `degraded`: something does not answer.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Seconds since the start.
    uptime: i64,
    version: &'static str,
    checks: Checks,
}

/// What was asked.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Checks {
    /// `ok` or `down`; without it nothing can be accepted.
    database: &'static str,
    /// `ok` or `down`; without it messages are accepted and wait.
    queue: &'static str,
    /// `ok`, or `missing`: accounts that need a browser can't connect until it is installed.
    browser: &'static str,
    providers: Providers,
}

/// The connections, counted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Providers {
    /// Accounts that can send.
    connected: usize,
    /// Accounts that are connecting or being paired.
    connecting: usize,
    /// Accounts that need a person.
    failed: usize,
}

/// Whether what the server can't do without answers.
pub(super) struct Answers {
    pub(super) database: bool,
    pub(super) queue: bool,
}

/// Asks the database and the queue.
pub(super) async fn ask(app: &App) -> Answers {
    let database = async { matches!(app.clock.timeout(PATIENCE, app.store.ping()).await, Ok(Ok(()))) };
    let queue = async { matches!(app.clock.timeout(PATIENCE, app.queue.ping()).await, Ok(Ok(()))) };
    let (database, queue) = tokio::join!(database, queue);
    Answers { database, queue }
}

/// How the server is; 503 when it can't accept a message.
#[utoipa::path(get, path = "/health", tag = "operations",
    responses((status = 200, body = HealthView), (status = 503, body = HealthView)))]
pub async fn health(app: Data<App>) -> impl Responder {
    let word = |is_ok: bool| if is_ok { "ok" } else { "down" };
    let Answers { database, queue } = ask(&app).await;
    let sessions = app.sessions.count();
    let count = |statuses: &[Status]| statuses.iter().filter_map(|status| sessions.get(status)).sum();
    let view = HealthView {
        status: if database && queue { "healthy" } else { "degraded" },
        uptime: (app.clock.now() - app.started_at).num_seconds(),
        version: env!("CARGO_PKG_VERSION"),
        checks: Checks {
            database: word(database),
            queue: word(queue),
            browser: if app.browsers.missing().is_none() { "ok" } else { "missing" },
            providers: Providers {
                connected: count(&[Status::Connected]),
                connecting: count(&[Status::Connecting, Status::QrReady, Status::Authenticating]),
                failed: count(&[Status::Failed]),
            },
        },
    };
    (Json(view), if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
}

/// That the process lives.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Live {
    #[schema(example = "live")]
    status: &'static str,
}

/// Whether the process lives; it asks nothing else.
#[utoipa::path(get, path = "/health/live", tag = "operations", responses((status = 200, body = Live)))]
pub async fn live() -> impl Responder {
    Json(Live { status: "live" })
}

/// Counters for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn metrics(app: Data<App>) -> Result<HttpResponse, ApiError> {
    let counts = app.sessions.count().into_iter().map(|(status, count)| (status.as_str(), count));
    let text = app.telemetry.render(counts).map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
