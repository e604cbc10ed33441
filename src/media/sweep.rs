//! Files go once they are old and no message needs them any more; and what is left of those that did not
//! come whole.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{GRACE, Media};
use crate::store::StoreError;

/// How often the oldest are looked at.
const EVERY: Duration = Duration::from_secs(900);
/// Files that go together.
const SOME: u64 = 100;
/// How long a file may take to come: longer than any request may.
const COMES: TimeDelta = TimeDelta::minutes(15);

/// Lets files go, as long as it is polled.
pub async fn run(media: &Media) {
    loop {
        if let Err(error) = media.sweep(media.clock.now()).await {
            tracing::warn!(%error, "old files go later");
        }
        media.clock.sleep(EVERY).await;
    }
}

impl Media {
    /// Lets all go that nothing needs any more.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let before = now - TimeDelta::milliseconds(self.kept_ms()) - GRACE;
        loop {
            let old = self.store.old_media(before, now - COMES, SOME).await?;
            // The content first: what is left of a sweep that was cut off is found again by its row.
            let mut gone = Vec::with_capacity(old.len());
            for row in &old {
                match self.blobs.delete(row.id).await {
                    Ok(()) => gone.push(row.id),
                    Err(error) => tracing::warn!(media.id = %row.id, %error, "an old file can't be removed"),
                }
            }
            self.store.lose_media(&gone, now).await?;
            if gone.len() < usize::try_from(SOME).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }
}
