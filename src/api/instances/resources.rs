//! What a company's instances come to, and what they take of the machine: each count from where every
//! other answer has it.

use std::collections::BTreeMap;

use actix_web::Responder;
use actix_web::web::{Data, Json};
use entity::ids::AccountId;
use serde::Serialize;

use super::view::InstanceStatus;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::{SessionCounts, count_by};

/// The instances, counted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MemoryStats {
    #[schema(example = true)]
    success: bool,
    stats: InstanceStats,
}

/// The instances that the caller may see, counted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstanceStats {
    total_instances: usize,
    /// Those that should be connected.
    active_instances: usize,
    /// Those that have been paired; of bots, those that were let in.
    authenticated_instances: usize,
    /// Those that are connected.
    connected_instances: usize,
    by_provider: BTreeMap<String, usize>,
    #[schema(value_type = BTreeMap<String, usize>)]
    by_status: BTreeMap<InstanceStatus, usize>,
    /// For how long the connected ones have been, on average, in hours; 0 if none is.
    average_uptime_hours: f64,
}

/// How many instances there are, and how they stand.
#[utoipa::path(get, path = "/api/v1/instances/memory/stats", tag = "instances",
    responses((status = 200, body = MemoryStats), ApiError))]
pub async fn stats(caller: Caller, app: Data<App>) -> Result<impl Responder, ApiError> {
    let all = app.sessions.standing(caller.company, caller.visible()).await?;
    let counts = SessionCounts::of(&all);
    let now = app.clock.now();
    let uptimes = all.iter().filter_map(|one| one.connected_since).map(|since| (now - since).num_seconds());
    let hours = uptimes.sum::<i64>() as f64 / 3_600.0 / counts.connected.max(1) as f64;
    Ok(Json(MemoryStats {
        success: true,
        stats: InstanceStats {
            total_instances: counts.total,
            active_instances: counts.active,
            authenticated_instances: all.iter().filter(|one| one.is_known).count(),
            connected_instances: counts.connected,
            by_provider: count_by(&all, |one| one.provider.to_string()),
            by_status: count_by(&all, |one| InstanceStatus::of(one.status, one.was_started)),
            average_uptime_hours: (hours * 1_000.0).round() / 1_000.0,
        },
    }))
}

/// How the server bears its load.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Performance {
    #[schema(example = true)]
    success: bool,
    system_health: SystemHealth,
    cpu: Cpu,
    memory: MemoryUse,
    queue: Waiting,
    /// Messages of the company that left, or may have, in the last 60 s: as the limits count them.
    #[serde(rename = "sends_per_minute")]
    sends_per_minute: u64,
}

/// Whether all of it answers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SystemHealth {
    /// `healthy`, or `degraded`: the database or the queue does not answer.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Seconds since the start.
    uptime: i64,
}

/// What the process takes of the processor.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Cpu {
    /// Cores that there are.
    cores: usize,
    /// Percent of one core that the process took lately, its browsers apart.
    process_percent: f64,
    /// How many processes of the machine wanted a core, on average over the last 1, 5 and 15 minutes.
    load_average: [f64; 3],
}

/// What memory is taken, in bytes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MemoryUse {
    /// By the process itself: its resident set.
    process_bytes: u64,
    /// By the browsers of the server's accounts, pages that several use counted once.
    browsers_bytes: u64,
    /// Browsers that run.
    browsers: usize,
    /// All that there is …
    total_bytes: u64,
    /// … and what of it is free for who needs some.
    available_bytes: u64,
}

/// What waits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Waiting {
    /// Messages of the company that wait, are in flight or scheduled.
    waiting: u64,
}

/// How the server bears its load: the process' figures, and the company's messages.
#[utoipa::path(get, path = "/api/v1/resources/performance", tag = "instances",
    responses((status = 200, body = Performance), ApiError))]
pub async fn performance(caller: Caller, app: Data<App>) -> Result<impl Responder, ApiError> {
    let (machine, now) = (app.machine.clone(), app.clock.now());
    let usage = actix_web::web::block(move || machine.look(now)).await;
    let usage = usage.map_err(|error| ApiError::Internal(error.into()))?.map_err(ApiError::Internal)?;
    let (health, load) = tokio::join!(crate::api::health::ask(&app), app.board.load(caller.company));
    let load = load?;
    let (browsers, browsers_bytes) = app.browsers.memory();
    Ok(Json(Performance {
        success: true,
        system_health: SystemHealth {
            status: if health.database && health.queue { "healthy" } else { "degraded" },
            uptime: (now - app.started_at).num_seconds(),
        },
        cpu: Cpu { cores: usage.cores, process_percent: usage.percent, load_average: usage.load },
        memory: MemoryUse {
            process_bytes: usage.own,
            browsers_bytes,
            browsers,
            total_bytes: usage.total,
            available_bytes: usage.available,
        },
        queue: Waiting { waiting: load.waiting },
        sends_per_minute: load.sent_last_minute,
    }))
}

/// The ports that accounts have of their own.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PortsView {
    #[schema(example = true)]
    success: bool,
    /// Those that there are; null: accounts have none.
    #[schema(example = "3001-7999")]
    range: Option<String>,
    /// How many there are …
    total: usize,
    /// … how many of them are some account's of this server …
    used: usize,
    /// … and how many are not.
    available: usize,
    /// The company's instances that have one.
    instances: Vec<PortView>,
}

/// An instance and its port.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Port)]
pub struct PortView {
    instance_id: AccountId,
    port: u16,
}

/// The ports of instances' own.
#[utoipa::path(get, path = "/api/v1/resources/ports", tag = "instances",
    responses((status = 200, body = PortsView), ApiError))]
pub async fn ports(caller: Caller, app: Data<App>) -> Result<impl Responder, ApiError> {
    let accounts = app.store.accounts_of(caller.company).await?;
    let port_of = |id| app.ports.of(id).map(|port| PortView { instance_id: id, port });
    let (range, used) = (app.ports.range(), app.ports.used());
    let total = range.map_or(0, |range| range.clone().count());
    Ok(Json(PortsView {
        success: true,
        range: range.map(|range| format!("{}-{}", range.start(), range.end())),
        total,
        used,
        available: total.saturating_sub(used),
        instances: accounts.iter().filter_map(|account| port_of(account.id)).collect(),
    }))
}
