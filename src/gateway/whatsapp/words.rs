//! What WhatsApp says by numbers, in words that people understand.

use chrono::{DateTime, TimeDelta, Utc};
use whatsapp_rust::wacore::types::events::{PairingCodeError, TempBanReason, TemporaryBan};

use crate::gateway::GatewayEvent;

/// How long a ban counts for of which no end is told.
const UNTOLD: TimeDelta = TimeDelta::hours(1);

/// A ban of which nothing is told.
pub(super) fn banned_somehow(now: DateTime<Utc>) -> GatewayEvent {
    let reason = "WhatsApp has banned the account for a time: open WhatsApp on the phone to see why".to_owned();
    GatewayEvent::Banned { until: now + UNTOLD, reason }
}

/// As the phone shows it.
pub(super) fn dashed(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((first, second)) if second.len() == 4 => format!("{first}-{second}"),
        _ => code.to_owned(),
    }
}

/// Why there is no code to type.
pub(super) fn refused(error: &PairingCodeError) -> String {
    match &error.rejection {
        Some(rejection) if rejection.is_throttled() => {
            "WhatsApp gives no more codes for this number now; wait an hour, or scan a QR code".to_owned()
        }
        Some(_) => "WhatsApp gives no code for this number; check it, or scan a QR code".to_owned(),
        None => "no code could be asked for; try again, or scan a QR code".to_owned(),
    }
}

/// A ban, with its end.
pub(super) fn banned(ban: &TemporaryBan, now: DateTime<Utc>) -> GatewayEvent {
    let why = match ban.code {
        TempBanReason::SentToTooManyPeople => "it wrote to too many people who don't know it",
        TempBanReason::BlockedByUsers => "too many people blocked it",
        TempBanReason::CreatedTooManyGroups => "it made too many groups",
        TempBanReason::SentTooManySameMessage => "it sent the same message to too many people",
        TempBanReason::BroadcastList => "it wrote to too many through a list",
        _ => "it may have broken the terms of service",
    };
    let lasts = if ban.expire > TimeDelta::zero() { ban.expire } else { UNTOLD };
    let until = now.checked_add_signed(lasts).unwrap_or(now + UNTOLD);
    GatewayEvent::Banned { until, reason: format!("WhatsApp has banned the account for a time: {why}") }
}
