//! What every queue promises, on each of them: memory, Redis, and a Redis Cluster, which refuses
//! any script whose keys lie in different slots.

use andante::pacing::Pace;
use andante::queue::memory::MemoryQueue;
use andante::queue::redis::RedisQueue;
use andante::queue::{Builder, Claim, Entry, Held, Overview, Placed, Queue, RANKS, Settled, Settlement, Turn, rank};
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, MessageId};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::harness::Redis;

/// Names and instants for one case.
struct Case<'a> {
    queue: &'a dyn Queue,
    account: AccountId,
    rng: StdRng,
    now: DateTime<Utc>,
}

impl Case<'_> {
    fn entry(&mut self, priority: i16, seq: i64) -> Entry {
        Entry {
            message: MessageId::new(seq, rand::Rng::next_u64(&mut self.rng) as u16),
            rank: rank(priority, seq),
            due_at: None,
        }
    }

    fn at(&self, ms: i64) -> DateTime<Utc> {
        self.now + TimeDelta::milliseconds(ms)
    }

    async fn known(&self) {
        self.rebuilt(1, Builder::Lane, &[], &Pace::default()).await;
    }

    /// Rebuilds the line with these entries: whether it took the place of the one in use.
    async fn rebuilt(&self, epoch: i64, builder: Builder, entries: &[Entry], pace: &Pace) -> bool {
        let Some(rebuild) = self.queue.rebuild(self.account, epoch, builder).await.unwrap() else { return false };
        self.queue.refill(&rebuild, entries).await.unwrap() && self.queue.switch(rebuild, pace).await.unwrap()
    }

    async fn overview(&self) -> Overview {
        self.queue.overview(self.account).await.unwrap().expect("the account is known")
    }

    async fn add(&self, entries: &[Entry]) -> Vec<Option<u64>> {
        match self.queue.enqueue(self.account, entries).await.unwrap() {
            Placed::At { positions, .. } => positions,
            Placed::Forgotten => panic!("the account is known"),
        }
    }

    async fn claim_at(&self, ms: i64) -> Turn {
        self.queue.claim(self.account, 1, self.at(ms), self.at(ms + 100)).await.unwrap()
    }

    async fn take(&self, ms: i64) -> Claim {
        match self.claim_at(ms).await {
            Turn::Take(claim) => claim,
            other => panic!("not a claim: {other:?}"),
        }
    }

    async fn done(&self, claim: Claim, next_ms: i64) {
        let pace = Pace { next_at: Some(self.at(next_ms)), ..claim.pace.clone() };
        assert_eq!(self.queue.settle(claim, Settlement::Done { pace }).await.unwrap(), Settled::Yes);
    }
}

macro_rules! on_every_queue {
    ($($name:ident)*) => {
        mod memory { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::case(&super::MemoryQueue::default())).await; }
        )* }
        mod redis { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let redis = super::Redis::start().await;
                super::$name(super::case(&super::RedisQueue::new(&redis.url(), false, "test").unwrap())).await;
            }
        )* }
        mod cluster { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let redis = super::Redis::cluster().await;
                super::$name(super::case(&super::RedisQueue::new(&redis.url(), true, "test").unwrap())).await;
            }
        )* }
    };
}

fn case(queue: &dyn Queue) -> Case<'_> {
    let mut rng = StdRng::seed_from_u64(11);
    let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
    Case { queue, account: AccountId::new(now, &mut rng), rng, now }
}

on_every_queue! {
    an_unknown_account_is_forgotten_and_keeps_what_is_put_in_line
    messages_go_by_priority_then_in_order
    one_message_is_in_flight_and_asking_again_gives_the_same
    nothing_goes_before_the_planned_instant
    a_crash_between_claim_and_settle_is_no_burst
    a_delayed_message_waits_for_its_time_and_then_keeps_its_rank
    what_goes_back_comes_again_when_it_is_due
    a_removed_message_is_never_claimed
    a_lane_that_was_overtaken_is_told
    the_next_owner_finds_what_was_in_flight_back_in_line
    a_settlement_of_a_forgotten_claim_is_told
    a_claim_is_ended_and_the_next_taken_in_one_step
    everything_is_listed_in_order
    an_enqueued_message_stays_once
    what_comes_in_while_a_line_is_rebuilt_is_in_both
    the_latest_rebuild_counts_and_a_stranger_s_only_where_all_is_lost
    a_line_of_thousands_is_rebuilt_and_enqueued_whole
    two_numbers_tell_which_messages_a_queue_holds
}

