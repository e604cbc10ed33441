//! The door at accounts' own ports: who comes in there finds what `/instances/{id}` has at the server's
//! address, and nothing else.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use anyhow::{Context, anyhow};
use entity::ids::AccountId;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;

use super::House;
use crate::ports::Comer;

/// Connections at all accounts' ports together.
const CONNECTIONS: usize = 4_096;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that came in by an account's port.
struct Own {
    account: AccountId,
    /// Whether it has asked for something.
    has_asked: Cell<bool>,
}

tokio::task_local! {
    static OWN: Own;
}

/// Leads a request that came in by an account's port to where the account answers.
async fn lead<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let account = OWN.with(|own| {
        own.has_asked.set(true);
        own.account
    });
    let asked = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = Uri::default().into_parts();
    parts.path_and_query = format!("/instances/{account}{asked}").parse().ok();
    let uri = Uri::from_parts(parts).unwrap_or_default();
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    next.call(request).await
}

/// Serves whoever comes, in a thread of its own, as the server's other threads do. Ends when nobody can come
/// any more.
pub(crate) fn open(house: House, comers: mpsc::Receiver<Comer>) -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start")?;
    let work = move || {
        let _ended = ended;
        LocalSet::new().block_on(&runtime, serve(house, comers));
    };
    std::thread::Builder::new().name("ports".to_owned()).spawn(work).context("can't start a thread")?;
    Ok(end)
}

async fn serve(house: House, mut comers: mpsc::Receiver<Comer>) {
    let application = house.application().wrap(from_fn(lead));
    let arrivals = house.arrivals.clone();
    let factory = application.into_factory().map_err(|error: actix_web::Error| error.error_response());
    let service = HttpService::build()
        .client_request_timeout(PATIENCE)
        // So that none outlives its port for long, waiting for another request.
        .keep_alive(KeepAlive::Disabled)
        .h1_allow_half_closed(false)
        .on_connect_ext(move |stream: &TcpStream, kept: &mut Extensions| arrivals.meet(stream, kept))
        .finish(map_config(factory, |()| AppConfig::default()))
        .tcp();
    let service = match service.new_service(()).await {
        Ok(service) => std::rc::Rc::new(service),
        Err(()) => return tracing::error!(error = %anyhow!("it does not start"), "nobody serves at accounts' ports"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some(Comer { stream, account }) = comers.recv().await {
        // Where there are too many, it is closed.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        // It is another thread's until here.
        let Some(stream) = stream.into_std().ok().and_then(|stream| TcpStream::from_std(stream).ok()) else { continue };
        let (service, quiet, stop) = (service.clone(), house.app.quiet.clone(), house.app.stop.clone());
        let connection = async move {
            let _place = place;
            // Nobody waits for one that has asked for nothing.
            let idle = async {
                quiet.cancelled().await;
                if OWN.with(|own| own.has_asked.get()) {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                _ = service.call(stream) => {}
                () = idle => {}
                () = stop.cancelled() => {}
            }
        };
        let connection = OWN.scope(Own { account, has_asked: Cell::new(false) }, connection);
        tokio::task::spawn_local(house.app.tasks.track_future(connection));
    }
}
