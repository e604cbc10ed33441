//! The queue in Redis 6.2+ or Valkey, single or Cluster. Every change is one Lua script over the
//! keys of one account, so it is atomic and stays in one slot; see [`keys`] for what they hold and
//! `lua/` for the scripts.

pub mod keys;
mod links;
mod scripts;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};
use redis::{FromRedisValue, Script, ScriptInvocation};

use self::keys::Keys;
use self::links::Links;
use self::scripts::{CLAIM, ENQUEUE, OVERVIEW, REBUILD, REFILL, REMEMBER, REMOVE, SETTLE, SETTLE_AND_CLAIM, SWITCH};
use super::{Builder, Claim, Entry, Overview, Placed, Queue, RANKS, Rebuild, Settled, Settlement, Turn, Unavailable};
use crate::pacing::Pace;

/// Messages per call of a script: a few milliseconds of Redis at most.
const CHUNK: usize = 1_000;
/// A rebuild that is not filled any more is over after so long, in milliseconds.
const REBUILD_MS: u32 = 60_000;

/// All accounts' queues, in Redis.
pub struct RedisQueue {
    links: Links,
    keys: Keys,
}

impl RedisQueue {
    /// A queue at `url` (in a cluster, several separated by commas) under `prefix`. Connects on first use.
    pub fn new(url: &str, is_cluster: bool, prefix: &str) -> anyhow::Result<Self> {
        Ok(Self { links: Links::new(url, is_cluster)?, keys: Keys::new(prefix) })
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        account: AccountId,
        fill: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, Unavailable> {
        let mut call = script.prepare_invoke();
        for key in self.keys.of(account).in_order() {
            call.key(key);
        }
        fill(&mut call);
        let reply = self.links.with(async |connection| call.invoke_async(connection).await).await;
        let is_foreign = |Unavailable(error): &Unavailable| {
            error.downcast_ref::<redis::RedisError>().is_some_and(|error| error.code() == Some("WRONGTYPE"))
        };
        if reply.as_ref().is_err_and(is_foreign) {
            self.forget(account).await?;
        }
        reply
    }

    /// What was read, if it can be. What can't is nobody's word: it is forgotten, and so restored.
    async fn legible<T>(&self, account: AccountId, read: Result<T, Unavailable>) -> Result<T, Unavailable> {
        if read.is_err() {
            self.forget(account).await?;
        }
        read
    }
}

#[async_trait]
impl Queue for RedisQueue {
    async fn enqueue(&self, account: AccountId, entries: &[Entry]) -> Result<Placed, Unavailable> {
        let mut all = Vec::with_capacity(entries.len());
        let mut last_pace = None;
        for chunk in entries.chunks(CHUNK) {
            let reply: Vec<String> = self.run(&ENQUEUE, account, |call| put(call, chunk)).await?;
            last_pace = reply.first().map(|pace| read_pace(pace)).transpose()?;
            all.extend(reply.iter().skip(1).map(|text| text.parse().ok().filter(|position| *position > 0)));
        }
        // Lost in the middle: what came before that may be lost as well.
        Ok(match last_pace.filter(|_| all.len() == entries.len()) {
            Some(pace) => Placed::At { positions: all, pace },
            None => Placed::Forgotten,
        })
    }

    async fn claim(
        &self,
        account: AccountId,
        epoch: i64,
        now: DateTime<Utc>,
        provisional_next_at: DateTime<Utc>,
    ) -> Result<Turn, Unavailable> {
        let reply: Vec<String> = self
            .run(&CLAIM, account, |call| {
                call.arg(epoch).arg(now.timestamp_millis()).arg(provisional_next_at.timestamp_millis());
            })
            .await?;
        let turn = read_turn(account, epoch, &reply);
        self.legible(account, turn).await
    }