async fn an_unknown_account_is_forgotten_and_keeps_what_is_put_in_line(mut case: Case<'_>) {
    let entry = case.entry(5, 1);
    assert_eq!(case.claim_at(0).await, Turn::Forgotten);
    assert_eq!(case.queue.overview(case.account).await.unwrap(), None);
    assert_eq!(case.queue.enqueue(case.account, &[entry]).await.unwrap(), Placed::Forgotten);
    assert_eq!(case.queue.list(case.account, 9).await.unwrap(), [entry.message]);
    // Nor does writing a state over one that is lost make it known: who knows what is missing.
    case.queue.remember(case.account, 1, &Pace::default()).await.unwrap();
    assert_eq!(case.claim_at(0).await, Turn::Forgotten);
    assert!(case.rebuilt(1, Builder::Lane, &[entry], &Pace::default()).await);
    assert_eq!(case.take(0).await.message, entry.message);
    case.queue.forget(case.account).await.unwrap();
    assert_eq!(case.claim_at(0).await, Turn::Forgotten);
}

async fn messages_go_by_priority_then_in_order(mut case: Case<'_>) {
    case.known().await;
    let (normal, late, urgent, last) = (case.entry(5, 1), case.entry(5, 2), case.entry(0, 3), case.entry(9, 4));
    assert_eq!(case.add(&[normal, late]).await, [Some(1), Some(2)]);
    assert_eq!(case.add(&[urgent, last]).await, [Some(1), Some(4)]);
    for (entry, position) in [(urgent, 1), (normal, 2), (late, 3), (last, 4)] {
        assert_eq!(case.queue.position(case.account, &entry).await.unwrap(), Some(position));
    }
    for entry in [urgent, normal, late, last] {
        let claim = case.take(0).await;
        assert_eq!(claim.message, entry.message);
        case.done(claim, 0).await;
    }
    assert_eq!(case.claim_at(0).await, Turn::Empty);
}

async fn one_message_is_in_flight_and_asking_again_gives_the_same(mut case: Case<'_>) {
    case.known().await;
    let entries = [case.entry(5, 1), case.entry(5, 2)];
    case.add(&entries).await;
    let first = case.take(0).await;
    assert_eq!(case.take(0).await.message, first.message);
    let overview = case.queue.overview(case.account).await.unwrap().unwrap();
    assert_eq!((overview.ready, overview.len()), (1, 2));
    assert_eq!(overview.in_flight.map(|entry| (entry.message, entry.rank)), Some((first.message, first.rank)));
}

async fn nothing_goes_before_the_planned_instant(mut case: Case<'_>) {
    case.known().await;
    let entries = [case.entry(5, 1), case.entry(5, 2)];
    case.add(&entries).await;
    let claim = case.take(0).await;
    case.done(claim, 7_000).await;
    assert_eq!(case.claim_at(6_999).await, Turn::NotBefore(case.at(7_000)));
    assert_eq!(case.take(7_000).await.message, entries[1].message);
}

async fn a_crash_between_claim_and_settle_is_no_burst(mut case: Case<'_>) {
    case.known().await;
    let entries = [case.entry(5, 1), case.entry(5, 2)];
    case.add(&entries).await;
    let _crashed = case.take(0).await;
    case.queue.remove(case.account, &entries[..1]).await.unwrap();
    assert_eq!(case.claim_at(50).await, Turn::NotBefore(case.at(100)));
    assert_eq!(case.take(100).await.message, entries[1].message);
}

async fn a_delayed_message_waits_for_its_time_and_then_keeps_its_rank(mut case: Case<'_>) {
    case.known().await;
    let early = Entry { due_at: Some(case.at(500)), ..case.entry(5, 1) };
    let late = case.entry(5, 2);
    assert_eq!(case.add(&[early]).await, [None]);
    assert_eq!(case.claim_at(0).await, Turn::NotBefore(case.at(500)));
    assert_eq!(case.add(&[late]).await, [Some(1)]);
    assert_eq!(case.take(500).await.message, early.message);
}

