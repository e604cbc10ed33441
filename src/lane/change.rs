//! What people do to accounts as a whole: connect, disconnect, remove. The row first, which holds
//! what is wished; then the lane and the connection.

use std::sync::Arc;

use entity::account::ActiveModel;
use entity::ids::AccountId;
use sea_orm::ActiveValue::Set;

use super::{AGAIN, Lanes};
use crate::account::BANNED;
use crate::gateway::Pairing;
use crate::gateway::farewell::say_still_linked;
use crate::gateway::sessions::Status;
use crate::logs::step;
use crate::realtime::Event;
use crate::store::StoreError;
use crate::store::account::{Account, say_wrong};

/// Why an account is not connected.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    /// It was removed.
    #[error("the account is gone")]
    Gone,
    /// Its company has so many that are, and may not have more.
    #[error("the company's limit of connected accounts is reached: {0}")]
    TooMany(u64),
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn lift_ban(row: &mut ActiveModel) {
    say_wrong(row, None);
    row.restricted_until_ms = Set(None);
}

impl Lanes {
    /// Connects an account: from now on it should be, and has a lane. Answers the account as it is
    /// then.
    pub async fn connect(self: &Arc<Self>, id: AccountId, pairing: Pairing) -> Result<Arc<Account>, NotConnected> {
        let _turn = self.one_by_one.take(id).await;
        let account = self.kit.store.account(id).await?.ok_or(NotConnected::Gone)?;
        let is_banned = account.error_code.as_deref() == Some(BANNED);
        let is_on = !matches!(self.kit.sessions.status(id), Status::Disconnected | Status::Failed);
        if self.is_running(id) && is_on && !is_banned {
            if account.pairing.is_some() || !self.kit.sessions.pairs_otherwise(id, &pairing) {
                return Ok(account);
            }
            self.kit.sessions.close(id, Status::Connecting, false);
        }
        // One that is about to end by itself would not look again.
        self.end(id).await;
        if is_banned {
            // Who asks may know that the ban is lifted; the messenger says so if it is not.
            self.kit.store.change_account(id, lift_ban).await?;
        }
        let most = self.kit.company_accounts;
        if self.kit.store.switch_on(id, most, self.kit.clock.now()).await?.is_none() {
            let is_there = self.kit.store.account(id).await?.is_some();
            return Err(most.filter(|_| is_there).map_or(NotConnected::Gone, NotConnected::TooMany));
        }
        self.begin(id, pairing).await
    }

    /// Connects an account that was just created to be connected. Nobody waits for that: it has a lane as soon
    /// as the database can be written.
    pub fn take_on(self: &Arc<Self>, account: &Account) {
        step!(info, account.id, "it is to connect");
        self.kit.sessions.prepare(account.id, Pairing::Qr);
        self.succeed(account.id);
    }

    /// Connects an account anew, by what its row says now. One that should not be connected is not.
    pub async fn reconnect(self: &Arc<Self>, id: AccountId) -> Result<Arc<Account>, NotConnected> {
        let _turn = self.one_by_one.take(id).await;
        let account = self.kit.store.account(id).await?.ok_or(NotConnected::Gone)?;
        if !account.should_connect {
            return Ok(account);
        }
        self.end(id).await;
        self.kit.sessions.close(id, Status::Connecting, false);
        self.begin(id, Pairing::Qr).await
    }

    async fn begin(self: &Arc<Self>, id: AccountId, pairing: Pairing) -> Result<Arc<Account>, NotConnected> {
        let account = self.kit.store.raise_epochs(&[id]).await?.pop().ok_or(NotConnected::Gone)?;
        step!(info, id, "it is to connect");
        self.kit.sessions.prepare(id, pairing);
        self.start(&account);
        self.kit.accounts.changed(&account);
        Ok(account)
    }

