//! How an account reaches WhatsApp: a WebSocket and plain requests, both by one HTTP client, which goes
//! through the account's proxy if it has one, and to nothing else then.
//!
//! The hosts that files are at, WhatsApp's server names, and they are reached as it is itself: by the same
//! scheme, at the same port. What it names may not be an address that only this server reaches.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use reqwest::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio_websockets::{ClientBuilder, Limits};
use whatsapp_rust::async_channel::Receiver;
use whatsapp_rust::async_trait;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::transport::from_websocket;
use whatsapp_rust::wacore::net::{
    HttpClient, HttpRequest, HttpResponse, Transport, TransportEvent, TransportFactory, WHATSAPP_WEB_ORIGIN,
};

use crate::egress::Egress;
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
/// How often one is sent on at most.
const REDIRECTS: usize = 5;

/// The way to WhatsApp of one account.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client,
    /// Where WhatsApp Web is.
    url: Url,
    egress: Egress,
}

impl Wire {
    /// That of the account.
    pub(super) async fn of(messengers: &Messengers, account: &Account) -> Result<Self, ConnectError> {
        let egress = messengers.egress;
        let url: Url = messengers.whatsapp_url.parse().map_err(|_| ConnectError::Later(anyhow!("no URL")))?;
        // An upgrade is asked for, which HTTP/2 has not.
        let client = Client::builder().http1_only().connect_timeout(ANSWER).redirect(careful(egress));
        let client = match &account.proxy {
            Some(proxy) => proxy::through(client, proxy, egress, url.as_str()).await?,
            None => client.dns_resolver(egress.resolver(url.host_str().map(str::to_owned))),
        };
        let client = client.build().map_err(|error| ConnectError::Later(error.without_url().into()))?;
        Ok(Self { client, url, egress })
    }

    /// What is at a path, with a query maybe, of a host that WhatsApp named.
    pub(super) async fn get(&self, host: &str, path: &str) -> Result<Response> {
        let asked = self.client.get(self.at(host, path)?).header(ORIGIN, WHATSAPP_WEB_ORIGIN);
        let answer = tokio::time::timeout(ANSWER, asked.send()).await.context("no answer in time")?;
        answer.map_err(|error| error.without_url().into())
    }

    /// Hands that many bytes to a host that WhatsApp named: what it says to that.
    pub(super) async fn post(&self, host: &str, path: &str, length: u64, body: Body) -> Result<(StatusCode, Vec<u8>)> {
        let asked = self.client.post(self.at(host, path)?).header(ORIGIN, WHATSAPP_WEB_ORIGIN);
        // WhatsApp's hosts take nothing of which they are not told the length.
        let asked = asked.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, length).body(body);
        read(asked).await
    }

    /// The address of a path at a host.
    fn at(&self, host: &str, path: &str) -> Result<Url> {
        let mut url = self.url.clone();
        url.set_host(Some(host)).context("WhatsApp names a host that is none")?;
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        self.allow(&url)?;
        Ok(url)
    }

    /// Refuses an address by which somebody would reach what only this server does. Names are checked where
    /// they are resolved.
    fn allow(&self, url: &Url) -> Result<()> {
        let host = url.host_str().unwrap_or_default();
        if Some(host) != self.url.host_str() {
            self.egress.check(host).ok().context("WhatsApp names a host that is not of the public internet")?;
        }
        Ok(())
    }
}

/// Goes where an answer says, but not into a private network.
fn careful(egress: Egress) -> Policy {
    Policy::custom(move |next| {
        let is_public = next.url().host_str().is_some_and(|host| egress.check(host).is_ok());
        if is_public && next.previous().len() < REDIRECTS { next.follow() } else { next.stop() }
    })
}

/// The status and the body of what is answered.
async fn read(asked: RequestBuilder) -> Result<(StatusCode, Vec<u8>)> {
    let answer = asked.send().await.map_err(reqwest::Error::without_url)?;
    let status = answer.status();
    let (mut body, mut parts) = (Vec::new(), answer.bytes_stream());
    while let Some(part) = parts.next().await {
        let part: Bytes = part.map_err(reqwest::Error::without_url)?;
        if body.len() + part.len() > BODY {
            bail!("the answer is too long");
        }
        body.extend_from_slice(&part);
    }
    Ok((status, body))
}

#[async_trait]
impl TransportFactory for Wire {
    async fn create_transport(&self) -> Result<(Arc<dyn Transport>, Receiver<TransportEvent>)> {
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let asked = self
            .client
            .get(self.url.clone())
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
        let url = request.url.parse()?;
        self.allow(&url)?;
        let mut asked = self.client.request(method, url).timeout(DOWNLOAD);
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        if let Some(body) = request.body {
            asked = asked.body(body);
        }
        let (status, body) = read(asked).await?;
        Ok(HttpResponse { status_code: status.as_u16(), body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(url: &str, allows_private: bool) -> Wire {
        Wire { client: Client::new(), url: url.parse().unwrap(), egress: Egress::new(allows_private) }
    }

    #[test]
    fn a_host_that_whatsapp_names_is_reached_as_whatsapp_is() {
        let at = |url, host| wire(url, false).at(host, "/mms/image/x?auth=a&token=x").map(String::from).unwrap();
        let real = at("https://web.whatsapp.com/ws/chat", "mmg.whatsapp.net");
        assert_eq!(real, "https://mmg.whatsapp.net/mms/image/x?auth=a&token=x");
        let other = at("http://127.0.0.1:8080/ws/chat", "127.0.0.1");
        assert_eq!(other, "http://127.0.0.1:8080/mms/image/x?auth=a&token=x");
    }

    #[test]
    fn a_path_leads_to_no_other_host() {
        let wire = wire("https://web.whatsapp.com/ws/chat", true);
        for path in
            ["//localhost/x", "@localhost/x", ".localhost/x", "http://localhost/x", "\\\\localhost\\x", ":80/x", ""]
        {
            assert_eq!(wire.at("mmg.whatsapp.net", path).unwrap().host_str(), Some("mmg.whatsapp.net"), "{path}");
            assert_eq!(wire.at("mmg.whatsapp.net", path).unwrap().port_or_known_default(), Some(443), "{path}");
        }
    }

    #[test]
    fn a_host_of_a_private_network_is_refused_however_it_is_written() {
        for host in
            ["localhost", "a.localhost", "10.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:10.0.0.1]", "", "a b"]
        {
            assert!(wire("https://web.whatsapp.com/ws/chat", false).at(host, "/").is_err(), "{host}");
        }
        assert!(wire("https://web.whatsapp.com/ws/chat", true).at("10.0.0.1", "/").is_ok());
    }
}
