//! The server: in the test's process, with a clock to step; or the real binary, to be killed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};

use andante::app::App;
use andante::clock::Clock;
use andante::config::Config;
use andante::logs::Logs;
use andante::server::Server;
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

use super::Client;

/// What the servers in the test's process say of their accounts.
static LOGS: LazyLock<Arc<Logs>> = LazyLock::new(|| {
    let logs = Logs::new(Clock::system());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(logs.layer())).unwrap();
    logs
});

/// A server in the test's process.
pub struct TestApp {
    /// Calls it.
    pub client: Client,
    running: Option<Server>,
    settings: HashMap<String, String>,
    clock: Clock,
    _folder: Arc<TempDir>,
}

impl TestApp {
    /// One that stands alone: SQLite and memory.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One with settings, by their names in the environment.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(settings, Clock::system()).await
    }

    /// One with settings and a clock.
    pub async fn on(settings: &[(&str, &str)], clock: Clock) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let mut all = HashMap::from([
            ("ANDANTE_BIND".to_owned(), "127.0.0.1:0".to_owned()),
            ("ANDANTE_DEFAULT_PROVIDER".to_owned(), "simulator".to_owned()),
            ("ANDANTE_DATA_DIR".to_owned(), folder.path().display().to_string()),
        ]);
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut app = Self { client: Client::new(""), running: None, settings: all, clock, _folder: folder };
        app.resume().await;
        app
    }

    /// Its parts.
    pub fn app(&self) -> &Arc<App> {
        &self.running.as_ref().expect("it runs").app
    }

    /// Stops it as a signal would.
    pub async fn stop(&mut self) {
        self.running.take().expect("it runs").stop().await;
    }

    /// Starts it again, where it was.
    pub async fn resume(&mut self) {
        let config = Config::read("", &self.settings.clone().into_iter().collect()).unwrap();
        let running = Server::start(config, self.clock.clone(), LOGS.clone()).await.unwrap();
        self.client = Client::new(&format!("http://{}", running.address));
        self.running = Some(running);
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// An id as the library has it.
    pub fn id<T: std::str::FromStr>(text: &str) -> T {
        text.parse().unwrap_or_else(|_| panic!("{text} is an id"))
    }
}

/// The real binary.
pub struct Binary {
    /// Calls it.
    pub client: Client,
    program: &'static str,
    settings: Vec<(String, String)>,
    child: Option<Child>,
    folder: TempDir,
}

impl Binary {
    /// Starts it with settings, by their names in the environment.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::of(env!("CARGO_BIN_EXE_andante"), settings)
    }

    /// The same program as it is shipped: without what is linked in for tests alone.
    #[cfg(feature = "whatsapp")]
    pub fn shipped(settings: &[(&str, &str)]) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/target/shipped/andante");
        assert!(std::path::Path::new(program).exists(), "`make shipped` builds {program}");
        Self::of(program, settings)
    }

    fn of(program: &'static str, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut all = vec![
            ("ANDANTE_BIND".to_owned(), "127.0.0.1:0".to_owned()),
            ("ANDANTE_DEFAULT_PROVIDER".to_owned(), "simulator".to_owned()),
            ("ANDANTE_DATA_DIR".to_owned(), folder.path().display().to_string()),
        ];
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut binary = Self { client: Client::new(""), program, settings: all, child: None, folder };
        binary.resume();
        binary
    }

    /// Runs it to its end: whether it succeeded, and what it said.
    pub fn run(settings: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
        let output = Self::command().args(arguments).envs(settings.iter().copied()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// Runs it to its end, with `input` to read: whether it succeeded, and what it said.
    pub fn run_with(settings: &[(&str, &str)], arguments: &[&str], input: &str) -> (bool, String) {
        let mut command = Self::command();
        command.args(arguments).envs(settings.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that refuses before it reads has closed the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    /// The program, without what the tests are told in their environment: it refuses names it does not know.
    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_andante"));
        command.env_remove("ANDANTE_TEST_SEED");
        command
    }

    /// Starts it (again), and reads from what it prints where it listens.
    pub fn resume(&mut self) {
        let mut command = Command::new(self.program);
        command
            .env_remove("ANDANTE_TEST_SEED")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.by_ref().find_map(|line| Some(line.ok()?.strip_prefix("Andante listens on ")?.to_owned()));
        self.client = Client::new(&url.expect("it says where it listens"));
        // Read on, so that it never writes into a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
    }

    /// The process' number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Its data directory.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// `kill`, and what the process came to.
    pub fn terminate(&mut self) -> bool {
        let told = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        told.success() && self.child.take().unwrap().wait().unwrap().success()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A simulated account that pairs at once, answers at once and is connected; `more` changes what it is created with.
pub async fn ready_account(client: &Client, more: Value) -> String {
    let mut account = json!({
        "name": "Test",
        "useLimits": false,
        "config": {"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        account[name] = value.clone();
    }
    let id = client.create(account).await;
    client.connect(&id).await;
    client.status(&id, "CONNECTED").await;
    id
}
