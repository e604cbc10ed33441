//! Both queues under random operations: they must agree with a model that is too simple to be wrong.

use std::collections::BTreeMap;

use andante::pacing::Pace;
use andante::queue::memory::MemoryQueue;
use andante::queue::redis::RedisQueue;
use andante::queue::{Builder, Claim, Entry, Placed, Queue, RANKS, Settled, Settlement, Turn, rank};
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, MessageId};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::harness::Redis;

#[derive(Debug, Clone)]
enum Operation {
    Enqueue { priority: i16, due_in: Option<i64> },
    Claim,
    Done { next_in: i64, and_claim: bool },
    Later { in_ms: i64, and_claim: bool },
    Back { next_in: i64, and_claim: bool },
    Remove(prop::sample::Index),
    Advance(i64),
    TakeOver,
    Wipe,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0_i16..10, prop::option::weighted(0.3, 0_i64..3_000))
            .prop_map(|(priority, due_in)| Operation::Enqueue { priority, due_in }),
        6 => Just(Operation::Claim),
        4 => (0_i64..2_000, any::<bool>()).prop_map(|(next_in, and_claim)| Operation::Done { next_in, and_claim }),
        2 => (0_i64..2_000, any::<bool>()).prop_map(|(in_ms, and_claim)| Operation::Later { in_ms, and_claim }),
        1 => (0_i64..2_000, any::<bool>()).prop_map(|(next_in, and_claim)| Operation::Back { next_in, and_claim }),
        2 => any::<prop::sample::Index>().prop_map(Operation::Remove),
        4 => (0_i64..1_500).prop_map(Operation::Advance),
        1 => Just(Operation::TakeOver),
        1 => Just(Operation::Wipe),
    ]
}

/// One list, searched from end to end each time.
#[derive(Default)]
struct Model {
    entries: BTreeMap<MessageId, Entry>,
    in_flight: Option<MessageId>,
    next_at: Option<DateTime<Utc>>,
    is_known: bool,
}

impl Model {
    fn claim(&mut self, now: DateTime<Utc>, provisional: DateTime<Utc>) -> Expected {
        if !self.is_known {
            return Expected::Forgotten;
        }
        if let Some(message) = self.in_flight {
            return Expected::Take(message);
        }
        for entry in self.entries.values_mut() {
            entry.due_at = entry.due_at.filter(|due| *due > now);
        }
        let ready = self.entries.values().filter(|entry| entry.due_at.is_none()).min_by_key(|e| (e.rank, e.message));
        let Some(first) = ready.map(|entry| entry.message) else {
            return self.entries.values().filter_map(|e| e.due_at).min().map_or(Expected::Empty, Expected::NotBefore);
        };
        if let Some(next_at) = self.next_at.filter(|at| *at > now) {
            return Expected::NotBefore(next_at);
        }
        self.in_flight = Some(first);
        self.next_at = Some(provisional);
        Expected::Take(first)
    }
}

#[derive(Debug, PartialEq)]
enum Expected {
    Take(MessageId),
    NotBefore(DateTime<Utc>),
    Empty,
    Forgotten,
}

/// The claim of a turn, which must be as expected.
fn taken(turn: Turn, expected: &Expected) -> Result<Option<Claim>, TestCaseError> {
    let got = match &turn {
        Turn::Take(claim) => Expected::Take(claim.message),
        Turn::NotBefore(at) => Expected::NotBefore(*at),
        Turn::Empty => Expected::Empty,
        Turn::Forgotten => Expected::Forgotten,
        Turn::Lost => return Err(TestCaseError::fail("nobody has overtaken this lane")),
    };
    prop_assert_eq!(&got, expected);
    Ok(if let Turn::Take(claim) = turn { Some(claim) } else { None })
}

