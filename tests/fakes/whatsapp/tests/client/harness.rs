//! A client under test: its events in order, each to be waited for and taken once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fake_whatsapp::{FakeWhatsApp, wa};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::prelude::*;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::types::events::{ConnectFailureReason, Receipt, ServerAck};
use whatsapp_rust::wacore::store::in_memory::InMemoryBackend;

pub(crate) const ALICE: &str = "15550000001";
pub(crate) const BOB: &str = "15550000002";
pub(crate) const CAROL: &str = "15550000003";
/// A number that isn't on WhatsApp.
pub(crate) const NOBODY: &str = "15559999999";

const DEADLINE: Duration = Duration::from_secs(60);

/// A server with three users.
pub(crate) async fn server() -> FakeWhatsApp {
    let fake = FakeWhatsApp::start().await;
    fake.set_deadline(DEADLINE);
    for (pn, lid, name) in
        [(ALICE, "100000000000001", "Alice"), (BOB, "100000000000002", "Bob"), (CAROL, "100000000000003", "Carol")]
    {
        fake.add_phone(pn, lid, name);
    }
    fake
}

/// Asks the fake for whatever is asked of WhatsApp's hosts.
struct FakeOnly {
    address: String,
}

#[async_trait::async_trait]
impl HttpClient for FakeOnly {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        let (_, path) = request.url.trim_start_matches("https://").split_once('/').context("an address")?;
        let body = request.body.unwrap_or_default();
        let mut head = format!("{} /{path} HTTP/1.1\r\nhost: fake\r\n", request.method);
        for (name, value) in &request.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let mut socket = TcpStream::connect(&self.address).await?;
        socket.write_all(&[head.as_bytes(), &body].concat()).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        let end = answer.windows(4).position(|end| end == b"\r\n\r\n").context("an HTTP answer")?;
        let status = std::str::from_utf8(&answer[..end])?.split(' ').nth(1).context("a status")?;
        Ok(HttpResponse { status_code: status.parse()?, body: answer.split_off(end + 4) })
    }
}

/// The body of what is at `http://host:port/path`.
pub(crate) async fn get(url: &str) -> Result<String> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').context("an address")?;
    let mut socket = TcpStream::connect(host).await?;
    socket.write_all(format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").context("an HTTP answer")?.1.to_owned())
}

/// A running client.
pub(crate) struct Account {
    pub(crate) client: Arc<Client>,
    pub(crate) store: Arc<InMemoryBackend>,
    handle: BotHandle,
    incoming: mpsc::UnboundedReceiver<Arc<Event>>,
    unclaimed: Vec<Arc<Event>>,
}

/// A message as the client has seen it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) chat: String,
    pub(crate) is_from_me: bool,
}

impl Seen {
    pub(crate) fn new(text: &str, chat: &str, is_from_me: bool) -> Self {
        Self { text: text.to_owned(), chat: chat.to_owned(), is_from_me }
    }
}

impl Account {
    /// A client with nothing in its store.
    pub(crate) async fn new(fake: &FakeWhatsApp) -> Self {
        Self::from_store(fake, Arc::new(InMemoryBackend::new())).await
    }

