//! The queue in Redis 6.2+ or Valkey, single or Cluster. Every change is one Lua script over the
//! three keys of one account, so it is atomic and stays in one slot; see `keys` for what they
//! hold and `lua/` for the scripts. One multiplexed connection that reconnects by itself carries
//! all commands: what runs at the same time is pipelined without a pool.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MessageId};
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{FromRedisValue, Script, ScriptInvocation};
use tokio::sync::OnceCell;

use super::keys::{self, Keys};
use super::{Claim, Entry, Overview, Placed, Queue, Settled, Settlement, Turn, Unavailable};
use crate::pacing::Pace;

/// How long Redis may take to answer, or to let us connect.
const PATIENCE: Duration = Duration::from_secs(2);
/// Messages per call of the enqueue script: a few milliseconds of Redis at most.
const CHUNK: usize = 1_000;

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!(concat!("lua/", $file))));
    };
}
script!(ENQUEUE, "enqueue.lua");
script!(CLAIM, "claim.lua");
script!(SETTLE, "settle.lua");
script!(REMOVE, "remove.lua");
script!(REMEMBER, "remember.lua");
script!(PAUSE, "pause.lua");
script!(OVERVIEW, "overview.lua");

/// All accounts' queues, in Redis.
pub struct RedisQueue {
    connection: Connection,
    keys: Keys,
}

enum Connection {
    Single(ConnectionManager),
    /// Connected on first use, so that a server starts while its Redis is down.
    Cluster {
        client: Box<ClusterClient>,
        connected: OnceCell<ClusterConnection>,
    },
}

impl RedisQueue {
    /// A queue at `url` (in a cluster, several separated by commas) under `prefix`. Connects on first use.
    pub fn new(url: &str, is_cluster: bool, prefix: &str) -> anyhow::Result<Self> {
        let connection = if is_cluster {
            let nodes: Vec<&str> = url.split(',').map(str::trim).collect();
            let client =
                ClusterClientBuilder::new(nodes).connection_timeout(PATIENCE).response_timeout(PATIENCE).build()?;
            Connection::Cluster { client: Box::new(client), connected: OnceCell::new() }
        } else {
            let client = redis::Client::open(url).context("REDIS_URL is not a Redis URL")?;
            let config = ConnectionManagerConfig::new()
                .set_response_timeout(Some(PATIENCE))
                .set_connection_timeout(Some(PATIENCE))
                .set_number_of_retries(1)
                .set_max_delay(Duration::from_millis(500));
            Connection::Single(ConnectionManager::new_lazy_with_config(client, config)?)
        };
        Ok(Self { connection, keys: Keys::new(prefix) })
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        account: AccountId,
        fill: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, Unavailable> {
        let keys = self.keys.of(account);
        let mut call = script.key(keys.ready);
        call.key(keys.delayed).key(keys.state);
        fill(&mut call);
        self.with(async |connection| call.invoke_async(connection).await).await
    }

    /// Runs `ask` on the connection, whichever kind it is.
    async fn with<T>(&self, ask: impl AsyncFnOnce(&mut Either) -> redis::RedisResult<T>) -> Result<T, Unavailable> {
        let mut either = match &self.connection {
            Connection::Single(manager) => Either::Single(manager.clone()),
            Connection::Cluster { client, connected } => Either::Cluster(
                connected.get_or_try_init(|| client.get_async_connection()).await.map_err(anyhow::Error::from)?.clone(),
            ),
        };
        ask(&mut either).await.map_err(|error| Unavailable(error.into()))
    }
}

/// One connection of either kind, as the crate's trait.
enum Either {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Either {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a redis::Cmd) -> redis::RedisFuture<'a, redis::Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<redis::Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[async_trait]
impl Queue for RedisQueue {
    async fn enqueue(&self, account: AccountId, entries: &[Entry]) -> Result<Placed, Unavailable> {
        let mut all = Vec::with_capacity(entries.len());
        let mut last_pace = Pace::default();
        for chunk in entries.chunks(CHUNK) {
            let reply: Vec<String> = self
                .run(&ENQUEUE, account, |call| {
                    for entry in chunk {
                        call.arg(keys::member_of(entry)).arg(entry.rank).arg(ms_or_empty(entry.due_at));
                    }
                })
                .await?;
            let Some((pace, positions)) = reply.split_first() else {
                // The rest of the entries come in line when the account is restored.
                return Ok(Placed::Forgotten);
            };
            last_pace = read_pace(pace)?;
            all.extend(positions.iter().map(|text| text.parse().ok().filter(|position| *position > 0)));
        }
        Ok(Placed::At { positions: all, pace: last_pace })
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
        match reply.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["take", member, pace] => {
                let (rank, message) = read_member(member)?;
                Ok(Turn::Take(Claim { account, message, rank, epoch, pace: read_pace(pace)? }))
            }
            ["not_before", at] => Ok(Turn::NotBefore(read_ms(at)?)),
            ["paused"] => Ok(Turn::Paused),
            ["empty"] => Ok(Turn::Empty),
            ["forgotten"] => Ok(Turn::Forgotten),
            ["lost"] => Ok(Turn::Lost),
            _ => Err(garbled("claim")),
        }
    }

