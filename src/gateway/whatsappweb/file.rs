//! Files on their way into the page and out of it: piece by piece, each acknowledged before the next is
//! read, so that none is ever whole on this side. The page keeps the last file that it was given.

use std::io;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use entity::message::Kind;
use futures_util::stream::try_unfold;
use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::line::Line;
use super::session::read;
use crate::gateway::{Attachment, Bytestream, Enclosure, FetchError, SendError};

/// Bytes of a piece: what the page takes at once, and half of what it answers at most.
const PIECE: usize = 512 << 10;
/// What a document is called that has no name.
const NAMELESS: &str = "file";

/// What the page calls a file. As another kind it has another type and title, and so is another one.
fn name(file: &Attachment) -> String {
    format!("{} {}", file.id, file.kind)
}

/// How a message tells the page of its file.
pub(super) fn told(file: &Attachment) -> Value {
    json!({"name": name(file), "as": file.kind})
}

/// Hands a file over to the page, unless it has it. Nothing leaves by that.
pub(super) async fn hand_over(line: &Line, file: &Attachment) -> Result<(), SendError> {
    let name = name(file);
    // A page that is loaded anew meanwhile is handed it again, from its beginning. That is an attempt: the file
    // may be what the page dies of.
    let not_taken = |_| later("the page does not take the file");
    if line.ask("hasFile", json!({"file": name})).await.map_err(not_taken)? == json!(true) {
        return Ok(());
    }
    let (mut content, mut rest, mut offset) = (file.open().await?, Bytes::new(), 0);
    // A title would stand under a picture that has no caption.
    let title = if file.kind == Kind::Document { file.file_name.as_deref().unwrap_or(NAMELESS) } else { "" };
    while offset < file.size {
        let piece =
            next_piece(&mut content, &mut rest).await.map_err(|_| later("the file can't be read to its end"))?;
        if piece.is_empty() {
            return Err(later("the file is shorter than it was"));
        }
        let parameters = json!({
            "file": name, "title": title, "mimeType": mime_type(file), "size": file.size, "offset": offset,
            "piece": BASE64.encode(&piece),
        });
        line.ask("putFile", parameters).await.map_err(not_taken)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// The next bytes of a content: fewer than a piece at its end alone.
async fn next_piece(content: &mut Bytestream, rest: &mut Bytes) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE);
    while piece.len() < PIECE {
        if rest.is_empty() {
            match content.try_next().await? {
                Some(more) => *rest = more,
                None => break,
            }
        }
        piece.extend_from_slice(&rest.split_to(rest.len().min(PIECE - piece.len())));
    }
    Ok(piece)
}

/// WhatsApp plays a voice only if it is told the codec.
fn mime_type(file: &Attachment) -> &str {
    match (file.kind, file.mime_type.as_str()) {
        (Kind::Voice, "audio/ogg") => "audio/ogg; codecs=opus",
        (_, other) => other,
    }
}

fn later(cause: &'static str) -> SendError {
    SendError::Later { after: None, cause: anyhow!(cause) }
}

/// A file of a message, as the page has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    /// The whole id of the message.
    id: String,
    mime_type: Option<String>,
    size: Option<u64>,
    name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    seconds: Option<u32>,
    /// Base64.
    thumbnail: Option<String>,
}

impl From<Told> for Enclosure {
    fn from(told: Told) -> Self {
        let Told { id, mime_type, size, name, width, height, seconds, thumbnail } = told;
        let thumbnail = thumbnail.and_then(|thumbnail| BASE64.decode(thumbnail).ok());
        Self { mime_type, size, file_name: name, width, height, seconds, thumbnail, source: id }
    }
}

/// A file that the page has fetched.
#[derive(Clone, Copy, Deserialize)]
struct Fetched {
    number: u64,
    size: u64,
}

