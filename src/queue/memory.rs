//! The queue in memory, for a server that stands alone. Restored from the rows at every start.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Included};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};

use super::{Claim, Entry, Overview, Placed, Queue, SEQS, Settled, Settlement, Turn, Unavailable};
use crate::pacing::Pace;

/// All accounts' queues.
#[derive(Default)]
pub struct MemoryQueue {
    lines: Mutex<HashMap<AccountId, Line>>,
}

#[derive(Default)]
struct Line {
    ready: BTreeSet<(i64, MessageId)>,
    delayed: BTreeSet<(DateTime<Utc>, i64, MessageId)>,
    /// When each delayed message is due, to find it in the set.
    due: HashMap<MessageId, DateTime<Utc>>,
    /// How many are ready in each priority: a new message's position without walking the set.
    ready_by_priority: [u64; 10],
    state: Option<State>,
}

struct State {
    epoch: i64,
    is_paused: bool,
    pace: Pace,
    claim: Option<(i64, MessageId)>,
}

impl Line {
    fn priority(rank: i64) -> usize {
        usize::try_from(rank / SEQS).unwrap_or(0).min(9)
    }

    fn make_ready(&mut self, rank: i64, message: MessageId) {
        if self.ready.insert((rank, message)) {
            self.ready_by_priority[Self::priority(rank)] += 1;
        }
    }

    fn take_ready(&mut self, rank: i64, message: MessageId) {
        if self.ready.remove(&(rank, message)) {
            self.ready_by_priority[Self::priority(rank)] -= 1;
        }
    }

    fn add(&mut self, entry: &Entry) {
        if let Some(due) = entry.due_at {
            if self.due.insert(entry.message, due).is_none() {
                self.delayed.insert((due, entry.rank, entry.message));
            }
        } else {
            self.make_ready(entry.rank, entry.message);
        }
    }

    fn remove(&mut self, entry: &Entry) {
        self.take_ready(entry.rank, entry.message);
        if let Some(due) = self.due.remove(&entry.message) {
            self.delayed.remove(&(due, entry.rank, entry.message));
        }
        if let Some(state) = &mut self.state {
            state.claim.take_if(|claim| *claim == (entry.rank, entry.message));
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

    fn position(&self, rank: i64, message: MessageId) -> Option<u64> {
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

impl MemoryQueue {
    fn lines(&self) -> MutexGuard<'_, HashMap<AccountId, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn enqueue(&self, account: AccountId, entries: &[Entry]) -> Result<Placed, Unavailable> {
        let mut lines = self.lines();
        let line = lines.entry(account).or_default();
        for entry in entries {
            line.add(entry);
        }
        let Some(state) = &line.state else { return Ok(Placed::Forgotten) };
        let pace = state.pace.clone();
        Ok(Placed::At {
            positions: entries.iter().map(|entry| line.position(entry.rank, entry.message)).collect(),
            pace,
        })
    }

    async fn claim(
        &self,
        account: AccountId,
        epoch: i64,
        now: DateTime<Utc>,
        provisional_next_at: DateTime<Utc>,
    ) -> Result<Turn, Unavailable> {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&account) else { return Ok(Turn::Forgotten) };
        let Some(mut state) = line.state.take() else { return Ok(Turn::Forgotten) };
        let turn = turn(line, &mut state, account, epoch, now, provisional_next_at);
        line.state = Some(state);
        Ok(turn)
    }

    async fn settle(&self, claim: Claim, how: Settlement) -> Result<Settled, (Claim, Unavailable)> {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&claim.account) else { return Ok(Settled::Forgotten) };
        let Some(state) = &mut line.state else { return Ok(Settled::Forgotten) };
        if state.epoch > claim.epoch {
            return Ok(Settled::Lost);
        }
        if state.claim.take_if(|held| *held == (claim.rank, claim.message)).is_none() {
            return Ok(Settled::Forgotten);
        }
        match how {
            Settlement::Done { pace } => state.pace = pace,
            Settlement::Later { at, pace } => {
                state.pace = pace;
                line.add(&Entry { message: claim.message, rank: claim.rank, due_at: Some(at) });
            }
        }
        Ok(Settled::Yes)
    }

    async fn remove(&self, account: AccountId, entries: &[Entry]) -> Result<(), Unavailable> {
        if let Some(line) = self.lines().get_mut(&account) {
            for entry in entries {
                line.remove(entry);
            }
        }
        Ok(())
    }

    async fn set_paused(&self, account: AccountId, is_paused: bool) -> Result<(), Unavailable> {
        if let Some(state) = self.lines().get_mut(&account).and_then(|line| line.state.as_mut()) {
            state.is_paused = is_paused;
        }
        Ok(())
    }

    async fn overview(&self, account: AccountId) -> Result<Option<Overview>, Unavailable> {
        let lines = self.lines();
        Ok(lines.get(&account).and_then(|line| {
            let state = line.state.as_ref()?;
            Some(Overview {
                ready: line.ready.len() as u64,
                delayed: line.delayed.len() as u64,
                in_flight: state.claim.map(|(rank, message)| Entry { message, rank, due_at: None }),
                is_paused: state.is_paused,
                pace: state.pace.clone(),
            })
        }))
    }

    async fn list(&self, account: AccountId, limit: usize) -> Result<Vec<MessageId>, Unavailable> {
        let lines = self.lines();
        let Some(line) = lines.get(&account) else { return Ok(Vec::new()) };
        let in_flight = line.state.as_ref().and_then(|state| state.claim);
        let ready = line.ready.iter().copied();
        let delayed = line.delayed.iter().map(|&(_, rank, message)| (rank, message));
        Ok(in_flight.into_iter().chain(ready).chain(delayed).map(|(_, message)| message).take(limit).collect())
    }

    async fn position(&self, account: AccountId, entry: &Entry) -> Result<Option<u64>, Unavailable> {
        Ok(self.lines().get(&account).and_then(|line| line.position(entry.rank, entry.message)))
    }

    async fn forget(&self, account: AccountId) -> Result<(), Unavailable> {
        self.lines().remove(&account);
        Ok(())
    }

    async fn remember(&self, account: AccountId, epoch: i64, is_paused: bool, pace: &Pace) -> Result<(), Unavailable> {
        let mut lines = self.lines();
        let line = lines.entry(account).or_default();
        if line.state.as_ref().is_some_and(|state| state.epoch > epoch) {
            return Ok(());
        }
        let state = State { epoch, is_paused, pace: pace.clone(), claim: None };
        if let Some((rank, message)) = line.state.replace(state).and_then(|old| old.claim) {
            line.make_ready(rank, message);
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

fn turn(
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
    if state.is_paused {
        return Turn::Paused;
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
