//! From where an open server is called: it trusts whoever reaches it, so it serves only this
//! machine's own programs and pages. A page of the web, which a browser here would let call it, says
//! so by its origin, or by the name under which it found us.

use crate::app::App;
use crate::config::Config;
use crate::error::ApiError;
use crate::host::{is_loopback, name_of};

/// Refuses a request to an open server that comes from elsewhere.
pub fn check<'a>(app: &App, header: impl Fn(&str) -> Option<&'a str>) -> Result<(), ApiError> {
    if !app.config.is_open {
        return Ok(());
    }
    if header("host").is_some_and(|host| !is_known_host(&app.config, host)) {
        let message = "this server needs no credentials, and so answers only under names of this machine";
        return Err(ApiError::Forbidden { code: "foreign_host", message });
    }
    if header("origin").is_some_and(|origin| !is_known_origin(&app.config, origin)) {
        let message = "this server needs no credentials, and so answers only to pages of this machine";
        return Err(ApiError::Forbidden { code: "foreign_origin", message });
    }
    Ok(())
}

/// What makes users, keys or logins.
const PEOPLE: &[(&str, &str)] = &[
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/managers"),
    ("POST", "/api/api-keys"),
];

/// Refuses to make users and keys in open mode: whoever made one would keep it when the server asks
/// for credentials.
pub fn check_people(app: &App, method: &str, path: &str) -> Result<(), ApiError> {
    if !app.config.is_open || !PEOPLE.contains(&(method, path)) {
        return Ok(());
    }
    let message = "users and keys are made where credentials are asked for: start with ANDANTE_AUTH=required";
    Err(ApiError::Forbidden { code: "open_mode", message })
}

/// Whether a page of that origin may call: one of this machine on any port, or a listed one.
pub fn is_known_origin(config: &Config, origin: &str) -> bool {
    let is_listed = config.cors_origins.iter().flatten().any(|listed| listed == origin);
    let is_own = config.public_url.as_deref() == Some(origin);
    let host = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
    is_listed || is_own || host.is_some_and(is_loopback)
}

fn is_known_host(config: &Config, host: &str) -> bool {
    let is_listed = config.hosts.iter().any(|listed| listed == host || Some(listed.as_str()) == name_of(host));
    let own = config.public_url.as_deref().and_then(|url| url.split_once("://"));
    is_loopback(host) || is_listed || own.is_some_and(|(_, own)| own == host)
}
