//! The connections to Redis: a few, each shared by whoever has something to ask, so that what runs
//! at the same time is pipelined. One that fails, or lets two commands wait in vain, is thrown away
//! and replaced by another from the pool: whatever went wrong with it ends with it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use deadpool_redis::{Runtime, cluster};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, IntoConnectionInfo};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::super::Unavailable;

/// How long Redis may take to answer, or to let us connect.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what was sent may stay unacknowledged before the system gives the connection up.
const UNHEARD: Duration = Duration::from_secs(10);
/// Connections, each for any number of commands.
const LINKS: usize = 2;
/// Commands in a row that may wait in vain.
const IN_VAIN: u32 = 2;

/// The connections.
pub(super) struct Links {
    pool: Pool,
    slots: [Mutex<Option<Arc<Link>>>; LINKS],
    next: AtomicUsize,
}

enum Pool {
    Single(deadpool_redis::Pool),
    Cluster(cluster::Pool),
}

/// One connection, as the crate's trait.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

struct Link {
    connection: Connection,
    in_vain: AtomicU32,
    /// Its place in the pool.
    place: SyncMutex<Option<Place>>,
}

enum Place {
    Single(deadpool_redis::Connection),
    Cluster(cluster::Connection),
}

impl Links {
    /// Connections to `url`; in a cluster, to several separated by commas. Made when they are needed.
    pub(super) fn new(url: &str, is_cluster: bool) -> anyhow::Result<Self> {
        let not_a_url = "REDIS_URL is not a Redis URL";
        let pool = if is_cluster {
            let nodes: Vec<&str> = url.split(',').map(str::trim).collect();
            let manager = cluster::Manager::new(nodes, false).context(not_a_url)?;
            let pool = cluster::Pool::builder(manager).max_size(LINKS).runtime(Runtime::Tokio1);
            Pool::Cluster(pool.create_timeout(Some(PATIENCE)).build()?)
        } else {
            let alive = TcpKeepalive::new().with_time(UNHEARD).with_interval(UNHEARD / 4);
            let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(alive);
            #[cfg(target_os = "linux")]
            let tcp = tcp.set_user_timeout(UNHEARD);
            let server = url.into_connection_info().context(not_a_url)?.set_tcp_settings(tcp);
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(PATIENCE))
                .set_response_timeout(Some(PATIENCE));
            let manager = deadpool_redis::Manager::new_with_config(server, config).context(not_a_url)?;
            let pool = deadpool_redis::Pool::builder(manager).max_size(LINKS).runtime(Runtime::Tokio1);
            Pool::Single(pool.create_timeout(Some(PATIENCE)).build()?)
        };
        Ok(Self { pool, slots: Default::default(), next: AtomicUsize::new(0) })
    }

    /// Runs `ask` on one of the connections.
    pub(super) async fn with<T>(
        &self,
        ask: impl AsyncFnOnce(&mut Connection) -> redis::RedisResult<T>,
    ) -> Result<T, Unavailable> {
        let silent = || Unavailable(anyhow!("no answer in time"));
        let slot = &self.slots[self.next.fetch_add(1, Ordering::Relaxed) % LINKS];
        let link = timeout(PATIENCE, self.link(slot)).await.map_err(|_| silent())??;
        match timeout(PATIENCE, ask(&mut link.connection.clone())).await {
            Ok(Ok(answer)) => {
                link.in_vain.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) if !error.is_timeout() => {
                throw_away(slot, &link).await;
                Err(Unavailable(error.into()))
            }
            _ => {
                if link.in_vain.fetch_add(1, Ordering::Relaxed) + 1 >= IN_VAIN {
                    throw_away(slot, &link).await;
                }
                Err(silent())
            }
        }
    }

    /// The slot's connection, made if there is none. Who comes meanwhile waits for the same.
    async fn link(&self, slot: &Mutex<Option<Arc<Link>>>) -> Result<Arc<Link>, Unavailable> {
        let mut held = slot.lock().await;
        if let Some(link) = &*held {
            return Ok(link.clone());
        }
        let (connection, place) = match &self.pool {
            Pool::Single(pool) => {
                let place = pool.get().await.map_err(anyhow::Error::from)?;
                (Connection::Single((*place).clone()), Place::Single(place))
            }
            Pool::Cluster(pool) => {
                let place = pool.get().await.map_err(anyhow::Error::from)?;
                (Connection::Cluster((*place).clone()), Place::Cluster(place))
            }
        };
        let link = Link { connection, in_vain: AtomicU32::new(0), place: SyncMutex::new(Some(place)) };
        Ok(held.insert(Arc::new(link)).clone())
    }
}

/// Takes the connection out of its slot and out of the pool, unless somebody has.
async fn throw_away(slot: &Mutex<Option<Arc<Link>>>, link: &Arc<Link>) {
    slot.lock().await.take_if(|held| Arc::ptr_eq(held, link));
    match link.place.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(Place::Single(place)) => drop(deadpool_redis::Connection::take(place)),
        Some(Place::Cluster(place)) => drop(cluster::Connection::take(place)),
        None => {}
    }
}

impl ConnectionLike for Connection {
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
