//! The link to the other nodes: the news of each reach all, by Redis pub/sub on one channel.
//!
//! At most once: what happens while Redis is away stays on its node, and clients elsewhere see the
//! gap by the sequence numbers. A node that is alone publishes nothing but a heartbeat. The same
//! heartbeat comes back to who sent it: if it does not, the connection is dead and made anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::Redis;
use crate::lane::Lanes;
use crate::realtime::{Bus, Event, News};
use crate::store::Store;

const HEARTBEAT: Duration = Duration::from_secs(5);
/// A node not heard of for so long is gone; our own channel silent for so long is dead.
const SILENCE: TimeDelta = TimeDelta::seconds(15);
const PATIENCE: Duration = Duration::from_secs(2);
/// News in one message at most.
const BATCH: usize = 256;

/// What nodes say to each other: that they are there, and their news.
#[derive(Serialize, Deserialize)]
struct Word {
    source: u32,
    news: Vec<News>,
}

/// The link to the other nodes.
pub struct Nodes {
    /// Where they meet.
    pub redis: Redis,
    /// Hears the news of the others.
    pub bus: Arc<Bus>,
    /// Reads anew what others changed …
    pub store: Arc<Store>,
    /// … and whose lanes look.
    pub lanes: Arc<Lanes>,
    /// Tells when a node is gone.
    pub clock: Clock,
}

impl Nodes {
    /// Carries `outgoing` to the other nodes and theirs to this one, for as long as it is polled.
    pub async fn run(&self, mut outgoing: mpsc::Receiver<News>) {
        // A cluster spreads what is published to all of its nodes, so any of them will do.
        let urls = self.redis.url.split(',').map(str::trim).cycle();
        let channel = format!("{}:events", self.redis.prefix);
        let mut is_first = true;
        for url in urls {
            let Err(error) = self.link(url, &channel, &mut outgoing).await else { return };
            if std::mem::take(&mut is_first) {
                tracing::warn!(%error, "events don't cross to other nodes until Redis answers");
            } else {
                tracing::debug!(%error, "events don't cross to other nodes");
            }
            self.clock.sleep(Duration::from_millis(500)).await;
        }
    }

    /// Links this node to the others until the connection fails, or nobody has news any more.
    async fn link(&self, url: &str, channel: &str, outgoing: &mut mpsc::Receiver<News>) -> anyhow::Result<()> {
        let client = redis::Client::open(url)?;
        let in_time = "Redis does not answer";
        let mut publisher = self
            .clock
            .timeout(PATIENCE, client.get_multiplexed_async_connection())
            .await
            .map_err(|_| anyhow::anyhow!(in_time))??;
        let mut listener =
            self.clock.timeout(PATIENCE, client.get_async_pubsub()).await.map_err(|_| anyhow::anyhow!(in_time))??;
        self.clock.timeout(PATIENCE, listener.subscribe(channel)).await.map_err(|_| anyhow::anyhow!(in_time))??;
        let mut incoming = listener.into_on_message();
        // What changed while nobody told us is not known.
        self.store.forget_accounts();
        let source = self.bus.source();
        let mut peers: HashMap<u32, DateTime<Utc>> = HashMap::new();
        let mut heard_at = self.clock.now();
        let mut beat_at = heard_at;
        let mut batch = Vec::new();
        loop {
            let now = self.clock.now();
            if now >= beat_at {
                beat_at = now + HEARTBEAT;
                self.publish(&mut publisher, channel, Word { source, news: Vec::new() }).await?;
                peers.retain(|_, at| now - *at < SILENCE);
                anyhow::ensure!(now - heard_at < SILENCE, "the channel is silent");
            }
            tokio::select! {
                message = incoming.next() => {
                    let message = message.context("the connection ended")?;
                    heard_at = self.clock.now();
                    let Ok(word) = serde_json::from_slice::<Word>(message.get_payload_bytes()) else {
                        tracing::warn!("a node of another version speaks on the channel");
                        continue;
                    };
                    if word.source == source {
                        continue;
                    }
                    if peers.insert(word.source, heard_at).is_none() {
                        // It is new, or we are: let it know of us at once.
                        beat_at = heard_at;
                    }
                    for news in word.news {
                        if let (Some(account), Event::AccountChanged) = (news.account, &news.event) {
                            // Its row changed there: here it is read anew, and its lane looks.
                            self.store.forget_account(account);
                            self.lanes.wake(account);
                        }
                        self.bus.deliver(news);
                    }
                }
                count = outgoing.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return Ok(());
                    }
                    let news = std::mem::take(&mut batch);
                    if !peers.is_empty() {
                        self.publish(&mut publisher, channel, Word { source, news }).await?;
                    }
                }
                () = self.clock.sleep_until(beat_at) => {}
            }
        }
    }

    async fn publish(&self, to: &mut MultiplexedConnection, channel: &str, word: Word) -> anyhow::Result<()> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(serde_json::to_vec(&word)?);
        let sent = self.clock.timeout(PATIENCE, command.query_async::<()>(to)).await;
        Ok(sent.map_err(|_| anyhow::anyhow!("Redis does not answer"))??)
    }
}