    async fn settle(&self, claim: Claim, how: Settlement) -> Result<Settled, (Claim, Unavailable)> {
        let reply: Result<String, Unavailable> = self.run(&SETTLE, claim.account, |call| end(call, &claim, &how)).await;
        match reply.as_deref() {
            Ok("yes") => Ok(Settled::Yes),
            Ok("forgotten") => Ok(Settled::Forgotten),
            Ok("lost") => Ok(Settled::Lost),
            _ => Err((claim, reply.err().unwrap_or_else(|| garbled("settle")))),
        }
    }

    async fn settle_and_claim(
        &self,
        claim: Claim,
        how: Settlement,
        now: DateTime<Utc>,
        provisional_next_at: DateTime<Utc>,
    ) -> Result<Turn, (Claim, Unavailable)> {
        let (account, epoch) = (claim.account, claim.epoch);
        let reply: Result<Vec<String>, Unavailable> = self
            .run(&SETTLE_AND_CLAIM, account, |call| {
                end(call, &claim, &how);
                call.arg(now.timestamp_millis()).arg(provisional_next_at.timestamp_millis());
            })
            .await;
        let turn = match reply {
            Ok(reply) => self.legible(account, read_turn(account, epoch, &reply)).await,
            Err(error) => Err(error),
        };
        turn.map_err(|error| (claim, error))
    }

    async fn remove(&self, account: AccountId, entries: &[Entry]) -> Result<(), Unavailable> {
        for chunk in entries.chunks(CHUNK) {
            self.run::<()>(&REMOVE, account, |call| {
                for entry in chunk {
                    call.arg(keys::member_of(entry));
                }
            })
            .await?;
        }
        Ok(())
    }

    async fn overview(&self, account: AccountId) -> Result<Option<Overview>, Unavailable> {
        let reply: Vec<String> = self.run(&OVERVIEW, account, |_| {}).await?;
        let overview = read_overview(&reply);
        self.legible(account, overview).await
    }

    async fn list(&self, account: AccountId, limit: usize) -> Result<Vec<MessageId>, Unavailable> {
        let keys = self.keys.of(account);
        let last = isize::try_from(limit).unwrap_or(isize::MAX) - 1;
        let mut ask = redis::pipe();
        ask.hget(&keys.state, "claim").zrange(&keys.ready, 0, last).zrange(&keys.delayed, 0, last);
        let (claim, ready, delayed): (Option<String>, Vec<String>, Vec<String>) =
            self.links.with(async |connection| ask.query_async(connection).await).await?;
        let members = claim.into_iter().chain(ready).chain(delayed).take(limit);
        members.map(|member| Ok(read_member(&member)?.1)).collect()
    }

    async fn position(&self, account: AccountId, entry: &Entry) -> Result<Option<u64>, Unavailable> {
        let ask = redis::Cmd::zrank(self.keys.of(account).ready, keys::member_of(entry));
        let ahead: Option<u64> = self.links.with(async |connection| ask.query_async(connection).await).await?;
        Ok(ahead.map(|ahead| ahead + 1))
    }

    async fn forget(&self, account: AccountId) -> Result<(), Unavailable> {
        // UNLINK, so that a queue of a million does not hold up Redis.
        let ask = redis::Cmd::unlink(&self.keys.of(account).in_order()[..]);
        self.links.with(async |connection| ask.query_async(connection).await).await
    }

    async fn remember(&self, account: AccountId, epoch: i64, pace: &Pace) -> Result<(), Unavailable> {
        self.run(&REMEMBER, account, |call| {
            call.arg(epoch).arg(write_pace(pace)).arg(ms_or_empty(pace.next_at));
        })
        .await
    }

    async fn rebuild(&self, account: AccountId, epoch: i64, builder: Builder) -> Result<Option<Rebuild>, Unavailable> {
        let token: u64 = rand::random();
        let may: bool = self
            .run(&REBUILD, account, |call| {
                call.arg(epoch).arg(over_lost_only(builder)).arg(token).arg(REBUILD_MS);
            })
            .await?;
        Ok(may.then_some(Rebuild { account, epoch, builder, token }))
    }

