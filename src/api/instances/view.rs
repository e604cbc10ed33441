//! An account in the words of who manages instances.

use entity::account::Provider;
use entity::ids::AccountId;
use serde::Serialize;

use crate::app::App;
use crate::gateway::sessions::Status;
use crate::store::account::Account;
use crate::view::{MessageError, Timestamp};

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceStatus {
    /// It is about to connect, or was never asked to.
    Pending,
    /// A code waits to be scanned.
    QrReady,
    /// The code was scanned.
    Authenticating,
    /// It can send.
    ClientReady,
    /// It was connected, or tried to be, and is not.
    Disconnected,
    /// It can't connect until a person changes something.
    Failed,
}

impl InstanceStatus {
    /// The word for a connection's status, of an account that has ever been asked to connect or not.
    #[must_use]
    pub fn of(status: Status, was_started: bool) -> Self {
        match status {
            Status::Connecting => Self::Pending,
            Status::QrReady => Self::QrReady,
            Status::Authenticating => Self::Authenticating,
            Status::Connected => Self::ClientReady,
            Status::Disconnected if was_started => Self::Disconnected,
            Status::Disconnected => Self::Pending,
            Status::Failed => Self::Failed,
        }
    }
}

/// Whether an instance's messenger knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthStatus {
    /// It was paired, connected or not; a bot, that it was let in.
    Authenticated,
    /// It has to be paired, or let in.
    Pending,
}

/// An instance: an account, in other words.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Instance)]
pub struct InstanceView {
    id: AccountId,
    /// The same as `id`.
    instance_id: AccountId,
    /// As it was given; null of an account that was not created as an instance.
    user_id: Option<String>,
    name: String,
    provider: Provider,
    /// As it was given.
    type_instance: Vec<String>,
    /// The port of its own; null where the server gives none.
    port: Option<u16>,
    /// The same as `port`.
    port_api: Option<u16>,
    /// The key of its own: shown when it is made, and kept nowhere. Null else, and in open mode.
    api_key: Option<String>,
    status: InstanceStatus,
    auth_status: AuthStatus,
    /// Who it is at its messenger; null until it is paired.
    account: Option<InstanceAccount>,
    /// Which preset of limits holds.
    use_limits: bool,
    /// The last thing that went wrong.
    last_error: Option<MessageError>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Who an instance is at its messenger.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstanceAccount {
    /// `+` and digits; null of a bot.
    #[schema(example = "+996700123456")]
    phone_number: Option<String>,
    /// The name the messenger shows.
    display_name: Option<String>,
}

impl InstanceAccount {
    /// What the row knows.
    #[must_use]
    pub fn of(account: &Account) -> Option<Self> {
        account.first_connected_at_ms?;
        let phone_number = account.phone_number.as_ref().map(|digits| format!("+{digits}"));
        Some(Self { phone_number, display_name: account.display_name.clone() })
    }
}

/// Where the account stands, in these words.
pub(super) fn status_of(app: &App, account: &Account) -> InstanceStatus {
    InstanceStatus::of(app.sessions.status(account.id), account.epoch > 0)
}

/// Whether its messenger knows it, in these words.
pub(super) fn auth_status_of(account: &Account) -> AuthStatus {
    let is_known = account.provider.knows(account.pairing.is_some(), account.first_connected_at_ms.is_some());
    if is_known { AuthStatus::Authenticated } else { AuthStatus::Pending }
}

impl InstanceView {
    pub(super) fn of(app: &App, account: &Account) -> Self {
        let since = app.sessions.since(account.id).map(Timestamp);
        let changed_at = Timestamp::ms(account.updated_at_ms);
        let of_range = |port: &u16| app.ports.range().is_some_and(|range| range.contains(port));
        let port = account.port.and_then(|port| port.try_into().ok()).filter(of_range);
        let types = account.type_instance.as_deref().and_then(|json| serde_json::from_str(json).ok());
        Self {
            id: account.id,
            instance_id: account.id,
            user_id: account.user_id.clone(),
            name: account.name.clone(),
            provider: account.provider,
            type_instance: types.unwrap_or_else(|| vec!["api".to_owned()]),
            port,
            port_api: port,
            api_key: None,
            status: status_of(app, account),
            auth_status: auth_status_of(account),
            account: InstanceAccount::of(account),
            use_limits: account.use_limits,
            last_error: MessageError::of(account.error_code.clone(), account.error_message.clone()),
            created_at: Timestamp::ms(account.created_at_ms),
            updated_at: since.filter(|since| since.0 > changed_at.0).unwrap_or(changed_at),
        }
    }

    /// With the key, which is shown once.
    pub(super) fn with_key(self, api_key: Option<String>) -> Self {
        Self { api_key, ..self }
    }
}
