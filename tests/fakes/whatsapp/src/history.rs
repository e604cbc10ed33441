//! What a phone sends to a device that it has just linked: the key of the app state, and the history
//! of its chats.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp as wa;
use waproto::whatsapp::message::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId, AppStateSyncKeyShare,
    HistorySyncNotification, HistorySyncType, ProtocolMessage, protocol_message,
};

use crate::clock::unix_seconds;
use crate::phone::Phone;

impl Phone {
    pub(crate) fn key_share(&self) -> wa::Message {
        let fingerprint = AppStateSyncKeyFingerprint {
            raw_id: Some(self.raw_id),
            current_index: Some(1),
            device_indexes: vec![0, 1],
        };
        let key = AppStateSyncKey {
            key_id: MessageField::some(AppStateSyncKeyId { key_id: Some(vec![0, 0, 0, 0, 0, 1]) }),
            key_data: MessageField::some(AppStateSyncKeyData {
                key_data: Some(self.app_state_key.to_vec()),
                fingerprint: MessageField::some(fingerprint),
                timestamp: Some(unix_seconds().cast_signed()),
            }),
        };
        from_phone(ProtocolMessage {
            r#type: Some(protocol_message::Type::AppStateSyncKeyShare),
            app_state_sync_key_share: MessageField::some(AppStateSyncKeyShare { keys: vec![key] }),
            ..Default::default()
        })
    }
}

/// The first history of a new device, with the chats inside, so that nothing has to be downloaded.
pub(crate) fn bootstrap(chats: Vec<wa::Conversation>) -> wa::Message {
    let history = wa::HistorySync {
        sync_type: wa::history_sync::HistorySyncType::INITIAL_BOOTSTRAP,
        conversations: chats,
        progress: Some(100),
        ..Default::default()
    };
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(&history.encode_to_vec()).expect("memory takes what is written");
    let payload = compressed.finish().expect("memory takes what is written");
    from_phone(ProtocolMessage {
        r#type: Some(protocol_message::Type::HistorySyncNotification),
        history_sync_notification: MessageField::some(HistorySyncNotification {
            file_length: Some(payload.len() as u64),
            sync_type: Some(HistorySyncType::INITIAL_BOOTSTRAP),
            chunk_order: Some(1),
            progress: Some(100),
            initial_hist_bootstrap_inline_payload: Some(payload),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn from_phone(message: ProtocolMessage) -> wa::Message {
    wa::Message { protocol_message: MessageField::some(message), ..Default::default() }
}

/// A chat of the history with the user `with`, its messages as (id, text, whether from the owner).
pub fn conversation(with: &str, name: &str, unread: u32, messages: &[(&str, &str, bool)]) -> wa::Conversation {
    let chat = format!("{with}@s.whatsapp.net");
    let message = |(order, (id, text, from_me)): (usize, &(&str, &str, bool))| {
        let key = wa::MessageKey {
            remote_jid: Some(chat.clone()),
            from_me: Some(*from_me),
            id: Some((*id).to_owned()),
            participant: None,
        };
        let message = wa::WebMessageInfo {
            key: MessageField::some(key),
            message: MessageField::some(text_message(text)),
            message_timestamp: Some(unix_seconds() - (messages.len() - order) as u64),
            ..Default::default()
        };
        wa::HistorySyncMsg { message: MessageField::some(message), msg_order_id: Some(order as u64 + 1) }
    };
    wa::Conversation {
        id: chat.clone(),
        name: Some(name.to_owned()),
        unread_count: Some(unread),
        messages: messages.iter().enumerate().map(message).collect(),
        ..Default::default()
    }
}

/// A message of nothing but text.
pub fn text_message(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..Default::default() }
}
