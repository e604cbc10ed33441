//! Socket.IO on the API's own port: gives its requests, in process, to a service that speaks tower.
//!
//! A polling request is converted and answered. A WebSocket goes through a real hyper connection
//! over a pipe in memory, because only hyper makes the upgrade that the service waits for; from
//! then on bytes are pumped between the pipe and the browser.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

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
use tokio_util::io::ReaderStream;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service as _;

use crate::app::App;
use crate::auth::address;
use crate::auth::limiter::Limiter;
use crate::config::Config;
use crate::error::ApiError;
use crate::realtime::socketio::{PAYLOAD, Service};

const PIPE: usize = 16 * 1024;
const READ: usize = 4 * 1024;

/// The way from the HTTP workers to the service.
pub struct Bridge {
    service: Service,
    /// Where the service's tasks run, whichever worker took the request.
    runtime: Handle,
    handshakes: Limiter<IpAddr>,
}

impl Bridge {
    /// A bridge to `service`, whose tasks will run on this runtime.
    #[must_use]
    pub fn new(service: Service, config: &Config) -> Self {
        let rate = config.socket_handshakes.and_then(NonZeroU32::new);
        let handshakes = Limiter::new(rate.map(Quota::per_second));
        Self { service, runtime: Handle::current(), handshakes }
    }

    /// Refuses an address that opens too many connections.
    fn check_rate(&self, app: &App, request: &HttpRequest) -> Result<(), ApiError> {
        let Some(address) = address(app, request) else { return Ok(()) };
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
    if !parameters().any(|parameter| parameter.starts_with("sid=")) {
        bridge.check_rate(&app, &request)?;
    }
    let upgrade = request.headers().get(header::UPGRADE);
    let is_upgrade = upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    // Were one of the two enough, a plain GET would get a 101 and lose its session.
    match (is_upgrade, parameters().any(|parameter| parameter == "transport=websocket")) {
        (true, true) => websocket(request, payload, &bridge).await,
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
        let too_large = |_| ApiError::TooLarge { limit: PAYLOAD };
        payload.to_bytes_limited(PAYLOAD).await.map_err(too_large)?.map_err(unread)?
    } else {
        Bytes::new()
    };
    let request = to_tower(&request, Full::new(body)).map_err(broken)?;
    let mut service = bridge.service.clone();
    // Aborted with the request, so that a poll whose client has left does not keep its session busy.
    let answer = AbortOnDropHandle::new(bridge.runtime.spawn(async move {
        let Ok(response) = service.call(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        http1::Response::from_parts(parts, body)
    }));
    Ok(from_tower(answer.await.map_err(broken)?))
}

async fn websocket(request: HttpRequest, payload: Payload, bridge: &Bridge) -> Result<HttpResponse, ApiError> {
    let not_one = |_| {
        ApiError::bad("invalid_handshake", "Upgrade", "must come with a WebSocket's Sec-WebSocket-Key and version 13")
    };
    let mut head = actix_http::ws::handshake(request.head()).map_err(not_one)?;
    let (near, far) = tokio::io::duplex(PIPE);
    // What is not a header stays behind at the pipe: the peer's address is put back beyond it.
    let (service, peer) = (bridge.service.clone(), request.peer_addr());
    let answer = hyper::service::service_fn(move |request| with_peer(service.clone(), peer, request));
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
    // actix's payload stays on its worker, and so does this pump. It ends when the client's
    // connection does, or when the service drops its end.
    actix_web::rt::spawn(async move {
        let mut payload = payload.into_inner();
        while let Some(Ok(chunk)) = payload.next().await {
            if to_service.write_all(&chunk).await.is_err() {
                return;
            }
        }
        // An end that is gone needs no telling.
        let _ = to_service.shutdown().await;
    });
    // The service runs in parallel: its first packet was usually read together with the 101.
    let first = (!pipe.read_buf.is_empty()).then_some(Ok(pipe.read_buf));
    let rest = ReaderStream::with_capacity(from_service, READ);
    let body = BodyStream::new(futures_util::stream::iter(first).chain(rest));
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
