//! Files: where they come in, where they are had, and when they go.
//!
//! A file is kept before a message may have it: first its row, so that nothing is ever without one, then
//! its content, then the row says that it is there. One that came with a message is fetched from
//! its messenger when somebody asks for it ([`Media::open`]). The oldest go once no message needs them any
//! more ([`sweep`]).

mod bring;
pub mod eager;
pub mod sweep;
mod url;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{CompanyId, MediaId};
use entity::media::Model;
use entity::message::Kind;
use futures_util::Stream;
use tokio::sync::Semaphore;

use self::bring::Coming;
pub use self::url::NotFetched;
use crate::blobs::{Blobs, Bytestream, GetError, PutError};
use crate::clock::Clock;
use crate::config::MediaLimits;
use crate::content;
use crate::egress::Egress;
use crate::gateway::sessions::Sessions;
use crate::seats::{Seat, Seats};
use crate::store::media::Content;
use crate::store::{Store, StoreError};

/// Files that come in at a time: of one company, and of all. Each takes a part of a file of memory.
const AT_A_TIME: [usize; 2] = [8, 64];
/// Files that are fetched from addresses at a time; the others wait.
const FETCHED: usize = 16;
/// How much longer a file stays than it is promised to messages: a request that names it may still be
/// under way.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// The files.
pub struct Media {
    store: Arc<Store>,
    blobs: Arc<Blobs>,
    sessions: Arc<Sessions>,
    clock: Clock,
    limits: MediaLimits,
    egress: Egress,
    /// Files that come in, by company; all of them under none.
    arriving: Arc<Seats<Option<CompanyId>>>,
    /// Files that are being fetched from messengers.
    coming: Coming,
    /// Room for those that are fetched from addresses.
    fetching: Semaphore,
}

/// A file that somebody gives.
#[derive(Debug)]
pub struct Given {
    /// Whose it will be.
    pub company: CompanyId,
    /// The id of the user or of the key that gives it.
    pub maker: Option<String>,
    /// What it is called, if anything.
    pub file_name: Option<String>,
    /// How many bytes are announced, if any.
    pub size: Option<u64>,
}

/// Why a file is not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It did not come whole.
    #[error("it did not come whole")]
    Cut,
    /// It is longer than so many bytes.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// The company's files would be more than so many bytes.
    #[error("the company's files may have {0} bytes")]
    Full(u64),
    /// Too many come in at a time.
    #[error("too many files come in")]
    Busy,
    /// It can't be written now.
    #[error("it can't be written now")]
    Unwritten,
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a file can't be had.
#[derive(Debug, thiserror::Error)]
pub enum NotHad {
    /// Nobody has it any more.
    #[error("nobody has it any more")]
    Gone,
    /// Its content has not come yet.
    #[error("it is not there yet")]
    Unfinished,
    /// It is at a messenger, which can't be asked now.
    #[error("its account is not connected")]
    NotReached,
    /// It is at a messenger, and longer than a file may be here.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// It is at a messenger, and the company's files would be more than so many bytes with it.
    #[error("the company's files may have {0} bytes")]
    Full(u64),
    /// It can't be read now.
    #[error("it can't be read now")]
    Unread,
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Media {
    /// The files of a server.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        blobs: Arc<Blobs>,
        sessions: Arc<Sessions>,
        clock: Clock,
        limits: MediaLimits,
        egress: Egress,
    ) -> Self {
        let (arriving, coming, fetching) = (Arc::default(), Coming::default(), Semaphore::new(FETCHED));
        Self { store, blobs, sessions, clock, limits, egress, arriving, coming, fetching }
    }

