//! Shows the recipient that somebody types, for about as long as a person would.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::MessageId;

use super::run::Lane;
use crate::gateway::Gateway;
use crate::pacing;
use crate::phone::Recipient;

/// How long the messenger may take to be told.
const TOLD: Duration = Duration::from_secs(10);

/// Types the message, if that can be seen. `planned` is the instant the lane waited for, which begins with
/// that. Answers false if the lane is to end meanwhile.
pub(super) async fn show(
    lane: &Lane,
    gateway: &dyn Gateway,
    message: MessageId,
    planned: Option<DateTime<Utc>>,
) -> bool {
    let clock = &lane.kit().clock;
    lane.note_late(planned, clock.now());
    lane.promise(TOLD);
    // One that is gone or not to be had now, the attempt notices.
    let Ok(Some((recipient, length))) = lane.kit().store.outgoing(message).await else { return true };
    let recipient = Recipient::stored(recipient);
    if clock.timeout(TOLD, gateway.show_typing(&recipient, true)).await != Ok(true) {
        return true;
    }
    let span = pacing::typing(length, &mut rand::rng());
    lane.promise(span);
    tokio::select! {
        () = clock.sleep(span) => true,
        () = lane.lanes.quiet.cancelled() => false,
        () = lane.signals.end.cancelled() => false,
    }
}
