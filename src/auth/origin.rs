//! From where a server is called. An open one trusts whoever reaches it, so it serves only this
//! machine's own programs and pages. A page of the web, which a browser here would let call it, says
//! so by its origin, or by the name under which it found us.

use crate::config::Config;
use crate::error::ApiError;
use crate::host::{is_loopback, name_of};

/// What makes users, keys or logins.
const PEOPLE: &[(&str, &str)] = &[
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/managers"),
    ("POST", "/api/api-keys"),
    ("POST", "/api/v1/instances/{id}/api-key"),
];

/// The origins and names that a server knows.
#[derive(Clone)]
pub struct Origins {
    pub(super) is_open: bool,
    /// Origins that the settings list.
    listed: Option<Vec<String>>,
    /// Names that the settings list.
    hosts: Vec<String>,
    /// What the settings say that the outside calls this server.
    named: Option<String>,
    /// What the outside calls it, whoever says so.
    own: String,
}

impl Origins {
    /// Those of a server that the outside calls `public_url`.
    #[must_use]
    pub fn new(config: &Config, public_url: &str) -> Self {
        Self {
            is_open: config.is_open,
            listed: config.cors_origins.clone(),
            hosts: config.hosts.clone(),
            named: config.public_url.clone(),
            own: public_url.to_owned(),
        }
    }

    /// Refuses a request to an open server that comes from elsewhere.
    pub fn check<'a>(&self, header: impl Fn(&str) -> Option<&'a str>) -> Result<(), ApiError> {
        if !self.is_open {
            return Ok(());
        }
        if header("host").is_some_and(|host| !self.is_known_host(host)) {
            let message = "this server needs no credentials, and so answers only under names of this machine";
            return Err(ApiError::Forbidden { code: "foreign_host", message });
        }
        if header("origin").is_some_and(|origin| !self.is_known(origin)) {
            let message = "this server needs no credentials, and so answers only to pages of this machine";
            return Err(ApiError::Forbidden { code: "foreign_origin", message });
        }
        Ok(())
    }

    /// Refuses to make users and keys in open mode: whoever made one would keep it when the server
    /// asks for credentials.
    pub fn check_people(&self, method: &str, pattern: &str) -> Result<(), ApiError> {
        if !self.is_open || !PEOPLE.contains(&(method, pattern)) {
            return Ok(());
        }
        let message = "users and keys are made where credentials are asked for: start with ANDANTE_AUTH=required";
        Err(ApiError::Forbidden { code: "open_mode", message })
    }

    /// Whether a page of that origin may call an open server: one of this machine on any port, or a
    /// listed one.
    #[must_use]
    pub fn is_known(&self, origin: &str) -> bool {
        let is_named = self.named.as_deref() == Some(origin);
        let host = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
        self.is_listed(origin) || is_named || host.is_some_and(is_loopback)
    }

    /// Whether a page of that origin is ours or listed, so that its browser's cookie counts. `host` is
    /// the name under which it found us.
    #[must_use]
    pub fn is_ours(&self, origin: &str, host: Option<&str>) -> bool {
        let is_host = host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, other)| other == host));
        is_host || self.is_listed(origin) || origin == self.own
    }

    fn is_listed(&self, origin: &str) -> bool {
        self.listed.iter().flatten().any(|listed| listed == origin)
    }

    fn is_known_host(&self, host: &str) -> bool {
        let is_listed = self.hosts.iter().any(|listed| listed == host || Some(listed.as_str()) == name_of(host));
        let named = self.named.as_deref().and_then(|url| url.split_once("://"));
        is_loopback(host) || is_listed || named.is_some_and(|(_, named)| named == host)
    }
}
