//! The verdict: waits until nothing moves any more, and compares the rows, what was answered, and what
//! the messenger counted. It collects all that is wrong before it fails.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;

use super::ledger::Asked;
use super::limits::{ACCOUNTS, limits_of};
use super::{Stage, now, pause};
use crate::bot_api::{Taken, token};

/// How long what is queued may take to leave, at the accounts' pace.
const DRAIN: Duration = Duration::from_secs(240);
/// Longer than any account rests: after it, nothing moves by itself any more.
const STANDSTILL: TimeDelta = TimeDelta::seconds(75);
/// The statuses of messages that are not over.
const OPEN: [&str; 3] = ["queued", "scheduled", "sending"];
/// Examples told of each problem.
const EXAMPLES: usize = 6;

/// What is wrong, by kind.
#[derive(Default)]
struct Problems(BTreeMap<String, Vec<String>>);

impl Problems {
    fn add(&mut self, kind: impl Into<String>, example: impl Into<String>) {
        self.0.entry(kind.into()).or_default().push(example.into());
    }
}

impl Stage {
    /// Fails unless everything is as it should be.
    pub async fn judge(&self) {
        let mut problems = Problems::default();
        if timeout(DRAIN, self.settle()).await.is_err() {
            problems.add("messages still move", format!("after {DRAIN:?}"));
        }
        self.note("the verdict");
        let (rows, total) = self.all("/api/messages?").await;
        if total != rows.len() {
            problems.add("the list of messages is miscounted", format!("{total}, and {} rows", rows.len()));
        }
        for wanted in ["sent", "delivered", "read", "failed", "uncertain", "cancelled"] {
            let (some, total) = self.all(&format!("/api/messages?status={wanted}&")).await;
            let there = rows.iter().filter(|row| status(row) == wanted).count();
            if total != there || some.len() != there {
                let example = format!("{wanted}: {total}, {} listed, and {there} rows", some.len());
                problems.add("a list of messages in one status is miscounted", example);
            }
        }
        for account in &self.accounts {
            let (chats, total) = self.all(&format!("/api/accounts/{account}/chats?")).await;
            if total != chats.len() {
                problems.add("a list of chats is miscounted", format!("{total}, and {} chats", chats.len()));
            }
        }
        self.check_rows(&rows, &mut problems);
        self.check_queues(&rows, &mut problems).await;
        self.check_limits(&rows, &mut problems);
        for complaint in self.api.complaints() {
            problems.add("the messenger complains", complaint);
        }
        for (what, times) in &self.ledger().strange {
            problems.add(what, format!("{times} times"));
        }
        assert!(problems.0.is_empty(), "{}", self.report(&problems, &rows));
    }

    /// Waits until all is over that can be, or nothing moves any more.
    async fn settle(&self) {
        let (mut before, mut since) = (None, now());
        loop {
            let (mut open, mut is_over) = (Vec::new(), true);
            for account in 0..ACCOUNTS {
                let left = self.open(account).await;
                is_over &= self.is_over(account, left).await;
                open.push(left);
            }
            let moved = Some((self.api.count(), open));
            if moved != before {
                (before, since) = (moved, now());
            }
            if is_over || now() - since > STANDSTILL {
                return;
            }
            pause(Duration::from_secs(1)).await;
        }
    }

    /// How many messages of an account are in each open status. The queue itself is not asked: it
    /// might mend itself by that.
    async fn open(&self, account: usize) -> [u64; 3] {
        let mut counts = [u64::MAX; 3];
        for (status, count) in OPEN.iter().zip(&mut counts) {
            let path = format!("/api/messages?accountId={}&status={status}&limit=1", self.accounts[account]);
            if let Some(answer) = self.ask(Method::GET, &path, None).await {
                *count = answer.body["pagination"]["total"].as_u64().unwrap();
            }
        }
        counts
    }

    /// Whether nothing is left, or all that is left waits for another day.
    async fn is_over(&self, account: usize, open: [u64; 3]) -> bool {
        if open == [0; 3] {
            return true;
        }
        let (Some(cap), [_, 0, 0]) = (limits_of(account).daily, open) else { return false };
        let path = format!("/api/accounts/{}/queue", self.accounts[account]);
        let Some(queue) = self.ask(Method::GET, &path, None).await else { return false };
        queue.body["limits"]["dailyCount"].as_u64().unwrap() >= cap as u64
    }

