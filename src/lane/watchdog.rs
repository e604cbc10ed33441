//! Notices a lane that is not heard of by the instant it promised, whatever the reason (a panic, a
//! call that never returns), restarts it and counts it; one that broke, at once. What was in flight
//! ends as uncertain.

use std::sync::Arc;
use std::time::Duration;

use super::Lanes;
use crate::logs::step;

/// How far past its promise a lane may be: several times the longest pause of ordinary work (a
/// commit, a call of Redis), far less than anybody would wait.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The soonest a second look is taken.
const BREATH: Duration = Duration::from_secs(1);

/// Watches the lanes. It sleeps until the earliest promise is due; promises made meanwhile lie at
/// least `PATIENCE` ahead, so it never sleeps longer.
pub async fn run(lanes: &Arc<Lanes>) {
    loop {
        let clock = &lanes.kit.clock;
        let now = clock.now();
        let (overdue, next) = lanes.overdue(now);
        for account in overdue {
            step!(warn, account, "it makes no progress, and is started anew");
            lanes.kit.telemetry.lanes_restarted.inc();
            lanes.restart(account);
        }
        let soonest = now + BREATH;
        tokio::select! {
            () = clock.sleep_until(next.unwrap_or(now + PATIENCE).clamp(soonest, now + PATIENCE)) => {}
            () = lanes.broken.notified() => {}
        }
    }
}
