//! The HTTP side: the whole route table, and the server that answers it. A handler parses, makes
//! one call and replies.

pub mod accounts;
pub mod actions;
pub mod activity;
mod arrival;
pub mod attach;
pub mod auth;
pub mod bulk;
pub mod chat_list;
pub mod chats;
pub mod connection;
mod create;
pub mod docs;
pub mod door;
pub mod draft;
pub mod files;
mod gate;
pub mod health;
pub mod instances;
pub mod json;
pub mod keys;
pub mod list;
pub mod managers;
pub mod me;
pub mod media;
pub mod messages;
pub mod page;
pub mod providers;
pub mod queue;
mod read;
pub mod send;
pub mod socketio;
mod span;
pub mod templates;
mod variables;
pub mod whatsapp;
mod wrong;

use std::net::TcpListener;
use std::sync::Arc;

use actix_cors::Cors;
use actix_service::ServiceFactory;
use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, HttpServer, Resource};
use anyhow::Context;
use tracing_actix_web::TracingLogger;

use self::instances::{live, own, resources};
use self::socketio::Bridge;
use self::span::RequestSpan;
use self::whatsapp::{access, chats as talks, sessions, stats};
use crate::app::App;
use crate::auth::Guard;
use crate::error::ApiError;
use crate::realtime::socketio::Service;

/// The whole route table. Lines are tried from the top: those without a parameter are cheap to
/// pass by and come first.
fn routes(table: &mut ServiceConfig) {
    table
        .service(at("/api/messages/send").post(send::send))
        .service(at("/api/messages/bulk").post(bulk::bulk))
        .service(at("/api/whatsapp/send").post(whatsapp::send::send))
        .service(at("/api/messages").get(messages::list))
        .service(at("/api/media").post(media::create))
        .service(at("/api/media/{id}").get(media::show))
        .service(at("/api/media/{id}/thumbnail").get(media::thumbnail))
        .service(at("/api/templates").get(templates::list).post(templates::create))
        .service(at("/api/templates/{id}").put(templates::change).delete(templates::remove))
        .service(web::resource(["/socket.io/", "/socket.io"]).to(socketio::handle))
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
        .service(at("/api/accounts/{id}/activity").get(activity::show))
        .service(at("/api/accounts/{id}/actions").get(actions::list))
        .service(at("/api/accounts/{id}/chats").get(chats::list))
        .service(at("/api/accounts/{id}/chats/{chatId}").get(chats::messages).post(chats::send))
        .service(at("/api/auth/register").post(auth::register))
        .service(at("/api/auth/login").post(auth::login))
        .service(at("/api/auth/logout").post(auth::logout))
        .service(at("/api/auth/me").get(me::show).put(me::change))
        .service(at("/api/api-keys").get(keys::list).post(keys::create))
        .service(at("/api/api-keys/{id}").delete(keys::remove))
        .service(at("/api/managers").get(managers::list).post(managers::create))
        .service(at("/api/managers/{id}").get(managers::show).put(managers::change).delete(managers::remove))
        .service(at("/api/whatsapp/stats").get(stats::show))
        .service(at("/api/whatsapp/sessions").get(sessions::list).post(sessions::create))
        .service(at("/api/whatsapp/sessions/{id}").delete(sessions::remove))
        .service(at("/api/whatsapp/sessions/{id}/qr").get(sessions::qr))
        .service(at("/api/whatsapp/sessions/{id}/connect").post(sessions::connect))
        .service(at("/api/whatsapp/sessions/{id}/disconnect").post(sessions::disconnect))
        .service(at("/api/whatsapp/chats").get(talks::list_all))
        .service(at("/api/whatsapp/sessions/{id}/chats").get(talks::list))
        .service(at("/api/whatsapp/sessions/{id}/chats/{chatId}").get(talks::show).put(talks::change))
        .service(at("/api/whatsapp/sessions/{id}/chats/{chatId}/messages").get(talks::messages).post(talks::send))
        .service(at("/api/whatsapp/sessions/{id}/chats/{chatId}/send").post(talks::send_plainly))
        .service(at("/api/whatsapp/sessions/{id}/chats/{chatId}/read").post(talks::read))
        .service(at("/api/whatsapp/sessions/{id}/managers").get(access::list).post(access::permit))
        .service(at("/api/whatsapp/sessions/{id}/managers/{managerId}").delete(access::forbid))
        .service(at("/api/whatsapp/sessions/{id}/access").post(access::grant))
        .service(at("/api/whatsapp/sessions/{id}/access/{managerId}").delete(access::revoke))
        .configure(instances)
        .service(at("/api/v1/multi-provider/active-providers").get(providers::list))
        .service(at("/qr/{id}").get(page::show))
        .service(at("/qr/{id}/state").get(page::state))
        .service(at("/qr/{id}/events").get(page::events))
        .service(at("/qr/{id}/code.svg").get(page::code))
        .service(at("/qr/{id}/start").post(page::start))
        .service(at("/static/~{version}/{file:.*}").get(files::versioned).head(files::versioned))
        .service(at("/static/{file:.*}").get(files::named).head(files::named))
        .service(Line(web::resource(PAGES)).get(files::shell).head(files::shell))
        .configure(docs::pages)
        .default_service(web::to(async || HttpResponse::from_error(ApiError::NotFound("address"))));
}

