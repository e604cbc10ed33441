//! How an account reaches WhatsApp: a WebSocket and plain requests, both by one HTTP client, which goes
//! through the account's proxy if it has one, and to nothing else then.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use reqwest::header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{Client, Method, StatusCode};
use tokio_websockets::{ClientBuilder, Limits};
use whatsapp_rust::async_channel::Receiver;
use whatsapp_rust::async_trait;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::transport::from_websocket;
use whatsapp_rust::wacore::net::{
    HttpClient, HttpRequest, HttpResponse, Transport, TransportEvent, TransportFactory, WHATSAPP_WEB_ORIGIN,
};

use crate::gateway::{ConnectError, Messengers, proxy};
use crate::store::account::Account;

/// How long a connection may take to come about …
const ANSWER: Duration = Duration::from_secs(20);
/// … and a part of a history.
const DOWNLOAD: Duration = Duration::from_secs(180);
/// Bytes of a frame at most: a length of one has 24 bits.
const FRAME: usize = 1 << 24;
/// Bytes of an answer at most: more than WhatsApp's histories have, which come in parts.
const BODY: usize = 64 << 20;

/// The way to WhatsApp of one account.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client,
    url: Arc<str>,
}

impl Wire {
    /// That of the account.
    pub(super) async fn of(messengers: &Messengers, account: &Account) -> Result<Self, ConnectError> {
        let url = messengers.whatsapp_url.as_str();
        // An upgrade is asked for, which HTTP/2 has not.
        let mut client = Client::builder().http1_only().connect_timeout(ANSWER);
        if let Some(proxy) = &account.proxy {
            client = proxy::through(client, proxy, messengers.egress, url).await?;
        }
        let client = client.build().map_err(|error| ConnectError::Later(error.without_url().into()))?;
        Ok(Self { client, url: url.into() })
    }
}

#[async_trait]
impl TransportFactory for Wire {
    async fn create_transport(&self) -> Result<(Arc<dyn Transport>, Receiver<TransportEvent>)> {
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let asked = self
            .client
            .get(&*self.url)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, key)
            .header(ORIGIN, WHATSAPP_WEB_ORIGIN)
            .send();
        let answer = tokio::time::timeout(ANSWER, asked).await.context("no answer in time")?;
        let answer = answer.map_err(reqwest::Error::without_url)?;
        ensure!(answer.status() == StatusCode::SWITCHING_PROTOCOLS, "no WebSocket, but {}", answer.status());
        // Who is at the other end shows in the handshake inside, which none but WhatsApp can do.
        let stream = answer.upgrade().await.map_err(reqwest::Error::without_url)?;
        let limits = Limits::default().max_payload_len(Some(FRAME));
        Ok(from_websocket(ClientBuilder::new().limits(limits).take_over(stream)))
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        let method = Method::from_bytes(request.method.as_bytes())?;
        let mut asked = self.client.request(method, &request.url).timeout(DOWNLOAD);
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        if let Some(body) = request.body {
            asked = asked.body(body);
        }
        let answer = asked.send().await.map_err(reqwest::Error::without_url)?;
        let status_code = answer.status().as_u16();
        let (mut body, mut parts) = (Vec::new(), answer.bytes_stream());
        while let Some(part) = parts.next().await {
            let part: Bytes = part.map_err(reqwest::Error::without_url)?;
            if body.len() + part.len() > BODY {
                bail!("the answer is too long");
            }
            body.extend_from_slice(&part);
        }
        Ok(HttpResponse { status_code, body })
    }
}