    async fn refill(&self, rebuild: &Rebuild, entries: &[Entry]) -> Result<bool, Unavailable> {
        for chunk in entries.chunks(CHUNK) {
            let refill = |call: &mut ScriptInvocation<'_>| {
                call.arg(rebuild.token).arg(REBUILD_MS);
                put(call, chunk);
            };
            if !self.run::<bool>(&REFILL, rebuild.account, refill).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn switch(&self, rebuild: Rebuild, pace: &Pace) -> Result<bool, Unavailable> {
        self.run(&SWITCH, rebuild.account, |call| {
            call.arg(rebuild.epoch)
                .arg(over_lost_only(rebuild.builder))
                .arg(rebuild.token)
                .arg(write_pace(pace))
                .arg(ms_or_empty(pace.next_at));
        })
        .await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        let ask = redis::cmd("PING");
        self.links.with(async |connection| ask.query_async::<String>(connection).await).await.map(drop)
    }
}

fn read_turn(account: AccountId, epoch: i64, reply: &[String]) -> Result<Turn, Unavailable> {
    match reply.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["take", member, pace] => {
            let (rank, message) = read_member(member)?;
            Ok(Turn::Take(Claim { account, message, rank, epoch, pace: read_pace(pace)? }))
        }
        ["not_before", at] => Ok(Turn::NotBefore(read_ms(at)?)),
        ["empty"] => Ok(Turn::Empty),
        ["forgotten"] => Ok(Turn::Forgotten),
        ["lost"] => Ok(Turn::Lost),
        _ => Err(garbled("claim")),
    }
}

fn read_overview(reply: &[String]) -> Result<Option<Overview>, Unavailable> {
    let [ready, delayed, ranks, pace, claim] = reply else { return Ok(None) };
    let number = |text: &String| text.parse::<i64>().map_err(|_| garbled("overview"));
    let in_flight = if claim.is_empty() {
        None
    } else {
        let (rank, message) = read_member(claim)?;
        Some(Entry { message, rank, due_at: None })
    };
    let (ready, delayed) = (number(ready)?.unsigned_abs(), number(delayed)?.unsigned_abs());
    let ranks = number(ranks)?.rem_euclid(RANKS);
    Ok(Some(Overview { ready, delayed, in_flight, ranks, pace: read_pace(pace)? }))
}

/// What ends a claim.
fn end(call: &mut ScriptInvocation<'_>, claim: &Claim, how: &Settlement) {
    let (pace, back) = match how {
        Settlement::Done { pace } => (pace, "no".to_owned()),
        Settlement::Later { at, pace } => (pace, at.timestamp_millis().to_string()),
        Settlement::Back { pace } => (pace, String::new()),
    };
    call.arg(claim.epoch).arg(keys::member(claim.rank, claim.message));
    call.arg(write_pace(pace)).arg(ms_or_empty(pace.next_at)).arg(back);
}

fn put(call: &mut ScriptInvocation<'_>, entries: &[Entry]) {
    for entry in entries {
        call.arg(keys::member_of(entry)).arg(ms_or_empty(entry.due_at));
    }
}

fn over_lost_only(builder: Builder) -> i32 {
    i32::from(builder == Builder::Stranger)
}

fn garbled(script: &str) -> Unavailable {
    Unavailable(anyhow!("the {script} script's reply can't be read"))
}

fn read_member(member: &str) -> Result<(i64, MessageId), Unavailable> {
    keys::read_member(member).ok_or_else(|| Unavailable(anyhow!("a member of a queue can't be read")))
}

fn read_pace(json: &str) -> Result<Pace, Unavailable> {
    Ok(serde_json::from_str(json).context("a pace can't be read")?)
}

fn write_pace(pace: &Pace) -> String {
    serde_json::to_string(pace).unwrap_or_default()
}

fn read_ms(text: &str) -> Result<DateTime<Utc>, Unavailable> {
    let ms: f64 = text.parse().context("an instant can't be read")?;
    Ok(DateTime::from_timestamp_millis(ms as i64).context("an instant out of range")?)
}

fn ms_or_empty(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| at.timestamp_millis().to_string())
}
