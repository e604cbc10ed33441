//! Every Redis key, in one place. The account in braces is the hash tag that keeps one account's
//! keys in one slot of a Redis Cluster.

use entity::ids::{AccountId, MessageId};

use super::Entry;

/// The keys of one installation.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

/// The three keys of one account, in the order in which every script takes them.
#[derive(Debug)]
pub struct AccountKeys {
    /// Sorted set: members whose turn it could be, scored by rank.
    pub ready: String,
    /// Sorted set: members whose time has not come, scored by that time in milliseconds.
    pub delayed: String,
    /// Hash: `epoch`, `paused` (0 or 1), `pace` (JSON), `next_at` (milliseconds), `claim` (a member).
    pub state: String,
}

impl Keys {
    /// Keys that start with `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The keys of `account`.
    #[must_use]
    pub fn of(&self, account: AccountId) -> AccountKeys {
        let of = |what: &str| format!("{}:{{{account}}}:{what}", self.prefix);
        AccountKeys { ready: of("ready"), delayed: of("delayed"), state: of("state") }
    }
}

/// A message as a member of the sorted sets: its rank in 16 digits, a colon, its id.
#[must_use]
pub fn member(rank: i64, message: MessageId) -> String {
    format!("{rank:016}:{message}")
}

/// The member of an entry.
#[must_use]
pub fn member_of(entry: &Entry) -> String {
    member(entry.rank, entry.message)
}

/// Reads a member back.
#[must_use]
pub fn read_member(member: &str) -> Option<(i64, MessageId)> {
    let (rank, message) = member.split_once(':')?;
    Some((rank.parse().ok()?, message.parse().ok()?))
}
