//! The queue in memory, for a server that stands alone. Restored from the rows at every start.

mod line;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};

use self::line::{Line, State, turn};
use super::{Builder, Claim, Entry, Overview, Placed, Queue, Rebuild, Settled, Settlement, Turn, Unavailable};
use crate::pacing::Pace;

/// All accounts' queues.
#[derive(Default)]
pub struct MemoryQueue {
    lines: Mutex<Lines>,
}

impl MemoryQueue {
    fn lines(&self) -> MutexGuard<'_, Lines> {
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
        Ok(claim(&mut self.lines(), account, epoch, now, provisional_next_at))
    }

    async fn settle(&self, claim: Claim, how: Settlement) -> Result<Settled, (Claim, Unavailable)> {
        Ok(settle(&mut self.lines(), &claim, how))
    }

    async fn settle_and_claim(
        &self,
        done: Claim,
        how: Settlement,
        now: DateTime<Utc>,
        provisional_next_at: DateTime<Utc>,
    ) -> Result<Turn, (Claim, Unavailable)> {
        let mut lines = self.lines();
        Ok(match settle(&mut lines, &done, how) {
            Settled::Yes => claim(&mut lines, done.account, done.epoch, now, provisional_next_at),
            Settled::Forgotten => Turn::Forgotten,
            Settled::Lost => Turn::Lost,
        })
    }

    async fn remove(&self, account: AccountId, entries: &[Entry]) -> Result<(), Unavailable> {
        if let Some(line) = self.lines().get_mut(&account) {
            for entry in entries {
                line.remove(entry);
            }
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
                ranks: line.ranks,
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

    async fn remember(&self, account: AccountId, epoch: i64, pace: &Pace) -> Result<(), Unavailable> {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&account) else { return Ok(()) };
        let Some(state) = line.state.as_mut().filter(|state| state.epoch <= epoch) else { return Ok(()) };
        let old = std::mem::replace(state, State { epoch, pace: pace.clone(), claim: None });
        if let Some((rank, message)) = old.claim {
            line.make_ready(rank, message);
        }
        Ok(())
    }

    async fn rebuild(&self, account: AccountId, epoch: i64, builder: Builder) -> Result<Option<Rebuild>, Unavailable> {
        let mut lines = self.lines();
        let line = lines.entry(account).or_default();
        if !line.yields_to(epoch, builder) || builder == Builder::Stranger && line.next.is_some() {
            return Ok(None);
        }
        let token = rand::random();
        line.next = Some((token, Box::default()));
        Ok(Some(Rebuild { account, epoch, builder, token }))
    }

    async fn refill(&self, rebuild: &Rebuild, entries: &[Entry]) -> Result<bool, Unavailable> {
        let mut lines = self.lines();
        let next = lines.get_mut(&rebuild.account).and_then(|line| line.next.as_mut());
        let Some((_, next)) = next.filter(|(token, _)| *token == rebuild.token) else { return Ok(false) };
        entries.iter().for_each(|entry| next.add(entry));
        Ok(true)
    }

    async fn switch(&self, rebuild: Rebuild, pace: &Pace) -> Result<bool, Unavailable> {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&rebuild.account) else { return Ok(false) };
        if !line.yields_to(rebuild.epoch, rebuild.builder) {
            return Ok(false);
        }
        let Some((_, next)) = line.next.take_if(|(token, _)| *token == rebuild.token) else { return Ok(false) };
        *line = *next;
        line.state = Some(State { epoch: rebuild.epoch, pace: pace.clone(), claim: None });
        Ok(true)
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

type Lines = HashMap<AccountId, Line>;

fn claim(
    lines: &mut Lines,
    account: AccountId,
    epoch: i64,
    now: DateTime<Utc>,
    provisional_next_at: DateTime<Utc>,
) -> Turn {
    let Some(line) = lines.get_mut(&account) else { return Turn::Forgotten };
    let Some(mut state) = line.state.take() else { return Turn::Forgotten };
    let turn = turn(line, &mut state, account, epoch, now, provisional_next_at);
    line.state = Some(state);
    turn
}

fn settle(lines: &mut Lines, claim: &Claim, how: Settlement) -> Settled {
    let Some(line) = lines.get_mut(&claim.account) else { return Settled::Forgotten };
    let Some(state) = &mut line.state else { return Settled::Forgotten };
    if state.epoch > claim.epoch {
        return Settled::Lost;
    }
    if state.claim.take_if(|held| *held == (claim.rank, claim.message)).is_none() {
        return Settled::Forgotten;
    }
    match how {
        Settlement::Done { pace } => {
            state.pace = pace;
            line.count(claim.rank, -1);
        }
        Settlement::Later { at, pace } => {
            state.pace = pace;
            line.put(&Entry { message: claim.message, rank: claim.rank, due_at: Some(at) });
        }
        Settlement::Back { pace } => {
            state.pace = pace;
            line.make_ready(claim.rank, claim.message);
        }
    }
    Settled::Yes
}
