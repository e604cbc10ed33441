//! One browser for one account: its driver, the session with it, and how all of it ends. Whatever
//! happens to us, nothing of it is left: the driver is watched by a shell that ends the whole group
//! once we are gone, and Chromium, which speaks to its driver by a pipe, goes with it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use entity::ids::AccountId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, PageLoadStrategy};
use tokio::io::{AsyncBufReadExt, BufReader, copy, sink};
use tokio::process::{Child, Command};
use tokio::sync::OwnedSemaphorePermit;

use super::group::Group;
use super::profile::Profile;
use crate::clock::Clock;
use crate::gateway::browsers::Browsers;
use crate::gateway::proxy::Through;

/// How long the driver may take to say where it listens …
const LISTENS: Duration = Duration::from_secs(10);
/// … and to answer a command: a page that hangs answers none.
const ANSWERS: Duration = Duration::from_secs(10);
/// How long the browser may take to start.
const STARTS: Duration = Duration::from_secs(25);
/// How long it may take to end by itself.
const ENDS: Duration = Duration::from_secs(2);

/// Runs the driver until there is nobody left who holds the other end of the input, which is never
/// written to; then ends the group that it is in. The signal that is sent to all is not for the shell.
const WATCH: &str = r#"trap : TERM; "$@" & read -r _; kill -TERM 0; sleep 3; kill -KILL 0"#;

/// Where the shell finds what it runs, and Chromium what it asks for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What browsers are started with, besides their folders. No background traffic; nothing kept in shared
/// memory, of which containers have little; and no open port by which others could take the account.
const ARGUMENTS: [&str; 19] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--mute-audio",
    "--no-pings",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-features=MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,Translate",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-blink-features=AutomationControlled",
    "--window-size=1280,900",
];

/// What Chromium asks for by itself, and is not to reach.
const NOWHERE: [&str; 5] = [
    "accounts.google.com",
    "clients2.google.com",
    "optimizationguide-pa.googleapis.com",
    "start.duckduckgo.com",
    "update.googleapis.com",
];

/// A running browser. Dropped, it is ended at once.
pub(super) struct Browser {
    /// None once it has ended.
    driver: Option<WebDriver>,
    pub(super) group: Group,
    pub(super) profile: Profile,
    clock: Clock,
    watch: Child,
    _place: OwnedSemaphorePermit,
}

/// What the group is until its browser is there.
struct Starting(Option<Group>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            group.kill();
        }
    }
}

impl Browser {
    /// Starts the account's browser, with nothing open in it.
    pub(super) async fn start(
        browsers: &Browsers,
        account: AccountId,
        place: OwnedSemaphorePermit,
        profile: Profile,
        proxy: Through,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let (browser, driver) = browsers.programs().context("Chromium or its driver is not installed")?;
        let _turn = browsers.turn().await;
        let mut watch = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(driver)
            .args(["--port=0", "--log-level=SEVERE"])
            // Nothing of ours: there are secrets among it.
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", profile.temporary())
            .env("TMPDIR", profile.temporary())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("the browser's driver can't be started")?;
        let number = watch.id().and_then(|id| i32::try_from(id).ok()).context("the browser's driver has ended")?;
        let group = Group::of(number).context("the browser's driver has no group")?;
        let mut starting = Starting(Some(group));
        let port = clock.timeout(LISTENS, listens(&mut watch)).await.context("the browser's driver says nothing")??;
        let mut options = DesiredCapabilities::chrome();
        options.set_binary(&browser.to_string_lossy())?;
        options.set_page_load_strategy(PageLoadStrategy::None)?;
        // What a page asks a person, nobody answers.
        options.set("unhandledPromptBehavior", "dismiss")?;
        let folders = [format!("--user-data-dir={}", profile.profile().display())];
        let open = (!browsers.is_sandboxed).then(|| "--no-sandbox".to_owned());
        let nowhere = NOWHERE.map(|host| format!("MAP {host} ~NOTFOUND"));
        let rules = nowhere.into_iter().chain(proxy.rule).collect::<Vec<_>>().join(", ");
        let rules = [format!("--host-resolver-rules={rules}")];
        for argument in
            ARGUMENTS.map(str::to_owned).into_iter().chain(folders).chain(open).chain(proxy.arguments).chain(rules)
        {
            options.add_arg(&argument)?;
        }
        // Nothing that a page offers is kept, and nothing is asked of anybody.
        let wishes = json!({"download_restrictions": 3, "profile.default_content_setting_values.notifications": 2,
                            "webrtc.ip_handling_policy": "disable_non_proxied_udp"});
        options.add_experimental_option("prefs", wishes)?;
        // What the page says to itself is not written down.
        options.add_experimental_option("excludeSwitches", json!(["enable-logging"]))?;
        let http = reqwest::Client::builder().no_proxy().timeout(STARTS).build()?;
        let session = WebDriver::builder(format!("http://127.0.0.1:{port}"), options).client(http);
        let driver = clock.timeout(STARTS, session.connect()).await.context("the browser does not start in time")?;
        let driver = driver.map_err(|error| anyhow!("the browser does not start: {}", kind(&error)))?;
        starting.0 = None;
        tracing::debug!(account.id = %account, port, "a browser is there");
        let driver = Some(driver);
        Ok(Self { driver, group, profile, clock: clock.clone(), watch, _place: place })
    }

