//! What an attempt tells the world, once the row says it: how the message moved, and what a person
//! should know if it will not arrive; and a moment later the chat it is in.

use chrono::{DateTime, SecondsFormat, Utc};
use entity::ids::MessageId;
use entity::message::Status;

use super::Kit;
use crate::clock::Clock;
use crate::logs::step;
use crate::phone::Recipient;
use crate::realtime::{Bus, Event};
use crate::store::account::Account;
use crate::store::filing::Posted;
use crate::store::message::{Begun, Filing, Outcome};
use crate::view::{ChatMessageView, ChatView, MessageError};

/// Where a message that left, or may have, is put. `chat` is what the messenger called the chat.
pub(super) fn filing(kit: &Kit, account: &Account, begun: &Begun, chat: Option<String>) -> Filing {
    Filing { address: chat.unwrap_or_else(|| address(account, begun)), seq: kit.clock.next_seq() }
}

fn address(account: &Account, begun: &Begun) -> String {
    Recipient::stored(begun.recipient.clone()).chat(account.provider)
}

/// Tells how an attempt ended. Of one that left, or may have, more is told once it is filed.
pub(super) fn ended(kit: &Kit, account: &Account, id: MessageId, begun: &Begun, outcome: &Outcome) {
    let (status, at) = (outcome.status.unwrap_or(Status::Uncertain), kit.clock.now());
    let chat = begun.chat.map_or_else(|| address(account, begun), |id| id.to_string());
    let error = outcome.error.as_ref();
    let error = error.map(|(code, why)| MessageError { code: (*code).to_owned(), message: why.clone() });
    say(account, id, status, error.as_ref().map(|error| &*error.code), outcome.due_at);
    publish(
        kit,
        account,
        Event::MessageChanged {
            message: id,
            chat: Some(chat.clone()),
            status,
            error: error.clone(),
            provider_message_id: outcome.provider_message_id.clone(),
            at,
        },
    );
    if let (Status::Failed, Some(MessageError { code, message })) = (status, error) {
        publish(kit, account, Event::SendFailed { id, chat, text: begun.text.clone(), code, message, at });
    }
}

/// Says in the account's log how an attempt ended.
fn say(account: &Account, id: MessageId, status: Status, code: Option<&str>, due_at: Option<DateTime<Utc>>) {
    let until = due_at.map(|at| tracing::field::display(at.to_rfc3339_opts(SecondsFormat::Secs, true)));
    match (status, code) {
        (Status::Sent, _) => step!(info, account.id, "a message is sent", message.id = %id),
        (Status::Queued, code) => step!(warn, account.id, "a message waits", message.id = %id, code, until),
        (Status::Uncertain, code) => {
            step!(warn, account.id, "a message may have left, and is not sent again by itself", message.id = %id, code);
        }
        (_, code) => step!(warn, account.id, "a message is not sent", message.id = %id, code),
    }
}

/// Tells that a message is in its chat, and how it got there.
pub(super) fn posted(bus: &Bus, clock: &Clock, Posted { message, chat }: Posted) {
    let (company, account) = (message.company_id, message.account_id);
    let publish = |event| bus.publish(company, account, event);
    let lost = message.error_code.clone().zip(message.error_message.clone());
    let (status, is_sent) = (message.status, message.sent_at_ms.is_some());
    let (chat_id, recipient) = (message.chat_id, message.recipient.clone());
    let message: ChatMessageView = message.into();
    if let Some(chat) = chat {
        publish(Event::MessageFiled { chat: ChatView::entered_by(chat, &message), message: message.clone() });
    }
    if let (Status::Uncertain, Some((code, why))) = (status, lost) {
        let chat = chat_id.map_or(recipient, |id| id.to_string());
        let (id, text) = (message.id, message.body.clone());
        publish(Event::SendFailed { id, chat, text, code, message: why, at: clock.now() });
    }
    if is_sent {
        publish(Event::MessageSent { message });
    }
}

/// Tells that a message's time ran out before its turn came.
pub(super) async fn expired(kit: &Kit, account: &Account, id: MessageId) {
    // Where it stands is told without its chat, if that can't be read.
    let row = kit.store.find_message(account.company_id, id).await.ok().flatten();
    let chat = row.and_then(|row| row.chat_id).map(|chat| chat.to_string());
    step!(info, account.id, "a message expired before its turn came", message.id = %id);
    publish(kit, account, Event::moved(id, chat, Status::Expired, kit.clock.now()));
}

fn publish(kit: &Kit, account: &Account, event: Event) {
    kit.bus.publish(account.company_id, account.id, event);
}
