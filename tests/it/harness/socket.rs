//! A Socket.IO client over a WebSocket, as plain as the protocol allows: what it is told, and when
//! it is cut off. The stock clients have their say in `tests/clients`.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Client, TestApp};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connected client.
pub struct Socket {
    stream: Stream,
}

/// What came of trying to connect.
pub enum Entrance {
    /// It is in.
    In(Box<Socket>),
    /// It is not; why.
    Refused(String),
}

impl Entrance {
    #[track_caller]
    pub fn socket(self) -> Socket {
        match self {
            Self::In(socket) => *socket,
            Self::Refused(why) => panic!("refused: {why}"),
        }
    }

    #[track_caller]
    pub fn refusal(self) -> String {
        match self {
            Self::In(_) => panic!("it was let in"),
            Self::Refused(why) => why,
        }
    }
}

async fn open(client: &Client, session: &str, headers: &[(&'static str, &str)]) -> Stream {
    let url = client.url.replacen("http", "ws", 1);
    let url = format!("{url}/socket.io/?EIO=4&transport=websocket{session}");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    connect_async(request).await.unwrap().0
}

impl Socket {
    /// Connects, showing `auth`.
    pub async fn enter(client: &Client, auth: Value) -> Entrance {
        Self::say_who(open(client, "", &[]).await, auth).await
    }

    /// Connects as a browser's page does: with headers, and nothing else to show.
    pub async fn enter_from(client: &Client, headers: &[(&'static str, &str)]) -> Entrance {
        Self::say_who(open(client, "", headers).await, json!({})).await
    }

    /// Opens a WebSocket, and does not say yet who it is.
    pub async fn silent(client: &Client) -> Self {
        Self::greeted(open(client, "", &[]).await).await
    }

    async fn greeted(stream: Stream) -> Self {
        let mut socket = Self { stream };
        assert!(socket.text().await.unwrap().starts_with("0{\"sid\""));
        socket
    }

    async fn say_who(stream: Stream, auth: Value) -> Entrance {
        let mut socket = Self::greeted(stream).await;
        socket.say(format!("40{auth}")).await;
        match socket.text().await {
            Some(text) if text.starts_with("40{") => Entrance::In(Box::new(socket)),
            Some(text) => {
                let said: Value = serde_json::from_str(text.strip_prefix("44").expect("a refusal")).unwrap();
                Entrance::Refused(said["message"].as_str().unwrap().to_owned())
            }
            None => Entrance::Refused("cut off".to_owned()),
        }
    }

    /// Connects with a token or key.
    pub async fn with_token(client: &Client, token: &str) -> Self {
        Self::enter(client, json!({ "token": token })).await.socket()
    }

    /// Opens a WebSocket for a session that was begun by polling.
    pub async fn upgrade(client: &Client, sid: &str) -> Self {
        Self { stream: open(client, &format!("&sid={sid}"), &[]).await }
    }

    pub async fn say(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text, pings answered; none: it was cut off.
    pub async fn text(&mut self) -> Option<String> {
        let next = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.say("3").await,
                    Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), next).await.expect("an event within 20 s")
    }

    /// The next event: its name and its payload; none: it was cut off.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let text = self.text().await?;
            if let Some(event) = text.strip_prefix("42") {
                let (name, payload): (String, Value) = serde_json::from_str(event).unwrap();
                return Some((name, payload));
            }
            if text.starts_with("41") {
                return None;
            }
        }
    }

    /// The payload of the next event of that name; those before it are passed over.
    pub async fn event(&mut self, name: &str) -> Value {
        loop {
            let (other, payload) = self.next().await.unwrap_or_else(|| panic!("cut off before {name}"));
            if other == format!("whatsapp:{name}") {
                return payload;
            }
        }
    }

    /// All events up to the first of that name, it included.
    pub async fn until(&mut self, name: &str) -> Vec<(String, Value)> {
        let mut heard = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("cut off before {name}"));
            let is_last = event.0 == format!("whatsapp:{name}");
            heard.push(event);
            if is_last {
                return heard;
            }
        }
    }

    /// Waits until it is cut off.
    pub async fn end(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// Something that everybody in the room of the account hears of, with a mark.
pub fn mark(app: &TestApp, account: &str, text: &str) {
    app.app().simulator.stage(TestApp::id(account)).unwrap().types(text, true);
}
