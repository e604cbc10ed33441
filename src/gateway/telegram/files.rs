//! Files to and from Telegram: uploaded once for each bot and kind, and named by Telegram's `file_id` from
//! then on; what people send is asked for by theirs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use chrono::TimeDelta;
use entity::message::Kind;
use frankenstein::AsyncTelegramApi;
use frankenstein::methods::GetFileParams;
use frankenstein::response::{ErrorResponse, MethodResponse};
use frankenstein::types::Message;
use futures_util::{Stream, StreamExt, TryStreamExt};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, StatusCode};
use serde_json::json;

use super::{Telegram, describe, read_error};
use crate::gateway::{Attachment, Bytestream, FetchError, SendError};
use crate::logs::step;
use crate::store::media::Upload;

/// How long a `file_id` is used. Telegram keeps it for as long as it likes; one that it does not know any more is
/// uploaded anew.
const USED: TimeDelta = TimeDelta::days(30);

/// How long Telegram may take to give a file: bots get none of more than 20 MB.
const FETCH: Duration = Duration::from_secs(180);

/// The method that sends a kind, and its parameter for the file.
fn method_of(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Image => ("sendPhoto", "photo"),
        Kind::Video => ("sendVideo", "video"),
        Kind::Audio => ("sendAudio", "audio"),
        Kind::Voice => ("sendVoice", "voice"),
        Kind::Sticker => ("sendSticker", "sticker"),
        _ => ("sendDocument", "document"),
    }
}

/// The `file_id` of what was sent, if it went as that kind: one can't be sent as another.
fn file_id(message: &Message, kind: Kind) -> Option<String> {
    match kind {
        // The largest, which comes last, is the picture itself.
        Kind::Image => message.photo.as_ref()?.last().map(|size| size.file_id.clone()),
        Kind::Video => message.video.as_ref().map(|file| file.file_id.clone()),
        Kind::Audio => message.audio.as_ref().map(|file| file.file_id.clone()),
        Kind::Voice => message.voice.as_ref().map(|file| file.file_id.clone()),
        Kind::Sticker => message.sticker.as_ref().map(|file| file.file_id.clone()),
        _ => message.document.as_ref().map(|file| file.file_id.clone()),
    }
}

impl Telegram {
    /// Sends a file, with a text under it if there is one: as one that Telegram has, or all of it.
    pub(super) async fn send_file(&self, to: &str, caption: &str, file: &Attachment) -> Result<Message, SendError> {
        let known = self.store.find_upload(self.reports.account, file.id, file.kind).await;
        let known = known.map_err(|error| SendError::Later { after: None, cause: error.into() })?;
        if let Some(upload) = known.filter(|upload| upload.at + USED > self.clock.now()) {
            match self.send_known(to, caption, file.kind, &upload.handle).await {
                // It did not go, for the file alone.
                Err(frankenstein::Error::Api(said)) if said.error_code == 400 && is_about_file(&said) => {}
                answer => return answer.map_err(read_error),
            }
        }
        let sent = self.upload(to, caption, file).await?;
        if let Some(handle) = file_id(&sent, file.kind) {
            self.keep(file, handle).await;
        }
        Ok(sent)
    }

    async fn send_known(
        &self,
        to: &str,
        caption: &str,
        kind: Kind,
        file_id: &str,
    ) -> Result<Message, frankenstein::Error> {
        let (method, name) = method_of(kind);
        let mut params = json!({"chat_id": to, name: file_id});
        if !caption.is_empty() {
            params["caption"] = caption.into();
        }
        let answer: MethodResponse<Message> = self.bot.request(method, Some(params)).await?;
        Ok(answer.result)
    }