    /// Keeps a file. Durable on return; one that is not kept leaves nothing.
    pub async fn keep(
        &self,
        given: Given,
        content: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<Model, NotKept> {
        let largest = self.limits.largest;
        let size = given.size.unwrap_or(largest);
        if size > largest {
            return Err(NotKept::TooLong(largest));
        }
        let _seats = self.seats(given.company).ok_or(NotKept::Busy)?;
        let now = self.clock.now();
        let id = MediaId::new(now, &mut rand::rng());
        let row = expected(id, &given, size, now);
        if !self.store.expect_media(row, self.limits.of_company).await? {
            return Err(NotKept::Full(self.limits.of_company));
        }
        let kept = self.pour(id, largest, given.file_name.as_deref(), None, content).await;
        if kept.is_err() {
            self.forget(id).await;
        }
        kept
    }

    /// Writes a content, and then to its row what it is; of one that came as something, it stays that.
    async fn pour(
        &self,
        id: MediaId,
        most: u64,
        file_name: Option<&str>,
        kind: Option<Kind>,
        content: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<Model, NotKept> {
        let blob = self.blobs.put(id, most, content).await.map_err(|error| match error {
            PutError::TooLong(most) => NotKept::TooLong(most),
            PutError::Cut(_) => NotKept::Cut,
            PutError::Unwritten(error) => {
                tracing::error!(media.id = %id, %error, "a file can't be written");
                NotKept::Unwritten
            }
        })?;
        if blob.size == 0 {
            // What is left of it is no harm.
            let _ = self.blobs.delete(id).await;
            return Err(NotKept::Empty);
        }
        let mime_type = content::mime_type(&blob.head, file_name);
        let content = Content {
            kind: kind.unwrap_or_else(|| content::kind(&mime_type)),
            pixels: content::pixels(&blob.head),
            mime_type,
            size: blob.size,
            sha256: blob.sha256,
            at: self.clock.now(),
        };
        self.store.keep_media(id, content).await?.ok_or(NotKept::Unwritten)
    }

    /// Forgets a file that did not come whole. What is left of it, the sweep finds.
    async fn forget(&self, id: MediaId) {
        let (blob, row) = tokio::join!(self.blobs.delete(id), self.store.drop_media(id));
        if blob.is_err() || row.is_err() {
            tracing::warn!(media.id = %id, "what is left of a file that did not come is forgotten later");
        }
    }

    /// Room for one more that comes in.
    fn seats(&self, company: CompanyId) -> Option<[Seat<Option<CompanyId>>; 2]> {
        let [of_company, of_all] = AT_A_TIME;
        Some([self.arriving.take(Some(company), of_company)?, self.arriving.take(None, of_all)?])
    }

    /// Whether a message may still be given the file: it is kept, and will be for a while.
    #[must_use]
    pub fn is_usable(&self, row: &Model) -> bool {
        row.gone_at_ms.is_none() && row.created_at_ms > self.clock.now().timestamp_millis() - self.kept_ms()
    }

    fn kept_ms(&self) -> i64 {
        i64::try_from(self.limits.kept.as_millis()).unwrap_or(i64::MAX)
    }

    /// A file that can be read: one that came with a message is fetched now, if it was not before.
    pub async fn ready(&self, row: Model) -> Result<Model, NotHad> {
        match (row.gone_at_ms, row.stored_at_ms, row.account_id) {
            (Some(_), ..) => Err(NotHad::Gone),
            (None, Some(_), _) => Ok(row),
            (None, None, Some(account)) => self.bring(account, row).await,
            (None, None, None) => Err(NotHad::Unfinished),
        }
    }

    /// The content of a file that is ready, or a part of it.
    pub async fn open(&self, row: &Model, range: Option<Range<u64>>) -> Result<Bytestream, NotHad> {
        match self.blobs.get(row.id, range).await {
            Ok(content) => Ok(content),
            Err(GetError::Gone) => {
                self.store.lose_media(&[row.id], self.clock.now()).await?;
                Err(NotHad::Gone)
            }
            Err(GetError::Unread(error)) => {
                tracing::error!(media.id = %row.id, %error, "a file can't be read");
                Err(NotHad::Unread)
            }
        }
    }
}

/// The row of a file whose content is about to come.
fn expected(id: MediaId, given: &Given, size: u64, now: DateTime<Utc>) -> Model {
    Model {
        id,
        company_id: given.company,
        account_id: None,
        maker: given.maker.clone(),
        kind: Kind::Document,
        mime_type: String::new(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        sha256: None,
        file_name: given.file_name.clone(),
        width: None,
        height: None,
        seconds: None,
        thumbnail: None,
        created_at_ms: now.timestamp_millis(),
        stored_at_ms: None,
        gone_at_ms: None,
    }
}
