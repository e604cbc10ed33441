//! What was counted of an account's sends. It lives beside the queue, and can be rebuilt from the
//! messages' rows at any time, so that no restart, crash or wipe earns a fresh minute, rest or day.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::serde::{ts_milliseconds, ts_milliseconds_option};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::Policy;

/// The window of the per-minute limit.
pub const MINUTE: Duration = Duration::from_secs(60);

/// What was counted. A send is counted at the instant its outcome was known: the messenger saw it
/// no later, so distances kept from that instant hold as the messenger counts them, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The latest sends, oldest first: as many as the per-minute limit looks at.
    pub recent: VecDeque<Sent>,
    /// The day that `day_count` counts.
    pub day: Option<NaiveDate>,
    /// Sends on that day.
    pub day_count: u32,
    /// Sends since the last rest.
    pub since_rest: u32,
    /// The last send.
    #[serde(with = "ts_milliseconds_option", default)]
    pub last_at: Option<DateTime<Utc>>,
    /// The instant planned for the next send.
    #[serde(with = "ts_milliseconds_option", default)]
    pub next_at: Option<DateTime<Utc>>,
    /// How long a send lately took, smoothed, in milliseconds; for estimates.
    pub took_ms: u32,
}

/// The instant of one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sent(#[serde(with = "ts_milliseconds")] pub DateTime<Utc>);

impl Pace {
    /// Counts a send that was over at `at` and took `took`.
    pub fn record(&mut self, policy: &Policy, at: DateTime<Utc>, took: Duration) {
        let keep = policy.per_minute.unwrap_or(0) as usize;
        self.recent.push_back(Sent(at));
        while self.recent.len() > keep {
            self.recent.pop_front();
        }
        let day = policy.day_of(at);
        self.day_count = self.sent_on(day) + 1;
        self.day = Some(day);
        self.since_rest = self.next_since_rest(policy);
        self.last_at = Some(at);
        let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        self.took_ms = if self.took_ms == 0 { took_ms } else { self.took_ms / 4 * 3 + took_ms / 4 };
    }

    /// Sends counted on `day`.
    #[must_use]
    pub fn sent_on(&self, day: NaiveDate) -> u32 {
        if self.day == Some(day) { self.day_count } else { 0 }
    }

    /// Sends since the last rest once one more is counted.
    #[must_use]
    pub fn next_since_rest(&self, policy: &Policy) -> u32 {
        if self.rest_is_due(policy) { 1 } else { self.since_rest.saturating_add(1) }
    }

    /// Whether the pause after the last send is a rest.
    #[must_use]
    pub fn rest_is_due(&self, policy: &Policy) -> bool {
        policy.rest.is_some_and(|rest| self.since_rest >= rest.after)
    }

    /// Until when the account rests, if it does at `now`.
    #[must_use]
    pub fn resting_until(&self, policy: &Policy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_at.filter(|&at| at > now && self.rest_is_due(policy))
    }

    /// Sends counted in the 60 s up to `now`, as far as the per-minute limit looks.
    #[must_use]
    pub fn sent_last_minute(&self, now: DateTime<Utc>) -> usize {
        self.sent_lately(now, usize::MAX).count()
    }

    /// When those were: the latest `most` of them, oldest first.
    pub fn sent_lately(&self, now: DateTime<Utc>, most: usize) -> impl Iterator<Item = DateTime<Utc>> {
        let older = self.recent.len().saturating_sub(most);
        self.recent.iter().skip(older).map(|sent| sent.0).filter(move |at| *at > now - MINUTE)
    }
}
