//! WhatsApp accounts in real browsers, against a page that stands where WhatsApp Web would, through the
//! public API alone.

mod coming;
mod conforming;
mod files;
mod going;
mod pairing;
mod trouble;
mod watching;

use andante::clock::Clock;
use fake_whatsapp_web::FakeWeb;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::harness::{ANNA, CLINIC, Client, TestApp, eventually};

/// Another person.
const BORIS: &str = "77010000003";

/// Each of these takes a core or two.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// A server, and WhatsApp as it sees it.
struct Stage {
    app: TestApp,
    fake: FakeWeb,
    _place: SemaphorePermit<'static>,
}

/// Settings with which a server takes the fake for WhatsApp Web.
fn settings(fake: &FakeWeb) -> Vec<(&'static str, String)> {
    // Chromium does not run as root in its sandbox.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    vec![("ANDANTE_WHATSAPPWEB_URL", fake.url().to_owned()), ("ANDANTE_BROWSER_SANDBOX", (!is_root).to_string())]
}

impl Stage {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(more: &[(&str, &str)]) -> Self {
        let place = BROWSERS.acquire().await.unwrap();
        let fake = FakeWeb::start().await.unwrap();
        let settings = settings(&fake);
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let app = TestApp::on(&[&settings, more].concat(), Clock::system()).await;
        Self { app, fake, _place: place }
    }

    fn client(&self) -> &Client {
        &self.app.client
    }

    /// An account without limits that nobody has paired.
    async fn account(&self) -> String {
        self.client().create(json!({"name": "Clinic", "provider": "whatsappweb", "useLimits": false})).await
    }

    /// The code that an account shows, once it shows another one than `before`.
    async fn code(&self, id: &str, before: &str) -> String {
        let path = format!("/api/accounts/{id}/qr");
        let code = async || {
            let shown = self.client().get(&path).await;
            let code = (shown.status == 200).then(|| shown.body["code"].as_str().unwrap().to_owned());
            code.filter(|code| code != before)
        };
        eventually("a code is shown", 40, code).await
    }

    /// Has the account's code scanned by the clinic's phone.
    async fn pair(&self, id: &str) -> Value {
        self.client().connect(id).await;
        // A code may be replaced by the next one while it is scanned.
        eventually("the code is scanned", 40, async || {
            let code = self.code(id, "").await;
            self.fake.scan(&code, CLINIC, "Clinic").then_some(())
        })
        .await;
        self.connected(id).await
    }

    async fn connected(&self, id: &str) -> Value {
        eventually("the account is connected", 40, async || {
            let account = self.client().get(&format!("/api/accounts/{id}")).await.body;
            (account["status"] == "CONNECTED").then_some(account)
        })
        .await
    }

    /// An account that is paired with the clinic's phone.
    async fn paired(&self) -> String {
        let id = self.account().await;
        self.pair(&id).await;
        id
    }

    /// Sends a text: our id of the message.
    async fn send(&self, account: &str, to: &str, text: &str) -> String {
        self.client().send(account, to, text).await["messageId"].as_str().unwrap().to_owned()
    }

    /// The messages of the account's chat with a number, newest first, as `(body, fromMe)`.
    async fn chat(&self, account: &str, chat: &str) -> Vec<(String, bool)> {
        let chat = if chat.contains('@') { chat.to_owned() } else { format!("{chat}@c.us") };
        let path = format!("/api/whatsapp/sessions/{account}/chats/{chat}/messages");
        let answer = self.client().get(&path).await;
        let messages = answer.body["data"].as_array().cloned().unwrap_or_default();
        let read = |message: &Value| Some((message["body"].as_str()?.to_owned(), message["fromMe"].as_bool()?));
        messages.iter().filter_map(read).collect()
    }

    /// Nothing went where it should not.
    async fn end(mut self) {
        assert_eq!(self.fake.violations(), Vec::<String>::new());
        assert_eq!(self.fake.strays(), Vec::<String>::new());
        self.app.stop().await;
        self.fake.stop().await;
    }
}