    async fn settle(&self, claim: Claim, how: Settlement) -> Result<Settled, (Claim, Unavailable)> {
        let (pace, due) = match &how {
            Settlement::Done { pace } => (pace, None),
            Settlement::Later { at, pace } => (pace, Some(*at)),
        };
        let reply: Result<String, Unavailable> = self
            .run(&SETTLE, claim.account, |call| {
                call.arg(claim.epoch)
                    .arg(keys::member(claim.rank, claim.message))
                    .arg(write_pace(pace))
                    .arg(ms_or_empty(pace.next_at))
                    .arg(ms_or_empty(due));
            })
            .await;
        match reply.as_deref() {
            Ok("yes") => Ok(Settled::Yes),
            Ok("forgotten") => Ok(Settled::Forgotten),
            Ok("lost") => Ok(Settled::Lost),
            _ => Err((claim, reply.err().unwrap_or_else(|| garbled("settle")))),
        }
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

    async fn set_paused(&self, account: AccountId, is_paused: bool) -> Result<(), Unavailable> {
        self.run(&PAUSE, account, |call| {
            call.arg(i32::from(is_paused));
        })
        .await
    }

    async fn overview(&self, account: AccountId) -> Result<Option<Overview>, Unavailable> {
        let reply: Vec<String> = self.run(&OVERVIEW, account, |_| {}).await?;
        let [ready, delayed, paused, pace, claim] = &reply[..] else { return Ok(None) };
        let count = |text: &String| text.parse().map_err(|_| garbled("overview"));
        let in_flight = if claim.is_empty() {
            None
        } else {
            let (rank, message) = read_member(claim)?;
            Some(Entry { message, rank, due_at: None })
        };
        let (ready, delayed) = (count(ready)?, count(delayed)?);
        Ok(Some(Overview { ready, delayed, in_flight, is_paused: paused == "1", pace: read_pace(pace)? }))
    }

    async fn list(&self, account: AccountId, limit: usize) -> Result<Vec<MessageId>, Unavailable> {
        let keys = self.keys.of(account);
        let last = isize::try_from(limit).unwrap_or(isize::MAX) - 1;
        let mut ask = redis::pipe();
        ask.hget(&keys.state, "claim").zrange(&keys.ready, 0, last).zrange(&keys.delayed, 0, last);
        let (claim, ready, delayed): (Option<String>, Vec<String>, Vec<String>) =
            self.with(async |connection| ask.query_async(connection).await).await?;
        let members = claim.into_iter().chain(ready).chain(delayed).take(limit);
        members.map(|member| Ok(read_member(&member)?.1)).collect()
    }

    async fn position(&self, account: AccountId, entry: &Entry) -> Result<Option<u64>, Unavailable> {
        let ask = redis::Cmd::zrank(self.keys.of(account).ready, keys::member_of(entry));
        let ahead: Option<u64> = self.with(async |connection| ask.query_async(connection).await).await?;
        Ok(ahead.map(|ahead| ahead + 1))
    }

    async fn forget(&self, account: AccountId) -> Result<(), Unavailable> {
        let keys = self.keys.of(account);
        // UNLINK, so that a queue of a million does not hold up Redis.
        let ask = redis::Cmd::unlink(&[keys.ready, keys.delayed, keys.state]);
        self.with(async |connection| ask.query_async(connection).await).await
    }

    async fn remember(&self, account: AccountId, epoch: i64, is_paused: bool, pace: &Pace) -> Result<(), Unavailable> {
        self.run(&REMEMBER, account, |call| {
            call.arg(epoch).arg(i32::from(is_paused)).arg(write_pace(pace)).arg(ms_or_empty(pace.next_at));
        })
        .await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        let ask = redis::cmd("PING");
        self.with(async |connection| ask.query_async::<String>(connection).await).await.map(drop)
    }
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
