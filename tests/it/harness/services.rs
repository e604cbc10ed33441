//! Redis and PostgreSQL, started on free ports with their own data. Each ends with the test
//! process, however that ends: a shell holds a pipe to it and kills the server when it closes.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::eventually;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs `command` until the returned child's pipe closes.
fn run_while_piped(command: &str) -> Child {
    let script = format!(
        "{command} >/dev/null 2>&1 & server=$!; read -r _; kill -9 $server 2>/dev/null; wait $server 2>/dev/null"
    );
    Command::new("sh").arg("-c").arg(script).stdin(Stdio::piped()).spawn().expect("sh runs")
}

/// A Redis server of its own.
pub struct Redis {
    port: u16,
    options: &'static str,
    child: Option<Child>,
    folder: TempDir,
}

impl Redis {
    /// Starts one.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts a Redis Cluster of one node that holds all slots.
    pub async fn cluster() -> Self {
        let redis = Self::with("--cluster-enabled yes").await;
        let client = redis::Client::open(redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("ADDSLOTSRANGE").arg(0).arg(16_383);
        slots.query_async::<()>(&mut connection).await.unwrap();
        eventually("the cluster is up", 20, async || {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection.clone()).await.ok()?;
            info.contains("cluster_state:ok").then_some(())
        })
        .await;
        redis
    }

    async fn with(options: &'static str) -> Self {
        let mut redis = Self { port: free_port(), options, child: None, folder: TempDir::new().unwrap() };
        redis.resume().await;
        redis
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Stops it; what it held is lost.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    /// Starts it again, empty.
    pub async fn resume(&mut self) {
        let found = Command::new("redis-server").arg("--version").output();
        assert!(found.is_ok(), "redis-server is missing: apt-get install redis-server");
        let command = format!(
            "exec redis-server --port {} --save '' --appendonly no --dir {} {}",
            self.port,
            self.folder.path().display(),
            self.options
        );
        self.child = Some(run_while_piped(&command));
        let client = redis::Client::open(self.url()).unwrap();
        eventually("Redis answers", 20, async || {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }

    /// Forgets everything.
    pub async fn flush(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The PostgreSQL server that all tests of a process share, each with a database of its own.
pub struct Postgres {
    port: u16,
    _child: Child,
    _folder: TempDir,
}

static SHARED: OnceCell<Postgres> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// A new database: its URL.
    pub async fn database() -> String {
        let server = SHARED.get_or_init(Self::start).await;
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let admin = Database::connect(server.url("postgres")).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        server.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let (bin, port) = (Self::programs(), free_port());
        let data = folder.path().join("data");
        // PostgreSQL refuses to run as root; the package's own user stands in.
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        let as_user = if is_root { "runuser -u postgres --" } else { "" };
        if is_root {
            let own = Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap();
            assert!(own.success());
        }
        let script = format!(
            "{as_user} {bin}/initdb -D {data} -U postgres -A trust -E UTF8 --no-locale >/dev/null",
            bin = bin.display(),
            data = data.display()
        );
        assert!(Command::new("sh").arg("-c").arg(&script).current_dir("/").status().unwrap().success(), "{script}");
        let command = format!(
            "exec {as_user} {bin}/postgres -D {data} -p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=300",
            bin = bin.display(),
            data = data.display(),
            folder = folder.path().display()
        );
        let server = Self { port, _child: run_while_piped(&command), _folder: folder };
        eventually("PostgreSQL answers", 60, async || Database::connect(server.url("postgres")).await.ok()).await;
        server
    }

    /// Debian keeps the servers of each version apart.
    fn programs() -> PathBuf {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").exists());
        programs.expect("PostgreSQL is missing: apt-get install postgresql")
    }
}
