//! Ids: a prefix that says what the id names, 48 bits of time, 80 random bits.
//!
//! `acc_01jd…`: the 128 bits are written in Crockford's base 32, lower case, so ids are URL-safe,
//! sort by the millisecond they were made in, and can't be guessed. An account's id opens its
//! public pairing page, so it is a capability. In memory an id is one `u128`.
//!
//! A message's id is a number instead, since there are millions: see [`MessageId`].

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rand::Rng;
use sea_orm::sea_query::ValueTypeErr;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_BITS: u32 = 80;
/// 26 digits of five bits hold the 128 bits, with two to spare.
const DIGITS: usize = 26;
/// 13 digits hold the 63 bits of a message's id, with two to spare.
const MESSAGE_DIGITS: usize = 13;
/// The low bits of a message's id tell the node that drew it.
const NODE_BITS: u32 = 10;
/// Where sequence numbers start: 2025-01-01 UTC, in microseconds since 1970.
pub const SEQ_EPOCH_US: i64 = 1_735_689_600_000_000;

/// What `FromStr` of an id says of a text that isn't one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id of this kind")
    }
}

impl std::error::Error for NotAnId {}

impl From<NotAnId> for ValueTypeErr {
    fn from(_: NotAnId) -> Self {
        Self
    }
}

fn draw(at: DateTime<Utc>, rng: &mut impl Rng) -> u128 {
    let time = u128::try_from(at.timestamp_millis()).unwrap_or(0) & ((1 << 48) - 1);
    let random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    time << RANDOM_BITS | random >> (128 - RANDOM_BITS)
}

fn write_digits<const N: usize>(bits: u128, prefix: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0_u8; N];
    for (i, digit) in text.iter_mut().enumerate() {
        let shift = 5 * (N - 1 - i);
        *digit = ALPHABET[((bits >> shift) & 31) as usize];
    }
    f.write_str(prefix)?;
    f.write_str("_")?;
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

fn read_digits<const N: usize>(text: &str, prefix: &str) -> Result<u128, NotAnId> {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|digits| digits.len() == N && digits.as_bytes()[0] < b'8')
        .ok_or(NotAnId)?;
    digits.bytes().try_fold(0_u128, |bits, byte| {
        let value = ALPHABET.iter().position(|&d| d == byte).ok_or(NotAnId)?;
        Ok(bits << 5 | value as u128)
    })
}

/// What an id is as a text, of so many digits.
macro_rules! text {
    ($name:ident, $prefix:literal, $more_digits:literal, $example:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{", $more_digits, "}$")))
                    .examples([concat!($prefix, "_", $example)])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
        #[sea_orm(value_type = "String")]
        pub struct $name(u128);

        text!($name, $prefix, "25", "01jdzn2v3k8q4w6x9y0a2b4c6d");

        impl $name {
            /// A new id, made at `at` with the random bits of `rng`.
            pub fn new(at: DateTime<Utc>, rng: &mut impl Rng) -> Self {
                Self(draw(at, rng))
            }

            /// When it was made, to the millisecond.
            #[must_use]
            pub fn made_at(self) -> DateTime<Utc> {
                let ms = i64::try_from(self.0 >> RANDOM_BITS).unwrap_or(0);
                DateTime::from_timestamp_millis(ms).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_digits::<DIGITS>(self.0, $prefix, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read_digits::<DIGITS>(text, $prefix).map(Self)
            }
        }

        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    };
}

id!(
    /// A company: the owner of accounts, messages and people.
    CompanyId,
    "cmp"
);
id!(
    /// One sending identity at one messenger.
    AccountId,
    "acc"
);
id!(
    /// What somebody did to an account.
    ActionId,
    "act"
);
/// One message; the id is fixed when the message is accepted and never changes.
///
/// A number of 63 bits that is larger than that of any message before: microseconds since 2025, and
/// ten bits for the node that drew it. As a text `msg_` and 13 digits. In time order, and no secret:
/// who may see a message is always checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
pub struct MessageId(i64);

text!(MessageId, "msg", "12", "03ksx4q7v2c9d");

impl MessageId {
    /// The id that sorts first.
    pub const MIN: Self = Self(0);

    /// The id of the sequence number `seq` (microseconds since 2025, drawn once), at this node.
    #[must_use]
    pub fn new(seq: i64, node: u16) -> Self {
        let node = i64::from(node) & ((1 << NODE_BITS) - 1);
        Self(seq.clamp(0, i64::MAX >> NODE_BITS) << NODE_BITS | node)
    }

    /// The number in the table.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    /// The id of that number in the table.
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// Its sequence number.
    #[must_use]
    pub fn seq(self) -> i64 {
        self.0 >> NODE_BITS
    }

    /// When it was made, to the microsecond.
    #[must_use]
    pub fn made_at(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.seq() + SEQ_EPOCH_US).unwrap_or_default()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits::<MESSAGE_DIGITS>(u128::from(self.0.unsigned_abs()), "msg", f)
    }
}

