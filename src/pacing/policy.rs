//! An account's pacing rules: a preset, with single numbers overridden.
//!
//! [`Limits`] is what people write (API and settings, every number optional); [`Policy`] is what
//! the planner reads. Called when an account is loaded and when its limits are set.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Single numbers of a preset, as written in the API and in the settings. Absent ones are the preset's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// At most this many messages in any 60 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// The daily cap on the day of the first connection …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_limit_from: Option<u32>,
    /// … and once the account is warmed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_limit_to: Option<u32>,
    /// Days over which the cap grows from the one to the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_days: Option<u32>,
    /// The pause between messages, in milliseconds: shortest and longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<[u64; 2]>,
    /// A rest after each so many messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest_after: Option<u32>,
    /// The rest, in milliseconds: shortest and longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest_ms: Option<[u64; 2]>,
    /// Where the day starts at midnight, as an IANA name (`Asia/Bishkek`); UTC if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Nothing is sent from the first to the second, in that time zone (`["22:00", "08:00"]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<[String; 2]>,
    /// Whether the recipient sees the account typing before a message, where the messenger shows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typing: Option<bool>,
}

/// The two presets, from the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presets {
    /// For new accounts (`useLimits: true`).
    pub limited: Limits,
    /// For warmed-up ones (`useLimits: false`).
    pub unlimited: Limits,
}

/// A field of [`Limits`] that can't be, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadLimit {
    /// The field, as the API spells it.
    pub field: &'static str,
    /// A sentence.
    pub why: String,
}

/// A shortest and a longest span of time, drawn from evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

/// A rest after each `after` messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// So many messages, at least 1.
    pub after: u32,
    /// How long.
    pub span: Span,
}

/// A cap on the messages of a day, growing over the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// On the day of the first connection.
    pub from: u32,
    /// From `warmup_days` after it on.
    pub to: u32,
    /// Days of growth.
    pub warmup_days: u32,
}

/// What an account may do. Times of day are in `timezone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Between two messages.
    pub delay: Span,
    /// At most so many in any 60 s, at least 1.
    pub per_minute: Option<u32>,
    /// Rests.
    pub rest: Option<Rest>,
    /// The daily cap.
    pub daily: Option<Daily>,
    /// Where the day starts.
    pub timezone: Tz,
    /// Nothing is sent from the first to the second.
    pub quiet: Option<(NaiveTime, NaiveTime)>,
    /// Whether it types before it sends.
    pub typing: bool,
    /// The first connection, where the warm-up starts.
    pub warm_since: Option<DateTime<Utc>>,
}

impl Span {
    fn of([min, max]: [u64; 2]) -> Self {
        Self { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }

    /// One span, evenly drawn, in whole milliseconds as rows and queues keep instants.
    pub fn draw(self, rng: &mut impl Rng) -> Duration {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(rng.random_range(ms(self.min)..=ms(self.max)))
    }

    /// The span in the middle.
    #[must_use]
    pub fn mean(self) -> Duration {
        (self.min + self.max) / 2
    }
}

impl Limits {
    /// Says which number can't be. The longest pause or rest is a day.
    pub fn check(&self) -> Result<(), BadLimit> {
        let at_least_1 = |field, value: Option<u32>| match value {
            Some(0) => Err(bad(field, "must be at least 1")),
            _ => Ok(()),
        };
        at_least_1("limits.perMinute", self.per_minute)?;
        at_least_1("limits.dailyLimitFrom", self.daily_limit_from)?;
        at_least_1("limits.dailyLimitTo", self.daily_limit_to)?;
        at_least_1("limits.restAfter", self.rest_after)?;
        for (field, span) in [("limits.delayMs", self.delay_ms), ("limits.restMs", self.rest_ms)] {
            match span {
                Some([min, max]) if min > max => return Err(bad(field, "the shortest is longer than the longest")),
                Some([_, max]) if max > 86_400_000 => return Err(bad(field, "must be at most a day (86400000)")),
                _ => {}
            }
        }
        if self.warmup_days.is_some_and(|days| days > 3650) {
            return Err(bad("limits.warmupDays", "must be at most 3650"));
        }
        self.zone()?;
        self.quiet()?;
        Ok(())
    }

    /// The time zone, UTC unless there is one.
    pub fn zone(&self) -> Result<Tz, BadLimit> {
        let Some(name) = &self.timezone else { return Ok(Tz::UTC) };
        name.parse().map_err(|_| bad("limits.timezone", "is not the IANA name of a time zone, such as Asia/Bishkek"))
    }

