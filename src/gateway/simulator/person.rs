//! The person on the other side of a simulated account: gets a message, reads it, types, answers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::account::Provider;
use entity::message::{Kind, Status};
use rand::RngExt;

use super::Stage;
use crate::clock::Clock;
use crate::gateway::media::takes_caption;
use crate::gateway::{Attachment, Enclosure, GatewayEvent, Letter, Mail, Outgoing, Reports};
use crate::phone::kind_of_chat;
use crate::store::message::Receipt;

/// What the person does with a message. Milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    /// When it is delivered and when it is read, after it was sent.
    pub(super) receipts: Option<[u64; 2]>,
    /// How long the answer takes, shortest and longest.
    pub(super) answer: Option<[u64; 2]>,
}

/// Whether something can be written under a file.
fn takes_text(media: &Attachment) -> bool {
    takes_caption(Provider::Simulator, media.kind)
}

/// What is answered to a text; to a file without one, thanks.
fn thanks(text: &str) -> String {
    if text.is_empty() {
        return "Thank you!".to_owned();
    }
    format!("Thank you! You wrote: {}", text.chars().take(60).collect::<String>())
}

/// A file as it is sent back.
fn back(media: &Attachment) -> Enclosure {
    Enclosure {
        mime_type: Some(media.mime_type.clone()),
        size: Some(media.size),
        file_name: media.file_name.clone(),
        width: media.width,
        height: media.height,
        source: media.id.to_string(),
        ..Enclosure::default()
    }
}

impl Person {
    pub(super) fn does_anything(self) -> bool {
        self.receipts.is_some() || self.answer.is_some()
    }

    /// Gets a message that was sent at `at`.
    pub(super) async fn receive(
        self,
        clock: &Clock,
        stage: &Stage,
        reports: &Reports,
        message: Outgoing,
        at: DateTime<Utc>,
    ) {
        if let Some([delivered, read]) = self.receipts {
            for (status, after) in [(Status::Delivered, delivered), (Status::Read, read)] {
                let due = at + Duration::from_millis(after);
                clock.sleep_until(due).await;
                let receipt = Receipt { account: reports.account, message: message.message, status, at: due };
                reports.send(GatewayEvent::Receipts(vec![receipt])).await;
            }
        }
        let Some([shortest, longest]) = self.answer else { return };
        let chat = message.recipient.chat(Provider::Simulator);
        let types = |is_typing| GatewayEvent::Typing { chat: chat.clone(), is_typing, participant: chat.clone() };
        reports.send(types(true)).await;
        let span = Duration::from_millis(rand::rng().random_range(shortest..=longest));
        clock.sleep(span).await;
        reports.send(types(false)).await;
        if !stage.is_up() {
            return;
        }
        let name = format!("Person {}", chat.chars().filter(char::is_ascii_digit).take(15).collect::<String>());
        let letter = Letter {
            chat_kind: kind_of_chat(Provider::Simulator, &chat),
            chat_name: Some(name.clone()),
            provider_message_id: format!("sim_{:032x}", rand::random::<u128>()),
            is_own: false,
            sender: Some(chat.clone()),
            sender_name: Some(name),
            text: if message.media.as_ref().is_none_or(takes_text) { thanks(&message.text.0) } else { String::new() },
            kind: message.media.as_ref().map_or(Kind::Text, |media| media.kind),
            at: clock.now(),
            is_history: false,
            media: message.media.as_ref().map(back),
            chat,
        };
        reports.send(GatewayEvent::Messages(Mail { messages: vec![letter], position: None })).await;
    }
}