/// Accounts as instances; and what each answers at a port of its own.
fn instances(table: &mut ServiceConfig) {
    table
        .service(at("/api/v1/instances").get(instances::list).post(instances::create))
        .service(at("/api/v1/instances/memory/stats").get(resources::stats))
        .service(at("/api/v1/resources/performance").get(resources::performance))
        .service(at("/api/v1/resources/ports").get(resources::ports))
        .service(at("/api/v1/instances/{id}").get(instances::show).patch(instances::change).delete(instances::remove))
        .service(at("/api/v1/instances/{id}/start").post(instances::start))
        .service(at("/api/v1/instances/{id}/stop").post(instances::stop))
        .service(at("/api/v1/instances/{id}/restart").post(instances::restart))
        .service(at("/api/v1/instances/{id}/api-key").post(instances::renew_key))
        .service(at("/api/v1/instances/{id}/memory").get(live::memory))
        .service(at("/api/v1/instances/{id}/logs").get(live::logs))
        .service(at("/api/v1/instances/{id}/qr").get(live::qr))
        .service(at("/api/v1/multi-provider/instances/{provider}/{id}/send-message").post(own::send_message))
        .service(at("/instances/{id}/health").get(own::health))
        .service(at("/instances/{id}/api/v1/health").get(own::health))
        .service(at("/instances/{id}/api/v1/{provider}/health").get(own::provider_health))
        .service(at("/instances/{id}/api/v1/{provider}/me").get(own::me))
        .service(at("/instances/{id}/api/v1/{provider}/send").post(own::send));
}

/// The addresses that pages have in a browser.
const PAGES: [&str; 11] = [
    "/",
    "/login",
    "/accounts/{id}",
    "/accounts/{id}/{tab}",
    "/chats",
    "/chats/{accountId}",
    "/chats/{accountId}/{chatId}",
    "/messages",
    "/team",
    "/developers",
    "/system",
];

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
    method!(head);
    method!(post);
    method!(put);
    method!(patch);
    method!(delete);
}

impl actix_web::dev::HttpServiceFactory for Line {
    fn register(self, config: &mut actix_web::dev::AppService) {
        let refuse = async || HttpResponse::from_error(ApiError::Method);
        self.0.default_service(web::to(refuse)).register(config);
    }
}

/// What answers requests, at the server's address and at accounts' own ports.
#[derive(Clone)]
pub(crate) struct House {
    app: web::Data<App>,
    guard: web::Data<Guard>,
    bridge: web::Data<Bridge>,
    streams: web::Data<page::Streams>,
    callers: web::Data<gate::Callers>,
    files: web::Data<files::Files>,
    arrivals: Arc<arrival::Arrivals>,
}

impl House {
    /// One that serves these parts, and Socket.IO by `service`.
    pub(crate) fn new(app: Arc<App>, service: Service) -> Self {
        Self {
            guard: web::Data::from(app.guard.clone()),
            bridge: web::Data::new(Bridge::new(service, &app.config)),
            streams: web::Data::new(page::Streams::default()),
            callers: web::Data::new(gate::Callers::new(&app.config)),
            files: web::Data::new(files::Files::new(app.guard.is_open(), app.config.registration)),
            arrivals: Arc::new(arrival::Arrivals::new(&app.config)),
            app: web::Data::from(app),
        }
    }

    /// Everything that a request passes.
    fn application(
        &self,
    ) -> actix_web::App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = actix_web::Error,
            InitError = (),
        > + use<>,
    > {
        actix_web::App::new()
            .app_data(self.app.clone())
            .app_data(self.guard.clone())
            .app_data(self.callers.clone())
            .app_data(self.bridge.clone())
            .app_data(self.streams.clone())
            .app_data(self.files.clone())
            .app_data(web::PathConfig::default().error_handler(|_, _| ApiError::NotFound("address").into()))
            .configure(routes)
            .wrap(from_fn(gate::gate))
            .wrap(cors(&self.app))
            .wrap(from_fn(gate::answer))
            .wrap(TracingLogger::<RequestSpan>::new())
    }

    /// Answers on `listener` until its handle stops it.
    pub(crate) fn serve(&self, listener: TcpListener) -> anyhow::Result<Server> {
        let (house, arrivals) = (self.clone(), self.arrivals.clone());
        let server = HttpServer::new(move || house.application())
            .disable_signals()
            .shutdown_timeout(self.app.config.shutdown_deadline.as_secs())
            // A poll whose client has left must end, or its session stays taken.
            .h1_allow_half_closed(false)
            .on_connect(move |connection, kept| arrivals.meet(connection, kept));
        Ok(server.listen(listener).context("can't serve")?.run())
    }
}

fn cors(app: &App) -> Cors {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(["X-Request-Id", "Retry-After", "Idempotent-Replayed"])
        .max_age(3600);
    match &app.config.cors_origins {
        // An open server trusts whoever reaches it, and a page of the web is not to.
        _ if app.guard.is_open() => {
            let origins = app.guard.origins.clone();
            cors.allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| origins.is_known(origin)))
        }
        None => cors.allow_any_origin(),
        Some(origins) => origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin)),
    }
    // Whoever may call may say `credentials: "include"`: a cookie counts only from our own pages.
    .supports_credentials()
}
