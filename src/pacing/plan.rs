//! The next allowed instant. Pure: no I/O, no clock, and the chance comes in as `rng`.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;

use super::pace::MINUTE;
use super::policy::Span;
use super::{Pace, Policy};

/// The instant of the next send: the drawn pause after the last one, moved on until the minute,
/// the day and the quiet hours allow it. Never before `now`.
pub fn plan(policy: &Policy, pace: &Pace, now: DateTime<Utc>, rng: &mut impl Rng) -> DateTime<Utc> {
    allowed(policy, pace, now, pause_due(policy, pace).draw(rng))
}

/// An instant planned earlier, brought to what the policy of today could have drawn: unchanged
/// where it still fits, nearer where limits were relaxed, further where they were tightened.
#[must_use]
pub fn clamp(policy: &Policy, pace: &Pace, planned: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let span = pause_due(policy, pace);
    let earliest = allowed(policy, pace, now, span.min);
    let latest = allowed(policy, pace, now, span.max);
    planned.clamp(earliest, latest.max(earliest))
}

/// What the pause after the last send is drawn from: a rest where one is due.
fn pause_due(policy: &Policy, pace: &Pace) -> Span {
    policy.rest.filter(|_| pace.rest_is_due(policy)).map_or(policy.delay, |rest| rest.span)
}

/// The first allowed instant at least `pause` after the last send.
fn allowed(policy: &Policy, pace: &Pace, now: DateTime<Utc>, pause: Duration) -> DateTime<Utc> {
    let mut at = pace.last_at.map_or(now, |last| now.max(last + pause)).max(minute_is_free(policy, pace));
    // Each turn moves `at` past a full day or out of quiet hours, of which a day has one: two
    // turns settle it, and the bound only says so to the reader.
    for _ in 0..4 {
        let day = policy.day_of(at);
        if policy.cap_on(day).is_some_and(|cap| pace.sent_on(day) >= cap) {
            at = policy.end_of(day) + pause;
        }
        let open = policy.after_quiet(at);
        if open == at {
            break;
        }
        at = open + pause;
    }
    at
}

