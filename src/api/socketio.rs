//! Socket.IO on the API's own port: gives its requests, in process, to a service that speaks tower.
//!
//! A polling request is converted and answered. A WebSocket goes through a real hyper connection
//! over a pipe in memory, because only hyper makes the upgrade that the service waits for; from
//! then on bytes are pumped between the pipe and the browser.
//!
//! A client that has left or was shut out takes its connection along: a WebSocket is closed, and the
//! service is told of a polling session as if its client had ended it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::body::{BodyStream, MessageBody};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use governor::Quota;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service as _;

use crate::app::App;
use crate::auth::limiter::Limiter;
use crate::config::Config;
use crate::error::ApiError;
use crate::realtime::socketio::{PAYLOAD, Service};
use crate::realtime::transport::Transport;

const PIPE: usize = 16 * 1024;
const READ: usize = 4 * 1024;
/// Engine.IO's packet "close", in a frame of a WebSocket's client, masked with zeros.
const GOODBYE: &[u8] = &[0x81, 0x81, 0, 0, 0, 0, b'1'];
/// How long a client that is cut off may take to hear why.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Socket.IO's packet "disconnect" in one of Engine.IO's, and what stands between packets of a poll.
const DISCONNECT: &[u8] = b"41";
const BETWEEN: u8 = 0x1e;

/// The way from the HTTP workers to the service.
pub struct Bridge {
    service: Service,
    /// Where the service's tasks run, whichever worker took the request.
    runtime: Handle,
    handshakes: Limiter<IpAddr>,
    /// The sessions that began by polling.
    polled: Arc<Mutex<HashMap<String, Polled>>>,
}

/// A session that began by polling.
#[derive(Clone)]
struct Polled {
    /// What ends it.
    end: CancellationToken,
    /// Its client has been told that it is cut off.
    heard: Arc<Notify>,
}

impl Bridge {
    /// A bridge to `service`, whose tasks will run on this runtime.
    #[must_use]
    pub fn new(service: Service, config: &Config) -> Self {
        let rate = config.socket_handshakes.and_then(NonZeroU32::new);
        let handshakes = Limiter::new(rate.map(Quota::per_second));
        Self { service, runtime: Handle::current(), handshakes, polled: Arc::default() }
    }

    /// Ends a polling session with its transport, as its client would: once that has been told, or
    /// does not ask.
    fn end_with(&self, end: CancellationToken, sid: String) {
        let session = Polled { end, heard: Arc::default() };
        self.polled.lock().unwrap_or_else(PoisonError::into_inner).insert(sid.clone(), session.clone());
        let (polled, mut service) = (self.polled.clone(), self.service.clone());
        self.runtime.spawn(async move {
            session.end.cancelled().await;
            let _ = tokio::time::timeout(LAST_WORDS, session.heard.notified()).await;
            polled.lock().unwrap_or_else(PoisonError::into_inner).remove(&sid);
            let address = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
            if let Ok(goodbye) = http1::Request::post(address).body(Full::new(Bytes::from_static(b"1"))) {
                // A session that has gone by itself is not known any more.
                let Ok(_) = service.call(goodbye).await;
            }
        });
    }

    /// The session, if it began by polling.
    fn polled(&self, sid: &str) -> Option<Polled> {
        self.polled.lock().unwrap_or_else(PoisonError::into_inner).get(sid).cloned()
    }

    /// Refuses an address that opens too many connections.
    fn check_rate(&self, app: &App, request: &HttpRequest) -> Result<(), ApiError> {
        let Some(address) = app.guard.address(request) else { return Ok(()) };
        self.handshakes.count(&address).map_err(|after| ApiError::TooMany { after })
    }
}

/// A request of Socket.IO's.
pub async fn handle(
    app: Data<App>,
    request: HttpRequest,
    payload: Payload,
    bridge: Data<Bridge>,
) -> Result<HttpResponse, ApiError> {
    let parameters = || request.query_string().split('&');
    if sid_of(&request).is_none() {
        bridge.check_rate(&app, &request)?;
    }
    let upgrade = request.headers().get(header::UPGRADE);
    let is_upgrade = upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    // Were one of the two enough, a plain GET would get a 101 and lose its session.
    match (is_upgrade, parameters().any(|parameter| parameter == "transport=websocket")) {
        (true, true) => websocket(&app, request, payload, &bridge).await,
        (false, false) => polling(request, payload, &bridge).await,
        _ => Err(ApiError::bad(
            "invalid_transport",
            "transport",
            "must be websocket where there is an Upgrade header, and not where there is none",
        )),
    }
}

fn broken(error: impl Into<anyhow::Error>) -> ApiError {
    ApiError::Internal(error.into())
}

