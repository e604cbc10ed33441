//! `/api/v1/multi-provider/active-providers`: which messengers there are.

use actix_web::Responder;
use actix_web::web::{Data, Json};
use entity::account::Provider;
use serde::Serialize;

use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::offer::{Offer, offer};

/// The messengers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Offers {
    #[schema(example = true)]
    success: bool,
    /// What each offers; the one that most will want first.
    providers: Vec<Offer>,
}

/// Which messengers this server has, and what each offers.
#[utoipa::path(get, path = "/api/v1/multi-provider/active-providers", tag = "instances",
    responses((status = 200, body = Offers), ApiError))]
pub async fn list(_caller: Caller, app: Data<App>) -> impl Responder {
    let all = [Provider::WhatsApp, Provider::WhatsAppWeb, Provider::Telegram, Provider::Simulator];
    let providers = all.map(|provider| offer(provider, &app.browsers));
    Json(Offers { success: true, providers: providers.into() })
}
