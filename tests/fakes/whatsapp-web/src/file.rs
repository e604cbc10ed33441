//! Files: what goes with messages, and the contents that pages upload and fetch.

use std::collections::{HashMap, HashSet};
use std::fmt;

use actix_web::web::{Bytes, Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::StreamExt as _;
use futures_util::stream::once;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::http::lost;
use crate::{FakeWeb, Shared, Uploading};

/// A file of a message.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct File {
    /// In the page's words: `image`, `video`, `audio`, `ptt`, `document`, `sticker`.
    pub kind: String,
    /// What it is.
    pub mime_type: String,
    /// What a document is called.
    pub name: Option<String>,
    /// All of it.
    pub content: Vec<u8>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// A picture's, in pixels.
    pub measures: Option<(u32, u32)>,
    /// How long it plays.
    pub seconds: Option<u32>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mime_type, name, content, .. } = self;
        write!(f, "File({kind}, {mime_type}, {name:?}, {} bytes, {})", content.len(), hash(content))
    }
}

impl File {
    /// A file of that kind.
    pub fn new(kind: &str, mime_type: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { kind: kind.to_owned(), mime_type: mime_type.to_owned(), content: content.into(), ..Self::default() }
    }

    /// What a page is told of it.
    pub(crate) fn told(&self, path: &str, caption: &str) -> Value {
        let (width, height) = self.measures.unzip();
        json!({
            "mimetype": self.mime_type, "size": self.content.len(), "filename": self.name, "duration": self.seconds,
            "width": width, "height": height, "filehash": hash(&self.content), "directPath": path,
            "caption": (!caption.is_empty()).then_some(caption),
            "body": self.thumbnail.as_ref().map(|thumbnail| BASE64.encode(thumbnail)),
        })
    }
}

fn hash(content: &[u8]) -> String {
    BASE64.encode(Sha256::digest(content))
}

/// What was uploaded, and may be fetched.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) uploading: Uploading,
    /// What a page takes at most, in bytes; pages hear of it when they load.
    pub(crate) most: Option<u64>,
    all: HashMap<String, Vec<u8>>,
    count: u64,
    /// Per account, how often one was uploaded that came whole …
    uploads: HashMap<String, usize>,
    /// … the times that one began to come …
    begun: usize,
    /// … and which files its pages were given.
    given: HashMap<String, HashSet<String>>,
}

impl Contents {
    /// Where a content can be fetched.
    pub(crate) fn keep(&mut self, content: Vec<u8>) -> String {
        self.count += 1;
        let path = format!("/content/{}", self.count);
        self.all.insert(path.clone(), content);
        path
    }

    /// The file that a page says it sends, if its content is the one that was uploaded.
    pub(crate) fn sent(&self, told: &Value) -> Result<File, String> {
        let text = |field: &str| told[field].as_str().map(str::to_owned);
        let content = text("directPath").and_then(|path| self.all.get(&path)).ok_or("a file was not uploaded")?;
        if told["size"] != content.len() || told["filehash"] != hash(content) {
            return Err("a file is not the one that was uploaded".to_owned());
        }
        let number = |field: &str| told[field].as_u64().and_then(|number| u32::try_from(number).ok());
        Ok(File {
            kind: text("type").unwrap_or_default(),
            mime_type: text("mimetype").unwrap_or_default(),
            name: text("filename").filter(|name| !name.is_empty()),
            content: content.clone(),
            thumbnail: text("body").and_then(|body| BASE64.decode(body).ok()),
            measures: number("width").zip(number("height")),
            seconds: number("duration"),
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct About {
    identity: String,
    hash: String,
    /// Which of the files that the page was given.
    file: String,
}

pub(crate) async fn upload(about: Query<About>, mut body: Payload, shared: Data<Shared>) -> HttpResponse {
    let About { identity, hash: announced, file } = about.into_inner();
    let account = shared.state().devices.get(&identity).and_then(|page| page.account.clone()).unwrap_or_default();
    shared.state().contents.given.entry(account.clone()).or_default().insert(file);
    shared.state().contents.begun += 1;
    shared.news.notify_waiters();
    let mut content = Vec::new();
    loop {
        let uploading = shared.state().contents.uploading;
        match uploading {
            Uploading::Refuse => return HttpResponse::UnsupportedMediaType().finish(),
            Uploading::Cut => {
                let cut = once(async { Err::<Bytes, _>(actix_web::error::ErrorInternalServerError("cut")) });
                return HttpResponse::Ok().streaming(cut);
            }
            Uploading::Late => shared.until(|state| state.contents.uploading != Uploading::Late).await,
            Uploading::Normal => match body.next().await {
                Some(Ok(more)) => content.extend_from_slice(&more),
                Some(Err(_)) => return HttpResponse::BadRequest().finish(),
                None => break,
            },
        }
    }
    let mut state = shared.state();
    if hash(&content) != announced {
        state.violations.push("an upload is not what was announced".to_owned());
    }
    *state.contents.uploads.entry(account).or_default() += 1;
    let path = state.contents.keep(content);
    HttpResponse::Ok().json(json!({ "path": path }))
}

pub(crate) async fn fetch(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let content = shared.state().contents.all.get(request.path()).cloned();
    match content {
        Some(content) => HttpResponse::Ok().content_type("application/octet-stream").body(content),
        None if request.path().starts_with("/content/") => HttpResponse::Gone().finish(),
        None => lost(&shared, format!("GET {}", request.path())),
    }
}

impl FakeWeb {
    /// What becomes of uploads from now on, also of those that wait.
    pub fn uploading(&self, uploading: Uploading) {
        self.state().contents.uploading = uploading;
        self.shared.news.notify_waiters();
    }

    /// What pages that load from now on take of a file at most, in bytes.
    pub fn limit_files(&self, most: u64) {
        self.state().contents.most = Some(most);
    }

    /// How many contents the account's pages uploaded whole.
    pub fn uploads(&self, account: &str) -> usize {
        self.state().contents.uploads.get(account).copied().unwrap_or_default()
    }

    /// Whether so many uploads began, within half a minute; also of those that did not end.
    pub async fn wait_uploads(&self, count: usize) -> bool {
        self.wait(|state| state.contents.begun >= count).await
    }

    /// How many files the account's pages were given to send: one that is kept counts once a page.
    pub fn files_given(&self, account: &str) -> usize {
        self.state().contents.given.get(account).map_or(0, HashSet::len)
    }

    /// All contents that were uploaded are gone.
    pub fn forget_contents(&self) {
        self.state().contents.all.clear();
    }
}
