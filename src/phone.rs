//! What people write in a `to` field, read as the recipient a messenger addresses.
//!
//! Phone numbers come as people write them (`+996 (700) 123-456`, `00996 700 123456`, in a country
//! that is set `0700 123 456`, `77777777777@c.us`) and leave as digits. Whether a country has such
//! a number, libphonenumber knows. Telegram knows chats by number and public channels by name.
//! Pure; called when a message is accepted.

use std::fmt;

use entity::account::Provider;
use entity::chat::Kind;
pub use rlibphonenumber::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

/// Whom a message is for, in the form its messenger addresses chats. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(String);

/// Why a text is nobody's address: a sentence for the one who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotARecipient(&'static str);

/// Digits of what a messenger calls a number: at most 15 by ITU-T E.164, and no international
/// number in use is shorter than 7.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

impl Recipient {
    /// Reads `text` as an address at `provider`; a number without its country code is one of
    /// `region`, if there is one.
    pub fn parse(provider: Provider, text: &str, region: Option<Region>) -> Result<Self, NotARecipient> {
        let text = text.trim();
        match provider {
            Provider::Telegram => telegram(text),
            Provider::Simulator | Provider::WhatsApp | Provider::WhatsAppWeb => phone_or_group(text, region),
        }
        .map(Self)
    }

    /// The messenger's own id of the chat with this recipient: `77079856339@c.us`.
    #[must_use]
    pub fn chat(&self, provider: Provider) -> String {
        match provider {
            provider if provider.takes_phone_numbers() && !self.0.contains('@') => format!("{}@c.us", self.0),
            _ => self.0.clone(),
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

/// The country of that name (`KZ`), if it has phone numbers.
#[must_use]
pub fn region(name: &str) -> Option<Region> {
    let region: Region = name.to_ascii_uppercase().parse().ok()?;
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| region)
}

/// What the chat of this id is.
#[must_use]
pub fn kind_of_chat(provider: Provider, chat: &str) -> Kind {
    match provider {
        Provider::Telegram if chat.starts_with(['-', '@']) => Kind::Group,
        provider if provider.takes_phone_numbers() && chat.ends_with("@g.us") => Kind::Group,
        provider if provider.takes_phone_numbers() && chat.ends_with("@broadcast") => Kind::Status,
        _ => Kind::Individual,
    }
}

fn phone_or_group(text: &str, region: Option<Region>) -> Result<String, NotARecipient> {
    if let Some(group) = text.strip_suffix("@g.us") {
        let is_group = group.starts_with(|c: char| c.is_ascii_digit())
            && group.len() <= 40
            && group.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        return if is_group {
            Ok(text.to_owned())
        } else {
            Err(NotARecipient("this group id is not one: digits@g.us"))
        };
    }
    match text.strip_suffix("@c.us").or_else(|| text.strip_suffix("@s.whatsapp.net")) {
        Some(number) => messenger_number(number),
        None => phone(text, region),
    }
}

/// A number as the messenger itself writes it, which knows best which there are.
fn messenger_number(text: &str) -> Result<String, NotARecipient> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_number && PHONE_DIGITS.contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(NotARecipient("a messenger's number has 7 to 15 digits, with the country code first"))
    }
}

/// The digits of an international number, without `+`, `00` or what people put between digits.
fn phone(text: &str, region: Option<Region>) -> Result<String, NotARecipient> {
    let digits = digits_of(text)?;
    let (is_international, digits) = match digits.strip_prefix("00") {
        Some(rest) => (true, rest),
        None => (text.starts_with('+'), digits.as_str()),
    };
    // As people of the region dial it first: there `8` or `0` may lead to another town.
    let national = region.filter(|_| !is_international).and_then(|region| valid(digits, Some(region)));
    let number = national.or_else(|| valid(&format!("+{digits}"), None));
    number.ok_or(NotARecipient("no country has this number; write it with its country code, such as +996 700 123456"))
}

