//! What people write, as letters for the inbox. WhatsApp is told that a message arrived once it is a
//! row, and not before.

use std::sync::Arc;

use anyhow::ensure;
use chrono::{DateTime, Utc};
use entity::message::Kind;
use tokio::sync::mpsc::Sender;
use whatsapp_rust::async_trait;
use whatsapp_rust::types::message::MessageInfo;
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::wacore::types::events::InboundMessage;
use whatsapp_rust::wacore_binary::{Jid, JidExt};
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::{Client, InboundDurabilityHook};

use super::parcel::enclosure;
use super::people::{People, kind_of};
use super::receipts::precise;
use crate::clock::Clock;
use crate::gateway::{GatewayEvent, Letter, Mail, Reports};

/// Hands over what comes in, before WhatsApp hears that it arrived.
pub(super) struct Mailbox {
    pub(super) reports: Reports,
    pub(super) clock: Clock,
    /// Groups whose names may not be known.
    pub(super) groups: Sender<Jid>,
}

#[async_trait]
impl InboundDurabilityHook for Mailbox {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        let mut letters = Vec::with_capacity(batch.len());
        for InboundMessage { message, info, .. } in batch {
            letters.extend(letter(&client, message, info, self.clock.now()).await);
        }
        if letters.is_empty() {
            return Ok(());
        }
        let mail = Mail { messages: letters, position: None };
        ensure!(self.reports.deliver(GatewayEvent::Messages(mail)).await, "what came in is not written");
        for group in batch.iter().map(|message| &message.info.source.chat).filter(|chat| chat.is_group()) {
            // Without room, its next message says it again.
            let _ = self.groups.try_send(group.clone());
        }
        Ok(())
    }
}

/// A message as a letter; none for what nobody wrote, such as a reaction or a key.
async fn letter(client: &Client, message: &Message, info: &MessageInfo, now: DateTime<Utc>) -> Option<Letter> {
    let source = &info.source;
    // Whoever writes to many by a list writes to each.
    let is_list = source.chat.is_broadcast_list() && !source.is_from_me;
    let from = if is_list { &source.sender } else { &source.chat };
    let chat_kind = kind_of(from)?;
    let (kind, text) = content(message)?;
    let is_own = source.is_from_me;
    let alternate = if is_own { &source.recipient_alt } else { &source.sender_alt };
    let alternate = alternate.as_ref().filter(|_| chat_kind == entity::chat::Kind::Individual);
    let chat = People::name(client, from, alternate).await;
    let sender = People::name(client, &source.sender, source.sender_alt.as_ref()).await;
    let name = (!info.push_name.is_empty() && !is_own).then(|| info.push_name.clone());
    Some(Letter {
        chat,
        chat_kind,
        chat_name: name.clone().filter(|_| chat_kind == entity::chat::Kind::Individual),
        provider_message_id: info.id.clone(),
        is_own,
        sender: Some(bare(&sender)),
        sender_name: name,
        text,
        kind,
        at: precise(info.timestamp, now),
        is_history: false,
        media: enclosure(message),
    })
}

/// A person's number, where it is known.
pub(super) fn bare(chat: &str) -> String {
    chat.strip_suffix("@c.us").unwrap_or(chat).to_owned()
}

/// What a message is, and what is written in it or under it.
pub(super) fn content(message: &Message) -> Option<(Kind, String)> {
    let message = message.get_base_message();
    let is_there = [
        (message.conversation.is_some() || message.extended_text_message.is_set(), Kind::Text),
        (message.image_message.is_set(), Kind::Image),
        (message.video_message.is_set() || message.ptv_message.is_set(), Kind::Video),
        (is_voice(message), Kind::Voice),
        (message.audio_message.is_set(), Kind::Audio),
        (message.document_message.is_set(), Kind::Document),
        (message.sticker_message.is_set(), Kind::Sticker),
        (message.location_message.is_set() || message.live_location_message.is_set(), Kind::Location),
        (message.contact_message.is_set() || message.contacts_array_message.is_set(), Kind::Contact),
        (is_other(message), Kind::Other),
    ];
    let text = message.text_content().or_else(|| message.get_caption()).or_else(|| choice(message));
    let text = text.unwrap_or_default().to_owned();
    let kind = is_there.into_iter().find(|(is_there, _)| *is_there).map(|(_, kind)| kind);
    match kind {
        Some(kind) => Some((kind, text)),
        None => (!text.is_empty()).then_some((Kind::Other, text)),
    }
}

/// Whether somebody has just spoken it.
fn is_voice(message: &Message) -> bool {
    message.audio_message.as_option().is_some_and(|audio| audio.ptt == Some(true))
}

/// What a person chose among the answers that they were offered.
fn choice(message: &Message) -> Option<&str> {
    let button = message.template_button_reply_message.as_option();
    let list = message.list_response_message.as_option();
    let button = button.and_then(|reply| reply.selected_display_text.as_deref());
    button.or_else(|| list.and_then(|reply| reply.title.as_deref()))
}

/// What a person wrote and has no word here: a poll, an order, an answer by a button.
fn is_other(message: &Message) -> bool {
    message.buttons_response_message.is_set()
        || message.template_button_reply_message.is_set()
        || message.list_response_message.is_set()
        || message.interactive_message.is_set()
        || message.interactive_response_message.is_set()
        || message.template_message.is_set()
        || message.buttons_message.is_set()
        || message.list_message.is_set()
        || message.poll_creation_message.is_set()
        || message.poll_creation_message_v3.is_set()
        || message.event_message.is_set()
        || message.order_message.is_set()
        || message.product_message.is_set()
        || message.group_invite_message.is_set()
}
