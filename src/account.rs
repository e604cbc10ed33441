//! What happens to an account's connection, whoever notices: it shows a code, comes about, is lost, or
//! can't be until a person changes something. First the row, if it is to outlive the process; then
//! what is shown; then the news, so that whoever hears of it sees it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::account::ActiveModel;
use entity::action::Deed;
use entity::ids::AccountId;
use sea_orm::ActiveValue::Set;

use crate::clock::Clock;
use crate::gateway::Code;
use crate::gateway::browsers::FULL;
use crate::gateway::sessions::{Sessions, Status};
use crate::logs::step;
use crate::realtime::{Bus, Event};
use crate::store::account::{Account, Connected, say_wrong};
use crate::store::action::Action;
use crate::store::{Store, StoreError};

/// The pause before a database that is down is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// What is wrong with an account that its messenger does not let in for a time.
pub const BANNED: &str = "temporarily_banned";
/// What is wrong with one whose messenger is not reached.
const UNREACHED: &str = "unreached";
/// What is said of an account that goes on trying to connect.
pub const WAITS: [&str; 3] = [BANNED, UNREACHED, FULL];
/// Characters that are kept of what a messenger says where a sentence is expected, or a name …
const WORDS: usize = 500;
/// … and of a number.
const NUMBER: usize = 20;

/// The accounts, as their connections come and go.
pub struct Accounts {
    /// What outlives the process.
    pub store: Arc<Store>,
    /// What is shown.
    pub sessions: Arc<Sessions>,
    /// Who hears of it.
    pub bus: Arc<Bus>,
    /// When.
    pub clock: Clock,
}

/// A connection that has come about.
pub struct Arrival {
    /// Whose.
    pub account: AccountId,
    /// Which of its connections.
    pub connection: u64,
    /// The epoch of the lane that opened that.
    pub epoch: i64,
    /// What it taught.
    pub news: Connected,
}

impl Accounts {
    /// Tells that the account looks different now.
    pub fn changed(&self, account: &Account) {
        self.bus.publish(account.company_id, account.id, Event::AccountChanged);
    }

    /// Ends the account's connection, and shows `status`.
    pub fn close(&self, account: &Account, status: Status) {
        self.sessions.close(account.id, status, false);
        self.changed(account);
    }

    /// Shows how a connection gets on, with its code if there is one; answers whether it still is the
    /// account's present one, as all that have a connection's number do.
    pub fn show(&self, account: &Account, connection: u64, status: Status, code: Option<Code>) -> bool {
        let scanned = code.as_ref().filter(|code| !code.is_typed).map(|code| code.text.clone());
        let is_current = self.sessions.show(account.id, connection, status, code);
        if is_current {
            match status {
                Status::QrReady => step!(info, account.id, "a code to pair it is shown"),
                Status::Authenticating => step!(info, account.id, "the messenger lets it in"),
                _ => {}
            }
            if let Some(text) = scanned {
                self.bus.publish(account.company_id, account.id, Event::CodeShown { text });
            }
            self.changed(account);
        }
        is_current
    }

    /// The connection is gone; it can be opened again.
    pub fn lose(&self, account: &Account, connection: u64, reason: String) -> bool {
        let reason = clean(reason, WORDS);
        let is_current = self.sessions.close_if_current(account.id, connection, Status::Connecting);
        if is_current {
            step!(warn, account.id, "the connection dropped", %reason);
            self.tell_lost(account, "connection_lost", reason);
            self.changed(account);
        }
        is_current
    }

    /// The pairing is gone; a person must pair again.
    pub async fn log_out(&self, account: &Account, connection: u64, code: &'static str, reason: String) -> bool {
        let reason = clean(reason, WORDS);
        let end = |row: &mut ActiveModel| {
            row.should_connect = Set(false);
            row.pairing = Set(None);
        };
        if !self.sessions.is_current(account.id, connection) || !self.stop(account, code, &reason, end).await {
            return false;
        }
        // While the row was written, another connection may have taken this one's place.
        self.sessions.close_if_current(account.id, connection, Status::Disconnected);
        self.tell_lost(account, code, reason);
        self.changed(account);
        true
    }

    /// The account can't send or connect until a person changes something.
    pub async fn fail(&self, account: &Account, code: &'static str, reason: String) {
        let reason = clean(reason, WORDS);
        if self.stop(account, code, &reason, |_| ()).await {
            self.sessions.close(account.id, Status::Failed, false);
            self.tell_lost(account, code, reason);
            self.changed(account);
        }
    }

    /// The messenger does not let the account in before `until`: until then it is not tried.
    pub async fn ban(&self, account: &Account, connection: u64, until: DateTime<Utc>, reason: String) -> bool {
        let reason = clean(reason, WORDS);
        let wait = |row: &mut ActiveModel| row.restricted_until_ms = Set(Some(until.timestamp_millis()));
        if !self.sessions.is_current(account.id, connection) || !self.stop(account, BANNED, &reason, wait).await {
            return false;
        }
        self.sessions.close_if_current(account.id, connection, Status::Connecting);
        self.tell_lost(account, BANNED, reason);
        self.changed(account);
        true
    }

    /// The messenger is not reached: says so until it is. Whoever looks at the account sees why it waits.
    pub async fn miss(&self, account: &Account) {
        self.waits(account, UNREACHED, "the messenger can't be reached; it is tried again and again").await;
    }