/// Has the page fetch the file of the message with this id, and reads it from there. One that takes longer
/// than whoever asks waits, the page goes on to fetch: it is there when it is asked for again.
pub(super) async fn fetch(line: &Line, source: &str) -> Result<Bytestream, FetchError> {
    let later = |cause: &'static str| FetchError::Later(anyhow!(cause));
    let answer = line.ask("fetchFile", json!({"id": source})).await;
    let fetched = answer.map_err(|refusal| match refusal.code.as_str() {
        "gone" => FetchError::Gone,
        _ => later("the page could not fetch the file"),
    })?;
    let Fetched { number, size } = read(fetched).ok_or_else(|| later("the page's answer is not understood"))?;
    let line = line.clone();
    let pieces = try_unfold(0, move |offset: u64| {
        let line = line.clone();
        async move {
            if offset >= size {
                return Ok(None);
            }
            let broken = || io::Error::other("the page does not give the file to its end");
            let piece =
                line.ask("readFile", json!({"number": number, "offset": offset})).await.map_err(|_| broken())?;
            let piece = piece.as_str().and_then(|piece| BASE64.decode(piece).ok()).ok_or_else(broken)?;
            if piece.is_empty() {
                return Err(broken());
            }
            let next = offset + piece.len() as u64;
            Ok(Some((Bytes::from(piece), next)))
        }
    });
    Ok(pieces.boxed())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use chrono::DateTime;
    use entity::ids::MediaId;
    use futures_util::stream;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tempfile::TempDir;
    use tokio::sync::mpsc;

    use super::super::line::{Answer, Command};
    use super::super::page::Refusal;
    use super::*;
    use crate::blobs::Blobs;

    /// What a page was asked.
    type Asked = Arc<Mutex<Vec<(&'static str, Value)>>>;

    /// A page that answers so.
    fn page(answer: impl Fn(&'static str, &Value) -> Answer + Send + 'static) -> (Line, Asked) {
        let (commands, mut heard) = mpsc::channel(1);
        let asked = Asked::default();
        let all = asked.clone();
        tokio::spawn(async move {
            while let Some(Command::Ask(method, parameters, told)) = heard.recv().await {
                assert!(heard.is_empty(), "more than one piece is under way");
                let answer = answer(method, &parameters);
                all.lock().unwrap().push((method, parameters));
                told.send(answer).unwrap();
            }
        });
        (Line(commands), asked)
    }

    fn refusal(code: &str) -> Answer {
        Err(Refusal { code: code.to_owned(), may_be_sent: false })
    }

    async fn file(folder: &TempDir, content: Vec<u8>) -> Attachment {
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let id = MediaId::new(DateTime::UNIX_EPOCH, &mut StdRng::seed_from_u64(7));
        let kept = blobs.put(id, u64::MAX, stream::iter([Ok(Bytes::from(content))])).await.unwrap();
        Attachment {
            id,
            kind: Kind::Voice,
            mime_type: "audio/ogg".to_owned(),
            size: kept.size,
            sha256: kept.sha256,
            file_name: Some("voice.ogg".to_owned()),
            width: None,
            height: None,
            blobs: Arc::new(blobs),
        }
    }

    #[tokio::test]
    async fn a_file_is_handed_over_piece_by_piece_unless_the_page_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = file(&folder, content.clone()).await;
        let (line, asked) = page(|method, _| Ok(if method == "hasFile" { json!(false) } else { Value::Null }));
        hand_over(&line, &file).await.unwrap();
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        let (mut came, sizes) = (Vec::new(), [PIECE, PIECE, PIECE, content.len() - 3 * PIECE]);
        for ((method, piece), size) in asked[1..].iter().zip(sizes) {
            assert_eq!(
                (*method, &piece["offset"], &piece["size"]),
                ("putFile", &json!(came.len()), &json!(content.len()))
            );
            assert_eq!((&piece["title"], &piece["mimeType"]), (&json!(""), &json!("audio/ogg; codecs=opus")));
            assert_eq!(piece["file"], told(&file)["name"]);
            came.extend(BASE64.decode(piece["piece"].as_str().unwrap()).unwrap());
            assert_eq!(came.len() % PIECE, size % PIECE);
        }
        assert!(came == content && asked.len() == 5);
        let (line, asked) = page(|_, _| Ok(json!(true)));
        hand_over(&line, &file).await.unwrap();
        assert_eq!(asked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_is_not_handed_over_goes_later_and_what_is_not_kept_never() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = file(&folder, b"a voice".to_vec()).await;
        let (line, _) = page(|method, _| if method == "hasFile" { Ok(json!(false)) } else { refusal("not_ready") });
        let error = hand_over(&line, &file).await.unwrap_err();
        assert!(matches!(error, SendError::Later { after: None, .. }), "{error}");
        let (line, _) = page(|method, _| Ok(if method == "hasFile" { json!(false) } else { Value::Null }));
        file.size += 1;
        assert!(matches!(hand_over(&line, &file).await, Err(SendError::Later { .. })), "it is shorter than it was");
        file.blobs.delete(file.id).await.unwrap();
        assert!(matches!(hand_over(&line, &file).await, Err(SendError::Refused { code: "media_gone", .. })));
    }

    #[tokio::test]
    async fn a_file_that_came_is_read_to_its_end_or_breaks_off() {
        let fetched = json!({"number": 3, "size": PIECE + 5, "mimeType": null});
        let (line, _) = page(move |method, asked| match (method, asked["offset"].as_u64()) {
            ("fetchFile", _) if asked["id"] == "gone" => refusal("gone"),
            ("fetchFile", _) if asked["id"] == "away" => refusal("not_connected"),
            ("fetchFile", _) => Ok(fetched.clone()),
            (_, Some(0)) => Ok(json!(BASE64.encode(vec![1; PIECE]))),
            _ if asked["number"] == 3 => Ok(json!(BASE64.encode([2; 5]))),
            _ => refusal("no_file"),
        });
        let all: Vec<Bytes> = fetch(&line, "there").await.unwrap().try_collect().await.unwrap();
        assert!(all.concat() == [vec![1; PIECE], vec![2; 5]].concat());
        assert!(matches!(fetch(&line, "gone").await, Err(FetchError::Gone)));
        assert!(matches!(fetch(&line, "away").await, Err(FetchError::Later(_))));
        let (line, _) = page(|method, _| match method {
            "fetchFile" => Ok(json!({"number": 1, "size": 9})),
            _ => refusal("no_file"),
        });
        let broken: io::Result<Vec<Bytes>> = fetch(&line, "there").await.unwrap().try_collect().await;
        assert!(broken.is_err());
    }
}