impl FromStr for MessageId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bits = read_digits::<MESSAGE_DIGITS>(text, "msg")?;
        i64::try_from(bits).map(Self).map_err(|_| NotAnId)
    }
}

id!(
    /// A person who signs in.
    UserId,
    "usr"
);
impl UserId {
    /// The built-in operator, to whom belongs what no person made.
    pub const OPERATOR: Self = Self(0);
}

id!(
    /// A manager's rights on an account.
    GrantId,
    "grt"
);
id!(
    /// An API key.
    ApiKeyId,
    "key"
);
id!(
    /// A conversation of an account.
    ChatId,
    "cht"
);
id!(
    /// A file.
    MediaId,
    "med"
);
id!(
    /// A text that is sent often.
    TemplateId,
    "tpl"
);
id!(
    /// One signing-in, named by its token.
    LoginId,
    "lgn"
);

impl CompanyId {
    /// The built-in company "default", to which everything belongs in open mode.
    pub const DEFAULT: Self = Self(0);
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let mut rng = StdRng::seed_from_u64(7);
        for second in [0, 1, 1_700_000_000, 281_474_976_710] {
            let at = DateTime::from_timestamp(second, 0).unwrap();
            let id = ChatId::new(at, &mut rng);
            let text = id.to_string();
            assert_eq!(text.len(), 30);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(id.made_at(), at);
        }
        for (seq, node) in [(0, 0), (1, 1_023), (61_000_000_000_000, 7), (i64::MAX >> 10, 1_023)] {
            let id = MessageId::new(seq, node);
            let text = id.to_string();
            assert_eq!((text.len(), id.seq()), (17, seq));
            assert_eq!(text.parse(), Ok(id));
        }
        let at = DateTime::from_timestamp_micros(SEQ_EPOCH_US + 7).unwrap();
        assert_eq!(MessageId::new(7, 0).made_at(), at);
    }

    #[test]
    fn ids_sort_by_time_and_differ_within_a_millisecond() {
        let mut rng = StdRng::seed_from_u64(7);
        let early = DateTime::from_timestamp_millis(1_700_000_000_000).unwrap();
        let late = DateTime::from_timestamp_millis(1_700_000_000_001).unwrap();
        let (a, b) = (AccountId::new(early, &mut rng), AccountId::new(early, &mut rng));
        assert_ne!(a, b);
        assert!(a.to_string() < AccountId::new(late, &mut rng).to_string());
        let [first, second, third] = [(7, 1_023), (8, 0), (8, 1)].map(|(seq, node)| MessageId::new(seq, node));
        assert!(first < second && second < third);
        assert!(first.to_string() < second.to_string() && second.to_string() < third.to_string());
    }

    #[test]
    fn another_kind_of_id_or_any_other_text_is_refused() {
        let id = AccountId::new(DateTime::UNIX_EPOCH, &mut StdRng::seed_from_u64(7)).to_string();
        assert_eq!(id.parse::<MessageId>(), Err(NotAnId));
        for text in
            ["", "acc_", "acc", &id[..29], &format!("{id}0"), &id.to_uppercase(), "acc_zzzzzzzzzzzzzzzzzzzzzzzzzz"]
        {
            assert_eq!(text.parse::<AccountId>(), Err(NotAnId), "{text}");
        }
        for text in ["msg_", "msg_000000000000", "msg_00000000000000", "msg_8000000000000", "msg_zzzzzzzzzzzzz"] {
            assert_eq!(text.parse::<MessageId>(), Err(NotAnId), "{text}");
        }
    }
}