    /// The account waits for something before it can connect: says so until it does.
    pub async fn waits(&self, account: &Account, code: &'static str, reason: &str) {
        if account.error_code.as_deref() == Some(code) {
            return;
        }
        let wrong = (code, reason, self.clock.now());
        let said = self.store.change_account_of(account.id, account.epoch, |row| say_wrong(row, Some(wrong)));
        // A database that is down is no reason to wait here.
        if said.await.is_ok_and(|changed| changed.is_some()) {
            step!(warn, account.id, "it waits before it can connect", code, %reason);
            self.changed(account);
        }
    }

    /// Tells that the account is not connected any more, and what is wrong.
    fn tell_lost(&self, account: &Account, code: &str, message: String) {
        let tell = |event| self.bus.publish(account.company_id, account.id, event);
        tell(Event::AccountFailed { code: code.to_owned(), message, at: self.clock.now() });
        tell(Event::Disconnected { reason: code.to_owned() });
    }

    /// Writes why an account stops, unless another lane has it by now; before that is shown, so that
    /// whoever sees the one sees the other. Answers whether it stops.
    async fn stop(
        &self,
        account: &Account,
        code: &'static str,
        reason: &str,
        change: impl Fn(&mut ActiveModel),
    ) -> bool {
        if code == BANNED {
            step!(warn, account.id, "the messenger does not let it in for a time", code, %reason);
        } else {
            step!(error, account.id, "it stops until somebody does something", code, %reason);
        }
        let wrong = (code, reason, self.clock.now());
        let stopped = self.insist(|| {
            self.store.change_account_of(account.id, account.epoch, |row| {
                change(row);
                say_wrong(row, Some(wrong));
            })
        });
        let is_stopped = stopped.await.is_some();
        if !is_stopped {
            // Its row is another lane's, or gone: the lane here sees so when it looks.
            self.store.forget_account(account.id);
        }
        is_stopped
    }

    /// Accounts are connected, all written at once, save those that another lane has by now, or that are to
    /// be disconnected.
    pub async fn connect(&self, mut arrivals: Vec<Arrival>) {
        if arrivals.is_empty() {
            return;
        }
        let (mut rows, mut paired) = (Vec::with_capacity(arrivals.len()), HashSet::new());
        for Arrival { account, epoch, news, .. } in &mut arrivals {
            news.phone_number = news.phone_number.take().map(|number| clean(number, NUMBER));
            news.display_name = news.display_name.take().map(|name| clean(name, WORDS));
            let before = self.insist(|| self.store.account(*account)).await;
            if let Some(before) = &before {
                self.hold_if_number_changed(before, *epoch, news).await;
            }
            let is_new = news.pairing.is_some() && before.is_some_and(|before| before.pairing.is_none());
            paired.extend(is_new.then_some(*account));
            rows.push((*account, *epoch, news.clone()));
        }
        let connected = self.insist(|| self.store.connected(&rows)).await;
        let connected: HashMap<_, _> = connected.into_iter().map(|account| (account.id, account)).collect();
        for Arrival { account, connection, news, .. } in arrivals {
            let Some(account) = connected.get(&account) else { continue };
            if paired.contains(&account.id) {
                step!(info, account.id, "paired");
                let paired = Action::by_visitor(account.company_id, account.id, Deed::Paired);
                self.insist(|| self.store.record(paired.clone(), self.clock.now())).await;
            }
            if !self.sessions.show(account.id, connection, Status::Connected, None) {
                continue;
            }
            self.sessions.alive(account.id, news.at);
            step!(info, account.id, "connected");
            let event = Event::Connected { phone_number: account.phone_number.clone(), name: account.name.clone() };
            self.bus.publish(account.company_id, account.id, event);
            self.changed(account);
        }
    }

    /// What was queued for one number must not leave from another unless a person says so.
    async fn hold_if_number_changed(&self, row: &Account, epoch: i64, news: &Connected) {
        let account = row.id;
        let changed =
            row.phone_number.is_some() && news.phone_number.is_some() && row.phone_number != news.phone_number;
        if !changed || !self.insist(|| self.store.has_queued(account)).await {
            return;
        }
        step!(warn, account, "paired with another number: the queue is held until it is resumed");
        self.insist(|| {
            self.store.change_account_of(account, epoch, |row| {
                row.is_paused = Set(true);
                row.pause_reason =
                    Set(Some("paired with another number than before; resume the queue to send from it".into()));
            })
        })
        .await;
    }

    /// Asks the store until it answers: what a messenger reports is said once. What the database
    /// refuses as such it would refuse for ever, and hold up all others.
    pub async fn insist<T: Default, F: Future<Output = Result<T, StoreError>>>(&self, ask: impl Fn() -> F) -> T {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error @ StoreError::Broken(_)) => {
                    tracing::error!(%error, "a report is refused");
                    return T::default();
                }
                Err(error) => self.wait(&error).await,
            }
        }
    }

    /// Waits before a database that is down is tried again.
    pub async fn wait(&self, error: &StoreError) {
        tracing::error!(%error, "a report waits for the database");
        self.clock.sleep(RETRY).await;
    }
}

/// What a messenger says, as a database keeps it: without NUL, and not longer than `most` characters.
#[must_use]
pub fn clean(text: String, most: usize) -> String {
    let is_clean = text.len() <= most && !text.contains('\0');
    if is_clean { text } else { text.chars().filter(|c| *c != '\0').take(most).collect() }
}
