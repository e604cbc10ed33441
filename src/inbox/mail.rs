//! Messages that were not sent through here, and how far those that were got: rows first, then
//! events. What a messenger reports twice is one row and one event.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ChatId, MessageId};
use entity::message::{Origin, Status};

use super::insist;
use crate::app::App;
use crate::gateway::{Letter, Mail};
use crate::realtime::Event;
use crate::realtime::view::{ChatMessageView, Timestamp};
use crate::store::StoreError;
use crate::store::account::Account;
use crate::store::file::NewChat;
use crate::store::message::Receipt;
use crate::store::report::{Filed, Report};

/// Files what came, in one commit; then tells who reported it, and the world.
pub(super) async fn file(app: &App, mail: Vec<(AccountId, Mail)>) {
    if mail.is_empty() {
        return;
    }
    let (mut reports, mut positions, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for (account, mail) in mail {
        waiting.extend(mail.filed);
        // Of an account that was removed meanwhile.
        let Some(account) = insist(app, || app.store.account(account)).await else { continue };
        positions.extend(mail.position.map(|position| (account.id, position)));
        reports.extend(mail.messages.into_iter().map(|letter| report(app, &account, letter)));
    }
    for filed in write(app, reports, positions).await {
        publish(app, filed);
    }
    for reporter in waiting {
        // A gateway that is gone reports it again the next time.
        let _ = reporter.send(());
    }
}

/// Writes all together; if the database refuses one of them, each alone.
async fn write(app: &App, reports: Vec<Report>, positions: Vec<(AccountId, i64)>) -> Vec<Filed> {
    loop {
        match app.store.report(reports.clone(), positions.clone()).await {
            Ok(filed) => return filed,
            Err(StoreError::Broken(_)) => {
                let mut filed = Vec::new();
                for report in &reports {
                    filed.extend(insist(app, || app.store.report(vec![report.clone()], Vec::new())).await);
                }
                insist(app, || app.store.report(Vec::new(), positions.clone())).await;
                return filed;
            }
            Err(error) => super::wait(app, &error).await,
        }
    }
}

fn report(app: &App, account: &Account, letter: Letter) -> Report {
    let now = app.clock.now();
    let clean = |text: String| if text.contains('\0') { text.replace('\0', "") } else { text };
    Report {
        id: MessageId::new(now, &mut rand::rng()),
        seq: if letter.is_history { seq_of(letter.at) } else { app.next_seq() },
        chat: NewChat {
            company: account.company_id,
            account: account.id,
            address: clean(letter.chat),
            kind: letter.chat_kind,
            name: letter.chat_name.map(clean),
            at: now,
        },
        provider_message_id: clean(letter.provider_message_id),
        origin: if letter.is_own { Origin::Own } else { Origin::Received },
        sender: letter.sender.map(clean),
        sender_name: letter.sender_name.map(clean),
        text: clean(letter.text),
        kind: letter.kind,
        at: letter.at,
        is_history: letter.is_history,
        day: app.day_of(letter.at),
    }
}

/// The place of a message from long ago: before everything that came since.
fn seq_of(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros() - crate::app::SEQUENCE_EPOCH_US
}

fn publish(app: &App, filed: Filed) {
    let Filed { report, chat } = filed;
    if report.is_history {
        return;
    }
    let is_received = report.origin == Origin::Received;
    let message = ChatMessageView {
        id: report.id,
        message_id: report.provider_message_id,
        chat_id: Some(chat.id),
        from_me: !is_received,
        from_number: report.sender,
        from_name: report.sender_name,
        body: report.text,
        message_type: report.kind,
        timestamp: Timestamp(report.at),
        is_read: false,
        status: if is_received { Status::Delivered } else { Status::Sent }.as_str().to_owned(),
        manager_id: None,
        created_at: Timestamp(report.chat.at),
    };
    let (company, account) = (chat.company_id, chat.account_id);
    app.bus.publish(company, account, Event::MessageFiled { chat: chat.into(), message });
}

/// Moves messages on as receipts say.
pub(super) async fn receive(app: &App, receipts: Vec<(AccountId, Receipt)>) {
    if receipts.is_empty() {
        return;
    }
    let all: Vec<Receipt> = receipts.iter().map(|(_, receipt)| *receipt).collect();
    let account_of: HashMap<MessageId, AccountId> =
        receipts.iter().map(|(id, receipt)| (receipt.message, *id)).collect();
    for moved in insist(app, || app.store.receive(all.clone())).await {
        let Some(account) = account_of.get(&moved.message) else { continue };
        let Some(account) = insist(app, || app.store.account(*account)).await else { continue };
        let event = Event::MessageChanged {
            message: moved.message,
            status: moved.status,
            provider_message_id: None,
            at: moved.at,
        };
        app.bus.publish(account.company_id, account.id, event);
    }
}

/// Gives chats the names that the messenger has for them.
pub(super) async fn name(app: &App, account: &Arc<Account>, names: &[(String, String)]) {
    for chat in insist(app, || app.store.name_chats(account.id, names)).await {
        app.bus.publish(account.company_id, account.id, Event::ChatChanged { chat: chat.into() });
    }
}

/// Notes that somebody here has read the chat, and tells the messenger. Answers whether the chat
/// was there.
pub async fn read_chat(app: &App, account: &Account, chat: ChatId) -> Result<bool, StoreError> {
    let Some((chat, messages)) = app.store.read_chat(chat, app.clock.now()).await? else { return Ok(false) };
    if messages.is_empty() {
        return Ok(true);
    }
    if let Some(gateway) = app.sessions.gateway(account.id) {
        gateway.mark_read(&chat.address, &messages).await;
    }
    app.bus.publish(account.company_id, account.id, Event::ChatChanged { chat: chat.into() });
    Ok(true)
}
