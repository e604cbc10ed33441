//! What gateways report, turned into rows, sessions and events. One task a node; it takes all
//! that waits at once, so that a thousand accounts reconnecting cost a few transactions. Here,
//! what they say of their connections; [`mail`] has the messages.

pub mod mail;

use std::time::Duration;

use entity::account::ActiveModel;
use entity::ids::AccountId;
use sea_orm::ActiveValue::Set;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::gateway::GatewayEvent;
use crate::gateway::reports::{Reported, Slip};
use crate::gateway::sessions::Status;
use crate::realtime::Event;
use crate::store::StoreError;
use crate::store::account::{Account, Connected};

/// Reports handled together at most.
const BATCH: usize = 1_000;
/// The pause before a database that is down is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Characters that are kept of what a messenger says where a sentence is expected, or a name.
const WORDS: usize = 500;

/// Handles reports until `silence` falls and none is left. What is told to be durable is.
pub async fn run(app: &App, mut reports: Receiver<Reported>, silence: &CancellationToken) {
    let mut batch = Vec::new();
    loop {
        let count = tokio::select! {
            biased;
            count = reports.recv_many(&mut batch, BATCH) => count,
            () = silence.cancelled() => 0,
        };
        if count == 0 {
            return;
        }
        let (mut connected, mut receipts, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for Reported { account, connection, event, slip } in batch.drain(..) {
            match event {
                GatewayEvent::Receipts(some) => receipts.push((account, some, slip)),
                GatewayEvent::Messages(some) => messages.push((account, some, slip)),
                _ if !app.sessions.is_current(account, connection) => {}
                GatewayEvent::Connected(news) => connected.push(Arrival { account, connection, news, slip }),
                other => {
                    // In the order in which it was said: what was read is answered after that.
                    flush(app, &mut connected).await;
                    mail::file(app, std::mem::take(&mut messages)).await;
                    mail::receive(app, std::mem::take(&mut receipts)).await;
                    handle(app, account, connection, other).await;
                    slip.done();
                }
            }
        }
        flush(app, &mut connected).await;
        mail::file(app, messages).await;
        mail::receive(app, receipts).await;
    }
}

/// A connection that has come about.
struct Arrival {
    account: AccountId,
    connection: u64,
    news: Connected,
    slip: Slip,
}

async fn handle(app: &App, id: AccountId, connection: u64, event: GatewayEvent) {
    let Some(account) = insist(app, || app.store.account(id)).await else { return };
    let tell = |event| app.bus.publish(account.company_id, id, event);
    // While the row was read or written, another connection may have taken this one's place: then
    // it is not this one's to say anything any more.
    match event {
        GatewayEvent::Code(code) => {
            let shown = (!code.is_typed).then(|| Event::CodeShown { text: code.text.clone() });
            if !app.sessions.show(id, connection, Status::QrReady, Some(code)) {
                return;
            }
            shown.into_iter().for_each(tell);
        }
        GatewayEvent::Authenticating => {
            if !app.sessions.show(id, connection, Status::Authenticating, None) {
                return;
            }
        }
        GatewayEvent::Dropped { reason } => {
            let reason = clean(reason, WORDS);
            if !app.sessions.close_if_current(id, connection, Status::Connecting) {
                return;
            }
            tracing::warn!(account.id = %id, %reason, "the connection dropped");
            tell_lost(app, &account, "connection_lost", reason);
        }
        GatewayEvent::LoggedOut { code, reason } => {
            let reason = clean(reason, WORDS);
            let log_out = |row: &mut ActiveModel| {
                row.should_connect = Set(false);
                row.pairing = Set(None);
            };
            if !app.sessions.is_current(id, connection) || !stop(app, &account, code, &reason, log_out).await {
                return;
            }
            app.sessions.close_if_current(id, connection, Status::Disconnected);
            tell_lost(app, &account, code, reason);
        }
        GatewayEvent::Failed { code, reason } => {
            if app.sessions.is_current(id, connection) {
                fail(app, id, code, reason).await;
            }
            return app.lanes.wake(id);
        }
        GatewayEvent::Typing { chat, is_typing, participant } => {
            return tell(Event::Typing { chat, is_typing, participant, at: app.clock.now() });
        }
        GatewayEvent::Names(names) => return mail::name(app, &account, names).await,
        GatewayEvent::Connected(_) | GatewayEvent::Receipts(_) | GatewayEvent::Messages(_) => return,
    }
    app.lanes.wake(id);
    tell(Event::AccountChanged);
}

/// The account can't send or connect until a person changes something.
pub async fn fail(app: &App, id: AccountId, code: &'static str, reason: String) {
    let reason = clean(reason, WORDS);
    let Some(account) = insist(app, || app.store.account(id)).await else { return };
    if stop(app, &account, code, &reason, |_| ()).await {
        app.sessions.close(id, Status::Failed, false);
        tell_lost(app, &account, code, reason);
        app.bus.publish(account.company_id, id, Event::AccountChanged);
    }
}

/// Tells that the account is not connected any more, and what is wrong.
fn tell_lost(app: &App, account: &Account, code: &str, message: String) {
    let tell = |event| app.bus.publish(account.company_id, account.id, event);
    tell(Event::AccountFailed { code: code.to_owned(), message, at: app.clock.now() });
    tell(Event::Disconnected { reason: code.to_owned() });
}

/// Writes why an account stops, unless another lane has it by now; before that is shown, so that
/// whoever sees the one sees the other. Answers whether it stops.
async fn stop(
    app: &App,
    account: &Account,
    code: &'static str,
    reason: &str,
    change: impl Fn(&mut ActiveModel),
) -> bool {
    tracing::warn!(account.id = %account.id, code, "the account stops");
    let at = app.clock.now().timestamp_millis();
    let stopped = insist(app, || {
        app.store.change_account_of(account.id, account.epoch, |row| {
            change(row);
            row.error_code = Set(Some(code.to_owned()));
            row.error_message = Set(Some(reason.to_owned()));
            row.error_at_ms = Set(Some(at));
        })
    });
    stopped.await.is_some()
}

/// Writes who connected, and lets their lanes go on.
async fn flush(app: &App, connected: &mut Vec<Arrival>) {
    if connected.is_empty() {
        return;
    }
    let mut rows = Vec::with_capacity(connected.len());
    for Arrival { account, news, .. } in connected.iter_mut() {
        news.phone_number = news.phone_number.take().map(|number| clean(number, 20));
        news.display_name = news.display_name.take().map(|name| clean(name, WORDS));
        hold_if_number_changed(app, *account, news).await;
        rows.push((*account, news.clone()));
    }
    insist(app, || app.store.connected(&rows)).await;
    for Arrival { account, connection, news, slip } in connected.drain(..) {
        if app.sessions.show(account, connection, Status::Connected, None) {
            app.sessions.alive(account, news.at);
            app.lanes.wake(account);
            if let Some(row) = insist(app, || app.store.account(account)).await {
                let event = Event::Connected { phone_number: row.phone_number.clone(), name: row.name.clone() };
                app.bus.publish(row.company_id, account, event);
                app.bus.publish(row.company_id, account, Event::AccountChanged);
            }
        }
        slip.done();
    }
}

/// What was queued for one number must not leave from another unless a person says so.
async fn hold_if_number_changed(app: &App, account: AccountId, news: &Connected) {
    let Some(row) = insist(app, || app.store.account(account)).await else { return };
    let changed = row.phone_number.is_some() && news.phone_number.is_some() && row.phone_number != news.phone_number;
    if !changed || !insist(app, || app.store.has_queued(account)).await {
        return;
    }
    tracing::warn!(account.id = %account, "paired with another number: the queue is held until it is resumed");
    insist(app, || {
        app.store.change_account(account, |row| {
            row.is_paused = Set(true);
            row.pause_reason =
                Set(Some("paired with another number than before; resume the queue to send from it".into()));
        })
    })
    .await;
}

/// What a messenger says, as a database keeps it: without NUL, and not longer than `most` characters.
fn clean(text: String, most: usize) -> String {
    let is_clean = text.len() <= most && !text.contains('\0');
    if is_clean { text } else { text.chars().filter(|c| *c != '\0').take(most).collect() }
}

/// Asks the store until it answers: what a messenger reports is said once. What the database
/// refuses as such it would refuse for ever, and hold up all others.
async fn insist<T: Default, F: Future<Output = Result<T, StoreError>>>(app: &App, ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error @ StoreError::Broken(_)) => {
                tracing::error!(%error, "a report is refused");
                return T::default();
            }
            Err(error) => wait(app, &error).await,
        }
    }
}

async fn wait(app: &App, error: &StoreError) {
    tracing::error!(%error, "a report waits for the database");
    app.clock.sleep(RETRY).await;
}