    async fn upload(&self, to: &str, caption: &str, file: &Attachment) -> Result<Message, SendError> {
        let (method, name) = method_of(file.kind);
        let is_whole = Arc::new(AtomicBool::new(false));
        let content = watched(file.open().await?, file.size, is_whole.clone());
        let part = Part::stream_with_length(Body::wrap_stream(content), file.size)
            .file_name(file.file_name.clone().unwrap_or_else(|| format!("file{}", ending(&file.mime_type))));
        let part = part.mime_str(&file.mime_type).map_err(|_| SendError::refused("the file's type is no type"))?;
        let mut form = Form::new().text("chat_id", to.to_owned()).part(name, part);
        if !caption.is_empty() {
            form = form.text("caption", caption.to_owned());
        }
        let url = format!("{}/{method}", self.bot.api_url);
        let sent = async {
            let answer = self.bot.client.post(url).timeout(self.patience(file)).multipart(form).send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            Ok::<_, reqwest::Error>((status, text))
        };
        match sent.await {
            Ok((status, text)) => read_answer(status, &text).map_err(read_error),
            // A form that did not come whole is no message.
            Err(error) if !is_whole.load(Ordering::Acquire) => {
                Err(SendError::Later { after: None, cause: describe(error.into()) })
            }
            Err(error) => Err(read_error(error.into())),
        }
    }

    /// Keeps by what Telegram knows the file; without that it is uploaded again.
    async fn keep(&self, file: &Attachment, handle: String) {
        let (account, epoch, now) = (self.reports.account, self.reports.epoch, self.clock.now());
        let upload = Upload { handle, at: now };
        if let Err(error) = self.store.keep_upload(account, epoch, (file.id, file.kind), upload, now - USED).await {
            step!(warn, account, "an upload is not remembered", media.id = %file.id, %error);
        }
    }

    /// Fetches a file that somebody sent, by its `file_id`.
    pub(super) async fn fetch_file(&self, file_id: &str) -> Result<Bytestream, FetchError> {
        let later = |error: frankenstein::Error| FetchError::Later(describe(error));
        let params = GetFileParams::builder().file_id(file_id).build();
        let file = match self.bot.get_file(&params).await {
            Ok(answer) => answer.result,
            // More than the 20 MB that bots may fetch.
            Err(frankenstein::Error::Api(said)) if said.description.contains("too big") => {
                return Err(FetchError::Gone);
            }
            Err(error) => return Err(later(error)),
        };
        let path = file.file_path.filter(|path| !path.contains("..")).ok_or(FetchError::Gone)?;
        let url = self.bot.api_url.replacen("/bot", "/file/bot", 1);
        let answer = self
            .bot
            .client
            .get(format!("{url}/{path}"))
            .timeout(FETCH)
            .send()
            .await
            .map_err(|error| later(error.into()))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.bytes_stream().map_err(|_| io::Error::other("Telegram broke off")).boxed()),
            StatusCode::NOT_FOUND => Err(FetchError::Gone),
            status => Err(FetchError::Later(anyhow!("Telegram answered {}", status.as_u16()))),
        }
    }
}

/// Notes when all of the content was taken.
fn watched(content: Bytestream, size: u64, is_whole: Arc<AtomicBool>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut left = size;
    content.inspect_ok(move |chunk| {
        left = left.saturating_sub(chunk.len() as u64);
        is_whole.fetch_or(left == 0, Ordering::Release);
    })
}

fn read_answer(status: StatusCode, text: &str) -> Result<Message, frankenstein::Error> {
    let wrong = |source| frankenstein::Error::JsonDecode { source, input: String::new() };
    if status.is_success() {
        return serde_json::from_str::<MethodResponse<Message>>(text).map(|answer| answer.result).map_err(wrong);
    }
    Err(serde_json::from_str::<ErrorResponse>(text).map_or_else(wrong, frankenstein::Error::Api))
}

/// Whether Telegram does not know a `file_id`, or not as that kind.
fn is_about_file(said: &ErrorResponse) -> bool {
    let said = said.description.to_lowercase();
    said.contains("file identifier") || said.contains("file_id") || said.contains("file reference")
}

/// What the name of a file of that type ends with: Telegram goes by it.
fn ending(mime_type: &str) -> &'static str {
    match mime_type {
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/webp" => ".webp",
        "video/mp4" => ".mp4",
        "audio/mpeg" => ".mp3",
        "audio/ogg" => ".ogg",
        "audio/m4a" => ".m4a",
        "application/pdf" => ".pdf",
        "text/plain" => ".txt",
        _ => "",
    }
}
