//! The file that goes with a message, when its turn comes.

use anyhow::anyhow;
use entity::media::Card;

use super::run::Lane;
use crate::gateway::media::GONE;
use crate::gateway::{Attachment, SendError};

/// The file as the gateway gets it; one that is not kept any more fails the message.
pub(super) async fn enclose(lane: &Lane, media: Option<&Card>) -> Result<Option<Attachment>, SendError> {
    let Some(card) = media else { return Ok(None) };
    let (id, kind) = (card.id, card.kind);
    let found = lane.kit().store.find_media(lane.account.company_id, id).await;
    let row = found.map_err(|error| {
        tracing::warn!(account.id = %lane.id, %error, "what is known of a file can't be read");
        SendError::Later { after: None, cause: anyhow!("the file can't be read now") }
    })?;
    let kept = row.filter(|row| row.stored_at_ms.is_some() && row.gone_at_ms.is_none());
    let row = kept.ok_or_else(|| SendError::Refused { code: "media_gone", reason: GONE.to_owned() })?;
    Ok(Some(Attachment {
        id,
        kind,
        mime_type: row.mime_type,
        size: row.size.unsigned_abs(),
        sha256: row.sha256.unwrap_or_default(),
        file_name: card.file_name.clone(),
        width: row.width.map(i32::unsigned_abs),
        height: row.height.map(i32::unsigned_abs),
        blobs: lane.kit().blobs.clone(),
    }))
}
