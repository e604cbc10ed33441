//! What will be done, drawn from a seed before anything begins: who asks for what and when, what
//! the messenger does to which message, and what breaks. Pure; how the tasks interleave is up to the
//! machine, so a seed repeats the requests and the faults, not every race.

use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::bot_api::Next;

/// Accounts, each a bot of its own.
pub const ACCOUNTS: usize = 20;
/// Those from here on have few limits and long queues …
pub const FAST: usize = 15;
/// … and those from here on a daily cap that they reach.
pub const CAPPED: usize = 17;
/// Messages of the bulks that fill the long queues: more than a queue holds in one part.
const FLOOD: usize = 1_300;
const CLIENTS: usize = 6;
/// How long each client goes on, not counting what it waits for; things break all that time.
const STORM: Duration = Duration::from_secs(38);
/// How long it goes on after that without what makes a lane look at its rows again, and so mends it.
const TAIL: Duration = Duration::from_secs(10);

/// What the messages are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// SQLite on a small disk, the queues in memory.
    SqliteMemory,
    /// Both servers the test's own.
    PostgresRedis,
    /// SQLite on a small disk, and Redis.
    SqliteRedis,
}

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

/// One message to be asked for.
#[derive(Debug, Clone)]
pub struct Entry {
    /// No two messages have the same text.
    pub text: String,
    pub to: String,
    pub priority: u8,
    pub send_in: Option<Duration>,
    pub expires_in: Option<Duration>,
    /// What the messenger does to it.
    pub mishap: Option<Next>,
}

/// One request for messages, under a key.
#[derive(Debug, Clone)]
pub struct Order {
    pub account: usize,
    pub key: String,
    pub entries: Vec<Entry>,
    pub is_bulk: bool,
    /// The caller hangs up so long after it has asked, before it asks again.
    pub hang_up: Option<Duration>,
    /// … or never does.
    pub is_abandoned: bool,
    /// It asks once more after the answer.
    pub is_repeated: bool,
}

/// What a client does.
#[derive(Debug, Clone)]
pub enum Act {
    Send(Order),
    Pause(usize),
    Resume(usize),
    Disconnect(usize),
    Connect(usize),
    /// Renames an account, and sets its limits: stricter ones or its own.
    Change(usize, bool),
    /// Cancels the message at this place of the account's queue.
    Cancel(usize, usize),
    Clear(usize),
    /// Tries one of the failed or uncertain messages again.
    Retry(usize),
    /// Asks for much at once, and waits for each answer so long only.
    Peek(usize, Vec<Duration>),
    /// Does something, and hangs up so soon.
    Hasty(Box<Act>, Duration),
}

/// What breaks, and for how long.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// `kill -9` of the server, which starts again.
    Kill,
    /// The same with Redis that forgets, again and again.
    KillAndWipe(usize, Duration),
    FullDisk(Duration),
    /// Redis forgets, so many times in a row.
    Wipe(usize, Duration),
    CutRedis(Duration),
    StopRedis(Duration),
    StopPostgres(&'static str, Duration),
    /// Terminates back ends, one after another.
    Terminate(Duration),
    UseUpConnections(Duration),
}

/// Everything that will be done, each after a pause.
pub struct Plan {
    pub clients: Vec<Vec<(Duration, Act)>>,
    pub faults: Vec<(Duration, Fault)>,
}

impl Order {
    /// One message that goes first, and that the messenger takes without an answer.
    pub fn unanswered(account: usize) -> Self {
        let text = format!("{account}/unanswered");
        let to = format!("9{account}");
        let entry = Entry { text, to, priority: 0, send_in: None, expires_in: None, mishap: Some(Next::Silence) };
        let key = format!("key {}", entry.text);
        Self {
            account,
            key,
            entries: vec![entry],
            is_bulk: false,
            hang_up: None,
            is_abandoned: false,
            is_repeated: false,
        }
    }
}

impl Plan {
    pub fn draw(seed: u64, variant: Variant) -> Self {
        let mut dice = Dice { rng: StdRng::seed_from_u64(seed), messages: 0 };
        let clients = (0..CLIENTS).map(|client| dice.client(client)).collect();
        Self { clients, faults: dice.faults(variant) }
    }
}

struct Dice {
    rng: StdRng,
    messages: usize,
}

