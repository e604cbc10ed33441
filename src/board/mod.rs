//! What accounts look like: to who asks, and to who watches. Whatever changes one, its watchers see it at
//! most a second later, and at most once a second.

mod load;

use std::sync::Arc;

use entity::account::Provider;
use entity::ids::{AccountId, CompanyId};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::Receiver;

pub use self::load::{Load, Loads};
use crate::auth::Identity;
use crate::auth::access::Need;
use crate::clock::Clock;
use crate::gateway::sessions::{Sessions, Status};
use crate::pacing::{Limits, Presets, estimate};
use crate::queue::Overview;
use crate::realtime::due::Due;
use crate::realtime::socketio::Clients;
use crate::standing::{Hold, Standings};
use crate::store::account::Account;
use crate::store::{Store, StoreError, instant};
use crate::view::Timestamp;

/// Sends of the last minute that are shown one by one.
const LATELY: usize = 60;

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
    /// `+` and digits, once paired.
    #[schema(example = "+996700123456")]
    phone_number: Option<String>,
    /// The name the messenger shows.
    display_name: Option<String>,
    /// Whether it has been paired, connected or not.
    is_paired: bool,
    /// The last thing that went wrong.
    last_error: Option<AccountError>,
    /// Until when the messenger asked not to be bothered.
    restricted_until: Option<Timestamp>,
    /// When the messenger last answered.
    last_alive_at: Option<Timestamp>,
    /// Messages waiting, in flight or scheduled.
    queue_length: u64,
    queue: QueueState,
    created_at: Timestamp,
    /// When it, or its status, last changed.
    updated_at: Timestamp,
    /// The latest connection.
    connected_at: Option<Timestamp>,
    /// What only the caller is told; nobody who watches.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    own: Option<Own>,
}

/// What an account is to one caller.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Own {
    /// The code to scan as a `data:image/png` URL, while there is one; null for who may not pair the account.
    qr_code: Option<String>,
    /// The public page that pairs the account; null for who may not pair it.
    qr_url: Option<String>,
    permissions: Permissions,
}

/// What a caller may do with an account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// See its chats and messages.
    can_read: bool,
    /// Send from it.
    can_write: bool,
    /// Rename its chats and put them away.
    can_manage_chats: bool,
    /// Pair it, change it, operate its queue, remove it.
    can_admin: bool,
}

impl Permissions {
    fn of(caller: &Identity, account: AccountId) -> Self {
        let may = |need| caller.meets(need) && caller.may(need, account);
        Self {
            can_read: may(Need::Read),
            can_write: may(Need::Send),
            can_manage_chats: may(Need::ManageChats),
            can_admin: may(Need::Admin),
        }
    }
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

/// What an account's queue does, and what was counted against what is allowed.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueState {
    /// Whether somebody stopped it.
    pub is_paused: bool,
    /// Why, if the service itself paused it.
    pub pause_reason: Option<String>,
    /// What holds the account, so that nobody can say when it sends: `paused`, `disconnected` or `failed`.
    pub hold_reason: Option<Hold>,
    /// Whether it rests.
    pub is_resting: bool,
    /// Until when.
    pub rest_until: Option<Timestamp>,
    /// When the next message leaves; null while none waits, or the account is held.
    pub next_send_at: Option<Timestamp>,
    /// When the last one left.
    pub last_sent_at: Option<Timestamp>,
    /// When the last one that waits will have left, on average; null while the account is held.
    pub estimated_drain_at: Option<Timestamp>,
    /// Sent today, as the limits count.
    pub daily_count: u32,
    /// Null: no cap.
    pub daily_limit: Option<u32>,
    /// Null: no limit.
    pub per_minute: Option<u32>,
    /// Sent in the last 60 s.
    pub sent_last_minute: u32,
    /// When: the latest sixty at most, oldest first, of accounts with a limit by the minute.
    pub sent_lately: Vec<Timestamp>,
    /// Messages since the last rest.
    #[serde(skip)]
    pub since_rest: u32,
}

/// Knows what accounts look like.
pub struct Board {
    /// The rows.
    pub store: Arc<Store>,
    /// Their queues.
    pub standings: Standings,
    /// Their connections.
    pub sessions: Arc<Sessions>,
    /// The two presets of limits.
    pub presets: Presets,
    /// What the outside calls this server.
    pub public_url: String,
    /// Now.
    pub clock: Clock,
    /// What was counted lately.
    pub loads: Loads,
}

