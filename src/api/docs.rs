//! `/openapi.json` and `/docs`: the contract, generated from the handlers' own types.

use actix_web::Responder;
use actix_web::web::{self, Json, ServiceConfig};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::instances::{live, own, resources};
use super::whatsapp::{access, chats as session_chats, send as phone_send, sessions, stats};
use super::{
    accounts, actions, activity, auth, bulk, chats, connection, health, instances, keys, managers, me, media, messages,
    providers, queue, send, templates,
};
use crate::error::ErrorBody;

/// The contract.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Andante", description = "Sends messages at a humane pace."),
    paths(
        accounts::create, accounts::list, accounts::show, accounts::change, accounts::remove,
        activity::show, actions::list, providers::list,
        instances::create, instances::list, instances::show, instances::change, instances::remove,
        instances::start, instances::stop, instances::restart, instances::renew_key,
        live::memory, live::logs, live::qr, resources::stats, resources::performance, resources::ports,
        own::send_message, own::health, own::provider_health, own::me, own::send,
        connection::connect, connection::disconnect, connection::qr,
        media::create, media::show, media::thumbnail,
        templates::list, templates::create, templates::change, templates::remove,
        send::send, bulk::bulk, messages::list, messages::show, messages::cancel, messages::retry,
        chats::list, chats::messages, chats::send,
        phone_send::send, stats::show,
        sessions::create, sessions::list, sessions::qr, sessions::connect, sessions::disconnect, sessions::remove,
        session_chats::list, session_chats::list_all, session_chats::show, session_chats::change, session_chats::messages,
        session_chats::send, session_chats::send_plainly, session_chats::read,
        access::list, access::permit, access::forbid, access::grant, access::revoke,
        auth::register, auth::login, auth::logout, me::show, me::change,
        keys::list, keys::create, keys::remove,
        managers::list, managers::create, managers::show, managers::change, managers::remove,
        queue::show, queue::pause, queue::resume, queue::clear,
        health::health, health::live, health::metrics,
    ),
    components(schemas(ErrorBody)),
    security(("bearer" = []), ("key" = []), ()),
    modifiers(&Schemes),
)]
pub struct Contract;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, contract: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut contract.paths.paths {
            let words: Vec<&str> =
                path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
            let of_path = words.join("_");
            let methods = [
                ("get", &mut item.get),
                ("put", &mut item.put),
                ("post", &mut item.post),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
            ];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    // A handler's name alone is that of others, too.
                    operation.operation_id = Some(format!("{method}_{of_path}"));
                }
            }
        }
        let components = contract.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
    }
}

/// The contract as OpenAPI 3.1.
pub async fn openapi() -> impl Responder {
    Json(Contract::openapi())
}

/// What the contract's pages may load: only what is here; styles are inline, icons in the text. The
/// calls that a reader tries out go to this server.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                                 img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                                 frame-ancestors 'none'";

/// The contract, browsable.
pub fn pages(table: &mut ServiceConfig) {
    table
        .route("/docs", web::get().to(async || web::Redirect::to("/docs/")))
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("/openapi.json").validator_url("none")));
}
