//! `/api/whatsapp/stats`: a company at a glance.

use actix_web::Responder;
use actix_web::web::{Data, Json};
use chrono::NaiveDate;
use serde::Serialize;

use super::Wrapped;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::SessionCounts;
use crate::store::stats::HISTORY_DAYS;

/// A company at a glance.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Stats)]
pub struct StatsView {
    sessions: SessionStats,
    messages: MessageStats,
    chats: ChatStats,
    managers: ManagerStats,
}

/// Its sessions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionStats {
    total: usize,
    /// Those that should be connected.
    active: usize,
    /// Those that are.
    connected: usize,
}

/// Its messages: those that a messenger took, and those that came.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageStats {
    total: u64,
    /// Sent and received since the day began.
    today: u64,
    sent: u64,
    received: u64,
    /// Oldest first, today last.
    #[serde(rename = "last30Days")]
    last_30_days: Vec<DayStats>,
}

/// Messages of one day.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DayStats {
    #[schema(value_type = String, format = Date, example = "2025-12-01")]
    date: NaiveDate,
    sent: u64,
    received: u64,
}

/// Its chats.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChatStats {
    /// With people and with groups.
    total: u64,
    individual: u64,
    groups: u64,
}

/// Its managers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagerStats {
    total: u64,
    /// Those with a session granted.
    with_access: u64,
}

/// The company at a glance. Days begin where the setting `limits_timezone` says.
#[utoipa::path(get, path = "/api/whatsapp/stats", tag = "sessions",
    responses((status = 200, body = Wrapped<StatsView>), ApiError))]
pub async fn show(caller: Caller, app: Data<App>) -> Result<impl Responder, ApiError> {
    let today = app.clock.today();
    let stats = app.store.stats(caller.company, today).await?;
    let SessionCounts { total, active, connected } = app.sessions.count_of(caller.company).await?;
    let last_30_days = (today - HISTORY_DAYS + 1..=today)
        .filter_map(|day| {
            let counted = stats.days.iter().find(|counted| counted.day == day).copied().unwrap_or_default();
            let date = NaiveDate::from_epoch_days(day)?;
            Some(DayStats { date, sent: counted.sent, received: counted.received })
        })
        .collect();
    Ok(Json(Wrapped::new(StatsView {
        sessions: SessionStats { total, active, connected },
        messages: MessageStats {
            total: stats.sent + stats.received,
            today: stats.on(today),
            sent: stats.sent,
            received: stats.received,
            last_30_days,
        },
        chats: ChatStats { total: stats.individual + stats.groups, individual: stats.individual, groups: stats.groups },
        managers: ManagerStats { total: stats.managers, with_access: stats.with_access },
    })))
}
