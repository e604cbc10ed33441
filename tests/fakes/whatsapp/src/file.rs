//! Files in messages, as the people see them who send and receive them: pictures, voice notes,
//! documents. What a message says of a file is put into it here, and read from it.

use std::fmt;

use anyhow::{Context, Result};
use bytes::Bytes;
use wacore::download::{Downloadable, MediaType};
use waproto::buffa::MessageField;
use waproto::whatsapp as wa;
use waproto::whatsapp::message::{
    AudioMessage, DocumentMessage, FutureProofMessage, ImageMessage, StickerMessage, VideoMessage,
};

/// How a file is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// Sound to play.
    Audio,
    /// Sound that somebody has just spoken.
    Voice,
    /// A file to open elsewhere.
    Document,
    /// A picture without a frame.
    Sticker,
}

impl FileKind {
    /// What a stanza calls it.
    pub(crate) fn stanza_name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Voice => "ptt",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// What it is encrypted as.
    pub(crate) fn cipher(self) -> MediaType {
        match self {
            Self::Image => MediaType::Image,
            Self::Video => MediaType::Video,
            Self::Audio | Self::Voice => MediaType::Audio,
            Self::Document => MediaType::Document,
            Self::Sticker => MediaType::Sticker,
        }
    }
}

/// A file that somebody sends, or has received.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// How it is shown.
    pub kind: FileKind,
    /// What it is said to be.
    pub mime_type: String,
    /// The content.
    pub bytes: Bytes,
    /// What is written under it.
    pub caption: Option<String>,
    /// What it is called.
    pub file_name: Option<String>,
    /// Width and height of what is seen.
    pub pixels: Option<(u32, u32)>,
    /// How long it plays.
    pub seconds: Option<u32>,
    /// A small JPEG of it.
    pub thumbnail: Option<Vec<u8>>,
}

impl File {
    /// A file of which nothing more is said.
    pub fn new(kind: FileKind, mime_type: &str, bytes: impl Into<Bytes>) -> Self {
        Self {
            kind,
            mime_type: mime_type.to_owned(),
            bytes: bytes.into(),
            caption: None,
            file_name: None,
            pixels: None,
            seconds: None,
            thumbnail: None,
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mime_type, bytes, caption, file_name, pixels, seconds, thumbnail } = self;
        write!(f, "File({kind:?}, {mime_type}, {} bytes, {caption:?}, {file_name:?}, {pixels:?}", bytes.len())?;
        write!(f, ", {seconds:?} s, thumbnail of {:?} bytes)", thumbnail.as_ref().map(Vec::len))
    }
}

/// Where a file is, and what it is decrypted and checked by.
pub(crate) struct Reference {
    pub(crate) url: String,
    pub(crate) direct_path: String,
    pub(crate) media_key: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    pub(crate) encrypted_sha256: Vec<u8>,
    pub(crate) size: u64,
}

/// A message's part for a file, with what all parts have.
macro_rules! part {
    ($part:ident, $file:expr, $at:expr, { $($field:ident: $value:expr),* }) => {
        MessageField::some($part {
            url: Some($at.url),
            direct_path: Some($at.direct_path),
            media_key: Some($at.media_key),
            file_sha256: Some($at.sha256),
            file_enc_sha256: Some($at.encrypted_sha256),
            file_length: Some($at.size),
            mimetype: Some($file.mime_type.clone()),
            $($field: $value,)*
            ..Default::default()
        })
    };
}

