//! What each messenger offers here, for who chooses one.

use std::collections::BTreeMap;

use entity::account::Provider;
use entity::message::Kind;
use serde::Serialize;

use super::browsers::Browsers;
use super::media::{limits, longest_caption};

/// What a messenger offers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// What accounts of it are created with.
    provider: Provider,
    /// Whether this server has it.
    is_enabled: bool,
    /// Why not, as a sentence.
    reason: Option<String>,
    /// How a person pairs an account: `qr`, `code`; nothing, where a secret in its config is enough.
    pairing: &'static [&'static str],
    /// What can be sent beside texts.
    media: Vec<Kind>,
    /// … and how many bytes of each.
    media_limits: BTreeMap<&'static str, u64>,
    /// What it tells of a message that was sent: `delivered`, `read`.
    receipts: &'static [&'static str],
    /// Characters of a text at most.
    #[schema(example = 4096)]
    max_text_length: usize,
    /// … and of a text under a file.
    #[schema(example = 1024)]
    max_caption_length: usize,
    /// What an account's `config` has.
    config: &'static [Setting],
}

/// One key of an account's `config`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    #[schema(example = "token")]
    name: &'static str,
    /// Whether an account can't connect without.
    is_required: bool,
    /// Whether it is shown to nobody again.
    is_secret: bool,
}

/// Characters of a text that a send takes at most, whatever the messenger would.
pub(super) const TEXT: usize = 4_096;

/// What the messenger offers on this server.
#[must_use]
pub fn offer(provider: Provider, browsers: &Browsers) -> Offer {
    let is_built = cfg!(feature = "whatsapp");
    let reason = match provider {
        Provider::WhatsApp if !is_built => Some("this server was built without it".to_owned()),
        Provider::WhatsAppWeb => browsers.missing(),
        _ => None,
    };
    let both: &'static [&'static str] = &["delivered", "read"];
    let (pairing, receipts): (&'static [&'static str], _) = match provider {
        Provider::WhatsApp | Provider::WhatsAppWeb => (&["qr", "code"], both),
        Provider::Telegram => (&[], &[] as &[_]),
        Provider::Simulator => (&["qr"], both),
    };
    let config: &'static [Setting] = match provider {
        Provider::Telegram => &[Setting { name: "token", is_required: true, is_secret: true }],
        Provider::WhatsApp | Provider::WhatsAppWeb | Provider::Simulator => &[],
    };
    let is_enabled = reason.is_none();
    Offer {
        provider,
        is_enabled,
        reason,
        pairing,
        media: limits(provider).iter().map(|(kind, _)| *kind).collect(),
        media_limits: limits(provider).iter().map(|(kind, most)| (kind.as_str(), *most)).collect(),
        receipts,
        max_text_length: TEXT,
        max_caption_length: longest_caption(provider),
        config,
    }
}
