//! A file as WhatsApp has it: encrypted, at any of its media hosts. What is said of it in a message is all
//! that it takes to have it; so it is never logged and never shown.

use chrono::{DateTime, TimeDelta, Utc};
use entity::message::Kind;
use serde::{Deserialize, Serialize};
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::download::{Downloadable, MediaType};
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::waproto::whatsapp::message::{
    AudioMessage, DocumentMessage, FutureProofMessage, ImageMessage, StickerMessage, VideoMessage,
};

use crate::gateway::{Attachment, Enclosure};

/// Bytes of a thumbnail at most, and how a JPEG begins.
const THUMBNAIL: usize = 32 * 1024;
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];
/// Bytes of what is kept of a file at most.
const SOURCE: usize = 8 * 1024;
/// For how long an upload is used again. WhatsApp deletes files two weeks to a month after they came
/// (people's phones get 404, 403 or 410 then); whoever receives one of the last has a week left to open it.
pub(super) const KEPT: TimeDelta = TimeDelta::days(7);
/// How long before a path ends, where it says when, it is used for the last time.
const MARGIN: TimeDelta = TimeDelta::days(1);

/// An encrypted file.
#[derive(Serialize, Deserialize)]
pub(super) struct Parcel {
    kind: Kind,
    /// Where it is at a host, with a query.
    pub(super) path: String,
    #[serde(with = "base64")]
    pub(super) key: Vec<u8>,
    /// Of the content …
    #[serde(with = "base64")]
    pub(super) sha256: Vec<u8>,
    /// … and of what is at the host.
    #[serde(with = "base64")]
    pub(super) encrypted_sha256: Vec<u8>,
    /// Bytes of the content.
    pub(super) size: u64,
    /// Where it is, as the host itself said. Other clients may go by that.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// When the key was made: seconds since 1970.
    #[serde(default)]
    pub(super) made_at: i64,
    /// By which a film or a sound can be played before all of it is there.
    #[serde(default, with = "base64")]
    pub(super) sidecar: Vec<u8>,
}

mod base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// What a file of that kind is encrypted and uploaded as.
pub(super) fn cipher(kind: Kind) -> MediaType {
    match kind {
        Kind::Image => MediaType::Image,
        Kind::Video => MediaType::Video,
        Kind::Audio | Kind::Voice => MediaType::Audio,
        Kind::Sticker => MediaType::Sticker,
        _ => MediaType::Document,
    }
}

/// A message's part for the file, with what all parts have.
macro_rules! part {
    ($part:ident { $($field:ident),* }, $parcel:ident, $mime_type:ident) => {
        MessageField::some($part {
            url: $parcel.url,
            direct_path: Some($parcel.path),
            media_key: Some($parcel.key),
            file_sha256: Some($parcel.sha256),
            file_enc_sha256: Some($parcel.encrypted_sha256),
            file_length: Some($parcel.size),
            media_key_timestamp: Some($parcel.made_at),
            mimetype: Some($mime_type),
            $($field,)*
            ..$part::default()
        })
    };
}

impl Parcel {
    /// A file that is uploaded, of which the host is still to say where.
    pub(super) fn new(kind: Kind, made_at: i64, info: whatsapp_rust::wacore::upload::EncryptedMediaInfo) -> Self {
        Self {
            kind,
            path: String::new(),
            key: info.media_key.to_vec(),
            sha256: info.file_sha256.to_vec(),
            encrypted_sha256: info.file_enc_sha256.to_vec(),
            size: info.file_length,
            url: None,
            made_at,
            sidecar: info.streaming_sidecar.unwrap_or_default(),
        }
    }

    /// As it was kept.
    pub(super) fn read(kept: &str) -> Option<Self> {
        serde_json::from_str(kept).ok()
    }

    /// To be kept.
    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn cipher(&self) -> MediaType {
        cipher(self.kind)
    }

