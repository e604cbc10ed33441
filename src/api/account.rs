//! An account as the API shows it.

use entity::account::Provider;
use entity::ids::AccountId;
use serde::Serialize;

use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::sessions::Status;
use crate::pacing::Limits;
use crate::store::account::Account;
use crate::store::instant;
use crate::view::Timestamp;

/// An account as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
pub struct AccountView {
    id: AccountId,
    name: String,
    provider: Provider,
    /// Where its connection stands.
    status: Status,
    /// The same word as `status`.
    client_status: Status,
    /// Which preset of limits holds: that for new accounts, or that for warmed-up ones.
    use_limits: bool,
    /// The numbers that differ from the preset.
    limits: Limits,
    /// The code to scan as a `data:image/png` URL, while there is one; null for who may not pair the account.
    qr_code: Option<String>,
    /// The public page that pairs the account; null for who may not pair it.
    qr_url: Option<String>,
    /// `+` and digits, once paired.
    #[schema(example = "+996700123456")]
    phone_number: Option<String>,
    /// The name the messenger shows.
    display_name: Option<String>,
    /// The last thing that went wrong.
    last_error: Option<AccountError>,
    /// Until when the messenger asked not to be bothered.
    restricted_until: Option<Timestamp>,
    /// When the messenger last answered.
    last_alive_at: Option<Timestamp>,
    /// Messages waiting, in flight or scheduled.
    queue_length: u64,
    created_at: Timestamp,
    /// When it, or its status, last changed.
    updated_at: Timestamp,
    /// The latest connection.
    connected_at: Option<Timestamp>,
}

/// What went wrong with an account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AccountError {
    /// A stable word.
    code: String,
    /// A sentence.
    message: String,
    at: Timestamp,
}

impl AccountView {
    /// The account as it is now.
    pub(super) async fn of(app: &App, caller: &Caller, account: &Account) -> Result<Self, ApiError> {
        let session = app.sessions.snapshot(account.id);
        let now = app.clock.now();
        let queue_length = app.standings.queue_length(account).await?;
        let may_pair = caller.may_pair();
        let qr_code = match session.code.filter(|code| may_pair && code.expires_at > now) {
            Some(code) => code.data_url().await,
            None => None,
        };
        let changed_at = instant(account.updated_at_ms);
        let error = account.error_code.clone().zip(account.error_message.clone()).zip(account.error_at_ms);
        Ok(Self {
            id: account.id,
            name: account.name.clone(),
            provider: account.provider,
            status: session.status,
            client_status: session.status,
            use_limits: account.use_limits,
            limits: account.own_limits().clone(),
            qr_code: qr_code.as_deref().map(str::to_owned),
            qr_url: may_pair.then(|| app.qr_url(account.id)),
            phone_number: account.phone_number.as_ref().map(|digits| format!("+{digits}")),
            display_name: account.display_name.clone(),
            last_error: error.map(|((code, message), at)| AccountError { code, message, at: Timestamp::ms(at) }),
            restricted_until: account.restricted_until_ms.map(instant).filter(|until| *until > now).map(Timestamp),
            last_alive_at: session.last_alive_at.map(Timestamp),
            queue_length,
            created_at: Timestamp::ms(account.created_at_ms),
            updated_at: Timestamp(session.since.map_or(changed_at, |since| since.max(changed_at))),
            connected_at: account.connected_at_ms.map(Timestamp::ms),
        })
    }
}
