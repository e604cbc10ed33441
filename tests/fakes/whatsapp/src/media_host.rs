//! The media host, an HTTP server at the same port: it takes encrypted files whose hash is what they
//! are called by, and gives them back. One request a connection.

use std::collections::HashMap;
use std::pin::pin;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::Upload;
use crate::http::Stream;
use crate::media::{Spoil, is_upload_path, token_of};
use crate::server::Shared;

/// From where WhatsApp Web uploads.
const ORIGIN: &str = "https://web.whatsapp.com";
/// Bytes of an upload that are read at once.
const PART: usize = 64 * 1024;

/// The head of a request.
pub(crate) struct Head {
    method: String,
    path: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
}

impl Head {
    /// A request that is for this host; none if it is for the server.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?.split("\r\n\r\n").next()?;
        let mut lines = head.lines();
        let mut line = lines.next()?.split(' ');
        let (method, target) = (line.next()?, line.next()?);
        if !(target.starts_with("/mms/") || target.starts_with("/v/")) {
            return None;
        }
        // A path may have a query of its own already, to which clients add theirs in one way or another.
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_lowercase(), v.trim().to_owned()));
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.split(['&', '?']).filter_map(pair).collect(),
            headers: lines.filter_map(header).collect(),
        })
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is answered.
struct Answer {
    status: u16,
    body: Bytes,
    /// How many bytes the head says that there are.
    length: usize,
}

impl Answer {
    fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { status, length: body.len(), body }
    }
}

/// Answers a request of which the head is read, the rest being what comes next.
pub(crate) async fn serve(shared: &Shared, head: Head, mut socket: impl Stream) -> Result<()> {
    if shared.look().media.faults.is_down {
        return Ok(());
    }
    let answer = match head.method.as_str() {
        "POST" if head.query("resume").is_some() => progress(shared, &head),
        "POST" => take(shared, &head, &mut socket).await?,
        "GET" => give(shared, &head),
        _ => Answer::new(405, ""),
    };
    let Answer { status, body, length } = answer;
    let head = format!("HTTP/1.1 {status} \r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(&body).await?;
    socket.shutdown().await?;
    Ok(())
}

/// Why an upload is not taken, if it is not: a status.
fn refusal(shared: &Shared, head: &Head) -> Option<u16> {
    let mut state = shared.state();
    if let Some((status, times)) = &mut state.media.faults.refused_uploads
        && *times > 0
    {
        *times -= 1;
        return Some(*status);
    }
    let mut path = head.path.trim_start_matches("/mms/").split('/');
    let is_path =
        path.next().is_some_and(is_upload_path) && path.next() == head.query("token") && path.next().is_none();
    let is_web = head.header("origin") == Some(ORIGIN);
    let is_binary = head.header("content-type") == Some("application/octet-stream");
    if head.query("auth") != Some(&state.media.auth) {
        Some(401)
    } else if head.header("content-length").is_none() {
        Some(411)
    } else {
        (!is_path || !is_web || !is_binary).then_some(400)
    }
}

/// Says how far an upload is.
fn progress(shared: &Shared, head: &Head) -> Answer {
    let state = shared.look();
    let Some(token) = head.query("token") else { return Answer::new(400, "") };
    if head.query("auth") != Some(&state.media.auth) {
        return Answer::new(401, "");
    }
    if let Some(path) = state.media.find(token) {
        return Answer::new(200, taken(&state.media.url(&path), &path, r#","resume":"complete""#));
    }
    match state.media.partial.get(token) {
        Some(part) => Answer::new(200, format!(r#"{{"resume":"{}"}}"#, part.len())),
        None => Answer::new(404, ""),
    }
}

fn taken(url: &str, path: &str, more: &str) -> String {
    format!(r#"{{"url":"{url}","direct_path":"{path}"{more}}}"#)
}

/// Takes an upload.
async fn take(shared: &Shared, head: &Head, body: &mut (impl AsyncRead + Unpin)) -> Result<Answer> {
    shared.state().media.uploads_begun += 1;
    let refusal = refusal(shared, head);
    let token = head.query("token").unwrap_or_default().to_owned();
    let length: usize = head.header("content-length").unwrap_or("0").parse()?;
    let offset = head.query("file_offset").map(str::parse::<usize>).transpose()?;
    let mut file = match offset {
        Some(offset) => {
            let part = shared.state().media.partial.remove(&token).context("nothing to go on with")?;
            part.get(..offset).context("so much has not come")?.to_vec()
        }
        None => Vec::new(),
    };
    let (cut, whole) = (shared.state().media.faults.cut_upload.take(), file.len() + length);
    let mut part = vec![0; PART];
    // What is refused is read as well: a socket closed with bytes unread would take the answer back.
    while file.len() < whole {
        let most = PART.min(whole - file.len()).min(cut.map_or(PART, |cut| cut.saturating_sub(file.len())));
        let read = if most == 0 { 0 } else { body.read(&mut part[..most]).await? };
        if read == 0 {
            let came = file.len();
            shared.state().media.partial.insert(token, file);
            bail!("an upload ended after {came} of {whole} bytes");
        }
        file.extend_from_slice(&part[..read]);
        released(shared).await;
    }
    if let Some(status) = refusal {
        return Ok(Answer::new(status, "refused"));
    }
    if token_of(&file) != token {
        return Ok(Answer::new(400, "another hash"));
    }
    let kind = head.path.trim_start_matches("/mms/").split('/').next().unwrap_or_default().to_owned();
    let mut state = shared.state();
    state.media.uploads.push(Upload { kind, size: file.len() });
    let path = state.media.keep(file.into());
    Ok(Answer::new(200, taken(&state.media.url(&path), &path, "")))
}

/// Waits while uploads are held.
async fn released(shared: &Shared) {
    loop {
        let mut changed = pin!(shared.changed.notified());
        changed.as_mut().enable();
        if !shared.look().media.faults.is_holding_uploads {
            return;
        }
        changed.await;
    }
}

/// Gives a file out.
fn give(shared: &Shared, head: &Head) -> Answer {
    let mut state = shared.state();
    state.media.downloads += 1;
    if let Some(status) = state.media.faults.refused_downloads {
        return Answer::new(status, "");
    }
    let Some(file) = state.media.get(&head.path) else { return Answer::new(404, "") };
    // Some clients name the hash as well, in one way or another.
    let hash = head.query("hash").or_else(|| head.query("token"));
    if hash.is_some_and(|hash| hash != token_of(&file)) {
        return Answer::new(403, "");
    }
    let mut answer = Answer::new(200, file.clone());
    match state.media.faults.spoil {
        Some(Spoil::Flipped) => {
            let mut bytes = file.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            answer.body = bytes.into();
        }
        Some(Spoil::Longer(more)) => answer = Answer::new(200, [&file[..], &vec![0; more]].concat()),
        Some(Spoil::Cut) => answer.body = file.slice(..file.len() / 2),
        None => {}
    }
    answer
}
