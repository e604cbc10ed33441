//! One account's line in memory, and whose turn it is.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Included};

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};

use crate::pacing::Pace;
use crate::queue::{Builder, Claim, Entry, RANKS, SEQS, Turn};

#[derive(Default)]
pub(super) struct Line {
    pub(super) ready: BTreeSet<(i64, MessageId)>,
    pub(super) delayed: BTreeSet<(DateTime<Utc>, i64, MessageId)>,
    /// When each delayed message is due, to find it in the set.
    due: HashMap<MessageId, DateTime<Utc>>,
    /// How many are ready in each priority: a new message's position without walking the set.
    ready_by_priority: [u64; 10],
    /// The ranks of all messages added up, the claimed one's too.
    pub(super) ranks: i64,
    pub(super) state: Option<State>,
    /// The line that is being filled to take this one's place, and its token.
    pub(super) next: Option<(u64, Box<Line>)>,
}

pub(super) struct State {
    pub(super) epoch: i64,
    pub(super) pace: Pace,
    pub(super) claim: Option<(i64, MessageId)>,
}

impl Line {
    fn priority(rank: i64) -> usize {
        usize::try_from(rank / SEQS).unwrap_or(0).min(9)
    }

    pub(super) fn make_ready(&mut self, rank: i64, message: MessageId) {
        if self.ready.insert((rank, message)) {
            self.ready_by_priority[Self::priority(rank)] += 1;
        }
    }

    fn take_ready(&mut self, rank: i64, message: MessageId) -> bool {
        let was_there = self.ready.remove(&(rank, message));
        if was_there {
            self.ready_by_priority[Self::priority(rank)] -= 1;
        }
        was_there
    }

    pub(super) fn count(&mut self, rank: i64, times: i64) {
        self.ranks = (self.ranks + times * (rank % RANKS)).rem_euclid(RANKS);
    }

    fn holds(&self, entry: &Entry) -> bool {
        self.ready.contains(&(entry.rank, entry.message))
            || self.due.contains_key(&entry.message)
            || self.state.as_ref().is_some_and(|state| state.claim == Some((entry.rank, entry.message)))
    }

    pub(super) fn put(&mut self, entry: &Entry) {
        if let Some(due) = entry.due_at {
            self.due.insert(entry.message, due);
            self.delayed.insert((due, entry.rank, entry.message));
        } else {
            self.make_ready(entry.rank, entry.message);
        }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        if !self.holds(entry) {
            self.put(entry);
            self.count(entry.rank, 1);
        }
        if let Some((_, next)) = &mut self.next {
            next.add(entry);
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        let mut was_there = self.take_ready(entry.rank, entry.message);
        if let Some(due) = self.due.remove(&entry.message) {
            self.delayed.remove(&(due, entry.rank, entry.message));
            was_there = true;
        }
        if let Some(state) = &mut self.state {
            was_there |= state.claim.take_if(|claim| *claim == (entry.rank, entry.message)).is_some();
        }
        if was_there {
            self.count(entry.rank, -1);
        }
        if let Some((_, next)) = &mut self.next {
            next.remove(entry);
        }
    }

    fn promote(&mut self, now: DateTime<Utc>) {
        while let Some(&(due, rank, message)) = self.delayed.first() {
            if due > now {
                break;
            }
            self.delayed.pop_first();
            self.due.remove(&message);
            self.make_ready(rank, message);
        }
    }

    /// Whether a line made for `epoch` may take this one's place.
    pub(super) fn yields_to(&self, epoch: i64, builder: Builder) -> bool {
        self.state.as_ref().is_none_or(|state| builder == Builder::Lane && state.epoch <= epoch)
    }

    pub(super) fn position(&self, rank: i64, message: MessageId) -> Option<u64> {
        if !self.ready.contains(&(rank, message)) {
            return None;
        }
        // Counted from the nearer end of its priority: new messages are last, those looked at first.
        let priority = Self::priority(rank);
        let of_priority = i64::try_from(priority).unwrap_or(0) * SEQS;
        let mut ahead = self.ready.range((Included((of_priority, MessageId::MIN)), Excluded((rank, message))));
        let mut behind = self.ready.range((Excluded((rank, message)), Excluded((of_priority + SEQS, MessageId::MIN))));
        let mut steps = 0;
        loop {
            if ahead.next().is_none() {
                return Some(self.ready_by_priority[..priority].iter().sum::<u64>() + steps + 1);
            }
            if behind.next().is_none() {
                return Some(self.ready_by_priority[..=priority].iter().sum::<u64>() - steps);
            }
            steps += 1;
        }
    }
}

/// Whose turn it is, see [`super::Queue::claim`].
pub(super) fn turn(
    line: &mut Line,
    state: &mut State,
    account: AccountId,
    epoch: i64,
    now: DateTime<Utc>,
    provisional_next_at: DateTime<Utc>,
) -> Turn {
    if state.epoch > epoch {
        return Turn::Lost;
    }
    state.epoch = epoch;
    if let Some((rank, message)) = state.claim {
        return Turn::Take(Claim { account, message, rank, epoch, pace: state.pace.clone() });
    }
    line.promote(now);
    let Some(&(rank, message)) = line.ready.first() else {
        return line.delayed.first().map_or(Turn::Empty, |(due, ..)| Turn::NotBefore(*due));
    };
    if let Some(next_at) = state.pace.next_at.filter(|next_at| *next_at > now) {
        return Turn::NotBefore(next_at);
    }
    line.take_ready(rank, message);
    state.claim = Some((rank, message));
    let pace = state.pace.clone();
    state.pace.next_at = Some(provisional_next_at);
    Turn::Take(Claim { account, message, rank, epoch, pace })
}
