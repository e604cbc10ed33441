//! Every Redis key, in one place. The account in braces is the hash tag that keeps one account's
//! keys in one slot of a Redis Cluster.

use entity::ids::{AccountId, MessageId};

use crate::queue::Entry;

/// The keys of one installation.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

/// The keys of one account.
#[derive(Debug)]
pub struct AccountKeys {
    /// Sorted set: members whose turn it could be, scored by rank.
    pub ready: String,
    /// Sorted set: members whose time has not come, scored by that time in milliseconds.
    pub delayed: String,
    /// Hash: `epoch`, `pace` (JSON), `next_at` (milliseconds), `claim` (a member), `ranks` (of all
    /// members, each modulo a prime, added up).
    pub state: String,
    /// Hash, while the line is being rebuilt: `token` (which rebuild counts), `ranks`.
    pub rebuild: String,
    /// What will be `ready` …
    pub next_ready: String,
    /// … and `delayed`.
    pub next_delayed: String,
}

impl AccountKeys {
    /// All of them, in the order in which every script takes them.
    #[must_use]
    pub fn in_order(&self) -> [&str; 6] {
        [&self.ready, &self.delayed, &self.state, &self.rebuild, &self.next_ready, &self.next_delayed]
    }
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
        AccountKeys {
            ready: of("ready"),
            delayed: of("delayed"),
            state: of("state"),
            rebuild: of("rebuild"),
            next_ready: of("next:ready"),
            next_delayed: of("next:delayed"),
        }
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