    /// Whether what ends it, should we be killed, is there.
    pub(super) fn is_watched(&mut self) -> bool {
        matches!(self.watch.try_wait(), Ok(None))
    }

    fn driver(&self) -> anyhow::Result<&WebDriver> {
        self.driver.as_ref().context("the browser has ended")
    }

    async fn ask<T>(&self, asked: impl Future<Output = WebDriverResult<T>>) -> anyhow::Result<T> {
        let answer = self.clock.timeout(ANSWERS, asked).await.context("the browser does not answer")?;
        answer.map_err(|error| anyhow!("the browser failed: {}", kind(&error)))
    }

    /// Runs `script` in every document that is opened from now on, before any of its own.
    pub(super) async fn preload(&self, script: &str) -> anyhow::Result<()> {
        let cdp = self.driver()?.cdp();
        // As the same browser says that has a window.
        let version = self.ask(cdp.send_raw("Browser.getVersion", json!({}))).await?;
        let agent = version["userAgent"].as_str().unwrap_or_default().replace("HeadlessChrome", "Chrome");
        self.ask(cdp.send_raw("Network.setUserAgentOverride", json!({"userAgent": agent}))).await?;
        self.ask(cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}))).await?;
        Ok(())
    }

    /// Opens a page; answers before it is there.
    pub(super) async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.ask(self.driver()?.goto(url)).await
    }

    /// What a script in the page answers.
    pub(super) async fn run<T: DeserializeOwned>(&self, script: &str, arguments: Vec<Value>) -> anyhow::Result<T> {
        let answer = self.ask(self.driver()?.execute(script, arguments)).await?;
        // The answer has people's words in it, and so has the error.
        T::deserialize(answer.json()).map_err(|_| anyhow!("the page's answer has another shape"))
    }

    /// Keeps a picture of the page, for the operator.
    pub(super) async fn picture(&self) -> anyhow::Result<()> {
        let picture = self.ask(self.driver()?.screenshot_as_png()).await?;
        let path = self.profile.picture();
        let write = move || {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
            file.write_all(&picture)
        };
        tokio::task::spawn_blocking(write).await??;
        Ok(())
    }

    /// Ends it; what it is still to write, it writes if it can. With `forget`, its pairing goes as well.
    pub(super) async fn end(self, forget: bool) {
        if let Some(driver) = self.driver.clone() {
            let _ = self.clock.timeout(ENDS, driver.quit()).await;
        }
        self.group.end(&self.clock).await;
        if forget && let Err(error) = self.profile.clear().await {
            tracing::warn!(%error, "the folder of a pairing that ended is left");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.group.kill();
        if let Some(driver) = self.driver.take() {
            // Dropped unasked, it would ask the browser to end, and hold up whoever drops it until that answers.
            let _ = driver.leak();
        }
    }
}

/// The port that the driver says.
async fn listens(watch: &mut Child) -> anyhow::Result<u16> {
    let mut lines = BufReader::new(watch.stdout.take().context("the driver has no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        let port = line.rsplit_once("started successfully on port ").map(|(_, port)| port.trim_end_matches('.'));
        if let Some(port) = port.and_then(|port| port.trim().parse().ok()) {
            let mut rest = lines.into_inner();
            tokio::spawn(async move { copy(&mut rest, &mut sink()).await });
            return Ok(port);
        }
    }
    bail!("the browser's driver does not start")
}

/// What kind of error it is: its words may have people's in them.
fn kind(error: &WebDriverError) -> String {
    let words = format!("{error:?}");
    words.chars().take_while(char::is_ascii_alphanumeric).collect()
}
