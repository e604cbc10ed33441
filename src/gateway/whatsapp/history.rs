//! What was said before the account was paired, which its phone sends in parts: each is kept as it came
//! until all that is in it is written, so that a process that is killed meanwhile loses none.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use whatsapp_rust::Client;
use whatsapp_rust::wacore::types::events::{Event, LazyHistorySync};
use whatsapp_rust::wacore_binary::Jid;
use whatsapp_rust::waproto::whatsapp::{Conversation, WebMessageInfo};

use super::keys::Keys;
use super::mail::{bare, content};
use super::parcel::enclosure;
use super::people::{People, kind_of};
use crate::gateway::stanza;
use crate::gateway::{GatewayEvent, Letter, Mail, Reports};
use crate::store::state::{Edge, Entry};

/// Letters that are handed over together.
const BATCH: usize = 500;
/// What the parts are kept as.
const KIND: &str = "history";

/// Keeps the parts that come, and hands over what is in them, until the connection has ended.
pub(super) async fn run(come: Receiver<Arc<Event>>, client: Arc<Client>, reports: Reports, keys: Arc<Keys>) {
    let kept = Notify::new();
    let both = async { tokio::join!(keep(come, &keys, &kept), hand_over(&client, &reports, &keys, &kept)) };
    keys.ended.run_until_cancelled(both).await;
}

async fn keep(mut come: Receiver<Arc<Event>>, keys: &Keys, kept: &Notify) {
    while let Some(event) = come.recv().await {
        let Event::HistorySync(part) = &*event else { continue };
        let key = format!("{:020}", keys.clock.now().timestamp_micros());
        let size = i64::try_from(part.decompressed_size()).unwrap_or(i64::MAX);
        if keys.put(KIND, key, part.compressed_bytes().to_vec(), size).await.is_err() {
            tracing::warn!(account.id = %keys.account, "a part of the history is not kept");
        }
        kept.notify_one();
    }
}

async fn hand_over(client: &Client, reports: &Reports, keys: &Keys, kept: &Notify) {
    loop {
        match keys.edge(KIND, Edge::First).await {
            Ok(Some(part)) => {
                if !hand_over_part(client, reports, &part, keys.clock.now()).await {
                    // It is still there at the next connection.
                    return tracing::warn!(account.id = %keys.account, "a part of the history is not written");
                }
                if keys.remove_key(KIND, &part.key).await.is_err() {
                    return;
                }
            }
            Ok(None) => kept.notified().await,
            Err(_) => return tracing::warn!(account.id = %keys.account, "the history is not read on"),
        }
    }
}

/// Answers whether all that can be read of the part is written.
async fn hand_over_part(client: &Client, reports: &Reports, part: &Entry, now: DateTime<Utc>) -> bool {
    let size = usize::try_from(part.number).unwrap_or_default();
    let history = LazyHistorySync::new(part.value.clone().into(), size, 0, None, None);
    let mut stream = history.stream();
    loop {
        let conversation = match stream.next_conversation() {
            Ok(Some(conversation)) => conversation,
            Ok(None) => return true,
            Err(_) => {
                tracing::warn!(account.id = %reports.account, "a part of the history can't be read");
                return true;
            }
        };
        let letters = letters(client, reports, &conversation, now).await;
        for some in letters.chunks(BATCH) {
            let mail = Mail { messages: some.to_vec(), position: None };
            if !reports.deliver(GatewayEvent::Messages(mail)).await {
                return false;
            }
        }
    }
}

async fn letters(client: &Client, reports: &Reports, conversation: &Conversation, now: DateTime<Utc>) -> Vec<Letter> {
    let Ok(jid) = conversation.id.parse::<Jid>() else { return Vec::new() };
    let Some(chat_kind) = kind_of(&jid) else { return Vec::new() };
    let number: Option<Jid> = conversation.pn_jid.as_deref().and_then(|number| number.parse().ok());
    let chat = People::name(client, &jid, number.as_ref()).await;
    let name = conversation.display_name.clone().or_else(|| conversation.name.clone());
    let mut letters = Vec::new();
    for message in conversation.messages.iter().filter_map(|message| message.message.as_option()) {
        let Some((kind, text)) = message.message.as_option().and_then(content) else { continue };
        let Some((is_own, provider_message_id)) = key_of(message) else { continue };
        // What was sent from here has its row.
        let is_ours = is_own && stanza::message(reports.account, &provider_message_id, now).is_some();
        let at = i64::try_from(message.message_timestamp.unwrap_or_default()).ok();
        let Some(at) = at.and_then(|at| DateTime::from_timestamp(at, 0)).filter(|_| !is_ours) else { continue };
        let sender = sender_of(message).or_else(|| (!is_own).then(|| jid.clone()));
        let sender = match sender {
            Some(sender) => Some(bare(&People::name(client, &sender, None).await)),
            None => None,
        };
        letters.push(Letter {
            chat: chat.clone(),
            chat_kind,
            chat_name: name.clone(),
            provider_message_id,
            is_own,
            sender,
            sender_name: message.push_name.clone(),
            text,
            kind,
            at,
            is_history: true,
            media: message.message.as_option().and_then(enclosure),
        });
    }
    letters
}

fn key_of(message: &WebMessageInfo) -> Option<(bool, String)> {
    let key = message.key.as_option()?;
    Some((key.from_me.unwrap_or_default(), key.id.clone()?))
}

fn sender_of(message: &WebMessageInfo) -> Option<Jid> {
    let key = message.key.as_option()?;
    let sender = message.participant.as_deref().or(key.participant.as_deref())?;
    sender.parse().ok()
}
