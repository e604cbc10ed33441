//! A file: one that somebody gave to be sent, or one that came with a message. Its content is elsewhere.

use std::fmt;

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, CompanyId, MediaId};
use crate::message::Kind;

/// One file.
#[sea_orm::model]
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MediaId,
    /// Whose it is.
    pub company_id: CompanyId,
    /// The account with whose message it came; none: it was given to be sent.
    pub account_id: Option<AccountId>,
    /// The id of the user or of the key that gave it.
    pub maker: Option<String>,
    /// What it is sent as, unless a message says otherwise.
    pub kind: Kind,
    /// What is in it, as its content says; of one that came and was never fetched, as the messenger says.
    pub mime_type: String,
    /// Bytes. Of one that is still on its way, as many as it may have.
    pub size: i64,
    /// SHA-256 of the content, in hex; none until it is kept.
    pub sha256: Option<String>,
    /// What it is called, without a path.
    pub file_name: Option<String>,
    /// Pixels, of a picture or a film.
    pub width: Option<i32>,
    /// … and in the other direction.
    pub height: Option<i32>,
    /// How long it plays.
    pub seconds: Option<i32>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// When the row was made.
    pub created_at_ms: i64,
    /// Since when the content is kept.
    pub stored_at_ms: Option<i64>,
    /// Since when nobody has the content any more.
    pub gone_at_ms: Option<i64>,
}

impl Model {
    /// What messages tell of it when it goes as `kind`.
    #[must_use]
    pub fn card(&self, kind: Kind) -> Card {
        Card {
            id: self.id,
            kind,
            mime_type: self.mime_type.clone(),
            size: self.size,
            file_name: self.file_name.clone(),
            width: self.width,
            height: self.height,
            seconds: self.seconds,
            has_thumbnail: self.thumbnail.is_some(),
        }
    }
}

impl fmt::Debug for Model {
    /// Names the file and leaves out what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("media").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for ModelEx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("media").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ActiveModelBehavior for ActiveModel {}

/// What a message tells of its file: the same in its row, in the API and in events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Media)]
pub struct Card {
    /// Where its content is: `/api/media/{id}`.
    pub id: MediaId,
    /// What it is sent as, or came as.
    pub kind: Kind,
    /// What is in it.
    #[schema(example = "image/jpeg")]
    pub mime_type: String,
    /// Bytes; of one that came, as the messenger says, and 0 if it does not.
    pub size: i64,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Pixels, of a picture or a film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    /// … and in the other direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i32>,
    /// Whether there is a small picture of it at `/api/media/{id}/thumbnail`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_thumbnail: bool,
}

impl Card {
    /// What a row's column says.
    #[must_use]
    pub fn read(column: &str) -> Option<Self> {
        serde_json::from_str(column).ok()
    }

    /// As a row's column has it.
    #[must_use]
    pub fn column(&self) -> String {
        // A struct of texts and numbers can't fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}
