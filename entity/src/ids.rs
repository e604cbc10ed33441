//! Ids: a prefix that says what the id names, 48 bits of time, 80 random bits.
//!
//! `acc_01jd…`: the 128 bits are written in Crockford's base 32, lower case, so ids are URL-safe,
//! sort by the millisecond they were made in, and can't be guessed. An account's id opens its
//! public pairing page, so it is a capability. In memory an id is one `u128`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rand::Rng;
use sea_orm::sea_query::ValueTypeErr;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_BITS: u32 = 80;
/// 26 digits of five bits hold the 128 bits, with two to spare.
const DIGITS: usize = 26;

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

fn write_digits(bits: u128, prefix: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0_u8; DIGITS];
    for (i, digit) in text.iter_mut().enumerate() {
        let shift = 5 * (DIGITS - 1 - i);
        *digit = ALPHABET[((bits >> shift) & 31) as usize];
    }
    f.write_str(prefix)?;
    f.write_str("_")?;
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

fn read_digits(text: &str, prefix: &str) -> Result<u128, NotAnId> {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|digits| digits.len() == DIGITS && digits.as_bytes()[0] < b'8')
        .ok_or(NotAnId)?;
    digits.bytes().try_fold(0_u128, |bits, byte| {
        let value = ALPHABET.iter().position(|&d| d == byte).ok_or(NotAnId)?;
        Ok(bits << 5 | value as u128)
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
        #[sea_orm(value_type = "String")]
        pub struct $name(u128);

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
                write_digits(self.0, $prefix, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read_digits(text, $prefix).map(Self)
            }
        }

        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
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
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .examples([concat!($prefix, "_01jdzn2v3k8q4w6x9y0a2b4c6d")])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
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
    /// One message; the id is fixed when the message is accepted and never changes.
    MessageId,
    "msg"
);

impl MessageId {
    /// The id that sorts first.
    pub const MIN: Self = Self(0);
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
            let id = MessageId::new(at, &mut rng);
            let text = id.to_string();
            assert_eq!(text.len(), 30);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(id.made_at(), at);
        }
    }

    #[test]
    fn ids_sort_by_time_and_differ_within_a_millisecond() {
        let mut rng = StdRng::seed_from_u64(7);
        let early = DateTime::from_timestamp_millis(1_700_000_000_000).unwrap();
        let late = DateTime::from_timestamp_millis(1_700_000_000_001).unwrap();
        let (a, b) = (AccountId::new(early, &mut rng), AccountId::new(early, &mut rng));
        assert_ne!(a, b);
        assert!(a.to_string() < AccountId::new(late, &mut rng).to_string());
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
    }
}