    /// All of a list, and how many it says there are.
    async fn all(&self, list: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("{list}limit=200{cursor}");
            let page = self.ask(Method::GET, &path, None).await.expect("the server answers with a list").body;
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            let total = page["pagination"]["total"].as_u64().unwrap() as usize;
            let Some(next) = page["pagination"]["nextCursor"].as_str() else { return (rows, total) };
            cursor = format!("&cursor={next}");
        }
    }

    fn check_rows(&self, rows: &[Value], problems: &mut Problems) {
        let mut by_text: HashMap<&str, Vec<&Value>> = HashMap::new();
        for row in rows {
            by_text.entry(row["message"].as_str().unwrap()).or_default().push(row);
        }
        let mut arrived: HashMap<String, usize> = HashMap::new();
        for taken in self.api.taken() {
            *arrived.entry(taken.text).or_default() += 1;
        }
        let ledger = self.ledger();
        for text in arrived.keys().filter(|text| !ledger.messages.contains_key(*text)) {
            problems.add("a message arrived that nobody asked for", text);
        }
        let mut unexplained = Vec::new();
        for (text, asked) in &ledger.messages {
            let times = arrived.get(text).copied().unwrap_or(0);
            match (&asked.id, by_text.get(text.as_str()).map_or(&[][..], Vec::as_slice)) {
                (None, []) if times == 0 => {}
                (None, []) => problems.add("a message arrived that has no row", text),
                (Some(id), []) => problems.add("a message was accepted and is not there", format!("{text} {id}")),
                (id, [row]) => {
                    if id.as_ref().is_some_and(|id| row["id"] != **id) {
                        problems.add("a message has another id than was answered", format!("{row}"));
                    }
                    if let Some(why) = wrong(row, asked, times, ledger.cleared.contains(&asked.account)) {
                        problems.add(why, format!("arrived {times} times, {} retries: {row}", asked.retries));
                    }
                    if row["status"] == "uncertain" && asked.entry.mishap.is_none() {
                        unexplained.push(text.clone());
                    }
                }
                (_, all) => problems.add("a message is there more than once", format!("{text}: {}", all.len())),
            }
        }
        // One of each account may be in flight when the server is killed, and one when it is disconnected.
        let most = ledger.kills * ACCOUNTS + ledger.disconnects;
        if unexplained.len() > most {
            problems.add(format!("more than {most} messages are uncertain for no reason"), unexplained.join(", "));
        }
    }

    /// Each queue holds what the rows say is queued, and perhaps what expired in it and was not met yet.
    async fn check_queues(&self, rows: &[Value], problems: &mut Problems) {
        for (number, account) in self.accounts.iter().enumerate() {
            let own = || rows.iter().filter(|row| row["accountId"] == **account);
            let left = own().filter(|row| is_open(row)).count() as u64;
            let most = left + own().filter(|row| status(row) == "expired").count() as u64;
            let Some(queue) = self.ask(Method::GET, &format!("/api/accounts/{account}/queue"), None).await else {
                problems.add("a queue can't be asked", number.to_string());
                continue;
            };
            let length = queue.body["queueLength"].as_u64().unwrap();
            if !(left..=most).contains(&length) {
                problems.add("a queue differs from its rows", format!("account {number}: {length}, and {left} rows"));
            }
        }
    }

    fn check_limits(&self, rows: &[Value], problems: &mut Problems) {
        let mut by_token: HashMap<String, Vec<Taken>> = HashMap::new();
        for taken in self.api.taken() {
            by_token.entry(taken.token.clone()).or_default().push(taken);
        }
        for (number, bot) in (0..ACCOUNTS).zip(0..) {
            let taken = by_token.remove(&token(bot)).unwrap_or_default();
            for broken in broken_limits(number, &taken) {
                problems.add("a limit is broken", format!("account {number}: {broken}"));
            }
            let own: Vec<&Value> = rows.iter().filter(|row| row["accountId"] == *self.accounts[number]).collect();
            let is_left = own.iter().any(|row| is_open(row));
            // What failed or may have left counts too, each time that it was tried.
            let other = own.iter().filter(|row| matches!(status(row), "failed" | "uncertain")).count();
            let ledger = self.ledger();
            let retried: usize = ledger.messages.values().filter(|m| m.account == number).map(|m| m.retries).sum();
            if let Some(cap) = limits_of(number).daily
                && is_left
                && taken.len() + other + retried < cap
            {
                problems.add("a daily cap came too early", format!("account {number}: {} arrived", taken.len()));
            }
        }
    }

    fn report(&self, problems: &Problems, rows: &[Value]) -> String {
        let mut text = format!("ANDANTE_TEST_SEED={}\n", self.seed);
        for (kind, examples) in &problems.0 {
            writeln!(text, "{kind}: {}", examples.len()).unwrap();
            for example in examples.iter().take(EXAMPLES) {
                writeln!(text, "    {example}").unwrap();
            }
        }
        writeln!(text, "arrived: {}; statuses by account:", self.api.count()).unwrap();
        for (number, account) in self.accounts.iter().enumerate() {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for row in rows.iter().filter(|row| row["accountId"] == **account) {
                *counts.entry(status(row)).or_default() += 1;
            }
            writeln!(text, "    {number} {account} {counts:?}").unwrap();
        }
        let ledger = self.ledger();
        let accepted = ledger.messages.values().filter(|asked| asked.id.is_some()).count();
        writeln!(text, "asked for: {}, accepted: {accepted}; what happened:", ledger.messages.len()).unwrap();
        writeln!(text, "    {}", ledger.events.join("\n    ")).unwrap();
        text
    }
}

