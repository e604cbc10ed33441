//! What the server stands on, and how it is broken and mended. One thing is broken at a time.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use tokio::task::block_in_place;

use super::plan::{Fault, Variant};
use super::{Stage, pause};
use crate::bot_api::BotApi;
use crate::harness::{Binary, Disk, Postgres, Proxy, Redis};

/// Enough for all messages and the log that SQLite writes ahead.
const DISK_MIB: u32 = 96;

/// The server and its services; the server ends first.
pub struct World {
    pub binary: Binary,
    disk: Option<Disk>,
    postgres: Option<Postgres>,
    redis: Option<(Redis, Proxy)>,
}

impl World {
    pub async fn start(variant: Variant, api: &BotApi) -> Self {
        let is_sqlite = variant != Variant::PostgresRedis;
        let disk = is_sqlite.then(|| Disk::of(DISK_MIB));
        let postgres = if is_sqlite { None } else { Some(Postgres::own().await) };
        let redis = if variant == Variant::SqliteMemory {
            None
        } else {
            let redis = Redis::start().await;
            let proxy = Proxy::start(redis.port()).await;
            Some((redis, proxy))
        };
        // Longer than a lane that is told to end may take, so that a disconnect cuts a send that hangs.
        let mut settings =
            vec![("ANDANTE_TELEGRAM_API_URL", api.url.clone()), ("ANDANTE_SEND_DEADLINE_SECONDS", "8".to_owned())];
        settings.extend(disk.as_ref().map(|disk| ("ANDANTE_DATA_DIR", disk.path().display().to_string())));
        settings.extend(postgres.as_ref().map(|postgres| ("DATABASE_URL", postgres.url())));
        settings.extend(redis.as_ref().map(|(_, proxy)| ("REDIS_URL", format!("redis://127.0.0.1:{}", proxy.port))));
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let binary = block_in_place(|| Binary::start(&settings));
        Self { binary, disk, postgres, redis }
    }

    /// Breaks and mends, one fault after the other.
    pub async fn suffer(&mut self, faults: Vec<(Duration, Fault)>, stage: &Stage) {
        for (after, fault) in faults {
            pause(after).await;
            stage.note(&format!("{fault:?}"));
            self.break_and_mend(fault, stage).await;
        }
        stage.note("nothing breaks any more");
    }

    async fn break_and_mend(&mut self, fault: Fault, stage: &Stage) {
        match fault {
            Fault::Kill => {
                self.kill(stage);
                self.resume(stage);
            }
            Fault::KillAndWipe(times, each) => {
                self.kill(stage);
                self.redis().0.flush().await;
                self.resume(stage);
                self.wipe(times, each).await;
            }
            Fault::FullDisk(span) => {
                let disk = self.disk.as_ref().expect("there is a disk");
                // The log that SQLite has written anew would serve it for long, so it is cut first.
                let url = format!("sqlite://{}/andante.db", disk.path().display());
                let database = Database::connect(url).await.unwrap();
                drop(database.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await);
                drop(database.close().await);
                disk.fill();
                pause(span).await;
                disk.free();
            }
            Fault::Wipe(times, each) => self.wipe(times, each).await,
            Fault::CutRedis(span) => {
                let (_, proxy) = self.redis();
                proxy.cut();
                pause(span).await;
                proxy.mend();
            }
            Fault::StopRedis(span) => {
                let (redis, _) = self.redis();
                redis.stop();
                pause(span).await;
                redis.resume().await;
            }
            Fault::StopPostgres(how, span) => {
                let postgres = self.postgres();
                block_in_place(|| postgres.stop(how));
                pause(span).await;
                postgres.resume().await;
            }
            Fault::Terminate(each) => {
                let postgres = self.postgres();
                for back_end in postgres.back_ends().await {
                    postgres.terminate(back_end).await;
                    pause(each).await;
                }
            }
            Fault::UseUpConnections(span) => {
                let held = self.postgres().use_up().await;
                pause(span).await;
                drop(held);
            }
        }
    }

    fn kill(&mut self, stage: &Stage) {
        stage.ledger().kills += 1;
        self.binary.kill();
    }

    fn resume(&mut self, stage: &Stage) {
        block_in_place(|| self.binary.resume());
        stage.set_client(self.binary.client.clone());
    }

    async fn wipe(&mut self, times: usize, each: Duration) {
        for _ in 0..times {
            self.redis().0.flush().await;
            pause(each).await;
        }
    }

    fn redis(&mut self) -> &mut (Redis, Proxy) {
        self.redis.as_mut().expect("there is a Redis")
    }

    fn postgres(&mut self) -> &mut Postgres {
        self.postgres.as_mut().expect("there is a PostgreSQL")
    }
}
