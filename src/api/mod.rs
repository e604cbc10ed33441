//! The HTTP side: the whole route table, and the server that answers it. A handler parses, makes
//! one call and replies.

pub mod accounts;
pub mod connection;
pub mod docs;
pub mod health;
pub mod json;
pub mod list;
pub mod messages;
pub mod page;
pub mod queue;
pub mod send;

use std::net::{IpAddr, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage, HttpResponse, HttpServer, Resource, ResponseError};
use anyhow::Context;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder, TracingLogger};

use crate::app::App;
use crate::auth::shows_key;
use crate::config::Config;
use crate::error::ApiError;

/// The whole route table. Lines are tried from the top: those without a parameter are cheap to
/// pass by and come first.
fn routes(table: &mut ServiceConfig) {
    table
        .service(at("/api/messages/send").post(send::send))
        .service(at("/api/messages/bulk").post(send::bulk))
        .service(at("/api/messages").get(messages::list))
        .service(at("/health/live").get(health::live))
        .service(at("/health").get(health::health))
        .service(at("/metrics").get(health::metrics))
        .service(at("/openapi.json").get(docs::openapi))
        .service(at("/api/accounts").get(accounts::list).post(accounts::create))
        .service(at("/api/accounts/{id}").get(accounts::show).put(accounts::change).delete(accounts::remove))
        .service(at("/api/accounts/{id}/connect").post(connection::connect))
        .service(at("/api/accounts/{id}/disconnect").post(connection::disconnect))
        .service(at("/api/accounts/{id}/qr").get(connection::qr))
        .service(at("/api/accounts/{id}/queue").get(queue::show).delete(queue::clear))
        .service(at("/api/accounts/{id}/queue/pause").post(queue::pause))
        .service(at("/api/accounts/{id}/queue/resume").post(queue::resume))
        .service(at("/api/messages/{id}").get(messages::show).delete(messages::cancel))
        .service(at("/api/messages/{id}/retry").post(messages::retry))
        .service(at("/qr/{id}").get(page::show))
        .service(at("/qr/{id}/state").get(page::state))
        .service(at("/qr/{id}/events").get(page::events))
        .service(at("/qr/{id}/code.svg").get(page::code))
        .service(at("/qr/{id}/start").post(page::start))
        .service(at("/static/{file:.*}").get(page::file))
        .configure(docs::pages)
        .default_service(web::to(async || HttpResponse::from_error(ApiError::NotFound("address"))));
}

/// One line of the route table.
struct Line(Resource);

fn at(path: &str) -> Line {
    Line(web::resource(path))
}

macro_rules! method {
    ($name:ident) => {
        fn $name<F, Args>(self, handler: F) -> Self
        where
            F: actix_web::Handler<Args>,
            Args: actix_web::FromRequest + 'static,
            F::Output: actix_web::Responder + 'static,
        {
            Self(self.0.route(web::$name().to(handler)))
        }
    };
}

impl Line {
    method!(get);
    method!(post);
    method!(put);
    method!(delete);
}

impl actix_web::dev::HttpServiceFactory for Line {
    fn register(self, config: &mut actix_web::dev::AppService) {
        let refuse = async || HttpResponse::from_error(ApiError::Method);
        self.0.default_service(web::to(refuse)).register(config);
    }
}

/// Answers on `listener` until its handle stops it.
pub(crate) fn serve(app: Arc<App>, listener: TcpListener) -> anyhow::Result<Server> {
    let data = web::Data::from(app.clone());
    let callers = web::Data::new(Callers::new(&app.config));
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(data.clone())
            .app_data(callers.clone())
            .configure(json::limits)
            .configure(routes)
            .wrap(cors(&data))
            .wrap(from_fn(answer))
            .wrap(TracingLogger::<RequestSpan>::new())
    });
    let server = server.disable_signals().shutdown_timeout(app.config.shutdown_deadline.as_secs());
    Ok(server.listen(listener).context("can't serve")?.run())
}

fn cors(app: &App) -> Cors {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(["X-Request-Id", "Retry-After", "Idempotent-Replayed"])
        .max_age(3600);
    match &app.config.cors_origins {
        None => cors.send_wildcard().allow_any_origin(),
        Some(origins) => origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin)),
    }
}

/// The span of a request: its id, method and route. What a caller writes into an address or a
/// header is not logged.
struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().copied();
        tracing::info_span!(
            "request",
            id = id.map(tracing::field::display),
            method = request.method().as_str(),
            route = request.match_pattern()
        )
    }

    fn on_request_end<B: MessageBody>(_: Span, _: &Result<ServiceResponse<B>, actix_web::Error>) {}
}

/// Refuses callers that are too many, gives every answer its request id, and counts it.
async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = request.extensions().get::<RequestId>().map(|id| id.simple().to_string());
    let app = request.app_data::<web::Data<App>>().cloned();
    let callers = request.app_data::<web::Data<Callers>>().cloned();
    let mut response = match callers.and_then(|callers| callers.too_many(&request)) {
        Some(refused) => request.into_response(refused.error_response()),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    if let Some(app) = app {
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1];
        app.telemetry.http.with_label_values(&[class]).inc();
    }
    Ok(response)
}

/// How many requests each caller made lately: who shows our key is one, the others go by their
/// address, so that a made-up key earns nothing.
struct Callers {
    limiter: Option<DefaultKeyedRateLimiter<Option<IpAddr>>>,
    key: Option<String>,
}

/// Addresses kept in mind before those long unheard of are forgotten.
const ADDRESSES: usize = 10_000;

impl Callers {
    fn new(config: &Config) -> Self {
        let rate = config.http_rate.and_then(NonZeroU32::new);
        let limiter = rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate)));
        Self { limiter, key: config.api_key.clone() }
    }

    fn too_many(&self, request: &ServiceRequest) -> Option<ApiError> {
        let limiter = self.limiter.as_ref()?;
        let shows_ours = self.key.as_deref().is_some_and(|key| shows_key(request.headers(), key));
        let caller = if shows_ours { None } else { Some(request.peer_addr()?.ip()) };
        if limiter.len() > ADDRESSES {
            limiter.retain_recent();
        }
        let until = limiter.check_key(&caller).err()?;
        // Whole seconds, rounded up: who comes back then is let in.
        let after = until.wait_time_from(DefaultClock::default().now()) + Duration::from_millis(999);
        Some(ApiError::TooMany { after })
    }
}
