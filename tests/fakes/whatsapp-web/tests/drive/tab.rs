//! A browser with the page in it, wa-js and the gateway's page side before it, as the gateway has them.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fake_whatsapp_web::FakeWeb;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

/// One browser at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// How often a page is asked before it's given up, and how long between.
const TURNS: u32 = 600;
const BETWEEN: Duration = Duration::from_millis(50);

pub(crate) struct Tab {
    pub(crate) driver: WebDriver,
    profile: Option<TempDir>,
    pub(crate) state: Value,
    pub(crate) events: Vec<Value>,
    epoch: Value,
    acked: u64,
    calls: u32,
    process: Child,
    _turn: MutexGuard<'static, ()>,
}

/// The script that goes into every document.
fn preload() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let read = |name: &str| {
        fs::read_to_string(root.join(name)).unwrap_or_else(|_| panic!("{name} is missing: cd vendor && npm ci"))
    };
    let parts = ["config.js", "page.js", "files.js", "gate.js", "sending.js", "methods.js", "bridge.js"];
    let [config, rest @ ..] = parts.map(|name| read(&format!("src/gateway/whatsappweb/{name}")));
    let library = read("vendor/node_modules/@wppconnect/wa-js/dist/wppconnect-wa.js");
    format!("if (window === window.top) {{\n{config}\n{library}\n{}\n}}", rest.join("\n"))
}

impl Tab {
    /// Opens the page with a new profile.
    pub(crate) async fn open(fake: &FakeWeb) -> Self {
        Self::open_with(fake, TempDir::new().unwrap()).await
    }

    pub(crate) async fn open_with(fake: &FakeWeb, profile: TempDir) -> Self {
        let turn = TURN.lock().await;
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is missing: apt-get install chromium chromium-driver");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver ended");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let mut options = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--remote-debugging-pipe".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ] {
            options.add_arg(&argument).unwrap();
        }
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), options).await.unwrap();
        let source = json!({ "source": preload() });
        driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", source).await.unwrap();
        driver.goto(fake.url()).await.unwrap();
        let (events, state, epoch) = (Vec::new(), Value::Null, Value::Null);
        Self { driver, profile: Some(profile), state, events, epoch, acked: 0, calls: 0, process, _turn: turn }
    }

    /// Opens the page, and links it to the account.
    pub(crate) async fn linked(fake: &FakeWeb, account: &str) -> Self {
        let mut tab = Self::open(fake).await;
        let qr = tab.qr().await;
        assert!(fake.scan(&qr, account, "Shop"));
        tab.connected().await;
        tab
    }

    /// Asks the page for what is new. Whether it answered.
    pub(crate) async fn poll(&mut self) -> bool {
        let script = "return window.__andante ? window.__andante.poll(...arguments) : null";
        let arguments = vec![self.epoch.clone(), json!(self.acked), json!(500)];
        let Ok(answer) = self.driver.execute(script, arguments).await else { return false };
        let answer = answer.json().clone();
        if answer.is_null() {
            return false;
        }
        if answer["epoch"] != self.epoch {
            self.epoch = answer["epoch"].clone();
            self.acked = 0;
        }
        for event in answer["events"].as_array().unwrap() {
            self.acked = event["seq"].as_u64().unwrap();
            self.events.push(event.clone());
        }
        assert_eq!(answer["dropped"], 0);
        self.state = answer["state"].clone();
        true
    }

    /// Asks the page until it has what is looked for.
    #[expect(clippy::disallowed_methods, reason = "a page can only be asked")]
    pub(crate) async fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        for _ in 0..TURNS {
            if self.poll().await
                && let Some(found) = look(self)
            {
                return found;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        panic!("{what} did not come. State: {}\nEvents: {:#?}", self.state, self.events);
    }

    /// The QR, once the page draws one and wa-js is ready.
    pub(crate) async fn qr(&mut self) -> String {
        let is_drawn = |tab: &mut Self| {
            let qr = tab.state["qr"].as_str()?.to_owned();
            (tab.state["isFullReady"] == true && tab.state["mode"] == "QR").then_some(qr)
        };
        self.until("a QR", is_drawn).await
    }

    pub(crate) async fn connected(&mut self) {
        let is_connected = |tab: &mut Self| {
            let is = tab.state["isAuthenticated"] == true && tab.state["isFullReady"] == true;
            (is && tab.state["mode"] == "MAIN").then_some(())
        };
        self.until("the connection", is_connected).await;
    }

    /// Another document is there.
    pub(crate) async fn reloaded(&mut self) {
        let before = self.epoch.clone();
        self.until("another document", |tab| (tab.epoch != before).then_some(())).await;
    }

    /// The first event of a kind that fits and was not taken yet. It's taken.
    pub(crate) async fn event(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let take = |tab: &mut Self| {
            let at = tab.events.iter().position(|event| event["kind"] == kind && fits(&event["data"]))?;
            Some(tab.events.remove(at)["data"].clone())
        };
        self.until(&format!("a fitting {kind}"), take).await
    }

    /// Starts a method. The id of its reply.
    pub(crate) async fn start(&mut self, method: &str, params: Value) -> String {
        self.calls += 1;
        let id = format!("{method} {}", self.calls);
        let script = "return window.__andante.call(...arguments)";
        let arguments = vec![self.epoch.clone(), json!(id), json!(method), params];
        let answer = self.driver.execute(script, arguments).await.unwrap();
        assert_eq!(answer.json(), "started");
        id
    }

    pub(crate) async fn reply(&mut self, id: &str) -> Result<Value, Value> {
        let reply = self.event("reply", |reply| reply["id"] == id).await;
        if reply["ok"] == true { Ok(reply["value"].clone()) } else { Err(reply["error"].clone()) }
    }

    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.start(method, params).await;
        self.reply(&id).await
    }

    /// Our message of this key got that far.
    pub(crate) async fn ack(&mut self, key: &str, ack: i64) -> Value {
        let is_it = |data: &Value| data["ack"] == ack && data["keys"].as_array().unwrap().contains(&json!(key));
        self.event("ack", is_it).await
    }

    /// Nothing went wrong that nobody asked for.
    pub(crate) fn is_tidy(&self, fake: &FakeWeb) {
        assert_eq!(fake.violations(), [""; 0]);
        assert_eq!(fake.strays(), [""; 0]);
        let oops: Vec<&Value> = self.events.iter().filter(|event| event["kind"] == "oops").collect();
        assert!(oops.is_empty(), "{oops:?}");
    }

    /// The browser is killed with all that belongs to it. Its profile stays.
    pub(crate) fn kill(mut self) -> TempDir {
        self.profile.take().unwrap()
    }

    /// Ends the browser in peace.
    pub(crate) async fn close(mut self) -> TempDir {
        self.driver.clone().quit().await.unwrap();
        self.profile.take().unwrap()
    }
}

impl Drop for Tab {
    /// The whole group goes. Of a browser that is gone the driver's own farewell would wait for an answer.
    fn drop(&mut self) {
        if let Some(group) = self.process.id() {
            let _ = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status();
        }
        let _ = self.driver.clone().leak();
    }
}
