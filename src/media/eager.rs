//! Fetches files as they come in, where the settings wish it. What is missed is fetched when somebody asks.

use entity::media::Model;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::{Media, NotHad};

/// Files that may wait to be fetched.
pub const WAITING: usize = 10_000;
/// Files that are fetched at a time.
const AT_A_TIME: usize = 2;

/// Fetches what comes, as long as it is polled.
pub async fn run(media: &Media, coming: mpsc::Receiver<Model>) {
    stream::unfold(coming, async |mut coming| Some((coming.recv().await?, coming)))
        .for_each_concurrent(AT_A_TIME, async |row| {
            let id = row.id;
            match media.ready(row).await {
                Ok(_) | Err(NotHad::Gone) => {}
                Err(error) => {
                    tracing::debug!(media.id = %id, %error, "a file that came is fetched when it is asked for")
                }
            }
        })
        .await;
}
