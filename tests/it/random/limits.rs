//! The accounts' limits: tight enough that all of them bind within the run.

use chrono::{DateTime, Timelike, Utc};
use serde_json::{Value, json};

/// Accounts, each a bot of its own.
pub const ACCOUNTS: usize = 20;
/// Those from here on have few limits and long queues …
pub const FAST: usize = 15;
/// … and those from here on a daily cap that they reach.
pub const CAPPED: usize = 17;

/// The limits of an account, as they bind in the run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub use_limits: bool,
    pub per_minute: Option<usize>,
    pub delay_ms: [i64; 2],
    pub rest: Option<(usize, [i64; 2])>,
    pub daily: Option<usize>,
}

/// The limits that an account starts and ends with; in between they are at times stricter.
pub fn limits_of(account: usize) -> Limits {
    let paced = Limits {
        use_limits: true,
        per_minute: Some(200),
        delay_ms: [60, 90],
        rest: Some((20, [300, 500])),
        daily: None,
    };
    match account {
        CAPPED.. => Limits { daily: Some(100), ..paced },
        FAST.. => Limits { use_limits: false, per_minute: None, delay_ms: [35, 45], rest: None, daily: None },
        _ => paced,
    }
}

impl Limits {
    /// As the API takes them.
    pub fn json(self, zone: &str) -> Value {
        let daily = self.daily.unwrap_or(100_000);
        let mut limits = json!({"delayMs": self.delay_ms, "timezone": zone});
        if self.use_limits {
            limits["dailyLimitFrom"] = json!(daily);
            limits["dailyLimitTo"] = json!(daily);
        }
        if let Some(per_minute) = self.per_minute {
            limits["perMinute"] = json!(per_minute);
        }
        if let Some((after, span)) = self.rest {
            limits["restAfter"] = json!(after);
            limits["restMs"] = json!(span);
        }
        limits
    }

    /// Limits that no send under them breaks these.
    pub fn stricter(self) -> Self {
        Self {
            per_minute: self.per_minute.map(|limit| limit - 20),
            delay_ms: self.delay_ms.map(|ms| ms + 20),
            rest: self.rest.map(|(after, span)| (after, span.map(|ms| ms + 200))),
            ..self
        }
    }
}

/// A time zone where it is about noon, so that no day ends during the run.
pub fn zone(now: DateTime<Utc>) -> String {
    let ahead = 12 - i64::from(now.hour());
    // The database of time zones counts west of Greenwich as positive.
    if ahead < 0 { format!("Etc/GMT+{}", -ahead) } else { format!("Etc/GMT-{ahead}") }
}