async fn what_goes_back_comes_again_when_it_is_due(mut case: Case<'_>) {
    case.known().await;
    let entry = case.entry(5, 1);
    case.add(&[entry]).await;
    let claim = case.take(0).await;
    let how = Settlement::Later { at: case.at(2_000), pace: claim.pace.clone() };
    assert_eq!(case.queue.settle(claim, how).await.unwrap(), Settled::Yes);
    assert_eq!(case.claim_at(1_999).await, Turn::NotBefore(case.at(2_000)));
    let claim = case.take(2_000).await;
    assert_eq!((claim.message, claim.rank), (entry.message, entry.rank));
    // One that goes back unharmed is in its place at once.
    let later = case.entry(5, 2);
    assert_eq!(case.add(&[later]).await, [Some(1)]);
    let how = Settlement::Back { pace: claim.pace.clone() };
    assert_eq!(case.queue.settle(claim, how).await.unwrap(), Settled::Yes);
    assert_eq!(case.queue.position(case.account, &entry).await.unwrap(), Some(1));
    assert_eq!(case.queue.position(case.account, &later).await.unwrap(), Some(2));
}

async fn a_removed_message_is_never_claimed(mut case: Case<'_>) {
    case.known().await;
    let ready = case.entry(5, 1);
    let delayed = Entry { due_at: Some(case.at(10)), ..case.entry(5, 2) };
    case.add(&[ready, delayed]).await;
    case.queue.remove(case.account, &[ready, delayed]).await.unwrap();
    assert_eq!(case.queue.position(case.account, &ready).await.unwrap(), None);
    assert_eq!(case.claim_at(20).await, Turn::Empty);
    assert!(case.queue.overview(case.account).await.unwrap().unwrap().is_empty());
}

async fn a_lane_that_was_overtaken_is_told(mut case: Case<'_>) {
    case.known().await;
    let entry = case.entry(5, 1);
    case.add(&[entry]).await;
    let claim = case.take(0).await;
    let newer = case.queue.claim(case.account, 2, case.at(0), case.at(100)).await.unwrap();
    assert!(matches!(newer, Turn::Take(Claim { epoch: 2, .. })), "{newer:?}");
    assert_eq!(case.claim_at(0).await, Turn::Lost);
    let pace = claim.pace.clone();
    assert_eq!(case.queue.settle(claim, Settlement::Done { pace }).await.unwrap(), Settled::Lost);
    // Nor does the old one write over what the new one counted.
    let old = Pace { day_count: 9, ..Pace::default() };
    case.queue.remember(case.account, 1, &old).await.unwrap();
    assert!(!case.rebuilt(1, Builder::Lane, &[], &old).await);
    assert_eq!((case.overview().await.len(), case.overview().await.pace.day_count), (1, 0));
}

async fn the_next_owner_finds_what_was_in_flight_back_in_line(mut case: Case<'_>) {
    case.known().await;
    let entry = case.entry(5, 1);
    case.add(&[entry]).await;
    let _crashed = case.take(0).await;
    let pace = Pace { day_count: 3, next_at: Some(case.at(40)), ..Pace::default() };
    case.queue.remember(case.account, 2, &pace).await.unwrap();
    assert_eq!(case.queue.position(case.account, &entry).await.unwrap(), Some(1));
    let turn = case.queue.claim(case.account, 2, case.at(0), case.at(100)).await.unwrap();
    assert_eq!(turn, Turn::NotBefore(case.at(40)));
    let Turn::Take(claim) = case.queue.claim(case.account, 2, case.at(40), case.at(140)).await.unwrap() else {
        panic!("not a claim");
    };
    assert_eq!((claim.message, claim.pace), (entry.message, pace));
}

async fn a_settlement_of_a_forgotten_claim_is_told(mut case: Case<'_>) {
    case.known().await;
    let entry = case.entry(5, 1);
    case.add(&[entry]).await;
    let claim = case.take(0).await;
    case.queue.forget(case.account).await.unwrap();
    let how = Settlement::Done { pace: claim.pace.clone() };
    assert_eq!(case.queue.settle(claim, how.clone()).await.unwrap(), Settled::Forgotten);
    case.known().await;
    case.add(&[entry]).await;
    let claim = case.take(0).await;
    case.queue.remove(case.account, &[entry]).await.unwrap();
    assert_eq!(case.queue.settle(claim, how).await.unwrap(), Settled::Forgotten);
}

