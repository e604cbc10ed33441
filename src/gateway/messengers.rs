//! The messengers, and what connections to them are made with.

use std::sync::Arc;
use std::time::Duration;

use entity::account::Provider;

use super::browsers::Browsers;
use super::simulator::Simulator;
use super::{ConnectError, Gateway, Pairing, Reports, simulator, telegram};
use crate::clock::Clock;
use crate::config::Config;
use crate::egress::Egress;
use crate::store::Store;
use crate::store::account::Account;

/// The messengers of one server.
pub struct Messengers {
    pub(super) clock: Clock,
    pub(super) store: Arc<Store>,
    /// The simulated one.
    pub simulator: Arc<Simulator>,
    /// The browsers that some accounts are in.
    pub browsers: Arc<Browsers>,
    /// Where the Telegram Bot API is.
    pub(super) telegram_api_url: String,
    /// Where WhatsApp Web is …
    #[cfg(feature = "whatsapp")]
    pub(super) whatsapp_url: String,
    /// … and the version of it that accounts say they are; it is asked for if none is set.
    #[cfg(feature = "whatsapp")]
    pub(super) whatsapp_version: Option<(u32, u32, u32)>,
    /// Where accounts' proxies may be.
    pub(super) egress: Egress,
    /// How long a gateway may take to connect …
    #[cfg(target_os = "linux")]
    pub(super) connect_deadline: Duration,
    /// … and for one message.
    pub(super) send_deadline: Duration,
}

impl Messengers {
    /// The messengers as the settings have them.
    #[must_use]
    pub fn new(config: &Config, store: Arc<Store>, clock: Clock) -> Self {
        Self {
            clock,
            store,
            simulator: Arc::default(),
            browsers: Arc::new(Browsers::new(config)),
            telegram_api_url: config.telegram_api_url.clone(),
            #[cfg(feature = "whatsapp")]
            whatsapp_url: config.whatsapp_url.clone(),
            #[cfg(feature = "whatsapp")]
            whatsapp_version: config.whatsapp_version,
            egress: Egress::new(config.private_proxies),
            #[cfg(target_os = "linux")]
            connect_deadline: config.connect_deadline,
            send_deadline: config.send_deadline,
        }
    }

    /// Opens the account's connection. Pairing and progress follow as reports.
    pub async fn connect(
        &self,
        account: &Account,
        pairing: Pairing,
        reports: Reports,
    ) -> Result<Arc<dyn Gateway>, ConnectError> {
        if account.is_unreadable() {
            let reason = "the account's secrets can't be decrypted: give it its config and proxy again".to_owned();
            return Err(ConnectError::Failed { code: "unreadable_secrets", reason });
        }
        match account.provider {
            Provider::Simulator => simulator::connect(self, account, pairing, reports).await,
            Provider::Telegram => telegram::connect(self, account, reports).await,
            #[cfg(feature = "whatsapp")]
            Provider::WhatsApp => super::whatsapp::connect(self, account, pairing, reports).await,
            #[cfg(not(feature = "whatsapp"))]
            Provider::WhatsApp => {
                let reason = "this server was built without the feature `whatsapp`".to_owned();
                Err(ConnectError::Failed { code: "not_built", reason })
            }
            #[cfg(target_os = "linux")]
            Provider::WhatsAppWeb => super::whatsappweb::connect(self, account, pairing, reports).await,
            #[cfg(not(target_os = "linux"))]
            Provider::WhatsAppWeb => {
                let reason = self.browsers.missing().unwrap_or_default();
                Err(ConnectError::Failed { code: "not_built", reason })
            }
        }
    }
}