impl Dice {
    fn is(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..to))
    }

    fn client(&mut self, client: usize) -> Vec<(Duration, Act)> {
        let (mut acts, mut at) = (Vec::new(), Duration::ZERO);
        // The long queues are there from the start.
        if (FAST..FAST + 3).contains(&(FAST + client)) {
            acts.push((Duration::ZERO, Act::Send(self.order(FAST + client, FLOOD))));
        }
        while at < STORM + TAIL {
            let pause = self.ms(0, 400);
            at += pause;
            let act = self.act(at > STORM);
            // What is stopped goes on soon, mostly.
            let then = match act {
                Act::Pause(account) if self.is(90) => Some(Act::Resume(account)),
                Act::Disconnect(account) if self.is(90) => Some(Act::Connect(account)),
                Act::Change(account, true) => Some(Act::Change(account, false)),
                _ => None,
            };
            let is_hasty = then.is_some() && self.is(25);
            let act = if is_hasty { Act::Hasty(Box::new(act), self.ms(0, 20)) } else { act };
            acts.push((pause, act));
            if let Some(then) = then {
                let pause = self.ms(0, 2_000);
                at += pause;
                acts.push((pause, then));
            }
        }
        acts
    }

    fn act(&mut self, is_tail: bool) -> Act {
        let account = self.rng.random_range(0..ACCOUNTS);
        match self.rng.random_range(0..if is_tail { 900 } else { 1_000 }) {
            0..400 => Act::Send(self.order(account, 1)),
            400..580 => {
                let count = self.rng.random_range(2..35);
                Act::Send(self.order(account, count))
            }
            580..620 => Act::Pause(account),
            620..640 => Act::Resume(account),
            640..700 => Act::Cancel(account, self.rng.random_range(0..100)),
            700..800 => Act::Retry(self.rng.random_range(0..1_000)),
            800..900 => {
                let patience = (0..24).map(|_| Duration::from_micros(self.rng.random_range(100..20_000)));
                Act::Peek(account, patience.collect())
            }
            900..940 => Act::Disconnect(account),
            940..960 => Act::Connect(account),
            960..998 => Act::Change(account, true),
            _ => Act::Clear(self.rng.random_range(0..FAST)),
        }
    }

    fn order(&mut self, account: usize, count: usize) -> Order {
        let mut entries: Vec<Entry> = (0..count).map(|_| self.entry(account)).collect();
        if count == 1 {
            // What has expired is refused when it is repeated; in a bulk, that can be told apart.
            entries[0].expires_in = None;
        }
        Order {
            account,
            key: format!("key {}", entries[0].text),
            entries,
            is_bulk: count > 1,
            hang_up: self.is(20).then(|| Duration::from_micros(self.rng.random_range(0..30_000))),
            is_abandoned: self.is(15) && count < FLOOD,
            is_repeated: self.is(10),
        }
    }

    fn entry(&mut self, account: usize) -> Entry {
        self.messages += 1;
        let mishap = match self.rng.random_range(0..1_000) {
            0..8 => Some(Next::TooMany(1)),
            8..12 => Some(Next::Broken),
            12..14 => Some(Next::Silence),
            14..18 => Some(Next::Garble),
            _ => None,
        };
        // A chat of its own for each, since the messenger takes one message a second for a chat; in
        // 403 the bot is blocked.
        let to = if mishap.is_none() && self.rng.random_range(0..300) == 0 { 403 } else { 10_000 + self.messages };
        Entry {
            text: format!("{account}/{}", self.messages),
            to: to.to_string(),
            priority: self.rng.random_range(0..10),
            send_in: self.is(5).then(|| self.ms(0, 15_000)),
            expires_in: self.is(2).then(|| self.ms(45_000, 90_000)),
            mishap,
        }
    }

    /// Each fault of the variant at least once, in any order.
    fn faults(&mut self, variant: Variant) -> Vec<(Duration, Fault)> {
        let mut faults = vec![Fault::Kill; 2];
        if variant != Variant::PostgresRedis {
            faults.extend((0..3).map(|_| Fault::FullDisk(self.ms(500, 2_500))));
        }
        if variant != Variant::SqliteMemory {
            faults.extend((0..3).map(|_| Fault::Wipe(self.rng.random_range(1..20), self.ms(0, 30))));
            faults.push(Fault::KillAndWipe(self.rng.random_range(1..20), self.ms(0, 30)));
            faults.extend([Fault::CutRedis(self.ms(200, 2_000)), Fault::CutRedis(self.ms(200, 4_000))]);
            faults.push(Fault::StopRedis(self.ms(200, 4_000)));
        }
        if variant == Variant::PostgresRedis {
            let how = *["fast", "immediate"].choose(&mut self.rng).unwrap_or(&"fast");
            faults.push(Fault::StopPostgres(how, self.ms(200, 4_000)));
            faults.extend([Fault::Terminate(self.ms(10, 100)), Fault::Terminate(self.ms(100, 400))]);
            faults.push(Fault::UseUpConnections(self.ms(500, 4_000)));
        }
        faults.shuffle(&mut self.rng);
        let pause = u64::try_from(STORM.as_millis()).unwrap() / u64::try_from(faults.len()).unwrap();
        faults.into_iter().map(|fault| (self.ms(pause / 2, pause), fault)).collect()
    }
}
