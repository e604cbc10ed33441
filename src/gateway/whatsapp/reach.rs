//! WhatsApp's time-lock: an account that wrote to too many strangers may write to none for a while, but
//! answers go on. Held here is what would open a new chat, until the lock ends; and where WhatsApp does
//! not say when, for a pause that grows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use whatsapp_rust::wacore::store::traits::ProtocolStore;
use whatsapp_rust::wacore_binary::Jid;

use super::people::People;
use crate::logs::step;
use crate::store::instant;

/// How long WhatsApp may take to tell when the lock ends.
const ANSWER: Duration = Duration::from_secs(10);
/// The pause where it does not: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_secs(30 * 60), Duration::from_secs(24 * 3_600)];
/// The error that tells of the lock.
pub(super) const LOCK: &str = "463";

/// What is known of the lock; kept over restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lock {
    until_ms: i64,
    /// How often it was run into in a row.
    times: u32,
}

/// The lock of one account.
pub(super) struct Reach(Mutex<Lock>);

impl Reach {
    /// As it was left.
    pub(super) async fn of(people: &People) -> Self {
        let kept = people.keys.find("lock", "").await.ok().flatten();
        let lock = kept.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default();
        Self(Mutex::new(lock))
    }

    fn get(&self) -> Lock {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn set(&self, people: &People, lock: Lock) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lock;
        let value = serde_json::to_vec(&lock).unwrap_or_default();
        if let Err(error) = people.keys.put("lock", "", value, lock.until_ms).await {
            tracing::warn!(account.id = %people.keys.account, %error, "a lock is not kept over a restart");
        }
    }

    /// How long a message to `to` has to wait, if it does.
    pub(super) async fn holds(&self, people: &People, to: &Jid, chat: &str) -> Option<Duration> {
        let left = instant(self.get().until_ms) - people.keys.clock.now();
        let left = left.to_std().ok().filter(|left| !left.is_zero())?;
        (!is_known(people, to, chat).await).then_some(left)
    }

    /// A message ran into the lock: how long it has to wait. When the lock ends is asked for
    /// beside that: what became of the message is known.
    pub(super) fn run_into(self: &Arc<Self>, people: &Arc<People>, to: Jid, chat: String) -> Duration {
        let (before, now) = (self.get(), people.keys.clock.now());
        let times = before.times;
        let wait = pause(times, &mut rand::rng());
        let lock = Lock { until_ms: (now + wait).timestamp_millis(), times: times.saturating_add(1) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lock;
        let (reach, people) = (self.clone(), people.clone());
        tokio::spawn(async move {
            if is_known(&people, &to, &chat).await {
                // It is this one conversation that has to wait, and no lock.
                return reach.set(&people, before).await;
            }
            let asked = async { people.client.mex().fetch_reachout_timelock().await };
            let told = people.keys.clock.timeout(ANSWER, asked).await.ok().and_then(Result::ok);
            let ends = told.and_then(|lock| lock.time_enforcement_ends).and_then(|ends| read_end(&ends));
            let until = ends.filter(|until| *until > now).unwrap_or_else(|| instant(lock.until_ms));
            step!(warn, people.keys.account, "WhatsApp lets the account open no new chats", %until);
            reach.set(&people, Lock { until_ms: until.timestamp_millis(), ..lock }).await;
        });
        wait
    }

    /// A message was taken, whoever it was to.
    pub(super) fn pass(self: &Arc<Self>, people: &Arc<People>, to: Jid, chat: String) {
        if self.get() == Lock::default() {
            return;
        }
        let (reach, people) = (self.clone(), people.clone());
        tokio::spawn(async move {
            if !is_known(&people, &to, &chat).await {
                reach.set(&people, Lock::default()).await;
            }
        });
    }
}

/// Whether the person has let the account write to them: gave it a token, or wrote to it.
async fn is_known(people: &People, to: &Jid, chat: &str) -> bool {
    let lid = people.client.get_lid_pn_entry(to).await.ok().flatten();
    let lid = lid.map_or_else(|| to.to_non_ad_string(), |known| Jid::lid(&*known.lid).to_string());
    let token = people.keys.get_tc_token(&lid).await;
    if token.is_ok_and(|token| token.is_some_and(|token| !token.token.is_empty())) {
        return true;
    }
    people.keys.store.has_answered(people.keys.account, chat).await.unwrap_or(false)
}

/// Seconds since 1970, or an instant in words.
fn read_end(text: &str) -> Option<DateTime<Utc>> {
    match text.parse() {
        Ok(seconds) => DateTime::from_timestamp(seconds, 0),
        Err(_) => text.parse().ok(),
    }
}

/// Twice as long each time, with jitter over the upper half.
fn pause(times: u32, rng: &mut impl Rng) -> Duration {
    let longest = PAUSES[0].saturating_mul(1 << times.min(10)).min(PAUSES[1]);
    longest / 2 + longest.mul_f64(rng.random_range(0.0..0.5))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn pauses_grow_from_half_an_hour_to_a_day() {
        let mut rng = StdRng::seed_from_u64(1);
        let pauses: Vec<_> = (0..20).map(|times| pause(times, &mut rng)).collect();
        assert!(pauses[0] >= PAUSES[0] / 2 && pauses[0] <= PAUSES[0]);
        assert!(pauses.windows(3).take(4).all(|three| three[0] < three[2]), "{pauses:?}");
        assert!(pauses[10..].iter().all(|pause| *pause >= PAUSES[1] / 2 && *pause <= PAUSES[1]));
    }

    #[test]
    fn the_end_is_read_as_seconds_or_in_words() {
        assert_eq!(read_end("1764000000").map(|at| at.timestamp()), Some(1_764_000_000));
        assert_eq!(read_end("2025-11-24T16:00:00Z").map(|at| at.timestamp()), Some(1_764_000_000));
        assert_eq!(read_end("soon"), None);
    }
}
