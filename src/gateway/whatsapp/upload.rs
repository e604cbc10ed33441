//! A file on its way to WhatsApp's media hosts. It is read twice, once for the hash of what is encrypted,
//! by which the host is asked, and once to send it; so none of it is ever whole in memory or on disk. What
//! was uploaded is kept in mind: whoever gets the same file next is told of the same upload.

use std::time::Duration;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{Stream, StreamExt, stream};
use reqwest::{Body, StatusCode};
use serde::Deserialize;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::wacore::download::MediaType;
use whatsapp_rust::wacore::proto_helpers::MessageBuilderExt;
use whatsapp_rust::wacore::upload::{MediaEncryptor, encrypted_len};
use whatsapp_rust::waproto::whatsapp::Message;

use super::parcel::{KEPT, Parcel, cipher};
use super::people::People;
use super::wire::Wire;
use crate::gateway::{Attachment, Bytestream, Outgoing, SendError};
use crate::store::media::Upload;

/// What a host says of what it took.
#[derive(Deserialize)]
struct Said {
    url: String,
    direct_path: String,
}

/// Why a host does not take a file.
enum NotTaken {
    /// Not with this token.
    TokenEnded,
    /// Not now; another host may.
    Now(anyhow::Error),
    /// No host ever will.
    Ever,
}

fn later(cause: anyhow::Error) -> SendError {
    SendError::Later { after: None, cause }
}

/// What a message says, its file having been brought to WhatsApp's hosts. Nothing of the message leaves
/// meanwhile.
pub(super) async fn content(
    people: &People,
    wire: &Wire,
    message: &Outgoing,
    send_deadline: Duration,
) -> Result<Message, SendError> {
    let text = message.text.0.as_str();
    let Some(file) = &message.media else { return Ok(Message::text(text)) };
    // Half of the time that any send has is left for the message itself.
    let parcel = bring(people, wire, file, send_deadline / 2 + file.carrying()).await?;
    if !people.client.is_logged_in() {
        return Err(later(anyhow!("not connected")));
    }
    Ok(parcel.message(file, text))
}

/// Brings a file to WhatsApp's hosts, unless it is there.
async fn bring(people: &People, wire: &Wire, file: &Attachment, patience: Duration) -> Result<Parcel, SendError> {
    let keys = &people.keys;
    let known = keys.store.find_upload(keys.account, file.id, file.kind).await;
    let known = known.map_err(|_| later(anyhow!("the database did not answer")))?;
    if let Some(Upload { handle, at }) = known
        && let Some(parcel) = Parcel::read(&handle)
        && parcel.lasts(at, keys.clock.now())
    {
        return Ok(parcel);
    }
    let uploaded = keys.clock.timeout(patience, upload(people, wire, file)).await;
    let parcel = uploaded.map_err(|_| later(anyhow!("the file was not uploaded in time")))??;
    let at = keys.clock.now();
    let upload = Upload { handle: parcel.write(), at };
    if keys.store.keep_upload(keys.account, keys.epoch, (file.id, file.kind), upload, at - KEPT).await.is_err() {
        tracing::warn!(account.id = %keys.account, media.id = %file.id, "a file is uploaded once more the next time");
    }
    Ok(parcel)
}

async fn upload(people: &People, wire: &Wire, file: &Attachment) -> Result<Parcel, SendError> {
    let key = rand::random();
    let mut parcel = measure(people, file, key).await?;
    let token = URL_SAFE_NO_PAD.encode(&parcel.encrypted_sha256);
    let length = encrypted_len(usize::try_from(parcel.size).unwrap_or(usize::MAX)) as u64;
    let mut why = anyhow!("WhatsApp names no media host");
    'token: for is_again in [false, true] {
        let connection = people.client.refresh_media_conn(is_again).await;
        let connection = connection.map_err(|_| later(anyhow!("WhatsApp does not say where its media hosts are")))?;
        let auth: String = form_urlencoded::byte_serialize(connection.auth.as_bytes()).collect();
        let path = format!("{}/{token}?auth={auth}&token={token}", parcel.cipher().upload_path());
        for host in &connection.hosts {
            let content = encrypted(file.open().await?, encryptor(file, key, false)?);
            let answer = wire.post(&host.hostname, &path, length, Body::wrap_stream(content)).await;
            let answer = answer.map_err(|error| {
                tracing::warn!(account.id = %people.keys.account, %error, "a file did not reach a media host");
                NotTaken::Now(anyhow!("WhatsApp's media host was not reached"))
            });
            match answer.and_then(read) {
                Ok(said) => {
                    (parcel.path, parcel.url) = (said.direct_path, Some(said.url));
                    return Ok(parcel);
                }
                Err(NotTaken::TokenEnded) if !is_again => continue 'token,
                Err(NotTaken::TokenEnded) => return Err(later(anyhow!("WhatsApp's media hosts let nothing in"))),
                Err(NotTaken::Ever) => {
                    let reason = "WhatsApp does not take the file".to_owned();
                    return Err(SendError::Refused { code: "media_refused", reason });
                }
                Err(NotTaken::Now(cause)) => why = cause,
            }
        }
        break;
    }
    Err(later(why))
}

/// What a host answered to an upload.
fn read((status, said): (StatusCode, Vec<u8>)) -> Result<Said, NotTaken> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(NotTaken::TokenEnded),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE => Err(NotTaken::Ever),
        status if !status.is_success() => {
            Err(NotTaken::Now(anyhow!("WhatsApp's media host did not take the file ({})", status.as_u16())))
        }
        _ => serde_json::from_slice(&said)
            .map_err(|_| NotTaken::Now(anyhow!("WhatsApp's media host does not say where the file is"))),
    }
}

fn encryptor(file: &Attachment, key: [u8; 32], measures: bool) -> Result<MediaEncryptor, SendError> {
    let cipher = cipher(file.kind);
    let plays = matches!(cipher, MediaType::Video | MediaType::Audio);
    MediaEncryptor::with_key_and_sidecar(key, cipher, measures && plays)
        .map_err(|_| later(anyhow!("the file could not be encrypted")))
}

/// What there is to say of the file once it is encrypted with the key.
async fn measure(people: &People, file: &Attachment, key: [u8; 32]) -> Result<Parcel, SendError> {
    let mut encryptor = encryptor(file, key, true)?;
    let (mut content, mut sink) = (file.open().await?, Vec::new());
    let unread = || later(anyhow!("the file can't be read now"));
    while let Some(part) = content.next().await {
        sink.clear();
        encryptor.update(&part.map_err(|_| unread())?, &mut sink);
    }
    let info = encryptor.finalize(&mut sink).map_err(|_| unread())?;
    let is_same = info.file_length == file.size && hex(&info.file_sha256) == file.sha256;
    is_same.then(|| Parcel::new(file.kind, people.keys.clock.now().timestamp(), info)).ok_or_else(unread)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A content, encrypted part by part as it is read.
fn encrypted(content: Bytestream, encryptor: MediaEncryptor) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::unfold(Some((content, encryptor)), |state| async {
        let (mut content, mut encryptor) = state?;
        match content.next().await {
            Some(Ok(part)) => {
                let mut out = Vec::with_capacity(part.len() + 16);
                encryptor.update(&part, &mut out);
                Some((Ok(out.into()), Some((content, encryptor))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                let mut out = Vec::with_capacity(32);
                let end = encryptor.finalize(&mut out).map(|_| out.into()).map_err(std::io::Error::other);
                Some((end, None))
            }
        }
    })
}
