//! What an attempt tells the world, once the row says it: how the message moved, the chat it
//! entered, and what a person should know if it will not arrive.

use chrono::{DateTime, Utc};
use entity::chat;
use entity::ids::MessageId;
use entity::message::{Kind, Status};

use super::Kit;
use crate::phone::Recipient;
use crate::realtime::Event;
use crate::store::account::Account;
use crate::store::file::NewChat;
use crate::store::message::{Begun, Filing, Outcome};
use crate::view::{ChatMessageView, Timestamp};

/// Where a message that left, or may have, is put. `chat` is what the messenger called the chat.
pub(super) fn filing(kit: &Kit, account: &Account, begun: &Begun, chat: Option<String>, now: DateTime<Utc>) -> Filing {
    let address = chat.unwrap_or_else(|| Recipient::stored(begun.recipient.clone()).chat(account.provider));
    Filing {
        account: account.id,
        company: account.company_id,
        day: kit.clock.day_of(now),
        chat: begun.chat.is_none().then(|| NewChat::with(account, address, now)),
        seq: kit.clock.next_seq(),
        text: begun.text.clone(),
    }
}

/// Tells how an attempt ended. `entered` is the chat that the message is in since.
pub(super) fn ended(
    kit: &Kit,
    account: &Account,
    id: MessageId,
    begun: &Begun,
    outcome: &Outcome,
    entered: Option<chat::Model>,
) {
    let status = outcome.status.unwrap_or(Status::Uncertain);
    let now = kit.clock.now();
    let chat_id = begun.chat.or(entered.as_ref().map(|chat| chat.id));
    let message = ChatMessageView {
        id,
        message_id: id.to_string(),
        chat_id,
        from_me: true,
        from_number: None,
        from_name: None,
        body: begun.text.clone(),
        message_type: Kind::Text,
        timestamp: Timestamp(outcome.sent_at.unwrap_or(now)),
        is_read: false,
        status: status.as_str().to_owned(),
        manager_id: begun.user,
        created_at: Timestamp(id.made_at()),
    };
    if let Some(chat) = entered {
        publish(kit, account, Event::MessageFiled { chat: chat.into(), message: message.clone() });
    }
    moved(kit, account, id, status, outcome.provider_message_id.clone());
    match (status, &outcome.error) {
        (Status::Sent, _) => publish(kit, account, Event::MessageSent { message }),
        (Status::Failed | Status::Uncertain, Some((code, why))) => {
            let chat = match chat_id {
                Some(id) => id.to_string(),
                None => Recipient::stored(begun.recipient.clone()).chat(account.provider),
            };
            let (text, code) = (begun.text.clone(), (*code).to_owned());
            publish(kit, account, Event::SendFailed { chat, text, code, message: why.clone(), at: now });
        }
        _ => {}
    }
}

/// Tells that a message moved.
pub(super) fn moved(
    kit: &Kit,
    account: &Account,
    message: MessageId,
    status: Status,
    provider_message_id: Option<String>,
) {
    let at = kit.clock.now();
    publish(kit, account, Event::MessageChanged { message, status, provider_message_id, at });
}

fn publish(kit: &Kit, account: &Account, event: Event) {
    kit.bus.publish(account.company_id, account.id, event);
}
