//! What a file is: told by its content, whatever it is called or said to be.

use entity::message::Kind;

/// Characters of a file's name at most: what file systems take, in bytes.
const NAME: usize = 255;
/// What nobody knows more of.
const BYTES: &str = "application/octet-stream";

/// The MIME type of a content that begins so. Of a text, which all look alike, its name tells more.
#[must_use]
pub fn mime_type(head: &[u8], file_name: Option<&str>) -> String {
    if let Some(found) = infer::get(head) {
        return match found.mime_type() {
            // The sound is Opus, what it is in is Ogg, and so it is called everywhere.
            "audio/opus" => "audio/ogg",
            "audio/x-wav" => "audio/wav",
            other => other,
        }
        .to_owned();
    }
    let is_text = match std::str::from_utf8(head) {
        Ok(text) => !text.contains('\0'),
        // The head may end within a character.
        Err(error) => error.error_len().is_none() && !head.contains(&0),
    };
    let extension = file_name.and_then(|name| name.rsplit_once('.')).map(|(_, end)| end.to_lowercase());
    match (is_text, extension.as_deref()) {
        (false, _) => BYTES,
        (true, Some("csv")) => "text/csv",
        (true, Some("ics")) => "text/calendar",
        (true, Some("vcf")) => "text/vcard",
        (true, _) => "text/plain",
    }
    .to_owned()
}

/// What a content of that type is sent as, unless somebody says otherwise: as what each messenger shows.
#[must_use]
pub fn kind(mime_type: &str) -> Kind {
    match mime_type {
        "image/jpeg" | "image/png" | "image/webp" => Kind::Image,
        "video/mp4" | "video/3gpp" | "video/quicktime" => Kind::Video,
        "audio/mpeg" | "audio/m4a" | "audio/aac" | "audio/amr" | "audio/ogg" => Kind::Audio,
        _ => Kind::Document,
    }
}

/// Width and height of a picture that begins so.
#[must_use]
pub fn pixels(head: &[u8]) -> Option<(u32, u32)> {
    let size = imagesize::blob_size(head).ok()?;
    let side = |pixels: usize| u32::try_from(pixels).ok().filter(|side| (1..=100_000).contains(side));
    Some((side(size.width)?, side(size.height)?))
}

/// Whether a browser may show a content of that type: nothing in it runs.
#[must_use]
pub fn is_harmless(mime_type: &str) -> bool {
    matches!(
        mime_type,
        "image/jpeg"
            | "image/png"
            | "image/webp"
            | "image/gif"
            | "video/mp4"
            | "video/webm"
            | "audio/mpeg"
            | "audio/ogg"
            | "audio/m4a"
            | "audio/mp4"
            | "audio/aac"
            | "audio/wav"
    )
}

/// What a file is called: no path, nothing that can't be seen, and no more than a name has.
#[must_use]
pub fn file_name(said: &str) -> Option<String> {
    let name = said.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_seen = |c: &char| {
        !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String = name.chars().filter(is_seen).collect();
    let name = name.trim().trim_start_matches('.');
    // The end says what it is.
    let cut = name.chars().count().saturating_sub(NAME);
    let name: String = name.chars().skip(cut).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_what_it_begins_with_whatever_it_is_called() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\x06\0\0\0";
        for (head, name, found) in [
            (&png[..], "harmless.txt", "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "a.png", "image/jpeg"),
            (b"<!DOCTYPE html><script>alert(1)</script>", "a.png", "text/html"),
            (b"<html><body>", "a.jpg", "text/html"),
            (b"<?xml version=\"1.0\"?><svg onload=\"alert(1)\"/>", "a.png", "text/xml"),
            (b"<svg xmlns=\"x\" onload=\"alert(1)\"/>", "a.svg", "text/plain"),
            (b"%PDF-1.7\n", "bill", "application/pdf"),
            (b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead", "v", "audio/ogg"),
            (b"name,phone\n", "list.CSV", "text/csv"),
            ("\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}".as_bytes(), "note.md", "text/plain"),
            (b"a\0b", "note.txt", BYTES),
            (b"\xfe\xfe\xfe", "x.csv", BYTES),
        ] {
            assert_eq!(mime_type(head, Some(name)), found, "{name}");
        }
        assert_eq!(mime_type(&"я".as_bytes()[..1], None), "text/plain", "cut within a character");
        assert_eq!(pixels(png), Some((2, 3)));
        assert_eq!(pixels(b"GIF89a"), None);
        assert_eq!(kind("text/html"), Kind::Document);
        assert!(!is_harmless("text/html") && !is_harmless("image/svg+xml") && !is_harmless("application/pdf"));
    }

    #[test]
    fn a_name_has_no_path_and_nothing_unseen() {
        for (said, name) in [
            ("bill.pdf", Some("bill.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\a\\bill.pdf", Some("bill.pdf")),
            ("..", None),
            (".htaccess", Some("htaccess")),
            ("a\0b\r\n\"c.txt", Some("ab\"c.txt")),
            ("photo\u{202e}gnp.exe", Some("photognp.exe")),
            ("  ", None),
        ] {
            assert_eq!(file_name(said).as_deref(), name, "{said:?}");
        }
        let long = format!("{}.pdf", "x".repeat(300));
        assert_eq!(file_name(&long).unwrap().chars().count(), NAME);
        assert!(file_name(&long).unwrap().ends_with(".pdf"));
    }
}
