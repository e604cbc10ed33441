//! The tables of Andante, one a file, and the ids that name their rows.
//!
//! Instants are stored as milliseconds since 1970 UTC in columns named `…_ms`; everything above
//! the store speaks `DateTime<Utc>`. Words that a column takes from a closed list are enums here.

pub mod account;
pub mod action;
pub mod api_key;
pub mod chat;
pub mod company;
pub mod grant;
pub mod ids;
pub mod media;
pub mod message;
pub mod template;
pub mod user;

/// An enum that is a word in a column, in the API (under the name in brackets) and in the events.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident ($schema:literal) { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sea_orm::DeriveValueType)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[sea_orm(value_type = "String")]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = sea_orm::sea_query::ValueTypeErr;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or(sea_orm::sea_query::ValueTypeErr)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $schema.into()
            }
        }
    };
}
use words;