/// The digits of a number that a country has.
fn valid(text: &str, region: Option<Region>) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(text, region).ok()?;
    let is_valid = PHONE_NUMBER_UTIL.is_valid_number(&number);
    is_valid.then(|| PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).trim_start_matches('+').to_owned())
}

/// The digits in a text that has nothing else in it but what people put between them.
fn digits_of(text: &str) -> Result<String, NotARecipient> {
    if text.starts_with('-') {
        return Err(NotARecipient("a phone number is not negative"));
    }
    let mut digits = String::with_capacity(15);
    for c in text.strip_prefix('+').unwrap_or(text).chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '\u{a0}' | '\u{202f}' | '-' | '\u{2010}'..='\u{2013}' | '(' | ')' | '.' | '/' => {}
            _ => return Err(NotARecipient("a phone number has digits, spaces, dashes and brackets only")),
        }
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
        // A number that people call each other by is no chat of Telegram's. Chat ids have at most 52 significant bits, says the Bot API.
        Ok(id) if id != 0 && id.unsigned_abs() < 1 << 52 && !text.starts_with('+') => Ok(id.to_string()),
        _ => Err(NotARecipient("a Telegram recipient is a chat id such as -1001234567890, or @channel")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn simulator(text: &str) -> Result<String, NotARecipient> {
        Recipient::parse(Provider::Simulator, text, None).map(|r| r.as_str().to_owned())
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
            "8 777 777 77 77",
            "+99600123456",
            "123456@c.us",
            "-7777777@c.us",
            "-996700123456",
            "-@g.us",
            "0700123456@c.us",
            "٣٤٥٦٧٨٩٠١",
        ] {
            assert!(simulator(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_without_its_country_is_one_of_the_region() {
        for (region, text, digits) in [
            ("KZ", "8 777 777 77 77", Some("77777777777")),
            ("RU", "8 (916) 123-45-67", Some("79161234567")),
            ("KG", "0700 123 456", Some("996700123456")),
            ("KG", "996700123456", Some("996700123456")),
            ("KG", "77777777777", Some("77777777777")),
            ("KG", "+7 777 777 77 77", Some("77777777777")),
            ("RU", "84951234567", Some("74951234567")),
            ("RU", "+84951234567", Some("84951234567")),
            ("KG", "8 777 777 77 77", None),
            ("KZ", "0700 123 456", None),
            ("KZ", "99912345@c.us", Some("99912345")),
        ] {
            let region = super::region(region);
            let read = Recipient::parse(Provider::Simulator, text, region).ok();
            assert_eq!(read.as_ref().map(Recipient::as_str), digits, "{text} in {region:?}");
        }
    }

    #[test]
    fn telegram_takes_chat_ids_and_names() {
        let telegram = |text| Recipient::parse(Provider::Telegram, text, None).map(|r| r.as_str().to_owned());
        assert_eq!(telegram("-1001234567890").unwrap(), "-1001234567890");
        assert_eq!(telegram("@durov_channel").unwrap(), "@durov_channel");
        for text in ["", "0", "@", "@1abc", "@a b", "durov", "99999999999999999999", "+77 77", "+77777777777"] {
            assert!(telegram(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn punctuation_never_changes_a_number(digits in "(7700[0-9]{7}|996700[0-9]{6}|[1-9][0-9]{5,15})", seps in prop::collection::vec("[ ().-]{0,2}", 16)) {
            // Between the digits: before the first a dash is a minus.
            let written: String = digits.chars().zip(&seps).map(|(d, sep)| format!("{d}{sep}")).collect();
            let read = simulator(&digits);
            prop_assert!(read.as_ref().is_ok_and(|read| *read == digits) || !digits.starts_with("7700") && !digits.starts_with("996700"));
            prop_assert_eq!(&simulator(&written), &read);
            prop_assert_eq!(simulator(&format!("+{written}")), read);
        }

        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_again(text in ".{0,40}") {
            if let Ok(read) = simulator(&text) {
                prop_assert_eq!(simulator(&read).unwrap(), read);
            }
        }
    }
}
