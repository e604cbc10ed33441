//! What people write to a bot: asked for by long polling (`getUpdates`).
//!
//! Telegram keeps an update until a later one is asked for. The next is asked for only once the
//! inbox has written what came, so nothing is lost between the two; up to where we are stands in
//! the database, in the same commit.

use std::time::Duration;

use chrono::DateTime;
use entity::chat::Kind as ChatKind;
use entity::message::Kind;
use frankenstein::AsyncTelegramApi;
use frankenstein::client_reqwest::Bot;
use frankenstein::methods::GetUpdatesParams;
use frankenstein::response::MethodResponse;
use frankenstein::types::{AllowedUpdate, Chat, ChatType, Message};
use frankenstein::updates::{Update, UpdateContent};
use serde_json::Value;

use super::describe;
use super::enclosed::enclosure;
use crate::clock::Clock;
use crate::gateway::{GatewayEvent, Letter, Mail, Reports};

/// How long Telegram holds a request that it has nothing to answer, in seconds.
const HOLD: u32 = 50;
/// The longest a request may take.
pub(super) const LONGEST: Duration = Duration::from_secs(65);
/// The pause after a request that failed: at first, and at most.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Asks for updates after `position`, for as long as it is polled or the bot is wanted.
pub(super) async fn run(bot: &Bot, clock: &Clock, reports: &Reports, mut position: Option<i64>) {
    let mut pause = PAUSE[0];
    loop {
        let params = GetUpdatesParams::builder()
            .timeout(HOLD)
            .allowed_updates(vec![AllowedUpdate::Message, AllowedUpdate::ChannelPost])
            .maybe_offset(position.map(|position| position + 1))
            .build();
        // Read one by one, so that an update of a kind nobody knows yet does not hold up the rest.
        let answer: Result<MethodResponse<Vec<Value>>, _> = bot.request("getUpdates", Some(params)).await;
        let updates = match answer {
            Ok(answer) => answer.result,
            Err(frankenstein::Error::Api(said)) if matches!(said.error_code, 401 | 404) => {
                let reason = format!("Telegram does not accept the bot token ({})", said.description);
                return reports.send(GatewayEvent::Failed { code: "invalid_token", reason }).await;
            }
            Err(error) => {
                tracing::warn!(account.id = %reports.account, error = %describe(error), "no updates; asked again soon");
                clock.sleep(pause).await;
                pause = (pause * 2).min(PAUSE[1]);
                continue;
            }
        };
        let Some(last) = updates.iter().filter_map(|update| update["update_id"].as_i64()).max() else {
            pause = PAUSE[0];
            continue;
        };
        let messages = updates.into_iter().filter_map(letter).collect();
        let mail = Mail { messages, position: Some(last) };
        if reports.deliver(GatewayEvent::Messages(mail)).await {
            (pause, position) = (PAUSE[0], Some(last));
        } else {
            // They were not written: the same are asked for again.
            clock.sleep(pause).await;
            pause = (pause * 2).min(PAUSE[1]);
        }
    }
}

fn letter(update: Value) -> Option<Letter> {
    let update: Update = serde_json::from_value(update).ok()?;
    let message = match update.content {
        UpdateContent::Message(message) | UpdateContent::ChannelPost(message) => message,
        _ => return None,
    };
    let (kind, media) = (kind_of(&message), enclosure(&message));
    let text = message.text.or(message.caption).unwrap_or_default();
    if kind == Kind::Other && text.is_empty() {
        // Somebody joined, a title changed: nothing anybody wrote.
        return None;
    }
    let name =
        |first: &str, last: Option<&str>| [Some(first), last].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let (sender, sender_name) = match (&message.from, &message.sender_chat) {
        (_, Some(chat)) => (Some(chat.id.to_string()), title(chat)),
        (Some(user), None) => (Some(user.id.to_string()), Some(name(&user.first_name, user.last_name.as_deref()))),
        (None, None) => (None, None),
    };
    Some(Letter {
        chat: message.chat.id.to_string(),
        chat_kind: if message.chat.type_field == ChatType::Private { ChatKind::Individual } else { ChatKind::Group },
        chat_name: title(&message.chat),
        provider_message_id: message.message_id.to_string(),
        is_own: false,
        sender,
        sender_name,
        text,
        kind,
        at: DateTime::from_timestamp(i64::try_from(message.date).ok()?, 0)?,
        is_history: false,
        media,
    })
}

/// What a chat is called: a group's title, or a person's name.
fn title(chat: &Chat) -> Option<String> {
    let person = || {
        let names = [&chat.first_name, &chat.last_name];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(" "))
    };
    chat.title.clone().or_else(person).or_else(|| chat.username.as_ref().map(|name| format!("@{name}")))
}

fn kind_of(message: &Message) -> Kind {
    let is_there = [
        (message.text.is_some(), Kind::Text),
        (message.photo.is_some(), Kind::Image),
        (message.video.is_some() || message.video_note.is_some() || message.animation.is_some(), Kind::Video),
        (message.audio.is_some(), Kind::Audio),
        (message.voice.is_some(), Kind::Voice),
        (message.document.is_some(), Kind::Document),
        (message.sticker.is_some(), Kind::Sticker),
        (message.location.is_some() || message.venue.is_some(), Kind::Location),
        (message.contact.is_some(), Kind::Contact),
    ];
    is_there.into_iter().find(|(is_there, _)| *is_there).map_or(Kind::Other, |(_, kind)| kind)
}