/// The instant from which one more send keeps any 60 s at the limit. The window is closed at both
/// ends, hence the extra millisecond.
fn minute_is_free(policy: &Policy, pace: &Pace) -> DateTime<Utc> {
    let Some(limit) = policy.per_minute else { return DateTime::UNIX_EPOCH };
    pace.recent
        .len()
        .checked_sub(limit as usize)
        .and_then(|oldest| pace.recent.get(oldest))
        .map_or(DateTime::UNIX_EPOCH, |sent| sent.0 + MINUTE + TimeDelta::milliseconds(1))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::{NaiveTime, TimeZone};
    use chrono_tz::Tz;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::super::policy::{Daily, Rest};
    use super::*;

    fn ms(span: TimeDelta) -> i64 {
        span.num_milliseconds()
    }

    fn limited() -> Policy {
        Policy {
            delay: Span { min: Duration::from_secs(3), max: Duration::from_secs(8) },
            per_minute: Some(20),
            rest: Some(Rest { after: 5, span: Span { min: Duration::from_secs(30), max: Duration::from_secs(60) } }),
            daily: Some(Daily { from: 500, to: 1000, warmup_days: 7 }),
            timezone: Tz::UTC,
            quiet: None,
            typing: false,
            warm_since: Some(start()),
        }
    }

    fn start() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).unwrap()
    }

    /// Sends as soon as it may, with pauses of the service drawn from `outages`, and returns the instants.
    fn history(policy: &Policy, seed: u64, sends: usize, outages: &[(usize, u64)]) -> Vec<DateTime<Utc>> {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut pace, mut now, mut sent) = (Pace::default(), start(), Vec::new());
        for i in 0..sends {
            let down = outages.iter().find(|(at, _)| *at == i).map_or(0, |(_, minutes)| *minutes);
            now += TimeDelta::minutes(i64::try_from(down).unwrap());
            let took = Duration::from_millis(rng.random_range(0..400));
            now = plan(policy, &pace, now, &mut rng).max(pace.next_at.unwrap_or(now)) + took;
            pace.record(policy, now, took);
            pace.next_at = Some(plan(policy, &pace, now, &mut rng));
            sent.push(now);
        }
        sent
    }

    fn keeps(policy: &Policy, sent: &[DateTime<Utc>]) {
        let per_minute = policy.per_minute.map_or(usize::MAX, |limit| limit as usize);
        for (i, at) in sent.iter().enumerate() {
            let window = sent[..=i].iter().rev().take_while(|s| **s >= *at - TimeDelta::seconds(60)).count();
            assert!(window <= per_minute, "{window} sends in the 60 s up to {at}");
        }
        let mut days: HashMap<_, u32> = HashMap::new();
        for at in sent {
            *days.entry(policy.day_of(*at)).or_default() += 1;
        }
        for (day, count) in days {
            assert!(policy.cap_on(day).is_none_or(|cap| count <= cap), "{count} sends on {day}");
        }
        for (i, pair) in sent.windows(2).enumerate() {
            let gap = ms(pair[1] - pair[0]);
            assert!(gap >= i64::try_from(policy.delay.min.as_millis()).unwrap(), "a gap of {gap} ms");
            if let Some(rest) = policy.rest.filter(|rest| (i + 1) % rest.after as usize == 0) {
                assert!(gap >= i64::try_from(rest.span.min.as_millis()).unwrap(), "a rest of {gap} ms");
            }
        }
        for at in sent {
            assert_eq!(policy.after_quiet(*at), *at, "a send in quiet hours");
        }
    }

    #[test]
    fn ten_days_of_the_preset_grow_from_500_to_1000_a_day() {
        let policy = limited();
        let sent = history(&policy, 1, 8_000, &[]);
        keeps(&policy, &sent);
        let on = |day: u32| {
            let day = policy.day_of(start()) + chrono::Days::new(u64::from(day));
            u32::try_from(sent.iter().filter(|at| policy.day_of(**at) == day).count()).unwrap()
        };
        assert_eq!([on(0), on(1), on(6), on(7)], [500, 571, 928, 1000]);
    }

    #[test]
    fn nothing_is_caught_up_after_an_hour_down() {
        let policy = limited();
        let sent = history(&policy, 2, 60, &[(30, 60)]);
        keeps(&policy, &sent);
        assert!(ms(sent[30] - sent[29]) >= 3_600_000);
        assert!(ms(sent[31] - sent[30]) >= 3_000);
    }

    #[test]
    fn relaxed_limits_bring_the_next_instant_nearer_and_tightened_ones_move_it_off() {
        let mut rng = StdRng::seed_from_u64(3);
        let (strict, now) = (limited(), start());
        let free = Policy {
            delay: Span { min: Duration::from_millis(100), max: Duration::from_millis(100) },
            per_minute: None,
            rest: None,
            daily: None,
            ..strict.clone()
        };
        let mut pace = Pace::default();
        for _ in 0..5 {
            pace.record(&strict, now, Duration::ZERO);
        }
        let resting = plan(&strict, &pace, now, &mut rng);
        assert!(ms(resting - now) >= 30_000);
        assert_eq!(clamp(&strict, &pace, resting, now), resting);
        assert_eq!(ms(clamp(&free, &pace, resting, now) - now), 100);
        assert!(ms(clamp(&strict, &pace, now, now) - now) >= 30_000);
    }

    #[test]
    fn quiet_hours_hold_over_midnight_and_a_change_of_clocks() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let quiet = Some((NaiveTime::from_hms_opt(22, 0, 0).unwrap(), NaiveTime::from_hms_opt(2, 30, 0).unwrap()));
        let policy = Policy { timezone: berlin, quiet, ..limited() };
        // On 2026-03-29 Berlin's 02:30 does not exist.
        let late = berlin.with_ymd_and_hms(2026, 3, 28, 23, 0, 0).unwrap().with_timezone(&Utc);
        let open = policy.after_quiet(late).with_timezone(&berlin);
        assert_eq!(open.naive_local().to_string(), "2026-03-29 03:30:00");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_history_keeps_every_limit(
            seed in any::<u64>(),
            outages in prop::collection::vec((0_usize..700, 1_u64..3_000), 0..6),
            per_minute in prop::option::of(1_u32..30),
            after in prop::option::of(1_u32..9),
            cap in prop::option::of((1_u32..90, 0_u32..90, 0_u32..9)),
            delay in (0_u64..5_000, 0_u64..9_000),
            quiet in prop::option::of((0_u32..24, 1_u32..23)),
            zone in prop::sample::select(vec!["UTC", "Asia/Bishkek", "Europe/Berlin", "America/St_Johns"]),
        ) {
            let span = |min, more| Span { min: Duration::from_millis(min), max: Duration::from_millis(min + more) };
            let hour = |h: u32| NaiveTime::from_hms_opt(h % 24, 0, 0).unwrap();
            let policy = Policy {
                delay: span(delay.0, delay.1),
                per_minute,
                rest: after.map(|after| Rest { after, span: span(20_000, 40_000) }),
                daily: cap.map(|(from, more, warmup_days)| Daily { from, to: from + more, warmup_days }),
                timezone: zone.parse().unwrap(),
                quiet: quiet.map(|(from, hours)| (hour(from), hour(from + hours))),
                warm_since: Some(start()),
                typing: false,
            };
            // The outcome may be known a moment after the planned instant, so quiet hours are asked of the plan alone.
            let sent = history(&policy, seed, 700, &outages);
            keeps(&Policy { quiet: None, ..policy }, &sent);
        }
    }
}
