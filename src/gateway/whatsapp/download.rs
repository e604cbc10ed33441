//! A file on its way from WhatsApp's media hosts: decrypted part by part as it comes. Its end is only
//! reached if it is what the message said; until then nobody knows whether what came before is.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{Stream, StreamExt, stream};
use reqwest::{Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::io::{StreamReader, SyncIoBridge};
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::wacore::download::DownloadUtils;

use super::parcel::Parcel;
use super::people::People;
use super::wire::Wire;
use crate::gateway::{Bytestream, FetchError};

/// Bytes that are handed over at a time …
const PART: usize = 64 * 1024;
/// … and how many of such parts may wait.
const WAITING: usize = 4;
/// How long a host may be silent in the middle of a file.
const SILENCE: Duration = Duration::from_secs(30);

/// Fetches a file that came with a message.
pub(super) async fn fetch(people: &People, wire: &Wire, source: &str) -> Result<Bytestream, FetchError> {
    let Some(parcel) = Parcel::read(source) else { return Err(FetchError::Gone) };
    let later = |what: &'static str| FetchError::Later(anyhow!(what));
    let connection = people.client.refresh_media_conn(false).await;
    let connection = connection.map_err(|_| later("WhatsApp does not say where its media hosts are"))?;
    // Who sent the file chose the path, which has a query already. No token goes with it: hosts want none.
    let and = if parcel.path.contains('?') { '&' } else { '?' };
    let hash = URL_SAFE_NO_PAD.encode(&parcel.encrypted_sha256);
    let path = format!("{}{and}hash={hash}&mms-type={}&__wa-mms=", parcel.path, parcel.cipher().mms_type());
    let mut why = later("WhatsApp names no media host");
    for host in &connection.hosts {
        match wire.get(&host.hostname, &path).await {
            Ok(answer) if answer.status().is_success() => return Ok(opened(answer, parcel)),
            Ok(answer) => match answer.status() {
                // Files are deleted after some weeks, and paths end.
                StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::Gone),
                StatusCode::FORBIDDEN if parcel.has_ended(people.keys.clock.now()) => return Err(FetchError::Gone),
                status => {
                    let status = status.as_u16();
                    why = FetchError::Later(anyhow!("WhatsApp's media host did not give the file ({status})"));
                }
            },
            Err(error) => {
                tracing::warn!(account.id = %people.keys.account, %error, "a media host was not reached for a file");
                why = later("WhatsApp's media host was not reached");
            }
        }
    }
    Err(why)
}

/// The content of what is answered.
fn opened(answer: Response, parcel: Parcel) -> Bytestream {
    let (tell, parts) = mpsc::channel(WAITING);
    let coming = SyncIoBridge::new(StreamReader::new(Box::pin(patient(answer))));
    // Decrypting takes a reader that blocks. It ends with whoever reads here.
    spawn_blocking(move || {
        let mut taken = Taken::new(tell.clone(), parcel.size);
        let decrypted = DownloadUtils::decrypt_stream_to_writer(coming, &parcel.key, parcel.cipher(), &mut taken);
        let end = match decrypted {
            Ok(_) => taken.finish(&parcel.sha256),
            Err(error) => Err(error.downcast().unwrap_or_else(|_| wrong())),
        };
        // Nobody may listen any more.
        let _ = tell.blocking_send(end.map(|()| None));
    });
    stream::unfold(Some(parts), |parts| async {
        let mut parts = parts?;
        match parts.recv().await {
            Some(Ok(Some(part))) => Some((Ok(part), Some(parts))),
            Some(Ok(None)) => None,
            Some(Err(error)) => Some((Err(error), None)),
            // It ended without a word, so it did not come to its end.
            None => Some((Err(wrong()), None)),
        }
    })
    .boxed()
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is not what the message says")
}

/// What comes of an answer, as long as something does.
fn patient(answer: Response) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(answer.bytes_stream()), |body| async {
        let mut body = body?;
        match tokio::time::timeout(SILENCE, body.next()).await {
            Ok(Some(Ok(part))) => Some((Ok(part), Some(body))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error.without_url())), None)),
            Ok(None) => None,
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    })
}

/// What is decrypted, on its way to who asked.
struct Taken {
    tell: mpsc::Sender<io::Result<Option<Bytes>>>,
    part: Vec<u8>,
    hash: Sha256,
    /// Bytes that may still come.
    left: u64,
}

impl Taken {
    fn new(tell: mpsc::Sender<io::Result<Option<Bytes>>>, size: u64) -> Self {
        Self { tell, part: Vec::new(), hash: Sha256::new(), left: size }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let part = std::mem::take(&mut self.part);
        self.hash.update(&part);
        self.tell.blocking_send(Ok(Some(part.into()))).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// All has come: hands over the last, if it is what the message said.
    fn finish(mut self, sha256: &[u8]) -> io::Result<()> {
        let hash = self.hash.clone().chain_update(&self.part).finalize();
        if self.left > 0 || hash[..] != *sha256 {
            return Err(wrong());
        }
        self.hand_over()
    }
}

impl Write for Taken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(wrong)?;
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