async fn polling(request: HttpRequest, payload: Payload, bridge: &Bridge) -> Result<HttpResponse, ApiError> {
    let body = if request.method() == Method::POST {
        let unread = |_| ApiError::field("body", "did not arrive whole and in time");
        let too_large = |_| ApiError::too_large(PAYLOAD);
        payload.to_bytes_limited(PAYLOAD).await.map_err(too_large)?.map_err(unread)?
    } else {
        Bytes::new()
    };
    let sid = sid_of(&request).map(str::to_owned);
    let is_new = sid.is_none();
    let (transport, end) = Transport::new();
    let mut request = to_tower(&request, Full::new(body)).map_err(broken)?;
    request.extensions_mut().insert(transport);
    let mut service = bridge.service.clone();
    // Aborted with the request, so that a poll whose client has left does not keep its session busy.
    let answer = AbortOnDropHandle::new(bridge.runtime.spawn(async move {
        let Ok(response) = service.call(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        http1::Response::from_parts(parts, body)
    }));
    let answer = answer.await.map_err(broken)?;
    if let Some(sid) = opened(answer.body()).filter(|_| is_new) {
        bridge.end_with(end, sid);
    } else if answer.body().split(|byte| *byte == BETWEEN).any(|packet| packet.starts_with(DISCONNECT))
        && let Some(session) = sid.and_then(|sid| bridge.polled(&sid))
    {
        session.heard.notify_one();
    }
    Ok(from_tower(answer))
}

/// The session that a request belongs to.
fn sid_of(request: &HttpRequest) -> Option<&str> {
    request.query_string().split('&').find_map(|parameter| parameter.strip_prefix("sid="))
}

/// The session that an answer opens: `0{"sid":"…", …}`.
fn opened(answer: &[u8]) -> Option<String> {
    let open: serde_json::Value = serde_json::from_slice(answer.strip_prefix(b"0")?).ok()?;
    open["sid"].as_str().map(str::to_owned)
}

async fn websocket(
    app: &App,
    request: HttpRequest,
    payload: Payload,
    bridge: &Bridge,
) -> Result<HttpResponse, ApiError> {
    let not_one = |_| {
        ApiError::bad("invalid_handshake", "Upgrade", "must come with a WebSocket's Sec-WebSocket-Key and version 13")
    };
    let mut head = actix_http::ws::handshake(request.head()).map_err(not_one)?;
    let (near, far) = tokio::io::duplex(PIPE);
    // What is not a header stays behind at the pipe: the peer's address is put back beyond it.
    let (service, peer) = (bridge.service.clone(), request.peer_addr());
    let (transport, end) = Transport::new();
    let end = sid_of(&request).and_then(|sid| bridge.polled(sid)).map_or(end, |session| session.end);
    let answer = hyper::service::service_fn(move |mut request: http1::Request<_>| {
        request.extensions_mut().insert(transport.clone());
        with_peer(service.clone(), peer, request)
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), answer);
    bridge.runtime.spawn(connection.with_upgrades());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await.map_err(broken)?;
    bridge.runtime.spawn(connection.with_upgrades());
    let request = to_tower(&request, Full::<Bytes>::default()).map_err(broken)?;
    let response = sender.send_request(request).await.map_err(broken)?;
    if response.status() != http1::StatusCode::SWITCHING_PROTOCOLS {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(broken)?.to_bytes();
        return Ok(from_tower(http1::Response::from_parts(parts, body)));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
    let foreign = |_| ApiError::Internal(anyhow::anyhow!("the upgraded connection is not our pipe"));
    let pipe = upgraded.downcast::<TokioIo<DuplexStream>>().map_err(foreign)?;
    let (from_service, mut to_service) = tokio::io::split(pipe.io.into_inner());
    // actix's payload stays on its worker, and so does this pump.
    let clock = app.clock.clone();
    let (answered, cut) = (CancellationToken::new(), CancellationToken::new());
    let (until_answered, until_cut) = (answered.clone().drop_guard(), cut.clone().cancelled_owned());
    actix_web::rt::spawn(async move {
        let mut payload = payload.into_inner();
        let pumping = async {
            while let Some(Ok(chunk)) = payload.next().await {
                if to_service.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        };
        let is_over = tokio::select! {
            () = pumping => false,
            () = answered.cancelled() => false,
            () = end.cancelled() => true,
        };
        if is_over {
            // The service then says its last words and drops its end. It does not hear this in the
            // middle of a message, and the client may take nothing: that is not waited for.
            let goodbye = async {
                let _ = to_service.write_all(GOODBYE).await;
                answered.cancelled().await;
            };
            let _ = clock.timeout(LAST_WORDS, goodbye).await;
            cut.cancel();
        } else {
            // The service drops its end, which ends the answer; one that is gone needs no telling.
            let _ = to_service.shutdown().await;
        }
        // Until then the payload is kept: actix closes the connection of one that is there and unread.
        answered.cancelled().await;
    });
    // The service runs in parallel: its first packet was usually read together with the 101.
    let first = (!pipe.read_buf.is_empty()).then_some(Ok(pipe.read_buf));
    let rest = ReaderStream::with_capacity(from_service, READ).take_until(until_cut);
    let answer = futures_util::stream::iter(first).chain(rest).map(move |chunk| (chunk, &until_answered).0);
    let body = BodyStream::new(answer);
    Ok(head.message_body(body.boxed()).map_err(|error| broken(anyhow::anyhow!("{error}")))?.into())
}

async fn with_peer(
    service: Service,
    peer: Option<SocketAddr>,
    mut request: http1::Request<hyper::body::Incoming>,
) -> Result<<Service as hyper::service::Service<http1::Request<hyper::body::Incoming>>>::Response, Infallible> {
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    hyper::service::Service::call(&service, request).await
}

/// actix is on version 0.2 of the crate `http` and tower on 1: rebuilt from the bytes.
fn to_tower<B>(request: &HttpRequest, body: B) -> Result<http1::Request<B>, http1::Error> {
    let address = request.uri().path_and_query().map_or("/", |address| address.as_str());
    let mut built = http1::Request::builder().method(request.method().as_str()).uri(address);
    for (name, value) in request.headers() {
        built = built.header(name.as_str(), value.as_bytes());
    }
    if let Some(peer) = request.peer_addr() {
        built = built.extension(peer);
    }
    built.body(body)
}

fn from_tower(response: http1::Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut built = HttpResponse::build(status);
    for (name, value) in &parts.headers {
        // actix frames the body itself.
        if name != http1::header::CONTENT_LENGTH && name != http1::header::CONNECTION {
            built.append_header((name.as_str(), value.as_bytes()));
        }
    }
    built.body(body)
}
