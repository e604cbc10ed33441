//! The crate's client, put together.

use std::sync::Arc;

use whatsapp_rust::bot::{Bot, BotBuilderError};
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::wacore::msg_secret::MsgSecretPolicy;
use whatsapp_rust::wacore::store::DevicePropsOverride;
use whatsapp_rust::waproto::whatsapp::device_props::PlatformType;
use whatsapp_rust::{CacheConfig, TokioRuntime};

use super::ear::Ear;
use super::keys::Keys;
use super::mail::Mailbox;
use super::wire::Wire;

/// What the phone shows under its linked devices: a browser's name and system.
const SYSTEM: &str = "Linux";

/// The crate's client, ready to run; paired by a code for the phone of that number, if there is one.
pub(super) async fn build(
    keys: Arc<Keys>,
    wire: Wire,
    mailbox: Mailbox,
    ear: Ear,
    version: Option<(u32, u32, u32)>,
    code: Option<String>,
) -> Result<Bot, BotBuilderError> {
    let mut bot = Bot::builder()
        .with_backend_arc(keys)
        .with_transport_factory(wire.clone())
        .with_http_client(wire)
        .with_runtime(TokioRuntime)
        .with_device_props(DevicePropsOverride::new().with_os(SYSTEM).with_platform_type(PlatformType::CHROME))
        .with_cache_config(CacheConfig {
            // What votes and edits are read by, which are not.
            msg_secret_policy: MsgSecretPolicy::Disabled,
            seed_msg_secrets_from_history: false,
            ..CacheConfig::default()
        })
        .with_inbound_durability_hook(mailbox)
        .with_event_handler(ear);
    if let Some(version) = version {
        bot = bot.with_version(version);
    }
    if let Some(phone_number) = code {
        bot = bot.with_pair_code(PairCodeOptions { phone_number, ..PairCodeOptions::default() });
    }
    bot.build().await
}
