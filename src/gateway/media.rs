//! Files that go with messages and come with them, as gateways see them; and how large each messenger
//! takes which kind.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use entity::account::Provider;
use entity::ids::MediaId;
use entity::message::Kind;

use super::SendError;
pub use crate::blobs::Bytestream;
use crate::blobs::{Blobs, GetError};

/// A file that goes with a message.
#[derive(Clone)]
pub struct Attachment {
    /// Its id.
    pub id: MediaId,
    /// What it goes as: an image, a video, a sound, a voice, a document or a sticker.
    pub kind: Kind,
    /// What is in it, found from the content.
    pub mime_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
    /// What it is called, without a path: at most 255 characters.
    pub file_name: Option<String>,
    /// Pixels, of a picture whose content says so.
    pub width: Option<u32>,
    /// … and in the other direction.
    pub height: Option<u32>,
    /// Where its content is.
    pub blobs: Arc<Blobs>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({}, {}, {} bytes)", self.id, self.kind, self.size)
    }
}

/// What is said of a message whose file nobody has any more.
pub const GONE: &str = "the file that goes with it is not kept here any more";

/// Bytes that a messenger takes in a second at least, on a slow line.
const A_SECOND: u64 = 128 * 1024;

impl Attachment {
    /// How much longer a send may take for it.
    #[must_use]
    pub fn carrying(&self) -> Duration {
        Duration::from_secs(self.size / A_SECOND)
    }

    /// The content from its beginning.
    pub async fn open(&self) -> Result<Bytestream, SendError> {
        self.blobs.get(self.id, None).await.map_err(|error| match error {
            GetError::Gone => SendError::Refused { code: "media_gone", reason: GONE.to_owned() },
            GetError::Unread(error) => {
                tracing::warn!(media.id = %self.id, %error, "a file can't be read now");
                SendError::Later { after: None, cause: anyhow::anyhow!("the file can't be read now") }
            }
        })
    }
}

/// A file that came with a letter, as the messenger tells of it. Never logged.
#[derive(Clone, Default)]
pub struct Enclosure {
    /// What is in it.
    pub mime_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// What it is called.
    pub file_name: Option<String>,
    /// Pixels, of a picture or a film.
    pub width: Option<u32>,
    /// … and in the other direction.
    pub height: Option<u32>,
    /// How long it plays.
    pub seconds: Option<u32>,
    /// A small JPEG; one of more than 32 KiB is not kept.
    pub thumbnail: Option<Vec<u8>>,
    /// What the gateway fetches it by, in its own words: at most 8 KiB.
    pub source: String,
}

impl fmt::Debug for Enclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enclosure({:?} bytes)", self.size)
    }
}

/// Why a file that came can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody has it any more.
    #[error("the messenger does not have it any more")]
    Gone,
    /// Not now.
    #[error("not now: {0}")]
    Later(anyhow::Error),
}

/// How large a kind may be.
pub type Limit = (Kind, u64);

const MB: u64 = 1 << 20;

/// WhatsApp's own clients: 16 MB for pictures, sounds and voices, 64 MB for films (WhatsApp Web), stickers
/// of 1 MB; documents of up to 2 GB, of which a phone is not asked more here than 100 MB.
const WHATSAPP: &[Limit] = &[
    (Kind::Image, 16 * MB),
    (Kind::Video, 64 * MB),
    (Kind::Audio, 16 * MB),
    (Kind::Voice, 16 * MB),
    (Kind::Document, 100 * MB),
    (Kind::Sticker, MB),
];
/// The Bot API, "Sending files": 10 MB for pictures, 50 MB for all else; stickers of 512 KB.
const TELEGRAM: &[Limit] = &[
    (Kind::Image, 10 * MB),
    (Kind::Video, 50 * MB),
    (Kind::Audio, 50 * MB),
    (Kind::Voice, 50 * MB),
    (Kind::Document, 50 * MB),
    (Kind::Sticker, MB / 2),
];

/// The kinds of files that a messenger takes, and how many bytes of each.
#[must_use]
pub fn limits(provider: Provider) -> &'static [Limit] {
    match provider {
        Provider::Telegram => TELEGRAM,
        Provider::WhatsApp | Provider::WhatsAppWeb | Provider::Simulator => WHATSAPP,
    }
}

/// Characters of a text under a file. The Bot API has 1,024; WhatsApp takes as many as of any text.
#[must_use]
pub fn longest_caption(provider: Provider) -> usize {
    match provider {
        Provider::Telegram => 1_024,
        Provider::WhatsApp | Provider::WhatsAppWeb | Provider::Simulator => super::offer::TEXT,
    }
}

/// Whether a messenger shows a text under a file of that kind.
#[must_use]
pub fn takes_caption(provider: Provider, kind: Kind) -> bool {
    match provider {
        Provider::Telegram => kind != Kind::Sticker,
        _ => matches!(kind, Kind::Image | Kind::Video | Kind::Document),
    }
}

/// What can't be sent as which kind: a messenger would refuse it, or show nothing.
#[must_use]
pub fn is_fit(kind: Kind, mime_type: &str) -> bool {
    match kind {
        Kind::Image => matches!(mime_type, "image/jpeg" | "image/png" | "image/webp"),
        Kind::Video => matches!(mime_type, "video/mp4" | "video/3gpp" | "video/quicktime"),
        Kind::Audio => mime_type.starts_with("audio/"),
        Kind::Voice => matches!(mime_type, "audio/ogg" | "audio/mpeg" | "audio/m4a"),
        Kind::Sticker => mime_type == "image/webp",
        Kind::Document => true,
        _ => false,
    }
}