impl Board {
    /// The account as `caller` sees it now.
    pub async fn show(&self, caller: &Identity, account: &Account) -> Result<AccountView, StoreError> {
        let (id, may_pair) = (account.id, caller.may_pair());
        let code = self.sessions.snapshot(id).code.filter(|code| may_pair && code.expires_at > self.clock.now());
        let qr_code = match code {
            Some(code) => code.data_url().await.as_deref().map(str::to_owned),
            None => None,
        };
        let qr_url = may_pair.then(|| self.qr_url(id));
        let own = Own { qr_code, qr_url, permissions: Permissions::of(caller, id) };
        Ok(AccountView { own: Some(own), ..self.look(account).await? })
    }

    /// The link that pairs the account.
    #[must_use]
    pub fn qr_url(&self, account: AccountId) -> String {
        format!("{}/qr/{account}", self.public_url)
    }

    async fn look(&self, account: &Account) -> Result<AccountView, StoreError> {
        let (session, now) = (self.sessions.snapshot(account.id), self.clock.now());
        let overview = self.standings.overview(account).await?;
        let changed_at = instant(account.updated_at_ms);
        let error = account.error_code.clone().zip(account.error_message.clone()).zip(account.error_at_ms);
        Ok(AccountView {
            id: account.id,
            name: account.name.clone(),
            provider: account.provider,
            status: session.status,
            client_status: session.status,
            use_limits: account.use_limits,
            limits: account.own_limits().clone(),
            phone_number: account.phone_number.as_ref().map(|digits| format!("+{digits}")),
            display_name: account.display_name.clone(),
            is_paired: account.pairing.is_some(),
            last_error: error.map(|((code, message), at)| AccountError { code, message, at: Timestamp::ms(at) }),
            restricted_until: account.restricted_until_ms.map(instant).filter(|until| *until > now).map(Timestamp),
            last_alive_at: session.last_alive_at.map(Timestamp),
            queue_length: overview.len(),
            queue: self.queue_state(account, &overview).await?,
            created_at: Timestamp::ms(account.created_at_ms),
            updated_at: Timestamp(session.since.map_or(changed_at, |since| since.max(changed_at))),
            connected_at: account.connected_at_ms.map(Timestamp::ms),
            own: None,
        })
    }

    /// What the account's queue does.
    pub async fn queue_state(&self, account: &Account, overview: &Overview) -> Result<QueueState, StoreError> {
        let (now, policy, pace) = (self.clock.now(), account.policy(&self.presets), &overview.pace);
        let hold_reason = self.standings.hold(account);
        let waiting = overview.ready + overview.delayed;
        let leaves = |position| {
            (waiting > 0 && hold_reason.is_none()).then(|| Timestamp(estimate(&policy, pace, position, now)))
        };
        let rest_until = pace.resting_until(&policy, now);
        let is_rested = pace.rest_is_due(&policy) && rest_until.is_none();
        let today = policy.day_of(now);
        Ok(QueueState {
            is_paused: account.is_paused,
            pause_reason: account.pause_reason.clone(),
            hold_reason,
            is_resting: rest_until.is_some(),
            rest_until: rest_until.map(Timestamp),
            next_send_at: leaves(1),
            last_sent_at: pace.last_at.map(Timestamp),
            estimated_drain_at: leaves(waiting),
            daily_count: pace.sent_on(today),
            daily_limit: policy.cap_on(today),
            per_minute: policy.per_minute,
            sent_last_minute: match policy.per_minute {
                // As far as the limit looks, the pace knows.
                Some(_) => u32::try_from(pace.sent_last_minute(now)).unwrap_or(u32::MAX),
                None => self.store.sent_last_minute(account.id, now).await?,
            },
            sent_lately: pace.sent_lately(now, LATELY).map(Timestamp).collect(),
            since_rest: if is_rested { 0 } else { pace.since_rest },
        })
    }

    /// Shows the accounts that change to those who watch them, until nobody tells of changes any more.
    pub async fn run(&self, mut changes: Receiver<(CompanyId, AccountId)>, clients: &Clients) {
        let mut due = Due::default();
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => due.note(change, self.clock.now()),
                    None => return,
                },
                () = self.clock.sleep_until_maybe(due.next()) => {
                    for (company, account) in due.take(self.clock.now()) {
                        self.tell(clients, company, account).await;
                    }
                }
            }
        }
    }

    async fn tell(&self, clients: &Clients, company: CompanyId, id: AccountId) {
        let look = async {
            match self.store.account(id).await? {
                Some(account) => self.look(&account).await.map(Some),
                None => Ok(None),
            }
        };
        match look.await {
            Ok(account) => {
                let payload = json!({"sessionId": id, "companyId": company, "account": account});
                clients.tell_account(company, id, &payload).await;
            }
            Err(error) => tracing::debug!(account.id = %id, %error, "its watchers are not shown it"),
        }
    }
}