async fn drive(queue: &dyn Queue, operations: &[Operation], seed: u64) -> Result<(), TestCaseError> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
    let account = AccountId::new(now, &mut rng);
    let (mut model, mut claim, mut epoch, mut seq) = (Model::default(), None::<Claim>, 1, 0);
    for operation in operations {
        match operation {
            Operation::Enqueue { priority, due_in } => {
                seq += 1;
                let due_at = due_in.map(|ms| now + TimeDelta::milliseconds(ms)).filter(|due| *due > now);
                let entry =
                    Entry { message: MessageId::new(seq, rng.next_u64() as u16), rank: rank(*priority, seq), due_at };
                let placed = queue.enqueue(account, &[entry]).await.unwrap();
                let waiting = model.entries.values().filter(|e| Some(e.message) != model.in_flight);
                // What is due but not yet promoted has no place: only a claim promotes.
                let ahead = waiting.filter(|e| e.due_at.is_none() && e.rank < entry.rank).count() as u64;
                model.entries.insert(entry.message, entry);
                match placed {
                    Placed::Forgotten => prop_assert!(!model.is_known),
                    Placed::At { positions, .. } => {
                        prop_assert!(model.is_known);
                        prop_assert_eq!(positions, vec![due_at.is_none().then_some(ahead + 1)]);
                    }
                }
            }
            Operation::Claim => {
                let provisional = now + TimeDelta::milliseconds(100);
                let turn = queue.claim(account, epoch, now, provisional).await.unwrap();
                let expected = model.claim(now, provisional);
                claim = taken(turn, &expected)?.or(claim);
            }
            Operation::Done { next_in, and_claim }
            | Operation::Later { in_ms: next_in, and_claim }
            | Operation::Back { next_in, and_claim } => {
                let Some(held) = claim.take() else { continue };
                let message = held.message;
                let at = now + TimeDelta::milliseconds(*next_in);
                let next_at = Some(at);
                let pace = Pace { next_at, ..Pace::default() };
                let is_done = matches!(operation, Operation::Done { .. });
                let is_back = matches!(operation, Operation::Back { .. });
                let how = match operation {
                    Operation::Done { .. } => Settlement::Done { pace },
                    Operation::Back { .. } => Settlement::Back { pace },
                    _ => Settlement::Later { at, pace },
                };
                let is_held = model.is_known && model.in_flight == Some(message);
                if is_held {
                    model.in_flight = None;
                    model.next_at = next_at;
                    if is_done {
                        model.entries.remove(&message);
                    } else if let Some(entry) = model.entries.get_mut(&message) {
                        entry.due_at = next_at.filter(|_| !is_back);
                    }
                }
                if *and_claim {
                    let provisional = now + TimeDelta::milliseconds(100);
                    let turn = queue.settle_and_claim(held, how, now, provisional).await.unwrap();
                    let expected = if is_held { model.claim(now, provisional) } else { Expected::Forgotten };
                    claim = taken(turn, &expected)?;
                } else {
                    let settled = queue.settle(held, how).await.unwrap();
                    prop_assert_eq!(settled, if is_held { Settled::Yes } else { Settled::Forgotten });
                }
            }
            Operation::Remove(index) => {
                if model.entries.is_empty() {
                    continue;
                }
                let entry = *index.get(&model.entries.values().copied().collect::<Vec<_>>());
                queue.remove(account, &[entry]).await.unwrap();
                model.entries.remove(&entry.message);
                model.in_flight.take_if(|message| *message == entry.message);
            }
            Operation::Advance(ms) => now += TimeDelta::milliseconds(*ms),
            Operation::TakeOver => {
                epoch += 1;
                let pace = Pace { next_at: model.next_at, ..Pace::default() };
                if model.is_known {
                    queue.remember(account, epoch, &pace).await.unwrap();
                } else {
                    let rebuild = queue.rebuild(account, epoch, Builder::Lane).await.unwrap().unwrap();
                    let entries: Vec<Entry> = model.entries.values().copied().collect();
                    prop_assert!(queue.refill(&rebuild, &entries).await.unwrap());
                    prop_assert!(queue.switch(rebuild, &pace).await.unwrap());
                }
                (model.is_known, model.in_flight, claim) = (true, None, None);
            }
            Operation::Wipe => {
                queue.forget(account).await.unwrap();
                model = Model { next_at: model.next_at, ..Model::default() };
            }
        }
        let overview = queue.overview(account).await.unwrap();
        prop_assert_eq!(overview.is_some(), model.is_known);
        if let Some(overview) = overview {
            prop_assert_eq!(overview.len(), model.entries.len() as u64);
            prop_assert_eq!(overview.in_flight.map(|entry| entry.message), model.in_flight);
            let ranks = model.entries.values().map(|entry| entry.rank % RANKS).sum::<i64>() % RANKS;
            prop_assert_eq!(overview.ranks, ranks);
        }
    }
    Ok(())
}

fn check(queue: &dyn Queue, handle: &tokio::runtime::Handle, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let histories = (prop::collection::vec(operation(), 1..120), any::<u64>());
    proptest!(config, |((operations, seed) in histories)| {
        handle.block_on(drive(queue, &operations, seed))?;
    });
}

#[test]
fn the_memory_queue_agrees_with_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    check(&MemoryQueue::default(), runtime.handle(), 300);
}

#[test]
fn the_redis_queue_agrees_with_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let redis = runtime.block_on(Redis::start());
    let queue = runtime.block_on(async { RedisQueue::new(&redis.url(), false, "model").unwrap() });
    check(&queue, runtime.handle(), 60);
}
