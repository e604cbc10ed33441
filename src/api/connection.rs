//! `/api/accounts/{id}/connect`, `/disconnect` and `/qr`: an account's connection.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, Responder};
use entity::action::Deed;
use entity::ids::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::accounts::find;
use super::actions::note;
use super::read::{OptionalBody, Query, maybe_text_or_number};
use crate::app::App;
use crate::auth::Caller;
use crate::board::AccountView;
use crate::error::ApiError;
use crate::gateway::{Code, Pairing};
use crate::lane::change::NotConnected;
use crate::phone::Recipient;
use crate::qr;
use crate::view::Timestamp;

/// How to pair.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Connect {
    /// `qr` to scan, `code` to type a code into the phone; `qr` unless said.
    method: Method,
    /// The number that will be paired, for `code`.
    #[serde(deserialize_with = "maybe_text_or_number")]
    phone_number: Option<String>,
}

/// How a person pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// By scanning.
    #[default]
    Qr,
    /// By typing.
    Code,
}

/// Starts pairing, or reconnects a known session, and answers at once.
#[utoipa::path(post, path = "/api/accounts/{id}/connect", tag = "accounts", params(("id" = AccountId, Path)), request_body = Option<Connect>,
    responses((status = 200, body = AccountView), ApiError))]
pub async fn connect(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    body: OptionalBody<Connect>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let pairing = match (body.0.method, &body.0.phone_number) {
        (Method::Qr, _) => Pairing::Qr,
        (Method::Code, None) => return Err(ApiError::field("phoneNumber", "is needed to pair by a code")),
        (Method::Code, Some(number)) => {
            let read = Recipient::parse(account.provider, number, app.config.phone_region);
            let read = read.map_err(|why| ApiError::field("phoneNumber", why.to_string()))?;
            if !read.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(ApiError::field("phoneNumber", "must be the number of a phone"));
            }
            Pairing::Code(read.as_str().to_owned())
        }
    };
    let account = app.lanes.connect(account.id, pairing).await?;
    note(&app, &caller, account.id, Deed::Connected, Value::Null).await;
    Ok(Json(app.board.show(&caller, &account).await?))
}

impl From<NotConnected> for ApiError {
    fn from(error: NotConnected) -> Self {
        match error {
            NotConnected::Gone => Self::NotFound("account"),
            NotConnected::TooMany(_) => Self::Conflict { code: "too_many_accounts", message: error.to_string() },
            NotConnected::Store(error) => error.into(),
        }
    }
}

/// How to disconnect.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Disconnect {
    /// Whether the pairing ends, too; it is kept unless said.
    logout: bool,
}

/// Disconnects an account. Its queue waits.
#[utoipa::path(post, path = "/api/accounts/{id}/disconnect", tag = "accounts", params(("id" = AccountId, Path)), request_body = Option<Disconnect>,
    responses((status = 200, body = AccountView), ApiError))]
pub async fn disconnect(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    body: OptionalBody<Disconnect>,
) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let account = app.lanes.disconnect(account.id, body.0.logout).await?.ok_or(ApiError::NotFound("account"))?;
    let deed = if body.0.logout { Deed::LoggedOut } else { Deed::Disconnected };
    note(&app, &caller, account.id, deed, Value::Null).await;
    Ok(Json(app.board.show(&caller, &account).await?))
}

/// How the code is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QrQuery {
    /// `png`, `svg` or `txt` for the picture itself; JSON unless said.
    #[param(inline)]
    format: Option<Format>,
}

/// A picture's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A picture of pixels.
    Png,
    /// A picture of shapes.
    Svg,
    /// The code itself.
    Txt,
}

/// The code to scan or to type.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QrView {
    /// A `data:image/png` URL; null for a code that is typed.
    qr_code: Option<String>,
    /// The code itself.
    code: String,
    expires_at: Timestamp,
}

/// The code that pairs the account now.
#[utoipa::path(get, path = "/api/accounts/{id}/qr", tag = "accounts", params(("id" = AccountId, Path), QrQuery),
    responses((status = 200, content((QrView = "application/json"), (String = "image/png"), (String = "image/svg+xml"),
        (String = "text/plain"))), ApiError))]
pub async fn qr(
    caller: Caller,
    app: Data<App>,
    id: Path<String>,
    query: Query<QrQuery>,
) -> Result<HttpResponse, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let code = present_code(&app, account.id)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    Ok(match query.0.format {
        Some(Format::Png) => response.content_type("image/png").body(drawn(code.text, qr::png).await?),
        Some(Format::Svg) => response.content_type("image/svg+xml").body(drawn(code.text, qr::svg).await?),
        Some(Format::Txt) => response.content_type("text/plain; charset=utf-8").body(code.text),
        None => response.json(QrView {
            qr_code: code.data_url().await.as_deref().map(str::to_owned),
            code: code.text,
            expires_at: Timestamp(code.expires_at),
        }),
    })
}

/// A picture of the code, drawn where nobody else waits for it.
pub(super) async fn drawn<T: Send + 'static>(text: String, draw: fn(&str) -> Option<T>) -> Result<T, ApiError> {
    let unreadable = || ApiError::Internal(anyhow::anyhow!("a code does not fit a QR code"));
    let picture = actix_web::web::block(move || draw(&text)).await;
    picture.map_err(|error| ApiError::Internal(error.into()))?.ok_or_else(unreadable)
}

/// The account's present code, or 409 with its status.
pub(super) fn present_code(app: &App, account: AccountId) -> Result<Code, ApiError> {
    let session = app.sessions.snapshot(account);
    session.code.filter(|code| code.expires_at > app.clock.now()).ok_or_else(|| ApiError::Conflict {
        code: "qr_not_available",
        message: format!("there is no QR code now: the account is {}", session.status.as_str()),
    })
}
