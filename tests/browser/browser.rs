//! A browser as a person has one, with an eye on what goes wrong in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;

use crate::harness::eventually;

/// A browser and its driver; both end with the test.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn open(language: &str, width: u32, is_dark: bool) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: apt-get install chromium chromium-driver");
        let profile = TempDir::new().unwrap();
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
            "--force-device-scale-factor=2".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ] {
            options.add_arg(&argument).unwrap();
        }
        options.add_experimental_option("prefs", json!({"intl.accept_languages": language})).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let driver =
            eventually("the browser opens", 60, async || WebDriver::new(&url, options.clone()).await.ok()).await;
        let browser = Self { driver, process, _profile: profile };
        browser.look(width, is_dark).await;
        browser.watch().await;
        browser
    }

    /// Takes the width of a screen, in CSS pixels, and the person's theme.
    pub(crate) async fn look(&self, width: u32, is_dark: bool) {
        let cdp = self.driver.cdp();
        // Chromium does not open windows narrower than 500 px; its device emulation does.
        let (height, is_phone) = if width < 500 { (780, true) } else { (900, false) };
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": is_phone});
        cdp.send_raw("Emulation.setDeviceMetricsOverride", screen).await.unwrap();
        cdp.send_raw("Emulation.setTouchEmulationEnabled", json!({"enabled": is_phone})).await.unwrap();
        let scheme = if is_dark { "dark" } else { "light" };
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        cdp.send_raw("Emulation.setEmulatedMedia", scheme).await.unwrap();
    }

    /// From now on each page keeps what goes wrong on it, and how much it moves by itself.
    async fn watch(&self) {
        let source = r#"
            window.faults = []; window.shift = 0;
            addEventListener("error", event => faults.push(`${event.message ?? event.target?.src ?? event.type}`), true);
            addEventListener("unhandledrejection", event => faults.push(`${event.reason}`));
            addEventListener("securitypolicyviolation", event => faults.push(`${event.violatedDirective} ${event.blockedURI}`));
            const say = console.error; console.error = (...words) => { faults.push(words.join(" ")); say(...words); };
            new PerformanceObserver(list => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value; })
                .observe({ type: "layout-shift", buffered: true });"#;
        self.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await.unwrap();
    }

    /// What a script in the page answers.
    pub(crate) async fn asks(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// Presses what has this text or label, once it is there and can be pressed.
    pub(crate) async fn clicks(&self, text: &str) {
        let script = format!(
            "const wanted = {};
             const named = element => (element.getAttribute('aria-label') ?? element.textContent).trim() === wanted;
             const all = [...document.querySelectorAll('button, a, [role=menuitem], [role=option], label')];
             const found = all.filter(element => named(element) && element.getClientRects().length && !element.disabled);
             found.at(-1)?.click(); return found.length > 0",
            json!(text)
        );
        eventually(&format!("{text:?} can be pressed"), 20, async || {
            (self.driver.execute(&*script, vec![]).await.ok()?.json() == &json!(true)).then_some(())
        })
        .await;
    }

    /// Writes into the field that the selector finds, as a person types.
    pub(crate) async fn types(&self, selector: &str, text: &str) {
        let field = eventually(&format!("{selector} is there"), 20, async || {
            let field = self.driver.find(By::Css(selector)).await.ok()?;
            field.is_displayed().await.ok()?.then_some(field)
        })
        .await;
        field.send_keys(text).await.unwrap();
    }

    pub(crate) async fn sees(&self, text: &str) {
        eventually(&format!("the page says {text:?}"), 20, async || {
            let page = self.driver.find(By::Tag("body")).await.ok()?.text().await.ok()?;
            page.contains(text).then_some(())
        })
        .await;
    }

    pub(crate) async fn screenshot(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, self.driver.screenshot_as_png().await.unwrap()).unwrap();
        path
    }

    /// Nothing is wider than the window, and nothing was refused or failed on the way.
    pub(crate) async fn is_tidy(&self) {
        let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(self.driver.execute(wide, vec![]).await.unwrap().json(), &json!(false), "the page scrolls sideways");
        let foreign = "return performance.getEntriesByType('resource').map(e => new URL(e.name).origin).filter(o => o !== location.origin)";
        assert_eq!(
            self.driver.execute(foreign, vec![]).await.unwrap().json(),
            &json!([]),
            "something came from elsewhere"
        );
        assert_eq!(self.asks("return window.faults").await, json!([]), "something went wrong on the page");
    }

    pub(crate) async fn close(mut self) {
        self.driver.clone().quit().await.unwrap();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
