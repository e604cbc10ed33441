//! The files of people's messages, as enclosures: what is known of each, and its `file_id`.

use frankenstein::types::Message;

use crate::gateway::Enclosure;

/// The file that came with a message.
pub(super) fn enclosure(message: &Message) -> Option<Enclosure> {
    let none = Enclosure::default();
    if let Some(picture) = message.photo.as_ref().and_then(|sizes| sizes.last()) {
        return Some(Enclosure {
            mime_type: Some("image/jpeg".to_owned()),
            size: picture.file_size,
            width: Some(picture.width),
            height: Some(picture.height),
            source: picture.file_id.clone(),
            ..none
        });
    }
    if let Some(film) = &message.video {
        return Some(Enclosure {
            mime_type: film.mime_type.clone(),
            size: film.file_size,
            file_name: film.file_name.clone(),
            width: Some(film.width),
            height: Some(film.height),
            seconds: Some(film.duration),
            source: film.file_id.clone(),
            ..none
        });
    }
    if let Some(note) = &message.video_note {
        return Some(Enclosure {
            mime_type: Some("video/mp4".to_owned()),
            size: note.file_size,
            width: Some(note.length),
            height: Some(note.length),
            seconds: Some(note.duration),
            source: note.file_id.clone(),
            ..none
        });
    }
    if let Some(sound) = &message.audio {
        return Some(Enclosure {
            mime_type: sound.mime_type.clone(),
            size: sound.file_size,
            file_name: sound.file_name.clone(),
            seconds: Some(sound.duration),
            source: sound.file_id.clone(),
            ..none
        });
    }
    if let Some(voice) = &message.voice {
        return Some(Enclosure {
            mime_type: voice.mime_type.clone().or(Some("audio/ogg".to_owned())),
            size: voice.file_size,
            seconds: Some(voice.duration),
            source: voice.file_id.clone(),
            ..none
        });
    }
    if let Some(sticker) = &message.sticker {
        return Some(Enclosure {
            mime_type: Some("image/webp".to_owned()),
            size: sticker.file_size,
            width: Some(sticker.width),
            height: Some(sticker.height),
            source: sticker.file_id.clone(),
            ..none
        });
    }
    // An animation is a document as well.
    message.document.as_ref().map(|file| Enclosure {
        mime_type: file.mime_type.clone(),
        size: file.file_size,
        file_name: file.file_name.clone(),
        source: file.file_id.clone(),
        ..none
    })
}