    fn quiet(&self) -> Result<Option<(NaiveTime, NaiveTime)>, BadLimit> {
        let Some([from, to]) = &self.quiet_hours else { return Ok(None) };
        let read = |text: &str| {
            NaiveTime::parse_from_str(text, "%H:%M")
                .map_err(|_| bad("limits.quietHours", "must be two times of day, such as [\"22:00\", \"08:00\"]"))
        };
        let (from, to) = (read(from)?, read(to)?);
        if from == to {
            return Err(bad("limits.quietHours", "would never end: the two times are the same"));
        }
        Ok(Some((from, to)))
    }
}

fn bad(field: &'static str, why: &str) -> BadLimit {
    BadLimit { field, why: why.to_owned() }
}

impl Policy {
    /// The preset that `use_limits` picks, with the numbers of `own` in place of its own.
    pub fn new(
        presets: &Presets,
        use_limits: bool,
        own: &Limits,
        warm_since: Option<DateTime<Utc>>,
    ) -> Result<Self, BadLimit> {
        own.check()?;
        let preset = if use_limits { &presets.limited } else { &presets.unlimited };
        let fallback = &presets.limited;
        let rest_ms = own.rest_ms.or(preset.rest_ms).or(fallback.rest_ms);
        let to = own.daily_limit_to.or(preset.daily_limit_to);
        let from = own.daily_limit_from.or(preset.daily_limit_from);
        let cap = to.or(from);
        let with_day = Limits {
            timezone: own.timezone.clone().or_else(|| fallback.timezone.clone()),
            quiet_hours: own.quiet_hours.clone().or_else(|| preset.quiet_hours.clone()),
            ..Limits::default()
        };
        Ok(Self {
            delay: Span::of(own.delay_ms.or(preset.delay_ms).unwrap_or_default()),
            per_minute: own.per_minute.or(preset.per_minute),
            rest: own
                .rest_after
                .or(preset.rest_after)
                .zip(rest_ms)
                .map(|(after, span)| Rest { after, span: Span::of(span) }),
            daily: cap.map(|to| Daily {
                from: from.unwrap_or(to).min(to),
                to,
                warmup_days: own.warmup_days.or(preset.warmup_days).unwrap_or(0),
            }),
            timezone: with_day.zone()?,
            quiet: with_day.quiet()?,
            typing: own.typing.or(preset.typing).unwrap_or(false),
            warm_since,
        })
    }

    /// The day that `at` falls on.
    #[must_use]
    pub fn day_of(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.timezone).date_naive()
    }

    /// The cap of `day`, growing evenly over the warm-up.
    #[must_use]
    pub fn cap_on(&self, day: NaiveDate) -> Option<u32> {
        let daily = self.daily?;
        let age = self.warm_since.map_or(0, |since| (day - self.day_of(since)).num_days().max(0));
        let warmup = i64::from(daily.warmup_days);
        if age >= warmup {
            return Some(daily.to);
        }
        let grown = i64::from(daily.to - daily.from) * age / warmup;
        Some(daily.from + u32::try_from(grown).unwrap_or(0))
    }

    /// The first instant of `day`.
    #[must_use]
    pub fn start_of(&self, day: NaiveDate) -> DateTime<Utc> {
        self.local(day, NaiveTime::MIN)
    }

    /// The first instant of the day after `day`.
    #[must_use]
    pub fn end_of(&self, day: NaiveDate) -> DateTime<Utc> {
        self.start_of(day + Days::new(1))
    }

    /// `at`, or the end of the quiet hours it falls into.
    #[must_use]
    pub fn after_quiet(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let Some((from, to)) = self.quiet else { return at };
        let local = at.with_timezone(&self.timezone);
        let (day, time) = (local.date_naive(), local.time());
        let (inside, last_day) = if from < to {
            (from <= time && time < to, day)
        } else if time >= from {
            (true, day + Days::new(1))
        } else {
            (time < to, day)
        };
        if inside { self.local(last_day, to).max(at) } else { at }
    }

    /// When the next quiet hours begin after `at`, which lies outside them.
    #[must_use]
    pub fn next_quiet(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (from, _) = self.quiet?;
        let today = self.local(self.day_of(at), from);
        Some(if today > at { today } else { self.local(self.day_of(at) + Days::new(1), from) })
    }

    /// A time of day as an instant. Where clocks are put forward and the time does not exist, an
    /// hour later; where it happens twice, the first.
    fn local(&self, day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
        let wanted = day.and_time(time);
        self.timezone
            .from_local_datetime(&wanted)
            .earliest()
            .or_else(|| self.timezone.from_local_datetime(&(wanted + chrono::TimeDelta::hours(1))).earliest())
            .map_or_else(|| wanted.and_utc(), |at| at.with_timezone(&Utc))
    }
}
