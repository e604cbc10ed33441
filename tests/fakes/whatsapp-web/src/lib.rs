//! A page that stands where WhatsApp Web would, and the server and phones behind it, for tests.
//!
//! The page has the shape that the library wa-js looks for, and is served under a policy as strict as
//! the real one's. Who it is, its chats and its messages are in the browser's database: the profile is
//! the identity. The server keeps its promises as the real one does: what a page has not stored comes
//! again when it's back, and of a message that comes twice under one key the second is dropped.
//!
//! Numbers are digits without a plus. A group is `…@g.us`. Everything the server has is in memory.

mod file;
mod http;
mod kinds;
mod person;
mod state;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub use file::File;
pub use kinds::{Behaviour, Composing, Page, Sent, Uploading};
pub use person::Person;
pub use state::lid_of;

use state::{Group, State};

/// How long the calls that wait do so.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Shared {
    state: Mutex<State>,
    news: Notify,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, mut is_so: impl FnMut(&mut State) -> bool) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if is_so(&mut self.state()) {
                return;
            }
            news.await;
        }
    }
}

/// The server, its page and the phones of its users. Clones are the same server.
#[derive(Clone)]
pub struct FakeWeb {
    shared: Arc<Shared>,
    url: String,
    handle: ServerHandle,
}

