//! Redis and PostgreSQL, started on free ports with their own data. Each ends with the test
//! process, however that ends: a shell holds a pipe to it and kills the server when it closes.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::eventually;

/// A port that nobody uses, nor the one that a Redis Cluster adds to it. From below those that the
/// system gives to whoever connects somewhere: one of these may be taken before the service is up.
pub fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let next = || {
        let number = std::process::id().wrapping_mul(97).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        12_000 + u16::try_from(number % 10_000).unwrap()
    };
    let mut ports = std::iter::repeat_with(next).take(10_000);
    ports.find(|port| is_free(port) && is_free(&(port + 10_000))).expect("a port is free")
}

/// Ports that nobody has, one after the other, as a setting.
pub fn free_ports(count: u16) -> String {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    const BLOCK: u16 = 20;
    assert!(count <= BLOCK);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let next = || {
        let number = std::process::id().wrapping_mul(31).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        10_000 + u16::try_from(number % 100).unwrap() * BLOCK
    };
    let mut firsts = std::iter::repeat_with(next).take(100);
    let first = firsts.find(|first| (*first..first + count).all(is_free)).expect("ports are free");
    format!("{first}-{}", first + count - 1)
}

/// Whether the tests run as root, who needs no sudo, and whom PostgreSQL does not serve.
pub(super) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
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

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
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

/// A PostgreSQL server.
pub struct Postgres {
    port: u16,
    connections: u32,
    child: Option<Child>,
    folder: TempDir,
}

/// The one that tests share, each with a database of its own.
static SHARED: OnceCell<Postgres> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);
/// What the tester calls its own connections, to tell them from the server's.
const OURS: &str = "tester";

impl Postgres {
    /// A new database on the shared server: its URL.
    pub async fn database() -> String {
        let server = SHARED.get_or_init(|| Self::with(300)).await;
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let admin = Database::connect(server.url_of("postgres")).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        server.url_of(&name)
    }

    /// A server of the test's own, to be stopped at will, with few connections.
    pub async fn own() -> Self {
        Self::with(20).await
    }

    /// The URL of its first database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    async fn with(connections: u32) -> Self {
        let folder = TempDir::new().unwrap();
        // PostgreSQL refuses to run as root; the package's own user stands in.
        if is_root() {
            let own = Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap();
            assert!(own.success());
        }
        let mut server = Self { port: free_port(), connections, child: None, folder };
        server.run("initdb", "-U postgres -A trust -E UTF8 --no-locale");
        server.resume().await;
        server
    }

    /// Stops it, `fast` (it ends its clients and closes its files) or `immediate` (as a crash).
    pub fn stop(&mut self, how: &str) {
        self.run("pg_ctl", &format!("stop -w -m {how}"));
        self.end();
    }

    /// Starts it again, with what it held.
    pub async fn resume(&mut self) {
        let settings = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c max_connections={}",
            self.port,
            self.folder.path().display(),
            self.connections
        );
        self.child = Some(run_while_piped(&format!("exec {} {settings}", self.command("postgres"))));
        eventually("PostgreSQL answers", 60, async || Database::connect(self.url()).await.ok()).await;
    }

    /// The back ends that serve others than the tester.
    pub async fn back_ends(&self) -> Vec<i32> {
        let query = format!(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> '{OURS}'"
        );
        let admin = self.connect().await.unwrap();
        let rows = admin.query_all_raw(Statement::from_string(admin.get_database_backend(), query)).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// Terminates a back end.
    pub async fn terminate(&self, back_end: i32) {
        let admin = self.connect().await.unwrap();
        admin.execute_unprepared(&format!("SELECT pg_terminate_backend({back_end})")).await.unwrap();
    }

    /// Takes every connection that there is and that it can take from others, for as long as what it answers lives.
    pub async fn use_up(&self) -> Vec<DatabaseConnection> {
        let mut held = Vec::new();
        let others = self.back_ends().await;
        while let Some(connection) = self.connect().await {
            held.push(connection);
        }
        for back_end in others {
            held[0].execute_unprepared(&format!("SELECT pg_terminate_backend({back_end})")).await.unwrap();
        }
        while let Some(connection) = self.connect().await {
            held.push(connection);
        }
        held
    }

    async fn connect(&self) -> Option<DatabaseConnection> {
        let mut options = ConnectOptions::new(format!("{}?application_name={OURS}", self.url()));
        options.max_connections(1).acquire_timeout(Duration::from_millis(500)).sqlx_logging(false);
        Database::connect(options).await.ok()
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    /// One of its programs, with where the data is.
    fn command(&self, program: &str) -> String {
        // It becomes the program itself, unlike `runuser`, which would be killed in its place.
        let as_user = if is_root() { "setpriv --reuid postgres --regid postgres --init-groups " } else { "" };
        let (bin, data) = (Self::programs(), self.folder.path().join("data"));
        format!("{as_user}{}/{program} -D {}", bin.display(), data.display())
    }

    fn run(&self, program: &str, arguments: &str) {
        let script = format!("{} {arguments} >/dev/null", self.command(program));
        let status = Command::new("sh").arg("-c").arg(&script).current_dir("/").status().unwrap();
        assert!(status.success(), "{script}");
    }

    /// Debian keeps the servers of each version apart.
    fn programs() -> PathBuf {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").exists());
        programs.expect("PostgreSQL is missing: apt-get install postgresql")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}
