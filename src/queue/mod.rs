//! The queue: one line of messages for each account, and what was counted of its sends.
//!
//! Two implementations, [`memory`] and [`redis`], keep the same promises; one conformance suite
//! and one model drive both. A queue holds ids only and may lose everything at any moment: it
//! then answers `Forgotten`, and the account's lane rebuilds it from the rows (`lane::restore`),
//! beside what is there: a [`Rebuild`] takes its place in one step.
//!
//! One message is in flight per account, so order and pace can't be broken by concurrency. A claim
//! carries the epoch of the lane that made it; a lane whose account was taken over gets `Lost`.
//! There is no lease to renew: the next owner's higher epoch takes over what an earlier one
//! claimed, and the row's own move from `queued` to `sending` lets a message start only once.

pub mod memory;
pub mod redis;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};

use crate::pacing::Pace;

/// One message as its queue sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The message.
    pub message: MessageId,
    /// Smaller goes first, see [`rank`].
    pub rank: i64,
    /// Not before this instant.
    pub due_at: Option<DateTime<Utc>>,
}

/// Room for the sequence numbers of one priority: microseconds until 2053. Ten priorities of it
/// still are exact as a double, which a Redis score is.
pub const SEQS: i64 = 900_000_000_000_000;

/// Ranks are added up modulo this prime: every sum stays exact as a double.
pub const RANKS: i64 = 1_000_000_007;

/// The order within an account: priority 0 to 9 first, then the sequence number.
#[must_use]
pub fn rank(priority: i16, seq: i64) -> i64 {
    i64::from(priority) * SEQS + seq.clamp(0, SEQS - 1)
}

/// What `enqueue` answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Placed {
    /// The entries are in line: for each its position (1 goes next), or none if its time has not
    /// come; and the account's pace, for estimates.
    At {
        /// One for each entry, in order.
        positions: Vec<Option<u64>>,
        /// What was counted of the account.
        pace: Pace,
    },
    /// The entries are in line, but the account's state is lost: restore it.
    Forgotten,
}

/// What `claim` answers. Waiting is an answer like any other.
#[derive(Debug, PartialEq)]
pub enum Turn {
    /// This message may start now.
    Take(Claim),
    /// Nothing may start before this instant.
    NotBefore(DateTime<Utc>),
    /// Nothing is waiting.
    Empty,
    /// The account's state is lost: restore it.
    Forgotten,
    /// Another lane has taken the account: stop.
    Lost,
}

/// A message taken from the queue. Settling consumes it.
#[derive(Debug, PartialEq)]
#[must_use = "a claim that is not settled stays in flight until the account is taken over"]
pub struct Claim {
    /// Whose queue it came from.
    pub account: AccountId,
    /// The message.
    pub message: MessageId,
    /// Its place in the order, should it go back.
    pub rank: i64,
    /// The epoch of the lane that claimed it.
    pub epoch: i64,
    /// What was counted before it.
    pub pace: Pace,
}

/// How a claim ends. Either way `pace` becomes what was counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// It leaves the queue: sent, refused, uncertain, cancelled or expired; the row tells which.
    Done {
        /// With this send counted, if it was one.
        pace: Pace,
    },
    /// It goes back and is due at `at`.
    Later {
        /// Not before this instant.
        at: DateTime<Utc>,
        /// As it was, but for the next instant.
        pace: Pace,
    },
    /// It goes back to its place.
    Back {
        /// As it was.
        pace: Pace,
    },
}

/// What `settle` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The queue knows.
    Yes,
    /// The queue does not know the claim (any more): restore the account.
    Forgotten,
    /// Another lane has taken the account: stop.
    Lost,
}

/// One account's queue at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// Messages whose turn it could be.
    pub ready: u64,
    /// Messages whose time has not come.
    pub delayed: u64,
    /// The claimed message.
    pub in_flight: Option<Entry>,
    /// The ranks of all of them added up, modulo [`RANKS`].
    pub ranks: i64,
    /// What was counted.
    pub pace: Pace,
}

impl Overview {
    /// All messages of the queue.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ready + self.delayed + u64::from(self.in_flight.is_some())
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which messages they are, as far as numbers tell.
    #[must_use]
    pub fn held(&self) -> Held {
        Held { count: self.len(), ranks: self.ranks }
    }
}

