//! The messengers, and what connections to them are made with.

use std::sync::Arc;
use std::time::Duration;

use entity::account::Provider;

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
    /// Where the Telegram Bot API is.
    pub(super) telegram_api_url: String,
    /// Where accounts' proxies may be.
    pub(super) egress: Egress,
    /// How long a gateway may take for one message.
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
            telegram_api_url: config.telegram_api_url.clone(),
            egress: Egress::new(config.private_proxies),
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
        }
    }
}