    /// Whether people who are told of it now will still find it, which was uploaded at `at`.
    pub(super) fn lasts(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now < at + KEPT && ends_at(&self.path).is_none_or(|end| now < end - MARGIN)
    }

    /// Whether the path to it says that it has ended.
    pub(super) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        ends_at(&self.path).is_some_and(|end| end <= now)
    }

    /// The message with which it is sent, and what is written under it.
    pub(super) fn message(self, file: &Attachment, caption: &str) -> Message {
        let caption = (!caption.is_empty()).then(|| caption.to_owned());
        let (width, height, mime_type) = (file.width, file.height, mime_type(file).to_owned());
        let streaming_sidecar = (!self.sidecar.is_empty()).then_some(self.sidecar);
        let mut message = Message::default();
        match self.kind {
            Kind::Image => message.image_message = part!(ImageMessage { caption, width, height }, self, mime_type),
            Kind::Video => {
                message.video_message =
                    part!(VideoMessage { caption, width, height, streaming_sidecar }, self, mime_type);
            }
            Kind::Audio | Kind::Voice => {
                let ptt = Some(self.kind == Kind::Voice);
                message.audio_message = part!(AudioMessage { ptt, streaming_sidecar }, self, mime_type);
            }
            Kind::Sticker => message.sticker_message = part!(StickerMessage { width, height }, self, mime_type),
            _ => {
                let (file_name, title) = (file.file_name.clone(), file.file_name.clone());
                let is_wrapped = caption.is_some();
                message.document_message = part!(DocumentMessage { caption, file_name, title }, self, mime_type);
                if is_wrapped {
                    // As WhatsApp's own clients send it: they show a document's caption only in this.
                    let inner = FutureProofMessage { message: MessageField::some(message) };
                    message =
                        Message { document_with_caption_message: MessageField::some(inner), ..Message::default() };
                }
            }
        }
        message
    }
}

/// What WhatsApp calls it.
fn mime_type(file: &Attachment) -> &str {
    match (file.kind, file.mime_type.as_str()) {
        // Phones play a voice of this type alone as one.
        (Kind::Voice, "audio/ogg") => "audio/ogg; codecs=opus",
        (Kind::Audio | Kind::Voice, "audio/m4a") => "audio/mp4",
        (_, other) => other,
    }
}

/// When a path ends: seconds since 1970, in hexadecimal digits.
fn ends_at(path: &str) -> Option<DateTime<Utc>> {
    let (_, query) = path.split_once('?')?;
    let end = query.split('&').find_map(|pair| pair.strip_prefix("oe="))?;
    DateTime::from_timestamp(i64::from_str_radix(end, 16).ok()?, 0)
}