    /// A client that goes on where another one with this store has ended.
    pub(crate) async fn from_store(fake: &FakeWhatsApp, store: Arc<InMemoryBackend>) -> Self {
        let (events, incoming) = mpsc::unbounded_channel();
        let bot = Bot::builder()
            .with_backend_arc(Arc::clone(&store) as _)
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(fake.url()))
            .with_http_client(FakeOnly { address: fake.url().split('/').nth(2).unwrap().to_owned() })
            .with_runtime(TokioRuntime)
            .with_event_delivery(EventDelivery::Ordered { capacity: 1024 })
            .on_event(move |event, _| {
                let _ended = events.send(event);
                async {}
            })
            .build()
            .await
            .unwrap();
        let client = bot.client();
        Self { client, store, handle: bot.spawn(), incoming, unclaimed: Vec::new() }
    }

    /// A client that is linked to the user's account by QR code, and connected.
    pub(crate) async fn linked(fake: &FakeWhatsApp, pn: &str) -> Self {
        let mut account = Self::new(fake).await;
        let qr = account.qr().await;
        fake.scan(pn, &qr).unwrap();
        account.connected().await;
        account
    }

    /// Stops the client as a process that ends in order would. What is left is its store.
    pub(crate) async fn stop(self) -> Arc<InMemoryBackend> {
        // What it has not written down by then, a task of its own may still write when it has ended.
        self.client.flush_pending_signal_state().await.unwrap();
        self.handle.shutdown().await;
        self.store
    }

    /// The first event that isn't claimed yet and that `claim` takes.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut claim: impl FnMut(&Event) -> Option<T>) -> T {
        let waiting = async {
            for index in 0..self.unclaimed.len() {
                if let Some(claimed) = claim(&self.unclaimed[index]) {
                    self.unclaimed.remove(index);
                    return Some(claimed);
                }
            }
            while let Some(event) = self.incoming.recv().await {
                if let Some(claimed) = claim(&event) {
                    return Some(claimed);
                }
                self.unclaimed.push(event);
            }
            None
        };
        let claimed = tokio::time::timeout(DEADLINE, waiting).await.ok().flatten();
        let kinds = || self.unclaimed.iter().map(|event| event.kind()).collect::<Vec<_>>();
        claimed.unwrap_or_else(|| panic!("the client never saw {what}, only {:?}", kinds()))
    }

    pub(crate) async fn qr(&mut self) -> String {
        let code = |event: &Event| if let Event::PairingQrCode(qr) = event { Some(qr.code.clone()) } else { None };
        self.wait("a QR code", code).await
    }

    pub(crate) async fn connected(&mut self) {
        self.wait("Connected", |event| matches!(event, Event::Connected(_)).then_some(())).await;
    }

    /// Sends a text; returns the message's id.
    pub(crate) async fn send(&self, to: &str, text: &str) -> String {
        self.client.send_text(Jid::pn(to), text).await.unwrap().message_id
    }

    /// The server's answer to a message: nothing, or the code of a refusal.
    pub(crate) async fn ack(&mut self, id: &str) -> Option<String> {
        let is_meant = |ack: &ServerAck| ack.id == id && ack.class.as_deref() == Some("message");
        let error = |event: &Event| match event {
            Event::ServerAck(ack) if is_meant(ack) => Some(ack.error.clone()),
            _ => None,
        };
        self.wait("the server's ack", error).await
    }

    /// A receipt for a message, of this type as `ReceiptType` prints it.
    pub(crate) async fn receipt(&mut self, id: &str, kind: &str) -> Receipt {
        let is_meant = |receipt: &Receipt| {
            receipt.message_ids.iter().any(|it| it == id) && format!("{:?}", receipt.r#type) == kind
        };
        let found = |event: &Event| match event {
            Event::Receipt(receipt) if is_meant(receipt) => Some(receipt.clone()),
            _ => None,
        };
        self.wait(&format!("a receipt {kind} for {id}"), found).await
    }

    pub(crate) async fn message(&mut self) -> Seen {
        let text = |event: &Event| {
            event.messages().find_map(|message| {
                let source = &message.info.source;
                let text = message.message.text_content()?;
                Some(Seen::new(text, &source.chat.to_string(), source.is_from_me))
            })
        };
        self.wait("a message", text).await
    }

    /// The message itself that came with a picture.
    pub(crate) async fn content(&mut self) -> Arc<wa::Message> {
        let content = |event: &Event| {
            event
                .messages()
                .find_map(|message| message.message.image_message.is_set().then(|| Arc::clone(&message.message)))
        };
        self.wait("a message with a picture", content).await
    }

    pub(crate) async fn logged_out(&mut self) -> ConnectFailureReason {
        let reason = |event: &Event| if let Event::LoggedOut(out) = event { Some(out.reason) } else { None };
        self.wait("LoggedOut", reason).await
    }

    /// How many messages have come that nobody has claimed.
    pub(crate) fn unclaimed_messages(&mut self) -> usize {
        while let Ok(event) = self.incoming.try_recv() {
            self.unclaimed.push(event);
        }
        self.unclaimed.iter().map(|event| event.messages().count()).sum()
    }
}