/// Which messages there are, as far as two numbers tell: a queue and the rows that have the same
/// are taken to agree. Two sets of one size have the same sum once in a billion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: u64,
    /// Their ranks added up, modulo [`RANKS`].
    pub ranks: i64,
}

/// A line that is filled beside the one in use. Switching to it consumes it.
#[derive(Debug)]
#[must_use = "a rebuild that is not switched to changes nothing"]
pub struct Rebuild {
    /// Whose line.
    pub account: AccountId,
    /// The epoch it is made for.
    pub epoch: i64,
    /// Who makes it.
    pub builder: Builder,
    /// Tells it from others of the account: the latest one counts.
    pub token: u64,
}

/// Who rebuilds a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// The account's lane, which has the say.
    Lane,
    /// Somebody else: a state that is there stays as it is, and so does another's rebuild.
    Stranger,
}

/// The queue can't be asked now. There is one reaction: wait, and ask again.
#[derive(Debug, thiserror::Error)]
#[error("the queue does not answer: {0}")]
pub struct Unavailable(#[from] pub anyhow::Error);

/// The queues of all accounts.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts `entries` in line, also in one that is being rebuilt. Entries that are there already stay
    /// as they are.
    async fn enqueue(&self, account: AccountId, entries: &[Entry]) -> Result<Placed, Unavailable>;

    /// Takes the message whose turn it is at `now`, for the lane of `epoch`. Until the claim is
    /// settled nothing else starts, and nothing before `provisional_next_at` even if it never is.
    /// A lane that asks again without settling gets the same message again.
    async fn claim(
        &self,
        account: AccountId,
        epoch: i64,
        now: DateTime<Utc>,
        provisional_next_at: DateTime<Utc>,
    ) -> Result<Turn, Unavailable>;

    /// Ends a claim. The claim comes back with the error, so that it can be tried again.
    async fn settle(&self, claim: Claim, how: Settlement) -> Result<Settled, (Claim, Unavailable)>;

    /// Ends a claim and takes what is next, both in one step: `Forgotten` also where the queue does not
    /// know the claim (any more). The error leaves open whether the claim was ended; it comes back.
    async fn settle_and_claim(
        &self,
        claim: Claim,
        how: Settlement,
        now: DateTime<Utc>,
        provisional_next_at: DateTime<Utc>,
    ) -> Result<Turn, (Claim, Unavailable)>;

    /// Takes messages out of line, in flight or not.
    async fn remove(&self, account: AccountId, entries: &[Entry]) -> Result<(), Unavailable>;

    /// The account's queue, or `None` if its state is lost.
    async fn overview(&self, account: AccountId) -> Result<Option<Overview>, Unavailable>;

    /// The first `limit` messages: in flight, then in order, then those whose time has not come.
    async fn list(&self, account: AccountId, limit: usize) -> Result<Vec<MessageId>, Unavailable>;

    /// The position of a message whose turn it could be; 1 goes next.
    async fn position(&self, account: AccountId, entry: &Entry) -> Result<Option<u64>, Unavailable>;

    /// Forgets the account altogether.
    async fn forget(&self, account: AccountId) -> Result<(), Unavailable>;

    /// Writes the account's state over the one that is there. What is in flight goes back in line. A
    /// state of a higher epoch stays as it is, and one that is lost stays lost.
    async fn remember(&self, account: AccountId, epoch: i64, pace: &Pace) -> Result<(), Unavailable>;

    /// Begins to fill a line beside the one in use; an earlier rebuild of the account is over. From
    /// now on what is put in line or taken out is in both, so what is read from the rows after this
    /// misses nothing. `None`: who asks has no say.
    async fn rebuild(&self, account: AccountId, epoch: i64, builder: Builder) -> Result<Option<Rebuild>, Unavailable>;

    /// Fills it; answers whether it still counts.
    async fn refill(&self, rebuild: &Rebuild, entries: &[Entry]) -> Result<bool, Unavailable>;

    /// Puts it in the place of the one in use, with `pace` as what was counted; answers whether it
    /// still counted.
    async fn switch(&self, rebuild: Rebuild, pace: &Pace) -> Result<bool, Unavailable>;

    /// Whether the queue answers at all.
    async fn ping(&self) -> Result<(), Unavailable>;
}
