//! What is decided of a request before anybody reads what it says: whether it comes from where this
//! server serves, whether its caller is too many, who that is and whether they may, and how long
//! the body may take. And what holds for every answer.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};
use entity::ids::{ApiKeyId, UserId};
use futures_util::{StreamExt, stream};
use governor::Quota;
use tracing::Instrument;
use tracing_actix_web::RequestId;

use super::docs;
use crate::app::App;
use crate::auth::limiter::Limiter;
use crate::auth::{self, Who, access};
use crate::config::Config;
use crate::error::ApiError;

/// How long a request's body may take to arrive …
const BODY: Duration = Duration::from_secs(30);
/// … and a file, of which so many bytes come in each second more.
const FILE: Duration = Duration::from_secs(600);
const PACE: u64 = 8 * 1024;

/// Lets a request in, or answers why not; what changes something runs to its end from there.
pub(super) async fn gate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(app) = request.app_data::<web::Data<App>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    if let Err(refused) = admit(&app, &request).await {
        return Ok(request.into_response(refused.error_response()));
    }
    if request.path().starts_with("/socket.io") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let payload = request.take_payload();
    let whole = if request.path() == "/api/media" { FILE } else { BODY };
    request.set_payload(in_time(&app, payload, whole));
    if request.method().is_safe()
        || !["/api/", "/qr/", "/instances/"].iter().any(|start| request.path().starts_with(start))
    {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    // What changes something runs to its end, whoever still listens: a caller that hangs up leaves
    // nothing half-done.
    let work = app.tasks.track_future(next.call(request)).in_current_span();
    let broken = |error| ApiError::Internal(anyhow::Error::new(error).context("a handler broke"));
    let response = actix_web::rt::spawn(work).await.map_err(broken)??;
    Ok(response.map_into_boxed_body())
}

async fn admit(app: &web::Data<App>, request: &ServiceRequest) -> Result<(), ApiError> {
    app.guard.origins.check(|name| auth::header(request.headers(), name))?;
    if let Some(callers) = request.app_data::<web::Data<Callers>>() {
        callers.count(app, request)?;
    }
    if request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(ApiError::Unsupported("a body is JSON as it is: there must be no Content-Encoding"));
    }
    let pattern = request.match_pattern();
    let need = pattern.as_deref().and_then(|pattern| access::need(request.method().as_str(), pattern));
    let needs_caller = need.is_some();
    if needs_caller {
        let caller = app.guard.call(request.request()).await?;
        request.extensions_mut().insert(caller);
    }
    app.guard.origins.check_people(request.method().as_str(), pattern.as_deref().unwrap_or_default())
}

/// The body, as long as it comes within its time.
fn in_time(app: &web::Data<App>, payload: Payload, whole: Duration) -> Payload {
    if matches!(payload, Payload::None) {
        return payload;
    }
    let (clock, since) = (app.clock.clone(), app.clock.now());
    let timed = stream::unfold(Some((payload, 0)), move |state| {
        let clock = clock.clone();
        async move {
            let (mut payload, received) = state?;
            // Who sends drop by drop holds the place of others.
            let due = since + whole.min(BODY + Duration::from_secs(received / PACE));
            tokio::select! {
                biased;
                chunk = payload.next() => {
                    let chunk = chunk?;
                    let received = received + chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                    Some((chunk, Some((payload, received))))
                }
                () = clock.sleep_until(due) => {
                    let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "the body takes too long");
                    Some((Err(PayloadError::Io(late)), None))
                }
            }
        }
    });
    // Whoever reads a form asks again after its end.
    Payload::Stream { payload: Box::pin(timed.fuse()) }
}

/// Gives every answer its request id, tells browsers not to guess, and counts it.
pub(super) async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = request.extensions().get::<RequestId>().map(|id| id.simple().to_string());
    let app = request.app_data::<web::Data<App>>().cloned();
    let is_api = ["/api/", "/instances/"].iter().any(|start| request.path().starts_with(start));
    let is_docs = request.match_pattern().is_some_and(|pattern| pattern.starts_with("/docs/"));
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_api && !response.headers().contains_key(CACHE_CONTROL) {
        // What people are told is for them alone.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if is_docs {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(docs::POLICY));
    }
    if let Some(app) = app {
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1];
        app.telemetry.http.with_label_values(&[class]).inc();
    }
    Ok(response)
}

/// How many requests each caller made lately. Who showed a credential of ours lately is known by
/// it; the others go by their address, so that a made-up key earns nothing.
pub(super) struct Callers(Limiter<Bucket>);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Bucket {
    Address(IpAddr),
    Operator,
    Program(ApiKeyId),
    Person(UserId),
}

impl Callers {
    pub(super) fn new(config: &Config) -> Self {
        let rate = config.http_rate.and_then(NonZeroU32::new);
        Self(Limiter::new(rate.map(Quota::per_second)))
    }

    fn count(&self, app: &App, request: &ServiceRequest) -> Result<(), ApiError> {
        // Polling clients ask often; their handshakes have a limit of their own.
        if !self.0.is_on() || request.path().starts_with("/socket.io") {
            return Ok(());
        }
        let shown = app.guard.credential(request.request()).ok().flatten();
        let known = shown.and_then(|credential| app.guard.recall(&credential));
        let bucket = match known.map(|identity| identity.who) {
            Some(Who::Operator) => Bucket::Operator,
            Some(Who::Program(program)) => Bucket::Program(program.key),
            Some(Who::Person(person)) => Bucket::Person(person.user.id),
            Some(Who::Anyone) | None => match app.guard.address(request.request()) {
                Some(address) => Bucket::Address(address),
                None => return Ok(()),
            },
        };
        self.0.count(&bucket).map_err(|after| ApiError::TooMany { after })
    }
}
