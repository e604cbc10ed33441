//! What people write in a `to` field, read as the recipient a messenger addresses.
//!
//! Phone numbers come as people write them (`+996 (700) 123-456`, `00996 700 123456`,
//! `77777777777@c.us`) and leave as digits. Telegram knows chats by number and public channels by
//! name. Pure; called when a message is accepted.

use std::fmt;

use entity::account::Provider;
use entity::chat::Kind;

/// Whom a message is for, in the form its messenger addresses chats. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(String);

/// Why a text is nobody's address: a sentence for the one who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotARecipient(&'static str);

/// Country code, area and subscriber together: at most 15 digits by ITU-T E.164, and no
/// international number in use is shorter than 7.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

impl Recipient {
    /// Reads `text` as an address at `provider`.
    pub fn parse(provider: Provider, text: &str) -> Result<Self, NotARecipient> {
        let text = text.trim();
        match provider {
            Provider::Telegram => telegram(text),
            Provider::Simulator => phone_or_group(text),
        }
        .map(Self)
    }

    /// The messenger's own id of the chat with this recipient: `77079856339@c.us`.
    #[must_use]
    pub fn chat(&self, provider: Provider) -> String {
        match provider {
            Provider::Simulator if !self.0.contains('@') => format!("{}@c.us", self.0),
            Provider::Simulator | Provider::Telegram => self.0.clone(),
        }
    }

    /// An address that was read before and kept in a row.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The address as the messenger wants it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(…)")
    }
}

/// What the chat of this id is.
#[must_use]
pub fn kind_of_chat(provider: Provider, chat: &str) -> Kind {
    match provider {
        Provider::Telegram if chat.starts_with(['-', '@']) => Kind::Group,
        Provider::Simulator if chat.ends_with("@g.us") => Kind::Group,
        Provider::Simulator if chat.ends_with("@broadcast") => Kind::Status,
        Provider::Simulator | Provider::Telegram => Kind::Individual,
    }
}

fn phone_or_group(text: &str) -> Result<String, NotARecipient> {
    if let Some(group) = text.strip_suffix("@g.us") {
        let is_group = !group.is_empty() && group.len() <= 40 && group.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        return if is_group {
            Ok(text.to_owned())
        } else {
            Err(NotARecipient("this group id is not one: digits@g.us"))
        };
    }
    phone(text.strip_suffix("@c.us").or_else(|| text.strip_suffix("@s.whatsapp.net")).unwrap_or(text))
}

/// The digits of an international number, without `+`, `00` or what people put between digits.
fn phone(text: &str) -> Result<String, NotARecipient> {
    let international = text.strip_prefix('+').unwrap_or(text);
    let mut digits = String::with_capacity(15);
    for c in international.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '\u{a0}' | '\u{202f}' | '-' | '\u{2010}'..='\u{2013}' | '(' | ')' | '.' | '/' => {}
            _ => return Err(NotARecipient("a phone number has digits, spaces, dashes and brackets only")),
        }
    }
    if international.len() == text.len() && digits.starts_with("00") {
        digits.drain(..2);
    }
    if digits.starts_with('0') {
        return Err(NotARecipient("write the number with its country code, such as +996 700 123456"));
    }
    if !PHONE_DIGITS.contains(&digits.len()) {
        return Err(NotARecipient("an international phone number has 7 to 15 digits"));
    }
    Ok(digits)
}

/// A chat's number, negative for groups, or the name of a public channel, group or bot:
/// 5 to 32 letters, digits and underscores after the `@`.
fn telegram(text: &str) -> Result<String, NotARecipient> {
    if let Some(name) = text.strip_prefix('@') {
        let is_name = (4..=32).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return if is_name { Ok(text.to_owned()) } else { Err(NotARecipient("this is not a Telegram name: @channel")) };
    }
    match text.parse::<i64>() {
        // Chat ids have at most 52 significant bits, says the Bot API.
        Ok(id) if id != 0 && id.unsigned_abs() < 1 << 52 => Ok(id.to_string()),
        _ => Err(NotARecipient("a Telegram recipient is a chat id such as -1001234567890, or @channel")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn simulator(text: &str) -> Result<String, NotARecipient> {
        Recipient::parse(Provider::Simulator, text).map(|r| r.as_str().to_owned())
    }

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for text in ["+996 (700) 123-456", "996700123456", "00996700123456", " 996.700.123.456 ", "996700123456@c.us"] {
            assert_eq!(simulator(text).unwrap(), "996700123456", "{text}");
        }
        assert_eq!(simulator("120363041234567890@g.us").unwrap(), "120363041234567890@g.us");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "+",
            "hello",
            "12345",
            "1234567890123456",
            "0700123456",
            "+0700123456",
            "@g.us",
            "7777x777777",
            "٣٤٥٦٧٨٩٠١",
        ] {
            assert!(simulator(text).is_err(), "{text}");
        }
    }

    #[test]
    fn telegram_takes_chat_ids_and_names() {
        let telegram = |text| Recipient::parse(Provider::Telegram, text).map(|r| r.as_str().to_owned());
        assert_eq!(telegram("-1001234567890").unwrap(), "-1001234567890");
        assert_eq!(telegram("@durov_channel").unwrap(), "@durov_channel");
        for text in ["", "0", "@", "@1abc", "@a b", "durov", "99999999999999999999", "+77 77"] {
            assert!(telegram(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn punctuation_never_changes_a_number(digits in "[1-9][0-9]{6,14}", seps in prop::collection::vec("[ ().-]{0,2}", 16)) {
            let written: String = digits.chars().zip(&seps).map(|(d, sep)| format!("{sep}{d}")).collect();
            prop_assert_eq!(simulator(&written).unwrap(), digits.clone());
            prop_assert_eq!(simulator(&format!("+{written}")).unwrap(), digits);
        }

        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_again(text in ".{0,40}") {
            if let Ok(read) = simulator(&text) {
                prop_assert_eq!(simulator(&read).unwrap(), read);
            }
        }
    }
}
