//! What Socket.IO clients hear of each event: names and payloads, in the words of both guides.

use serde_json::{Value, json};

use super::event::{Access, Event, News};
use crate::qr;
use crate::view::{ChatView, Timestamp};

/// Every name a client may hear, and when: the table of the README.
pub const NAMES: &[(&str, &str)] = &[
    ("whatsapp:new-message", "a message came, or one from the account is in its chat now"),
    ("whatsapp:chat-updated", "a chat got a message, was read, renamed or put away"),
    ("whatsapp:account-updated", "the account looks different: status, name, limits, queue; at most once a second"),
    ("whatsapp:qr-updated", "a code waits to be scanned; to those who may pair the account"),
    ("whatsapp:session-connected", "the account can send"),
    ("whatsapp:session-disconnected", "the account can't send any more, or not now"),
    ("whatsapp:stats-updated", "the company's counts changed; at most once a second, to admins"),
    ("whatsapp:typing-status", "somebody types, or has stopped"),
    ("whatsapp:message-status", "a message from the account moved: sent, delivered, read, failed …"),
    ("whatsapp:session-error", "something is wrong with the account"),
    ("whatsapp:send-error", "a message will not arrive, or nobody knows"),
    ("whatsapp:manager-access-granted", "a manager may work with the account"),
    ("whatsapp:manager-access-revoked", "a manager may not work with the account any more"),
    ("whatsapp:qr", "as `qr-updated`"),
    ("whatsapp:ready", "as `session-connected`"),
    ("whatsapp:message", "a message came"),
    ("whatsapp:message_sent", "the messenger took a message"),
    ("whatsapp:disconnected", "as `session-disconnected`"),
];

/// What clients hear of `news`: names with their payloads, in order.
#[must_use]
pub fn emissions(news: &News) -> Vec<(&'static str, Value)> {
    let company = news.company;
    let told = match &news.event {
        Event::AccountChanged
        | Event::QueueChanged
        | Event::PeopleChanged
        | Event::LoginEnded { .. }
        | Event::ShutOut { .. } => Vec::new(),
        Event::CodeShown { text } => {
            let code = json!({"qrCode": qr::data_url(text)});
            vec![("whatsapp:qr-updated", code.clone()), ("whatsapp:qr", code)]
        }
        Event::Connected { phone_number, name } => {
            let phone_number = phone_number.as_ref().map(|digits| format!("+{digits}"));
            let account = json!({"phoneNumber": phone_number, "displayName": name});
            vec![("whatsapp:session-connected", account.clone()), ("whatsapp:ready", account)]
        }
        Event::Disconnected { reason } => {
            let why = json!({"reason": reason});
            vec![("whatsapp:session-disconnected", why.clone()), ("whatsapp:disconnected", why)]
        }
        Event::AccountFailed { code, message, at } => {
            vec![(
                "whatsapp:session-error",
                json!({"errorType": code, "message": message, "timestamp": Timestamp(*at)}),
            )]
        }
        Event::MessageChanged { message, chat, status, error, at, .. } => {
            let mut moved = json!({"chatId": chat, "messageId": message, "status": status.as_str(),
                                   "timestamp": Timestamp(*at)});
            if let Some(error) = error {
                moved["lastError"] = json!(error);
            }
            vec![("whatsapp:message-status", moved)]
        }
        Event::MessageSent { message } => {
            vec![("whatsapp:message_sent", json!({"chatId": message.chat_id, "message": message}))]
        }
        Event::SendFailed { id, chat, text, code, message, at } => {
            let failed = json!({"chatId": chat, "messageId": id, "messageText": text, "errorType": code, "message": message,
                                "timestamp": Timestamp(*at)});
            vec![("whatsapp:send-error", failed)]
        }
        Event::MessageFiled { chat, message } => {
            let both = json!({"companyId": company, "chat": chat, "message": message});
            let mut told = vec![("whatsapp:new-message", both), ("whatsapp:chat-updated", chat_updated(news, chat))];
            if !message.from_me {
                told.push(("whatsapp:message", json!({"chatId": chat.id, "message": message})));
            }
            told
        }
        Event::ChatChanged { chat } => vec![("whatsapp:chat-updated", chat_updated(news, chat))],
        Event::Typing { chat, is_typing, participant, at } => {
            let typing = json!({"chatId": chat, "isTyping": is_typing, "participantId": participant,
                                "timestamp": Timestamp(*at)});
            vec![("whatsapp:typing-status", typing)]
        }
        Event::AccessGranted(access) => vec![("whatsapp:manager-access-granted", access_changed(access, "grantedBy"))],
        Event::AccessRevoked(access) => vec![("whatsapp:manager-access-revoked", access_changed(access, "revokedBy"))],
    };
    let stamp = |(name, mut payload): (&'static str, Value)| {
        payload["sessionId"] = json!(news.account);
        payload["seq"] = json!(news.seq);
        payload["source"] = json!(news.source);
        (name, payload)
    };
    told.into_iter().map(stamp).collect()
}

fn chat_updated(news: &News, chat: &ChatView) -> Value {
    json!({"companyId": news.company, "chatId": chat.id, "lastMessageAt": chat.last_message_at,
           "lastMessageText": chat.last_message_text, "unreadCount": chat.unread_count, "chat": chat})
}

fn access_changed(access: &Access, by: &str) -> Value {
    let mut payload = json!({"managerId": access.manager, "managerName": access.manager_name,
                             "permissions": access.permissions, "timestamp": Timestamp(access.at)});
    payload[by] = json!(access.by);
    payload
}
