//! What gateways report, turned into rows, sessions and events. One task a node; it takes all
//! that waits at once, so that a thousand accounts reconnecting cost a few transactions. Here,
//! what they say of their connections; [`mail`] has the messages.

pub mod mail;

use std::time::Duration;

use entity::account::ActiveModel;
use entity::ids::AccountId;
use sea_orm::ActiveValue::Set;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::app::App;
use crate::gateway::GatewayEvent;
use crate::gateway::sessions::Status;
use crate::realtime::Event;
use crate::store::StoreError;
use crate::store::account::{Account, Connected};

/// Reports handled together at most.
const BATCH: usize = 1_000;
/// The pause before a database that is down is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Handles reports until nobody is left to make any.
pub async fn run(app: &App, mut reports: UnboundedReceiver<(AccountId, u64, GatewayEvent)>) {
    let mut batch = Vec::new();
    while reports.recv_many(&mut batch, BATCH).await > 0 {
        let (mut connected, mut receipts, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for (account, connection, event) in batch.drain(..) {
            match event {
                GatewayEvent::Receipts(some) => receipts.extend(some.into_iter().map(|receipt| (account, receipt))),
                GatewayEvent::Messages(some) => messages.push((account, some)),
                _ if !app.sessions.is_current(account, connection) => {}
                GatewayEvent::Connected(news) => connected.push((account, news)),
                other => {
                    // In the order in which it was said: what was read is answered after that.
                    flush(app, &mut connected).await;
                    mail::file(app, std::mem::take(&mut messages)).await;
                    mail::receive(app, std::mem::take(&mut receipts)).await;
                    handle(app, account, other).await;
                }
            }
        }
        flush(app, &mut connected).await;
        mail::file(app, messages).await;
        mail::receive(app, receipts).await;
    }
}

async fn handle(app: &App, id: AccountId, event: GatewayEvent) {
    let Some(account) = insist(app, || app.store.account(id)).await else { return };
    let tell = |event| app.bus.publish(account.company_id, id, event);
    match event {
        GatewayEvent::Code(code) => {
            if !code.is_typed {
                tell(Event::CodeShown { text: code.text.clone() });
            }
            app.sessions.show(id, Status::QrReady, Some(code));
        }
        GatewayEvent::Authenticating => app.sessions.show(id, Status::Authenticating, None),
        GatewayEvent::Dropped { reason } => {
            tracing::warn!(account.id = %id, %reason, "the connection dropped");
            app.sessions.close(id, Status::Connecting, false).await;
            tell_lost(app, &account, "connection_lost", reason);
        }
        GatewayEvent::LoggedOut { code, reason } => {
            stop(app, id, code, &reason, |row| {
                row.should_connect = Set(false);
                row.pairing = Set(None);
            })
            .await;
            app.sessions.close(id, Status::Disconnected, false).await;
            tell_lost(app, &account, code, reason);
        }
        GatewayEvent::Failed { code, reason } => fail(app, id, code, reason).await,
        GatewayEvent::Typing { chat, is_typing, participant } => {
            return tell(Event::Typing { chat, is_typing, participant, at: app.clock.now() });
        }
        GatewayEvent::Names(names) => return mail::name(app, &account, &names).await,
        GatewayEvent::Connected(_) | GatewayEvent::Receipts(_) | GatewayEvent::Messages(_) => return,
    }
    app.lanes.wake(id);
    tell(Event::AccountChanged);
}

/// The account can't send or connect until a person changes something.
pub async fn fail(app: &App, id: AccountId, code: &'static str, reason: String) {
    stop(app, id, code, &reason, |_| ()).await;
    app.sessions.close(id, Status::Failed, false).await;
    if let Some(account) = insist(app, || app.store.account(id)).await {
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

/// Writes why an account stops; before that is shown, so that whoever sees the one sees the other.
async fn stop(app: &App, account: AccountId, code: &'static str, reason: &str, change: impl Fn(&mut ActiveModel)) {
    tracing::warn!(account.id = %account, code, "the account stops");
    let at = app.clock.now().timestamp_millis();
    insist(app, || {
        app.store.change_account(account, |row| {
            change(row);
            row.error_code = Set(Some(code.to_owned()));
            row.error_message = Set(Some(reason.to_owned()));
            row.error_at_ms = Set(Some(at));
        })
    })
    .await;
}

/// Writes who connected, and lets their lanes go on.
async fn flush(app: &App, connected: &mut Vec<(AccountId, Connected)>) {
    if connected.is_empty() {
        return;
    }
    for (account, news) in connected.iter() {
        hold_if_number_changed(app, *account, news).await;
    }
    insist(app, || app.store.connected(connected)).await;
    for (account, news) in connected.drain(..) {
        app.sessions.show(account, Status::Connected, None);
        app.sessions.alive(account, news.at);
        app.lanes.wake(account);
        if let Some(row) = insist(app, || app.store.account(account)).await {
            let event = Event::Connected { phone_number: row.phone_number.clone(), name: row.name.clone() };
            app.bus.publish(row.company_id, account, event);
            app.bus.publish(row.company_id, account, Event::AccountChanged);
        }
    }
}

/// What was queued for one number must not leave from another unless a person says so.
async fn hold_if_number_changed(app: &App, account: AccountId, news: &Connected) {
    let Some(row) = insist(app, || app.store.account(account)).await else { return };
    let changed = row.phone_number.is_some() && news.phone_number.is_some() && row.phone_number != news.phone_number;
    if !changed || insist(app, || app.store.count_queued(account)).await == 0 {
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
    // If the queue does not answer, the lane's restore reads the row.
    if app.queue.set_paused(account, true).await.is_err() {
        app.lanes.refresh(account);
    }
}

/// Asks the store until it answers: what a messenger reports is said once. A report that the
/// database refuses as such is dropped, or it would hold up all others for ever.
async fn insist<T: Default, F: Future<Output = Result<T, StoreError>>>(app: &App, ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error @ StoreError::Broken(_)) => {
                tracing::error!(%error, "a report is lost");
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
