//! Whether an account can be what a request wants it to be: its config and its proxy, judged by the
//! rules of its messenger before it is created or changed. Nothing is connected to for that.

use entity::account::Provider;
use serde_json::Value;

use super::browsers::Browsers;
use super::{proxy as proxies, simulator, telegram};
use crate::egress::Egress;

/// What of an account's config can't work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadConfig {
    /// `config`, or one of its keys: `config.codes`.
    pub field: String,
    /// A sentence.
    pub message: String,
}

impl BadConfig {
    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self { field: "config".to_owned(), message: message.into() }
    }

    pub(super) fn key(name: &str, message: impl Into<String>) -> Self {
        Self { field: format!("config.{name}"), message: message.into() }
    }

    pub(super) fn unknown(name: &str, known: &[&str]) -> Self {
        Self::key(name, format!("is not known here; known are {}", known.join(", ")))
    }
}

/// Checks what an account of `provider` is created with. Some of it is for servers in open mode alone.
pub fn check_config(
    provider: Provider,
    config: Option<&Value>,
    is_open: bool,
    browsers: &Browsers,
) -> Result<(), BadConfig> {
    match provider {
        Provider::Simulator => simulator::config::check(config, is_open),
        Provider::Telegram => telegram::check_config(config),
        Provider::WhatsApp if !cfg!(feature = "whatsapp") => {
            Err(cannot_be("can't be whatsapp: this server was built without the feature `whatsapp`"))
        }
        Provider::WhatsAppWeb if let Some(missing) = browsers.missing() => {
            Err(cannot_be(&format!("can't be whatsappweb: {missing}")))
        }
        Provider::WhatsApp | Provider::WhatsAppWeb => check_whatsapp(config),
    }
}

/// Checks the proxy of an account of `provider` as far as it can be without asking for its name; a
/// sentence if it can't work.
pub fn check_proxy(provider: Provider, proxy: &str, egress: Egress) -> Result<(), &'static str> {
    match provider {
        Provider::Simulator => Err("must not be there: a simulated account connects to nothing"),
        Provider::Telegram | Provider::WhatsApp => proxies::check(proxy, egress),
        Provider::WhatsAppWeb => proxies::check_bare(proxy, egress),
    }
}

/// An account that this server has no gateway for would never connect.
fn cannot_be(message: &str) -> BadConfig {
    BadConfig { field: "provider".to_owned(), message: message.to_owned() }
}

fn check_whatsapp(config: Option<&Value>) -> Result<(), BadConfig> {
    let keys = config.map(|config| config.as_object().map(serde_json::Map::is_empty));
    match keys {
        None | Some(Some(true)) => Ok(()),
        _ => Err(BadConfig::whole("must be left out or empty: a WhatsApp account needs none")),
    }
}
