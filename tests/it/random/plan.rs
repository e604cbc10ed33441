//! What will be done, drawn from a seed before anything begins: who asks for what and when, what
//! the messenger does to which message, and what breaks. Pure; how the tasks interleave is up to the
//! machine, so a seed repeats the requests and the faults, not every race.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use super::limits::{ACCOUNTS, FAST};
use crate::bot_api::Next;

/// Messages of the bulks that fill the long queues: more than is accepted in one part.
const FLOOD: usize = 1_300;
/// Accounts with long queues: the two fast ones, and one that reaches its daily cap.
const FLOODED: usize = 3;
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
        if client < FLOODED {
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