impl FakeWeb {
    /// A server on a free port of this machine.
    ///
    /// # Errors
    /// When there is none.
    #[expect(clippy::unused_async, reason = "it takes a runtime to serve")]
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new() });
        let data = Data::from(Arc::clone(&shared));
        let server = HttpServer::new(move || App::new().app_data(data.clone()).configure(http::routes));
        let server = server.workers(1).disable_signals().listen(listener)?.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { shared, url, handle })
    }

    /// Where the page is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops, whoever is connected.
    pub async fn stop(self) {
        self.handle.stop(false).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// A phone scans what a QR holds. Whether a page shows this very one, and the phone may link it.
    pub fn scan(&self, qr: &str, phone: &str, name: &str) -> bool {
        let reference = qr.rsplit('#').next().and_then(|parts| parts.split(',').next()).map(str::to_owned);
        self.state().link(phone, name, |page| reference.is_some() && page.reference == reference)
    }

    /// A phone enters a code. Whether a page asked for this one, and the phone may link it.
    pub fn enter_code(&self, code: &str, phone: &str, name: &str) -> bool {
        self.state().link(phone, name, |page| page.code.as_deref() == Some(code))
    }

    /// Somebody with WhatsApp.
    pub fn person(&self, phone: &str) -> Person {
        Person { fake: self.clone(), phone: phone.to_owned() }
    }

    /// The account's own phone writes to somebody, or to a group. The message's key.
    pub fn phone_says(&self, account: &str, to: &str, text: &str) -> String {
        self.state().deliver(account, to, None, true, text, None)
    }

    /// Makes a group, or changes it, and tells its members' pages. Its id.
    pub fn group(&self, subject: &str, members: &[&str]) -> String {
        let mut state = self.state();
        let known = state.groups.iter().find(|(_, group)| group.subject == subject).map(|(id, _)| id.clone());
        let id = known.unwrap_or_else(|| format!("120363{:010}@g.us", state.groups.len() + 1));
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        let before = state.groups.insert(id.clone(), Group { subject: subject.to_owned(), members });
        let now = state.groups[&id].members.clone();
        for phone in now.union(&before.map(|group| group.members).unwrap_or_default()) {
            let order = json!({ "op": "group", "id": id, "subject": subject, "isMember": now.contains(phone) });
            if let Some(device) = state.device_of(phone) {
                device.keep(order);
            }
        }
        id
    }

    /// What becomes of messages to this number, or group, from now on.
    pub fn behave(&self, to: &str, behaviour: Behaviour) {
        self.state().behaviours.insert(to.to_owned(), behaviour);
    }

    /// The server answers the messages to this number that it kept waiting. They arrive.
    pub fn release(&self, to: &str) {
        let mut state = self.state();
        let (ripe, late) = std::mem::take(&mut state.late).into_iter().partition(|(other, ..)| other == to);
        state.late = late;
        let ripe: Vec<(String, String, String)> = ripe;
        for (_, account, key) in ripe {
            state.answer(&account, &key, 1);
            state.arrive(&account, &key, to);
        }
    }

    /// Each message that the account's pages sent, once.
    pub fn sent(&self, account: &str) -> Vec<Sent> {
        self.state().sent.get(account).cloned().unwrap_or_default()
    }

    /// The account's messages once there are this many, or what there is after half a minute.
    pub async fn wait_sent(&self, account: &str, count: usize) -> Vec<Sent> {
        self.wait(|state| state.sent.get(account).map_or(0, Vec::len) >= count).await;
        self.sent(account)
    }

    /// Whether the account's page is linked and connected, within half a minute.
    pub async fn wait_online(&self, account: &str) -> bool {
        self.wait(|state| state.device_of(account).is_some_and(|device| device.is_online)).await
    }

    /// Whether the account's page stored all that waited for it, within half a minute.
    pub async fn wait_stored(&self, account: &str) -> bool {
        self.wait(|state| state.device_of(account).is_some_and(|device| device.has_all())).await
    }

    /// Whether a page is linked to the account.
    pub fn is_linked(&self, account: &str) -> bool {
        self.state().device_of(account).is_some()
    }

    /// Whether no page is linked to the account any more, within half a minute.
    pub async fn wait_unlinked(&self, account: &str) -> bool {
        self.wait(|state| state.device_of(account).is_none()).await
    }

    /// Whether it becomes so within half a minute.
    async fn wait(&self, is_so: impl FnMut(&mut State) -> bool) -> bool {
        tokio::time::timeout(PATIENCE, self.shared.until(is_so)).await.is_ok()
    }

    /// Chats that the account's page marked as read, in order: numbers and groups.
    pub fn read(&self, account: &str) -> Vec<String> {
        self.state().read.get(account).cloned().unwrap_or_default()
    }

    /// When the account's page said that its user writes, in order.
    pub fn composing(&self, account: &str) -> Vec<Composing> {
        self.state().composing.get(account).cloned().unwrap_or_default()
    }

    /// The phone unlinks the page, which may be away.
    pub fn logout(&self, account: &str) {
        if let Some(device) = self.state().device_of(account) {
            device.order(json!({ "op": "logout", "reason": "unknown_companion" }));
            device.account = None;
        }
        self.shared.news.notify_waiters();
    }

    /// The page loads anew. Whether there is one.
    pub fn reload(&self, account: &str) -> bool {
        self.order(account, "reload")
    }

    /// The account is open in another window. Whether there is a page to hear it.
    pub fn conflict(&self, account: &str) -> bool {
        self.order(account, "conflict")
    }

    /// The page loses the network, as it says. Whether there is one.
    pub fn offline(&self, account: &str) -> bool {
        self.order(account, "offline")
    }

    /// The page falls into an endless loop. Whether there is one.
    pub fn hang(&self, account: &str) -> bool {
        self.order(account, "hang")
    }

    /// WhatsApp has a newer page. Whether there is one to hear it.
    pub fn needs_update(&self, account: &str) -> bool {
        self.order(account, "needs_update")
    }

    /// The pages that nobody is linked to draw their next QR.
    pub fn rotate(&self) {
        self.order_unlinked(&json!({ "op": "rotate" }));
    }

    /// The pages that nobody is linked to stop to draw QRs.
    pub fn idle(&self) {
        self.order_unlinked(&json!({ "op": "idle" }));
    }

    fn order(&self, account: &str, op: &str) -> bool {
        self.state().device_of(account).is_some_and(|device| device.order(json!({ "op": op })))
    }

    fn order_unlinked(&self, order: &Value) {
        for device in self.state().devices.values().filter(|device| device.account.is_none()) {
            device.order(order.clone());
        }
    }

    /// What is served from now on.
    pub fn page(&self, page: Page) {
        self.state().page = page;
    }

    /// Whether phones refuse to link another device, as with too many linked.
    pub fn refuse_new_devices(&self, is_refusing: bool) {
        self.state().is_refusing = is_refusing;
    }

    /// Whether pages that load from now on keep chats with people under their LIDs.
    pub fn use_lids(&self, is_migrated: bool) {
        self.state().is_migrated = is_migrated;
    }

    /// What the page's policy forbade.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Requests for what there isn't.
    pub fn strays(&self) -> Vec<String> {
        self.state().strays.clone()
    }
}