/// The message with which a phone sends a file that is at the host.
pub(crate) fn message(file: &File, at: Reference) -> wa::Message {
    let (width, height) = file.pixels.unzip();
    let (caption, jpeg_thumbnail, seconds) = (file.caption.clone(), file.thumbnail.clone(), file.seconds);
    let mut message = wa::Message::default();
    match file.kind {
        FileKind::Image => {
            message.image_message = part!(ImageMessage, file, at, {
                caption: caption, jpeg_thumbnail: jpeg_thumbnail, width: width, height: height
            });
        }
        FileKind::Video => {
            message.video_message = part!(VideoMessage, file, at, {
                caption: caption, jpeg_thumbnail: jpeg_thumbnail, width: width, height: height, seconds: seconds
            });
        }
        FileKind::Audio | FileKind::Voice => {
            message.audio_message = part!(AudioMessage, file, at, {
                seconds: seconds, ptt: Some(file.kind == FileKind::Voice)
            });
        }
        FileKind::Document => {
            message.document_message = part!(DocumentMessage, file, at, {
                caption: caption, jpeg_thumbnail: jpeg_thumbnail, file_name: file.file_name.clone()
            });
            if file.caption.is_some() {
                // As phones send it: who does not know of captions sees that there is something.
                let inner = FutureProofMessage { message: MessageField::some(message) };
                message =
                    wa::Message { document_with_caption_message: MessageField::some(inner), ..Default::default() };
            }
        }
        FileKind::Sticker => {
            message.sticker_message = part!(StickerMessage, file, at, { width: width, height: height });
        }
    }
    message
}

/// What a message says of its file, without the content; none if it has no file.
pub(crate) fn read(message: &wa::Message) -> Result<Option<(File, Reference)>> {
    let mut message = message;
    while let Some(inner) = inner(message) {
        message = inner;
    }
    let mut file = File::new(FileKind::Image, "", Bytes::new());
    let (part, mime_type): (&dyn Downloadable, _) = if let Some(part) = message.image_message.as_option() {
        (file.caption, file.thumbnail) = (part.caption.clone(), part.jpeg_thumbnail.clone());
        file.pixels = part.width.zip(part.height);
        (part, &part.mimetype)
    } else if let Some(part) = message.video_message.as_option() {
        file.kind = FileKind::Video;
        (file.caption, file.thumbnail) = (part.caption.clone(), part.jpeg_thumbnail.clone());
        (file.pixels, file.seconds) = (part.width.zip(part.height), part.seconds);
        (part, &part.mimetype)
    } else if let Some(part) = message.audio_message.as_option() {
        file.kind = if part.ptt == Some(true) { FileKind::Voice } else { FileKind::Audio };
        file.seconds = part.seconds;
        (part, &part.mimetype)
    } else if let Some(part) = message.document_message.as_option() {
        file.kind = FileKind::Document;
        (file.caption, file.thumbnail) = (part.caption.clone(), part.jpeg_thumbnail.clone());
        file.file_name.clone_from(&part.file_name);
        (part, &part.mimetype)
    } else if let Some(part) = message.sticker_message.as_option() {
        file.kind = FileKind::Sticker;
        file.pixels = part.width.zip(part.height);
        (part, &part.mimetype)
    } else {
        return Ok(None);
    };
    file.mime_type = mime_type.clone().context("the message does not say what its file is")?;
    let reference = Reference {
        url: String::new(),
        direct_path: part.direct_path().context("no direct path")?.to_owned(),
        media_key: part.media_key().context("no media key")?.to_vec(),
        sha256: part.file_sha256().context("no hash of the file")?.to_vec(),
        encrypted_sha256: part.file_enc_sha256().context("no hash of the encrypted file")?.to_vec(),
        size: part.file_length().context("no size")?,
    };
    Ok(Some((file, reference)))
}

/// Which type a stanza has in which the message goes.
pub(crate) fn stanza_type(message: &wa::Message) -> &'static str {
    if read(message).is_ok_and(|file| file.is_none()) { "text" } else { "media" }
}

fn inner(message: &wa::Message) -> Option<&wa::Message> {
    let copied = message.device_sent_message.as_option().and_then(|sent| sent.message.as_option());
    let captioned = || message.document_with_caption_message.as_option().and_then(|sent| sent.message.as_option());
    copied.or_else(captioned)
}
