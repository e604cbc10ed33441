//! A file that came with a message: fetched from its messenger once, however many ask for it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entity::ids::{AccountId, MediaId};
use entity::media::Model;
use futures_util::{StreamExt, stream};

use super::{Media, NotHad, NotKept};
use crate::blobs::Bytestream;
use crate::clock::Clock;
use crate::gateway::FetchError;
use crate::logs::step;

/// How long a messenger may take to begin, and between two parts.
const PATIENCE: Duration = Duration::from_secs(60);

/// Those that are being fetched, each held by who fetches it.
#[derive(Default)]
pub(super) struct Coming(Mutex<HashMap<MediaId, Arc<tokio::sync::Mutex<()>>>>);

impl Coming {
    /// The one lock of a file; forgotten once nobody has it.
    fn of(&self, id: MediaId) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| Arc::strong_count(lock) > 1);
        all.entry(id).or_default().clone()
    }
}

impl Media {
    /// Fetches a file from its account's messenger and keeps it.
    pub(super) async fn bring(&self, account: AccountId, row: Model) -> Result<Model, NotHad> {
        let lock = self.coming.of(row.id);
        let _held = lock.lock().await;
        // Somebody else may have fetched it meanwhile.
        let row = self.store.find_media(row.company_id, row.id).await?.ok_or(NotHad::Gone)?;
        if row.gone_at_ms.is_some() {
            return Err(NotHad::Gone);
        }
        if row.stored_at_ms.is_some() {
            return Ok(row);
        }
        let Some(source) = self.store.media_source(account, row.id).await? else {
            return self.lost(&row).await;
        };
        let (size, limits) = (row.size.unsigned_abs(), self.limits);
        if size > limits.largest {
            return Err(NotHad::TooLong(limits.largest));
        }
        if self.store.media_bytes(row.company_id).await?.saturating_add(size) > limits.of_company {
            return Err(NotHad::Full(limits.of_company));
        }
        let _seats = self.seats(row.company_id).ok_or(NotHad::NotReached)?;
        let gateway = self.sessions.gateway(account).ok_or(NotHad::NotReached)?;
        let content = match self.clock.timeout(PATIENCE, gateway.fetch(&source)).await {
            Ok(Ok(content)) => content,
            Ok(Err(FetchError::Gone)) => return self.lost(&row).await,
            Ok(Err(FetchError::Later(error))) => {
                step!(warn, account, "a file that came in can't be fetched now", media.id = %row.id, %error);
                return Err(NotHad::NotReached);
            }
            Err(_) => return Err(NotHad::NotReached),
        };
        let (content, name) = (in_time(self.clock.clone(), content), row.file_name.as_deref());
        match self.pour(row.id, self.limits.largest, name, Some(row.kind), content).await {
            Ok(row) => Ok(row),
            Err(NotKept::TooLong(most)) => Err(NotHad::TooLong(most)),
            Err(NotKept::Store(error)) => Err(error.into()),
            Err(error) => {
                step!(warn, account, "a file that came in did not come whole", media.id = %row.id, %error);
                Err(NotHad::NotReached)
            }
        }
    }

    /// Nobody has it any more.
    async fn lost(&self, row: &Model) -> Result<Model, NotHad> {
        self.store.lose_media(&[row.id], self.clock.now()).await?;
        Err(NotHad::Gone)
    }
}

/// The content, as long as its parts come in time.
fn in_time(clock: Clock, content: Bytestream) -> impl futures_util::Stream<Item = io::Result<bytes::Bytes>> + Unpin {
    Box::pin(stream::unfold(Some(content), move |content| {
        let clock = clock.clone();
        async move {
            let mut content = content?;
            match clock.timeout(PATIENCE, content.next()).await {
                Ok(part) => Some((part?, Some(content))),
                Err(_) => Some((Err(io::Error::other("the messenger does not go on")), None)),
            }
        }
    }))
}