    /// Disconnects an account: from now on it should not be connected, and has no lane. What is in
    /// flight finishes first, or is uncertain.
    pub async fn disconnect(
        self: &Arc<Self>,
        id: AccountId,
        log_out: bool,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let _turn = self.one_by_one.take(id).await;
        let now = self.kit.clock.now().timestamp_millis();
        let change = move |row: &mut ActiveModel| {
            row.should_connect = Set(false);
            row.updated_at_ms = Set(now);
            if log_out {
                row.pairing = Set(None);
                row.may_pair = Set(false);
            }
        };
        let before = self.kit.store.account(id).await?;
        let mut account = self.kit.store.change_account(id, change).await?;
        let is_settled = self.end(id).await;
        if let Some(before) = before.filter(|_| log_out) {
            account = self.log_out(&before).await?;
        }
        self.kit.sessions.close(id, Status::Disconnected, log_out);
        if !is_settled {
            self.succeed(id);
        }
        if let Some(account) = &account {
            let reason = if log_out { "client_logout" } else { "disconnected" };
            if log_out {
                step!(info, id, "logged out here");
            } else {
                step!(info, id, "disconnected here");
            }
            self.kit.bus.publish(account.company_id, id, Event::Disconnected { reason: reason.to_owned() });
            self.kit.accounts.changed(account);
        }
        Ok(account)
    }

    /// What remains of a pairing that is ended here goes; answers the account as it is then. Where nobody
    /// is connected to tell the messenger, its person is told what is left to do.
    async fn log_out(&self, before: &Account) -> Result<Option<Arc<Account>>, StoreError> {
        let id = before.id;
        if before.error_code.as_deref() == Some(BANNED) {
            self.kit.store.change_account(id, lift_ban).await?;
        }
        if before.pairing.is_none() || self.kit.sessions.status(id) == Status::Connected {
            return self.kit.store.account(id).await;
        }
        self.kit.store.forget_state(id, before.epoch).await?;
        if !before.provider.links_devices() {
            return self.kit.store.account(id).await;
        }
        let now = self.kit.clock.now();
        self.kit.store.change_account(id, move |row| say_still_linked(row, now)).await
    }

    /// Removes an account: nothing more is sent, what is queued is taken back, the pairing ends. Answers
    /// whether the messenger is told that, if there is anything to tell.
    pub async fn remove(self: &Arc<Self>, account: &Account) -> Result<bool, StoreError> {
        let (company, id) = (account.company_id, account.id);
        let is_linked = account.provider.links_devices() && account.pairing.is_some();
        let is_told = !is_linked || self.kit.sessions.status(id) == Status::Connected;
        let _turn = self.one_by_one.take(id).await;
        let keys = self.kit.store.delete_account(id).await?;
        // From here on there is no way back, and none of it waits for a database.
        self.end(id).await;
        step!(info, id, "the account is removed");
        self.kit.sessions.close(id, Status::Disconnected, true);
        self.kit.sessions.forget(id);
        self.kit.bus.publish(company, id, Event::Disconnected { reason: "removed".to_owned() });
        self.kit.accounts.changed(account);
        // Who was granted it is looked up anew.
        self.kit.bus.tell(company, None, Event::PeopleChanged);
        for key in keys {
            self.kit.bus.tell(company, None, Event::ShutOut { whom: key.to_string(), but: None });
        }
        self.kit.bus.forget(company, id);
        if let Err(error) = self.kit.store.clear_up(id).await {
            tracing::warn!(account.id = %id, %error, "what a removed account left is cleared up later");
            self.clear_up(vec![id]);
        }
        if let Err(error) = self.kit.queue.forget(id).await {
            tracing::warn!(account.id = %id, %error, "a removed account's queue is cleared up later");
            self.strangers.ask(id);
        }
        // Who waits for one of its messages sees what became of it.
        self.kit.accounts.changed(account);
        Ok(is_told)
    }

    /// Clears up what removed accounts left behind, as soon as the database can be written. What
    /// is not done by the stop, the next start does.
    pub fn clear_up(self: &Arc<Self>, accounts: Vec<AccountId>) {
        let lanes = self.clone();
        let work = async move {
            for id in accounts {
                while let Err(error) = lanes.kit.store.clear_up(id).await {
                    tracing::warn!(account.id = %id, %error, "what a removed account left is cleared up later");
                    lanes.kit.clock.sleep(AGAIN).await;
                }
                lanes.strangers.ask(id);
            }
        };
        let quiet = self.quiet.clone();
        self.tasks.spawn_on(async move { quiet.run_until_cancelled(work).await }, &self.runtime);
    }
}