async fn a_claim_is_ended_and_the_next_taken_in_one_step(mut case: Case<'_>) {
    case.known().await;
    let entries = [case.entry(5, 1), case.entry(5, 2)];
    case.add(&entries).await;
    let first = case.take(0).await;
    let done = |case: &Case<'_>, ms: i64| Settlement::Done {
        pace: Pace { day_count: 1, next_at: Some(case.at(ms)), ..Pace::default() },
    };
    let turn = case.queue.settle_and_claim(first, done(&case, 10), case.at(10), case.at(60)).await.unwrap();
    let Turn::Take(second) = turn else { panic!("not a claim: {turn:?}") };
    assert_eq!((second.message, second.pace.day_count), (entries[1].message, 1));
    assert_eq!(case.overview().await.len(), 1);
    // A message that goes back may be the next itself.
    let back = Settlement::Back { pace: Pace { next_at: Some(case.at(20)), ..second.pace.clone() } };
    let turn = case.queue.settle_and_claim(second, back, case.at(20), case.at(70)).await.unwrap();
    let Turn::Take(again) = turn else { panic!("not a claim: {turn:?}") };
    assert_eq!(again.message, entries[1].message);
    let turn = case.queue.settle_and_claim(again, done(&case, 30), case.at(25), case.at(80)).await.unwrap();
    assert_eq!(turn, Turn::Empty);
    // What comes too early waits, and who was overtaken is told.
    let third = case.entry(5, 3);
    case.add(&[third]).await;
    assert_eq!(case.claim_at(25).await, Turn::NotBefore(case.at(30)));
    let third = case.take(30).await;
    let pace = third.pace.clone();
    case.queue.remember(case.account, 2, &pace).await.unwrap();
    let turn = case.queue.settle_and_claim(third, done(&case, 40), case.at(40), case.at(90)).await.unwrap();
    assert_eq!(turn, Turn::Lost);
    assert_eq!(case.overview().await.len(), 1);
}

async fn everything_is_listed_in_order(mut case: Case<'_>) {
    case.known().await;
    let (first, second, third) = (case.entry(5, 1), case.entry(5, 2), case.entry(5, 3));
    let (soon, later) = (
        Entry { due_at: Some(case.at(100)), ..case.entry(0, 4) },
        Entry { due_at: Some(case.at(200)), ..case.entry(0, 5) },
    );
    case.add(&[later, soon, third, second, first]).await;
    let claim = case.take(0).await;
    let expected = [claim.message, second.message, third.message, soon.message, later.message];
    assert_eq!(case.queue.list(case.account, 10).await.unwrap(), expected);
    assert_eq!(case.queue.list(case.account, 2).await.unwrap(), expected[..2]);
}

async fn an_enqueued_message_stays_once(mut case: Case<'_>) {
    case.known().await;
    let ready = case.entry(5, 1);
    let delayed = Entry { due_at: Some(case.at(10)), ..case.entry(5, 2) };
    case.add(&[ready, delayed]).await;
    case.add(&[ready, delayed]).await;
    assert_eq!(case.queue.overview(case.account).await.unwrap().unwrap().len(), 2);
}

async fn what_comes_in_while_a_line_is_rebuilt_is_in_both(mut case: Case<'_>) {
    case.known().await;
    let (kept, taken, new) = (case.entry(5, 1), case.entry(5, 2), case.entry(0, 3));
    let stale = case.entry(5, 4);
    case.add(&[kept, taken, stale]).await;
    let rebuild = case.queue.rebuild(case.account, 1, Builder::Lane).await.unwrap().unwrap();
    assert_eq!(case.add(&[new]).await, [Some(1)], "the line in use goes on");
    assert!(case.queue.refill(&rebuild, &[kept, taken]).await.unwrap());
    case.queue.remove(case.account, &[taken]).await.unwrap();
    assert_eq!(case.overview().await.len(), 3);
    let pace = Pace { day_count: 7, ..Pace::default() };
    assert!(case.queue.switch(rebuild, &pace).await.unwrap());
    assert_eq!(case.queue.list(case.account, 10).await.unwrap(), [new.message, kept.message]);
    let overview = case.overview().await;
    assert_eq!((overview.held(), overview.pace), (held(&[new, kept]), pace));
    // What is put in line later is in the one line there is.
    case.add(&[stale]).await;
    assert_eq!(case.overview().await.held(), held(&[new, kept, stale]));
}

