//! What happens to accounts, in words: the latest lines of each, kept in memory.
//!
//! A step in an account's life is one `tracing` event with the target [`ACCOUNT`] and the field
//! `account.id`. The server's own log has it, unless its filter says `account=warn` or less; and [`Logs`] keeps
//! it for who asks about the account. What such an event says reaches clients: ids and our own words,
//! and what a messenger said where the account shows that, too; never a text, a number or a secret.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;

/// The target of the steps of accounts' lives.
pub const ACCOUNT: &str = "account";
/// Lines that are kept of an account …
pub const MOST: usize = 500;
/// … or fewer, where so many accounts have some that there would be more of all than this …
const ALL: usize = 50_000;
/// … but so many always.
const LEAST: usize = 20;
/// Bytes of a line.
const LENGTH: usize = 400;
/// Accounts of which lines are kept: those that said something last.
const ACCOUNTS: usize = 20_000;

/// How much a line matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Info,
    /// Something went wrong, and the account goes on.
    Warn,
    /// A person should look.
    Error,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// When.
    pub at: DateTime<Utc>,
    /// How much it matters.
    pub level: Level,
    /// What happened, in one line of plain text.
    pub text: Box<str>,
}

/// Says a step in an account's life: how much it matters, whose it is, what happened, and more of it as
/// `tracing`'s fields.
macro_rules! step {
    ($level:ident, $account:expr, $text:literal $(, $($field:tt)+)?) => {
        tracing::$level!(target: $crate::logs::ACCOUNT, { account.id = %$account $(, $($field)+)? }, $text)
    };
}
pub(crate) use step;

/// The latest lines of each account.
pub struct Logs {
    clock: Clock,
    all: Mutex<HashMap<AccountId, VecDeque<Line>>>,
}

impl Logs {
    /// No lines.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, all: Mutex::default() })
    }

    /// The account's latest lines of this level or a higher one: `most` of them, the newest last.
    #[must_use]
    pub fn of(&self, account: AccountId, level: Level, most: usize) -> Vec<Line> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lines) = all.get(&account) else { return Vec::new() };
        let mut latest: Vec<Line> = lines.iter().rev().filter(|line| line.level >= level).take(most).cloned().collect();
        latest.reverse();
        latest
    }

    /// Forgets the lines of an account that is gone.
    pub fn forget(&self, account: AccountId) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    fn add(&self, account: AccountId, level: Level, text: String) {
        let line = Line { at: self.clock.now(), level, text: text.into() };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            let last = |lines: &VecDeque<Line>| lines.back().map(|line| line.at);
            let quiet = all.iter().min_by_key(|(_, lines)| last(lines)).map(|(account, _)| *account);
            quiet.and_then(|account| all.remove(&account));
        }
        let accounts = all.len().max(1);
        let lines = all.entry(account).or_default();
        lines.push_back(line);
        let most = (ALL / accounts).clamp(LEAST, MOST);
        while lines.len() > most {
            lines.pop_front();
        }
    }

    /// What keeps the lines.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self: &Arc<Self>) -> impl Layer<S> + use<S> {
        Keeper(self.clone()).with_filter(Targets::new().with_target(ACCOUNT, LevelFilter::INFO))
    }
}

struct Keeper(Arc<Logs>);

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            _ => Level::Info,
        };
        if let Some(account) = words.account {
            self.0.add(account, level, words.line());
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Words {
    account: Option<AccountId>,
    message: String,
    more: String,
}

impl Words {
    fn line(mut self) -> String {
        if !self.more.is_empty() {
            let _ = write!(self.message, " ({})", self.more);
        }
        // What a messenger says may have anything in it.
        let mut line: String = self.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        line.truncate(line.floor_char_boundary(LENGTH));
        line
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "account.id" => self.account = format!("{value:?}").parse().ok(),
            "message" => self.message = format!("{value:?}"),
            name => {
                // `message.id` is the message's: what else of it would be said?
                let name = name.trim_end_matches(".id");
                let comma = if self.more.is_empty() { "" } else { ", " };
                let _ = write!(self.more, "{comma}{name}: {value:?}");
            }
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use tracing_subscriber::prelude::*;

    use super::*;

    fn account(n: i64) -> AccountId {
        AccountId::new(DateTime::UNIX_EPOCH + TimeDelta::milliseconds(n), &mut rand::rng())
    }

    fn texts(logs: &Logs, account: AccountId) -> Vec<String> {
        logs.of(account, Level::Info, MOST).into_iter().map(|line| line.text.into()).collect()
    }

    #[test]
    fn steps_are_kept_in_plain_words_and_nothing_else_is() {
        let logs = Logs::new(Clock::system());
        let (one, other) = (account(1), account(2));
        let subscriber = tracing_subscriber::registry().with(logs.layer());
        tracing::subscriber::with_default(subscriber, || {
            step!(info, one, "the account stops", code = "logged_out");
            step!(warn, one, "it dropped", reason = %"\u{1b}[31mred\u{1b}[0m\n2");
            step!(debug, one, "too small");
            tracing::error!(account.id = %one, "for the server's own log");
            step!(info, other, "of another");
            tracing::info!(target: ACCOUNT, "of nobody");
        });
        assert_eq!(texts(&logs, one), ["the account stops (code: logged_out)", "it dropped (reason:  [31mred [0m 2)"]);
        assert_eq!(logs.of(one, Level::Warn, MOST).len(), 1);
        assert_eq!(logs.of(one, Level::Info, 1)[0].level, Level::Warn, "the newest");
        assert_eq!(texts(&logs, other), ["of another"]);
        logs.forget(one);
        assert!(texts(&logs, one).is_empty());
    }

    #[test]
    fn there_are_only_so_many_lines_of_one_account_and_of_all() {
        let logs = Logs::new(Clock::system());
        let busy = account(0);
        for n in 0..=MOST {
            logs.add(busy, Level::Info, n.to_string());
        }
        let kept = texts(&logs, busy);
        assert_eq!((kept.len(), &*kept[0], &*kept[MOST - 1]), (MOST, "1", "500"), "the newest, in order");
        for n in 1..=ACCOUNTS {
            logs.add(account(n as i64), Level::Info, "x".repeat(10));
        }
        logs.add(account(-1), Level::Info, "one more".to_owned());
        let all = logs.all.lock().unwrap();
        assert_eq!(all.len(), ACCOUNTS);
        assert!(!all.contains_key(&busy), "the one that was quiet for longest is forgotten");
    }

    #[test]
    fn a_line_is_cut_where_a_character_ends() {
        let words = Words { message: "ы".repeat(LENGTH), ..Words::default() };
        let line = words.line();
        assert!(line.len() <= LENGTH && line.chars().all(|c| c == 'ы'));
    }
}