/// The file that came with a message; none if none did, or it can't be fetched by what is said.
pub(super) fn enclosure(message: &Message) -> Option<Enclosure> {
    let message = message.get_base_message();
    let mut file = Enclosure::default();
    let mut kind = Kind::Video;
    let (part, mime_type, thumbnail): (&dyn Downloadable, _, _) = if let Some(part) = message.image_message.as_option()
    {
        kind = Kind::Image;
        (file.width, file.height) = (part.width, part.height);
        (part, &part.mimetype, part.jpeg_thumbnail.as_ref())
    } else if let Some(part) = message.video_message.as_option().or(message.ptv_message.as_option()) {
        (file.width, file.height, file.seconds) = (part.width, part.height, part.seconds);
        (part, &part.mimetype, part.jpeg_thumbnail.as_ref())
    } else if let Some(part) = message.audio_message.as_option() {
        kind = if part.ptt == Some(true) { Kind::Voice } else { Kind::Audio };
        file.seconds = part.seconds;
        (part, &part.mimetype, None)
    } else if let Some(part) = message.document_message.as_option() {
        kind = Kind::Document;
        file.file_name.clone_from(&part.file_name);
        (part, &part.mimetype, part.jpeg_thumbnail.as_ref())
    } else if let Some(part) = message.sticker_message.as_option() {
        kind = Kind::Sticker;
        (file.width, file.height) = (part.width, part.height);
        (part, &part.mimetype, None)
    } else {
        return None;
    };
    let parcel = Parcel {
        kind,
        path: part.direct_path()?.to_owned(),
        key: part.media_key()?.to_vec(),
        sha256: part.file_sha256()?.to_vec(),
        encrypted_sha256: part.file_enc_sha256()?.to_vec(),
        size: part.file_length()?,
        url: None,
        made_at: 0,
        sidecar: Vec::new(),
    };
    file.size = Some(parcel.size);
    file.mime_type.clone_from(mime_type);
    file.thumbnail = thumbnail.filter(|jpeg| jpeg.len() <= THUMBNAIL && jpeg.starts_with(JPEG)).cloned();
    file.source = parcel.write();
    (file.source.len() <= SOURCE).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(path: &str) -> Parcel {
        Parcel {
            kind: Kind::Image,
            path: path.to_owned(),
            key: vec![1; 32],
            sha256: vec![2; 32],
            encrypted_sha256: vec![3; 32],
            size: 5,
            url: None,
            made_at: 0,
            sidecar: Vec::new(),
        }
    }

    #[test]
    fn an_upload_lasts_a_week_or_until_the_day_before_its_path_ends() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let days = |days| at + TimeDelta::days(days);
        let (long, plain) = (parcel("/v/x?ccb=1&oe=7FFFFFFF&_nc_sid=1"), parcel("/v/x"));
        for parcel in [long, plain] {
            assert!(parcel.lasts(at, days(6)) && !parcel.lasts(at, days(7)));
        }
        let short = parcel(&format!("/v/x?oe={:X}", days(3).timestamp()));
        assert!(short.lasts(at, days(1)) && !short.lasts(at, days(2)));
        assert!(!short.has_ended(days(2)) && short.has_ended(days(3)));
    }

    #[test]
    fn what_is_kept_of_a_file_is_all_that_it_is_fetched_by() {
        let kept = parcel("/v/x?oe=1").write();
        assert_eq!(Parcel::read(&kept).unwrap().write(), kept);
        for other in ["", "{}", "[]", "null", r#"{"kind":"image","path":"/v/x"}"#] {
            assert!(Parcel::read(other).is_none(), "{other}");
        }
    }

    fn image(change: impl FnOnce(&mut ImageMessage)) -> Message {
        let mut image = ImageMessage {
            direct_path: Some("/v/x".to_owned()),
            media_key: Some(vec![1; 32]),
            file_sha256: Some(vec![2; 32]),
            file_enc_sha256: Some(vec![3; 32]),
            file_length: Some(5),
            jpeg_thumbnail: Some(JPEG.to_vec()),
            ..ImageMessage::default()
        };
        change(&mut image);
        Message { image_message: MessageField::some(image), ..Message::default() }
    }

    #[test]
    fn a_file_that_can_t_be_fetched_by_what_is_said_is_none() {
        assert_eq!(enclosure(&image(|_| {})).unwrap().size, Some(5));
        let faults: [fn(&mut ImageMessage); 6] = [
            |image| image.direct_path = None,
            |image| image.media_key = None,
            |image| image.file_sha256 = None,
            |image| image.file_enc_sha256 = None,
            |image| image.file_length = None,
            |image| image.direct_path = Some("/".repeat(SOURCE)),
        ];
        for fault in faults {
            assert!(enclosure(&image(fault)).is_none());
        }
        assert!(enclosure(&Message::default()).is_none());
    }

    #[test]
    fn a_thumbnail_is_a_small_jpeg_or_none() {
        let seen = |jpeg: Vec<u8>| enclosure(&image(|image| image.jpeg_thumbnail = Some(jpeg))).unwrap().thumbnail;
        assert_eq!(seen(JPEG.to_vec()).as_deref(), Some(JPEG));
        assert_eq!(seen(b"<script>".to_vec()), None);
        assert_eq!(seen([JPEG, &[0; THUMBNAIL]].concat()), None);
    }
}