async fn the_latest_rebuild_counts_and_a_stranger_s_only_where_all_is_lost(mut case: Case<'_>) {
    let (first, second) = (case.entry(5, 1), case.entry(5, 2));
    let pace = Pace::default();
    let early = case.queue.rebuild(case.account, 1, Builder::Stranger).await.unwrap().unwrap();
    assert!(case.queue.rebuild(case.account, 1, Builder::Stranger).await.unwrap().is_none(), "one is enough");
    let late = case.queue.rebuild(case.account, 1, Builder::Lane).await.unwrap().unwrap();
    assert!(!case.queue.refill(&early, &[first]).await.unwrap());
    assert!(!case.queue.switch(early, &pace).await.unwrap());
    assert!(case.queue.refill(&late, &[second]).await.unwrap());
    assert!(case.queue.overview(case.account).await.unwrap().is_none(), "nothing is switched to half-way");
    assert!(case.queue.switch(late, &pace).await.unwrap());
    assert_eq!(case.queue.list(case.account, 10).await.unwrap(), [second.message]);
    assert!(!case.rebuilt(9, Builder::Stranger, &[first], &pace).await, "a state that is there stays");
    assert!(case.rebuilt(2, Builder::Lane, &[first], &pace).await);
    assert_eq!(case.queue.list(case.account, 10).await.unwrap(), [first.message]);
    case.queue.forget(case.account).await.unwrap();
    assert!(case.rebuilt(1, Builder::Stranger, &[second], &pace).await);
    assert_eq!(case.claim_at(0).await, Turn::Take(Claim { pace, ..case.take(0).await }));
}

async fn a_line_of_thousands_is_rebuilt_and_enqueued_whole(mut case: Case<'_>) {
    let entries: Vec<Entry> = (0..2_345).map(|seq| case.entry(5, seq)).collect();
    assert_eq!(case.queue.enqueue(case.account, &entries).await.unwrap(), Placed::Forgotten);
    assert_eq!(case.queue.list(case.account, 9_999).await.unwrap().len(), entries.len(), "nothing of it is left out");
    assert!(case.rebuilt(1, Builder::Lane, &entries, &Pace::default()).await);
    assert_eq!(case.overview().await.held(), held(&entries));
    case.queue.remove(case.account, &entries[..1_234]).await.unwrap();
    assert_eq!(case.overview().await.held(), held(&entries[1_234..]));
}

fn held(entries: &[Entry]) -> Held {
    let ranks = entries.iter().map(|entry| entry.rank % RANKS).sum::<i64>() % RANKS;
    Held { count: entries.len() as u64, ranks }
}

async fn two_numbers_tell_which_messages_a_queue_holds(mut case: Case<'_>) {
    case.known().await;
    let (first, second, third) = (case.entry(9, 1_700_000_000_000_001), case.entry(9, 2), case.entry(0, 3));
    let later = Entry { due_at: Some(case.at(1_000)), ..case.entry(5, 4) };
    case.add(&[first, second, third, later]).await;
    case.add(&[first, later]).await;
    assert_eq!(case.overview().await.held(), held(&[first, second, third, later]));
    let claim = case.take(0).await;
    assert_eq!(case.overview().await.held(), held(&[first, second, third, later]), "what is in flight counts");
    let how = Settlement::Later { at: case.at(10), pace: claim.pace.clone() };
    case.queue.settle(claim, how).await.unwrap();
    assert_eq!(case.overview().await.held(), held(&[first, second, third, later]));
    let claim = case.take(20).await;
    case.done(claim, 0).await;
    case.queue.remove(case.account, &[later, later]).await.unwrap();
    assert_eq!(case.overview().await.held(), held(&[first, second]));
    let _in_flight = case.take(20).await;
    case.queue.remove(case.account, &[second]).await.unwrap();
    assert_eq!(case.overview().await.held(), held(&[first]));
    // As many others are not the same.
    case.queue.remove(case.account, &[first]).await.unwrap();
    case.add(&[second]).await;
    assert_ne!(case.overview().await.held(), held(&[first]));
}
