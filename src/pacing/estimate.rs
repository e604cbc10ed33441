//! How long a queued message will wait. Pure, and cheap at any position: it counts whole rhythms
//! and whole days instead of playing every send.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Pace, Policy};

/// Days followed one by one, enough for any warm-up worth its name; what is further off is drawn
/// out from the last few.
const DAYS_FOLLOWED: u32 = 40;
/// How many of them that is: a week, as quiet hours may cut each day in two.
const DAYS_DRAWN_OUT: u32 = 14;

/// When the message at `position` (1 is the next to go) will be sent, on average.
#[must_use]
pub fn estimate(policy: &Policy, pace: &Pace, position: u64, now: DateTime<Utc>) -> DateTime<Utc> {
    let mut at = policy.after_quiet(now.max(pace.next_at.unwrap_or(now)));
    let day = policy.day_of(at);
    let mut sent_today = u64::from(pace.sent_on(day));
    if policy.cap_on(day).is_some_and(|cap| sent_today >= u64::from(cap)) {
        at = policy.after_quiet(policy.end_of(day));
        sent_today = 0;
    }
    let mut since_rest = pace.next_since_rest(policy);
    let mut left = position.max(1) - 1;
    let mut mark = (at, left);
    for turn in 0..DAYS_FOLLOWED {
        if turn == DAYS_FOLLOWED - DAYS_DRAWN_OUT {
            mark = (at, left);
        }
        let day = policy.day_of(at);
        let rest_of_cap =
            policy.cap_on(day).map_or(u64::MAX, |cap| u64::from(cap).saturating_sub(sent_today).saturating_sub(1));
        let day_ends = policy.daily.map(|_| policy.end_of(day));
        let closes = day_ends.into_iter().chain(policy.next_quiet(at)).min();
        let sends = before(closes, left.min(rest_of_cap), |n| at + span(policy, pace, since_rest, n));
        if sends == left {
            return at + span(policy, pace, since_rest, left);
        }
        let next =
            if sends == rest_of_cap { policy.end_of(day) } else { at + span(policy, pace, since_rest, sends + 1) };
        at = policy.after_quiet(next);
        sent_today = if policy.day_of(at) == day { sent_today + sends + 1 } else { 0 };
        since_rest = advance(policy, since_rest, sends + 1);
        left -= sends + 1;
    }
    let per_send = (at - mark.0).as_seconds_f64() / (mark.1 - left).max(1) as f64;
    at + Duration::try_from_secs_f64(per_send * left as f64).unwrap_or_default()
}

/// The largest `n` up to `most` for which `at(n)` comes before `closes`.
fn before(closes: Option<DateTime<Utc>>, most: u64, at: impl Fn(u64) -> DateTime<Utc>) -> u64 {
    let Some(closes) = closes else { return most };
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if at(middle) < closes { low = middle } else { high = middle - 1 }
    }
    low
}

/// The mean time from one send to the `n`-th after it, the first being the `since_rest`-th since a rest.
fn span(policy: &Policy, pace: &Pace, since_rest: u32, n: u64) -> Duration {
    let took = Duration::from_millis(u64::from(pace.took_ms));
    let rests = policy.rest.map_or(0, |rest| (u64::from(since_rest.max(1)) - 1 + n) / u64::from(rest.after));
    let pauses = times(policy.delay.mean() + took, n - rests.min(n));
    let resting = policy.rest.map_or(Duration::ZERO, |rest| times(rest.span.mean() + took, rests.min(n)));
    let minutes = policy.per_minute.map_or(0, |limit| n / u64::from(limit));
    (pauses + resting).max(times(super::pace::MINUTE, minutes))
}

/// Sends since the last rest, `n` sends after the `since_rest`-th.
fn advance(policy: &Policy, since_rest: u32, n: u64) -> u32 {
    let Some(rest) = policy.rest else { return since_rest };
    let after = u64::from(rest.after);
    u32::try_from((u64::from(since_rest.max(1)) - 1 + n) % after).unwrap_or(0) + 1
}

/// `span` times `n`, a century at most.
fn times(span: Duration, n: u64) -> Duration {
    const CENTURY: f64 = 3_155_760_000.0;
    Duration::from_secs_f64((span.as_secs_f64() * n as f64).min(CENTURY))
}
