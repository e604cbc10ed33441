//! Metrics for Prometheus, and the log. Nothing in either names a person, a number, a text or a
//! secret; metrics carry no account ids, which open pairing pages.

use std::sync::Arc;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tracing::level_filters::LevelFilter;
use tracing_log::{AsLog, LogTracer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer};

use crate::clock::Clock;
use crate::logs::Logs;

/// Bounds of the lateness buckets in seconds: fine around the 50 ms that a late send may be late.
const LATENESS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
const SEND: &[f64] = &[0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The counters of one server.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    /// Messages accepted.
    pub accepted: IntCounter,
    /// Attempts that ended, by the status the message got.
    pub settled: IntCounterVec,
    /// Seconds between the planned instant of a send and the call of the gateway.
    pub lateness: Histogram,
    /// Seconds a gateway took for a message.
    pub send: Histogram,
    /// Queues rebuilt from the rows.
    pub restored: IntCounter,
    /// Lanes that the watchdog restarted.
    pub lanes_restarted: IntCounter,
    /// Events that found no room on their way to the clients.
    pub events_dropped: IntCounter,
    /// Events that a client missed because it reads too slowly.
    pub events_missed: IntCounter,
    /// HTTP answers, by their status' first digit.
    pub http: IntCounterVec,
    sessions: IntGaugeVec,
}

impl Telemetry {
    /// Counters at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let telemetry = Self {
            registry: Registry::new(),
            accepted: IntCounter::new("andante_messages_accepted_total", "Messages accepted")?,
            settled: IntCounterVec::new(
                Opts::new("andante_attempts_settled_total", "Attempts that ended, by the status the message got"),
                &["status"],
            )?,
            lateness: Histogram::with_opts(
                HistogramOpts::new("andante_send_lateness_seconds", "From the planned instant of a send to the send")
                    .buckets(LATENESS.to_vec()),
            )?,
            send: Histogram::with_opts(
                HistogramOpts::new("andante_send_seconds", "How long a gateway took for a message")
                    .buckets(SEND.to_vec()),
            )?,
            restored: IntCounter::new("andante_queues_restored_total", "Queues rebuilt from the database")?,
            lanes_restarted: IntCounter::new("andante_lanes_restarted_total", "Lanes that the watchdog restarted")?,
            events_dropped: IntCounter::new("andante_events_dropped_total", "Events for which there was no room")?,
            events_missed: IntCounter::new(
                "andante_events_missed_total",
                "Events that a Socket.IO client missed because it reads too slowly",
            )?,
            http: IntCounterVec::new(
                Opts::new("andante_http_responses_total", "HTTP answers, by class of status"),
                &["class"],
            )?,
            sessions: IntGaugeVec::new(Opts::new("andante_sessions", "Accounts' connections, by status"), &["status"])?,
        };
        let r = &telemetry.registry;
        r.register(Box::new(telemetry.accepted.clone()))?;
        r.register(Box::new(telemetry.settled.clone()))?;
        r.register(Box::new(telemetry.lateness.clone()))?;
        r.register(Box::new(telemetry.send.clone()))?;
        r.register(Box::new(telemetry.restored.clone()))?;
        r.register(Box::new(telemetry.lanes_restarted.clone()))?;
        r.register(Box::new(telemetry.events_dropped.clone()))?;
        r.register(Box::new(telemetry.events_missed.clone()))?;
        r.register(Box::new(telemetry.http.clone()))?;
        r.register(Box::new(telemetry.sessions.clone()))?;
        Ok(telemetry)
    }

    /// Everything in Prometheus' text format; with so many accounts' connections in each status.
    pub fn render(&self, sessions: impl Iterator<Item = (&'static str, usize)>) -> Result<Vec<u8>, prometheus::Error> {
        self.sessions.reset();
        for (status, count) in sessions {
            self.sessions.with_label_values(&[status]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Starts the log, on standard error, narrowed to `filter`; answers what it keeps of each account, whatever
/// the filter is.
pub fn start_log(filter: &str) -> anyhow::Result<Arc<Logs>> {
    // What the libraries say of their ordinary days is left out unless it is asked for.
    let filter = EnvFilter::try_new(format!(
        "whatsapp_rust=off,wacore=off,thirtyfour=off,actix_server=warn,actix_http::h1=off,sea_orm_migration=warn,sqlx_core::pool=off,{filter}"
    ))?;
    // What libraries say is for the server's own log alone.
    let libraries = filter.max_level_hint().unwrap_or(LevelFilter::TRACE).as_log();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // A line that can't be written is lost, and nothing else: to complain of it would break whoever logs.
        .log_internal_errors(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_filter(filter);
    let logs = Logs::new(Clock::system());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(logs.layer()).with(lines))?;
    log::set_max_level(libraries);
    log::set_boxed_logger(Box::new(Libraries(LogTracer::new())))?;
    Ok(logs)
}

/// Libraries whose lines have phone numbers, codes and texts in them, by the beginnings of their
/// modules' names. What matters of it this server says in its own words.
const SILENT: &[&str] = &["rlibphonenumber", "wacore", "waproto", "whatsapp_rust"];

/// The lines of libraries that write them by the crate `log`.
struct Libraries(LogTracer);

impl log::Log for Libraries {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        let module = record.module_path().unwrap_or_default();
        if !SILENT.iter().any(|silent| module.starts_with(silent)) {
            self.0.log(record);
        }
    }

    fn flush(&self) {}
}
