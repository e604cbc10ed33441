//! Who calls, and whether they may: decided once for each request, before its handler runs.
//!
//! In open mode (loopback only) anybody, for the company "default". Otherwise a login's token, an
//! API key or the operator's key, as `Authorization: Bearer`, as `X-API-Key`, or as the cookie
//! that a login sets. What an address needs stands in [`access`].

pub mod access;
pub mod attempts;
pub mod identity;
pub mod limiter;
pub mod login;
pub mod origin;
pub mod password;
pub mod token;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use entity::ids::AccountId;

use self::access::Need;
pub use self::identity::{Identity, Who};
use crate::app::App;
use crate::error::ApiError;
use crate::host::network;

/// The cookie that a login sets.
pub const COOKIE: &str = "andante_token";

/// The caller, decided once for each request: an [`Identity`] that meets what the address needs.
#[derive(Debug, Clone)]
pub struct Caller {
    identity: Identity,
    need: Need,
}

impl Deref for Caller {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl Caller {
    /// Refuses a manager who has no grant on the account for what this address does.
    pub fn check(&self, account: AccountId) -> Result<(), ApiError> {
        if self.may(self.need, account) { Ok(()) } else { Err(no_access()) }
    }
}

fn no_access() -> ApiError {
    ApiError::Forbidden { code: "no_access", message: "this account is not granted to you for that" }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let known = request.extensions().get::<Self>().cloned();
            match known {
                Some(caller) => Ok(caller),
                None => call(&request).await,
            }
        })
    }
}

/// Decides who makes the request, and whether they may.
pub async fn call(request: &HttpRequest) -> Result<Caller, ApiError> {
    let forbidden = || ApiError::Forbidden { code: "forbidden", message: "your role or key does not allow that" };
    let need = request.match_pattern().and_then(|pattern| access::need(request.method().as_str(), &pattern));
    let need = need.ok_or_else(forbidden)?;
    let app = request.app_data::<web::Data<App>>().ok_or_else(forbidden)?;
    let identity = identify(app, request).await?;
    if identity.meets(need) { Ok(Caller { identity, need }) } else { Err(forbidden()) }
}

/// Whoever makes the request.
pub async fn identify(app: &App, request: &HttpRequest) -> Result<Identity, ApiError> {
    if app.config.is_open {
        return Ok(Identity::open());
    }
    let needed = "credentials are needed: Authorization: Bearer <token or key>, X-API-Key, or a login";
    let credential = credential(app, request)?.ok_or(ApiError::Unauthorized(needed))?;
    let known = identity::identify(app, &credential).await?;
    known.ok_or(ApiError::Unauthorized("these credentials are not valid, or have expired"))
}

/// What the request shows, if anything.
pub fn credential(app: &App, request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let is_change = !request.method().is_safe();
    let shown = credential_of(app, |name| header(request.headers(), name), is_change);
    if shown.is_none() && is_change && request.cookie(COOKIE).is_some() {
        let message = "a call that a cookie signs must come from one of this server's pages (its Origin is not)";
        return Err(ApiError::Forbidden { code: "csrf", message });
    }
    Ok(shown)
}

/// Whom limits count the request to: the peer, or whom the proxy before us names, or their network.
#[must_use]
pub fn address(app: &App, request: &HttpRequest) -> Option<IpAddr> {
    // The last value of the last line is the proxy's own; the others anybody may have written.
    let lines = request.headers().get_all("x-forwarded-for").filter(|_| app.config.behind_proxy);
    let named = lines.last().and_then(|line| line.to_str().ok());
    let last = named.and_then(|list| list.rsplit(',').next()).map(str::trim);
    // Some proxies name the port as well.
    let last = last.and_then(|last| last.parse().ok().or_else(|| Some(last.parse::<SocketAddr>().ok()?.ip())));
    last.or_else(|| request.peer_addr().map(|peer| peer.ip())).map(network)
}

/// A header's value, if it is text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the headers show. A cookie, which a browser adds by itself, does not count for a change
/// unless the request comes from one of our pages or from an origin that the settings name; and
/// never if it comes from elsewhere and says so.
pub fn credential_of<'a>(app: &App, header: impl Fn(&str) -> Option<&'a str>, is_change: bool) -> Option<String> {
    let bearer = header("authorization").and_then(|text| {
        let (scheme, credential) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(credential.trim())
    });
    if let Some(shown) = bearer.or_else(|| header("x-api-key")).filter(|shown| !shown.is_empty()) {
        return Some(shown.to_owned());
    }
    let cookies = header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
    let token = cookies.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).next()?;
    let is_ours = match header("origin") {
        Some(origin) => is_our_origin(app, origin, header("host")),
        None => !is_change || header("sec-fetch-site") == Some("same-origin"),
    };
    is_ours.then(|| token.to_owned())
}

fn is_our_origin(app: &App, origin: &str, host: Option<&str>) -> bool {
    let is_host = host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, other)| other == host));
    let is_named = app.config.cors_origins.iter().flatten().any(|named| named == origin);
    is_host || is_named || origin == app.public_url
}
