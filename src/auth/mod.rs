//! Who calls. In open mode (loopback only) anybody, for the company "default"; otherwise whoever
//! shows the administrator's key.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use entity::ids::CompanyId;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::error::ApiError;

/// The caller, decided once for each request.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Whose accounts and messages it is about.
    pub company: CompanyId,
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let expected = request.app_data::<web::Data<App>>().and_then(|app| app.config.api_key.as_deref());
        ready(match expected {
            Some(key) if !shows_key(request.headers(), key) => Err(ApiError::Unauthorized),
            _ => Ok(Self { company: CompanyId::DEFAULT }),
        })
    }
}

/// Whether the request shows `key`, compared in constant time.
#[must_use]
pub fn shows_key(headers: &HeaderMap, key: &str) -> bool {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let shown = bearer.or_else(|| headers.get("X-API-Key").map(|value| value.as_bytes()));
    shown.is_some_and(|shown| shown.ct_eq(key.as_bytes()).into())
}