fn status(row: &Value) -> &str {
    row["status"].as_str().unwrap_or_default()
}

fn is_open(row: &Value) -> bool {
    OPEN.contains(&status(row))
}

/// What is wrong with how a message ended, that arrived so many times.
fn wrong(row: &Value, asked: &Asked, times: usize, is_cleared: bool) -> Option<String> {
    let status = status(row);
    let why = match status {
        "sent" | "delivered" | "read" if times == 0 => "it never arrived",
        "sent" | "delivered" | "read" | "uncertain" if times > 1 + asked.retries => "it arrived more often than tried",
        "failed" | "cancelled" | "expired" | "queued" if times > asked.retries => "it arrived",
        "failed" if asked.entry.to != "403" => "the messenger did not refuse it",
        "cancelled" if !asked.may_be_cancelled && !is_cleared => "nobody cancelled it",
        "expired" if asked.entry.expires_in.is_none() => "it had no end",
        "scheduled" | "sending" => "it is not over",
        "queued" if limits_of(asked.account).daily.is_none() => "it is not over",
        "sent" | "failed" | "uncertain" if row["attempts"] == 0 => "the attempts are not counted",
        _ => return None,
    };
    Some(format!("{status}, and {why}"))
}

/// The limits of an account that its messages break, as the messenger counts them.
fn broken_limits(account: usize, taken: &[Taken]) -> Vec<String> {
    let (limits, mut broken) = (limits_of(account), Vec::new());
    // How many of them arrived before; what was counted of a message must outlive that it is tried again.
    let again = |some: &[Taken]| {
        let is_again = |t: &&Taken| taken.iter().any(|other| other.text == t.text && other.at < t.at);
        some.iter().filter(is_again).count()
    };
    if let Some(limit) = limits.per_minute {
        let window = |last: usize| {
            let first = taken.partition_point(|t| t.at <= taken[last].at - TimeDelta::seconds(60));
            &taken[first..=last]
        };
        let most = (0..taken.len()).map(window).max_by_key(|window| window.len()).unwrap_or_default();
        if most.len() > limit {
            let (count, from, to) = (most.len(), most[0].at.time(), most[most.len() - 1].at.time());
            broken.push(format!("{count} messages from {from} to {to}, {} of them again", again(most)));
        }
    }
    // The instants are the messenger's: a message may travel a little faster than the one before it.
    let gap = |pair: &[Taken]| (pair[1].at - pair[0].at).num_milliseconds() + 5;
    for pair in taken.windows(2).filter(|pair| gap(pair) < limits.delay_ms[0]) {
        broken.push(format!("{} ms between {} and {}", gap(pair) - 5, pair[0].text, pair[1].text));
    }
    if let Some((after, [shortest, _])) = limits.rest {
        for group in taken.windows(after + 1).filter(|group| group.windows(2).all(|pair| gap(pair) < shortest)) {
            broken.push(format!("no rest from {} to {}", group[0].text, group[after].text));
        }
    }
    if limits.daily.is_some_and(|cap| taken.len() > cap) {
        broken.push(format!("{} messages in a day, {} of them again", taken.len(), again(taken)));
    }
    broken
}
