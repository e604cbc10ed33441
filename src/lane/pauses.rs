//! What an account's log says of a wait that is longer than its usual pause.

use chrono::{DateTime, SecondsFormat, Utc};

use super::run::Lane;
use crate::logs::step;
use crate::pacing::Policy;

impl Lane {
    /// Says for what the next message waits until then, once, if it is quiet hours or longer than usual.
    pub(super) async fn say_wait(&mut self, policy: &Policy, until: DateTime<Utc>) {
        let now = self.kit().clock.now();
        let is_quiet = policy.after_quiet(now) > now;
        if self.said_until == Some(until) || !is_quiet && until <= now + policy.delay.max {
            return;
        }
        self.said_until = Some(until);
        let said = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        if is_quiet {
            return step!(info, self.id, "it is quiet hours", until = %said);
        }
        let Ok(Some(queue)) = self.kit().queue.overview(self.id).await else { return };
        let (pace, today) = (&queue.pace, policy.day_of(now));
        let is_full = policy.per_minute.is_some_and(|most| pace.sent_last_minute(now) >= most as usize);
        if policy.cap_on(today).is_some_and(|cap| pace.sent_on(today) >= cap) {
            step!(info, self.id, "the cap of the day is reached", until = %said);
        } else if pace.resting_until(policy, now).is_some() {
            step!(info, self.id, "it rests", until = %said);
        } else if is_full {
            step!(info, self.id, "so many left in the last minute as may", until = %said);
        } else {
            step!(info, self.id, "nothing is to leave before", until = %said);
        }
    }
}
