//! Messages as the page has them, as letters.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::chat;
use entity::message::Kind;

use super::page::Told;
use crate::gateway::{Enclosure, Letter};

/// Ids of which the number is remembered.
const MOST: usize = 10_000;
/// How an id ends that hides its number.
const HIDDEN: &str = "@lid";

/// Which numbers hidden ids have: a chat is known here by its number.
#[derive(Default)]
pub(super) struct Numbers(HashMap<String, String>);

impl Numbers {
    /// A hidden id has this number.
    fn learn(&mut self, id: &str, number: &str) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(id.to_owned(), number.to_owned());
    }

    /// The page knows whom a message went to by this id.
    pub(super) fn met(&mut self, id: Option<&str>, to: &str) {
        if let Some(id) = id.filter(|id| id.ends_with(HIDDEN) && to.ends_with("@c.us")) {
            self.learn(id, to);
        }
    }

    /// What a chat, or a person, is called here.
    pub(super) fn name(&self, id: &str) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// A message that was not sent through here; none for what no person reads as one.
    pub(super) fn letter(&mut self, told: Told, now: DateTime<Utc>, in_since: DateTime<Utc>) -> Option<Letter> {
        let chat_kind = kind_of(&told.chat)?;
        let is_group = chat_kind == chat::Kind::Group;
        let who = if is_group { told.author.as_deref() } else { Some(told.chat.as_str()) };
        if let (Some(who), Some(number)) = (who.filter(|who| who.ends_with(HIDDEN)), &told.phone) {
            self.learn(who, number);
        }
        let at = told.t.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or(now);
        // The page tells whole seconds: what has just been was now, and so comes after what was before it.
        // Nothing is from the time that is still to come, whatever somebody's clock says.
        let at = if (now - at).num_seconds() < 2 { now } else { at };
        Some(Letter {
            chat: self.name(&told.chat),
            chat_kind,
            chat_name: told.chat_name.filter(|name| is_group && !name.is_empty()).or_else(|| {
                // What somebody calls themself names the chat with them.
                told.name.clone().filter(|name| !is_group && !told.from_me && !name.is_empty())
            }),
            provider_message_id: told.key,
            is_own: told.from_me,
            sender: who.filter(|_| !told.from_me).map(|who| self.name(who).trim_end_matches("@c.us").to_owned()),
            sender_name: told.name.filter(|name| !told.from_me && !name.is_empty()),
            text: told.text.unwrap_or_default(),
            kind: match told.kind.as_deref() {
                Some("chat") => Kind::Text,
                Some("image") => Kind::Image,
                Some("video" | "gif" | "ptv") => Kind::Video,
                Some("audio") => Kind::Audio,
                Some("ptt") => Kind::Voice,
                Some("document") => Kind::Document,
                Some("sticker") => Kind::Sticker,
                Some("location") => Kind::Location,
                Some("vcard" | "multi_vcard") => Kind::Contact,
                _ => Kind::Other,
            },
            at,
            is_history: at < in_since,
            media: told.file.map(Enclosure::from),
        })
    }
}

fn kind_of(chat: &str) -> Option<chat::Kind> {
    match chat.rsplit_once('@')?.1 {
        "g.us" => Some(chat::Kind::Group),
        "c.us" | "lid" => Some(chat::Kind::Individual),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(more: &[(&str, Value)]) -> Told {
        let mut told = json!({"key": "3EB0AA", "chat": "996700000001@c.us", "fromMe": false, "type": "chat",
                              "text": "hello", "t": 1_764_000_000, "name": "Aizada"});
        for (name, value) in more {
            told[*name] = value.clone();
        }
        serde_json::from_value(told).unwrap()
    }

    fn letter(numbers: &mut Numbers, more: &[(&str, Value)]) -> Option<Letter> {
        let now = DateTime::from_timestamp(1_764_000_100, 0).unwrap();
        numbers.letter(told(more), now, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_chat_is_known_by_its_number_wherever_that_was_told() {
        let mut numbers = Numbers::default();
        let hidden = [("chat", json!("777@lid")), ("phone", json!("996700000001@c.us"))];
        assert_eq!(letter(&mut numbers, &hidden).unwrap().chat, "996700000001@c.us");
        assert_eq!(letter(&mut numbers, &[("chat", json!("777@lid"))]).unwrap().chat, "996700000001@c.us");
        assert_eq!(letter(&mut numbers, &[("chat", json!("888@lid"))]).unwrap().chat, "888@lid");
    }

    #[test]
    fn in_a_group_the_author_is_told_and_the_group_named() {
        let group = [
            ("chat", json!("1203@g.us")),
            ("author", json!("777@lid")),
            ("phone", json!("996700000002@c.us")),
            ("chatName", json!("The clinic")),
        ];
        let letter = letter(&mut Numbers::default(), &group).unwrap();
        assert_eq!((letter.chat.as_str(), letter.chat_name.as_deref()), ("1203@g.us", Some("The clinic")));
        assert_eq!(letter.sender.as_deref(), Some("996700000002"));
    }

    #[test]
    fn an_own_message_has_no_sender_and_does_not_name_the_chat() {
        let letter = letter(&mut Numbers::default(), &[("fromMe", json!(true))]).unwrap();
        assert!(letter.is_own && letter.sender.is_none() && letter.chat_name.is_none());
    }

    #[test]
    fn what_says_that_it_is_from_the_future_is_from_now() {
        let letter = letter(&mut Numbers::default(), &[("t", json!(9_999_999_999_u64))]).unwrap();
        assert_eq!(letter.at.timestamp(), 1_764_000_100);
    }

    #[test]
    fn a_file_is_told_with_its_thumbnail_and_what_it_is_fetched_by() {
        let file = json!({"id": "false_1@c.us_3EB0AA", "mimeType": "audio/ogg", "size": 900, "name": null, "width": null,
                          "height": null, "seconds": 3, "thumbnail": "/9j/AAAA"});
        let letter = letter(&mut Numbers::default(), &[("type", json!("ptt")), ("file", file)]).unwrap();
        let media = letter.media.unwrap();
        assert_eq!((letter.kind, media.size, media.seconds), (Kind::Voice, Some(900), Some(3)));
        assert_eq!(
            (media.source.as_str(), media.thumbnail),
            ("false_1@c.us_3EB0AA", Some(vec![255, 216, 255, 0, 0, 0]))
        );
    }

    #[test]
    fn a_status_is_no_message() {
        assert!(letter(&mut Numbers::default(), &[("chat", json!("status@broadcast"))]).is_none());
    }
}
