//! What an attempt tells the world, once the row says it: how the message moved, and what a person
//! should know if it will not arrive; and a moment later the chat it is in.

use entity::ids::MessageId;
use entity::message::Status;

use super::Kit;
use crate::clock::Clock;
use crate::phone::Recipient;
use crate::realtime::{Bus, Event};
use crate::store::account::Account;
use crate::store::filing::Posted;
use crate::store::message::{Begun, Filing, Outcome};
use crate::view::ChatMessageView;

/// Where a message that left, or may have, is put. `chat` is what the messenger called the chat.
pub(super) fn filing(kit: &Kit, account: &Account, begun: &Begun, chat: Option<String>) -> Filing {
    Filing { address: chat.unwrap_or_else(|| address(account, begun)), seq: kit.clock.next_seq() }
}

fn address(account: &Account, begun: &Begun) -> String {
    Recipient::stored(begun.recipient.clone()).chat(account.provider)
}

/// Tells how an attempt ended. Of one that left, or may have, more is told once it is filed.
pub(super) fn ended(kit: &Kit, account: &Account, id: MessageId, begun: &Begun, outcome: &Outcome) {
    let status = outcome.status.unwrap_or(Status::Uncertain);
    moved(kit, account, id, status, outcome.provider_message_id.clone());
    if let (Status::Failed, Some((code, why))) = (status, &outcome.error) {
        let chat = begun.chat.map_or_else(|| address(account, begun), |id| id.to_string());
        let (text, code, at) = (begun.text.clone(), (*code).to_owned(), kit.clock.now());
        publish(kit, account, Event::SendFailed { chat, text, code, message: why.clone(), at });
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
        publish(Event::MessageFiled { chat: chat.into(), message: message.clone() });
    }
    if let (Status::Uncertain, Some((code, why))) = (status, lost) {
        let chat = chat_id.map_or(recipient, |id| id.to_string());
        let text = message.body.clone();
        publish(Event::SendFailed { chat, text, code, message: why, at: clock.now() });
    }
    if is_sent {
        publish(Event::MessageSent { message });
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
