//! When companies are told of their counts: at once, and then at most once a second.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::CompanyId;

/// Between two `stats-updated` of a company.
const STATS: TimeDelta = TimeDelta::seconds(1);

/// Companies whose counts changed, and when each may be told of it.
#[derive(Default)]
pub(super) struct Due(HashMap<CompanyId, (DateTime<Utc>, bool)>);

impl Due {
    /// The company's counts changed: it is due at once, unless it was told within the second.
    pub(super) fn note(&mut self, company: CompanyId, now: DateTime<Utc>) {
        self.0.entry(company).or_insert((now, true)).1 = true;
    }

    /// When the next may be told.
    pub(super) fn due(&self) -> Option<DateTime<Utc>> {
        self.0.values().map(|(at, _)| *at).min()
    }

    /// The companies to be told now. One that had nothing to tell for a second is forgotten.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Vec<CompanyId> {
        let mut due = Vec::new();
        self.0.retain(|company, (at, is_news)| {
            if *at > now {
                return true;
            }
            if std::mem::take(is_news) {
                due.push(*company);
                *at = now + STATS;
                return true;
            }
            false
        });
        due
    }
}
