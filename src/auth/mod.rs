//! Who calls, and whether they may: the [`Guard`] decides it once for each request, before its handler
//! runs.
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
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use entity::ids::AccountId;

use self::access::Need;
use self::attempts::Attempts;
use self::identity::Identities;
pub use self::identity::{Identity, Program, Who};
use self::origin::Origins;
use self::token::Keys;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::ApiError;
use crate::host::network;
use crate::store::Store;

/// The cookie that a login sets.
pub const COOKIE: &str = "andante_token";

/// Decides who calls.
pub struct Guard {
    store: Arc<Store>,
    clock: Clock,
    /// The operator's key.
    api_key: Option<String>,
    /// Whether a reverse proxy names the callers' addresses.
    behind_proxy: bool,
    /// From where this server may be called.
    pub origins: Origins,
    /// Attempts to sign in.
    pub attempts: Attempts,
    identities: Identities,
    keys: Keys,
}

impl Guard {
    /// The guard of a server that the outside calls `public_url`.
    #[must_use]
    pub fn new(config: &Config, public_url: &str, store: Arc<Store>, clock: Clock) -> Self {
        Self {
            api_key: config.api_key.clone(),
            behind_proxy: config.behind_proxy,
            origins: Origins::new(config, public_url),
            attempts: Attempts::new(config.login_rate),
            identities: Identities::default(),
            keys: Keys::new(store.clone(), clock.clone(), config.login),
            store,
            clock,
        }
    }

    /// Whether no credentials are needed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.origins.is_open
    }

    /// Decides who makes the request, and whether they may.
    pub async fn call(&self, request: &HttpRequest) -> Result<Caller, ApiError> {
        let need = request.match_pattern().and_then(|pattern| access::need(request.method().as_str(), &pattern));
        let need = need.ok_or_else(forbidden)?;
        let identity = self.caller(request).await?;
        let from = self.peer(request);
        if identity.meets(need) { Ok(Caller { identity, need, from }) } else { Err(forbidden()) }
    }

    /// Whoever makes the request.
    async fn caller(&self, request: &HttpRequest) -> Result<Identity, ApiError> {
        if self.is_open() {
            return Ok(Identity::open());
        }
        let needed = "credentials are needed: Authorization: Bearer <token or key>, X-API-Key, or a login";
        let credential = self.credential(request)?.ok_or(ApiError::Unauthorized(needed))?;
        let known = self.identify(&credential).await?;
        known.ok_or(ApiError::Unauthorized("these credentials are not valid, or have expired"))
    }

    /// What the request shows, if anything.
    pub fn credential(&self, request: &HttpRequest) -> Result<Option<String>, ApiError> {
        let is_change = !request.method().is_safe();
        let shown = self.credential_of(|name| header(request.headers(), name), is_change);
        if shown.is_none() && is_change && request.cookie(COOKIE).is_some() {
            let message = "a call that a cookie signs must come from one of this server's pages (its Origin is not)";
            return Err(ApiError::Forbidden { code: "csrf", message });
        }
        Ok(shown)
    }

    /// What the headers show. A cookie, which a browser adds by itself, does not count for a change
    /// unless the request comes from one of our pages or from an origin that the settings name; and
    /// never if it comes from elsewhere and says so.
    pub fn credential_of<'a>(&self, header: impl Fn(&str) -> Option<&'a str>, is_change: bool) -> Option<String> {
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
            Some(origin) => self.origins.is_ours(origin, header("host")),
            None => !is_change || header("sec-fetch-site") == Some("same-origin"),
        };
        is_ours.then(|| token.to_owned())
    }

    /// Whom limits count the request to: where it comes from, or that network.
    #[must_use]
    pub fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.peer(request).map(network)
    }

    /// Where the request comes from: the peer, or whom the proxy before us names.
    #[must_use]
    pub fn peer(&self, request: &HttpRequest) -> Option<IpAddr> {
        // The last value of the last line is the proxy's own; the others anybody may have written.
        let lines = request.headers().get_all("x-forwarded-for").filter(|_| self.behind_proxy);
        let named = lines.last().and_then(|line| line.to_str().ok());
        let last = named.and_then(|list| list.rsplit(',').next()).map(str::trim);
        // Some proxies name the port as well.
        let last = last.and_then(|last| last.parse().ok().or_else(|| Some(last.parse::<SocketAddr>().ok()?.ip())));
        last.or_else(|| request.peer_addr().map(|peer| peer.ip())).map(|address| address.to_canonical())
    }
}

/// A header's value, if it is text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The caller, decided once for each request: an [`Identity`] that meets what the address needs.
#[derive(Debug, Clone)]
pub struct Caller {
    identity: Identity,
    need: Need,
    /// From where the request comes.
    pub from: Option<IpAddr>,
}

impl Deref for Caller {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl Caller {
    /// Refuses a manager who has no grant on the account for what this address does, and another account's key.
    pub fn check(&self, account: AccountId) -> Result<(), ApiError> {
        if self.may(self.need, account) { Ok(()) } else { Err(no_access()) }
    }

    /// Refuses a manager to whom no account is granted for what this address does.
    pub fn check_any(&self) -> Result<(), ApiError> {
        let is_none = self.granted(self.need).is_some_and(|accounts| accounts.is_empty());
        if is_none { Err(no_access()) } else { Ok(()) }
    }
}

fn no_access() -> ApiError {
    ApiError::Forbidden { code: "no_access", message: "this account is not granted to you for that" }
}

fn forbidden() -> ApiError {
    ApiError::Forbidden { code: "forbidden", message: "your role or key does not allow that" }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let known = request.extensions().get::<Self>().cloned();
            match (known, request.app_data::<web::Data<Guard>>()) {
                (Some(caller), _) => Ok(caller),
                (None, Some(guard)) => guard.call(&request).await,
                (None, None) => Err(forbidden()),
            }
        })
    }
}
