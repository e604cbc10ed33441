//! A browser with all that belongs to it, as one group of processes: what ends it, and what it takes.

use std::time::Duration;

use chrono::TimeDelta;
use procfs::process::{Process, all_processes};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::clock::Clock;

/// How long it may take to end when it is asked to: what it is still to write, it writes.
const KINDLY: TimeDelta = TimeDelta::seconds(3);
/// The pause before it is seen whether it has.
const LOOK: Duration = Duration::from_millis(50);

/// A group of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group(Pid);

impl Group {
    /// The group of this number; none for what can't be one of ours.
    pub(super) fn of(number: i32) -> Option<Self> {
        let own = rustix::process::getpgrp();
        Pid::from_raw(number).filter(|pid| *pid != own && pid.as_raw_nonzero().get() > 1).map(Self)
    }

    /// Its processes that run.
    fn members(self) -> impl Iterator<Item = Process> {
        let number = self.0.as_raw_nonzero().get();
        let all = all_processes().into_iter().flatten().filter_map(Result::ok);
        all.filter(move |process| process.stat().is_ok_and(|stat| stat.pgrp == number && stat.state != 'Z'))
    }

    /// Whether any of it runs.
    pub(super) async fn is_there(self) -> bool {
        tokio::task::spawn_blocking(move || self.members().next().is_some()).await.unwrap_or_default()
    }

    /// Bytes of memory that it takes: each page that several use is counted once.
    pub(super) async fn memory(self) -> u64 {
        let sum = move || {
            let rollups = self.members().filter_map(|process| process.smaps_rollup().ok());
            let maps = rollups.flat_map(|rollup| rollup.memory_map_rollup.into_iter());
            maps.filter_map(|map| map.extension.map.get("Pss").copied()).sum()
        };
        tokio::task::spawn_blocking(sum).await.unwrap_or_default()
    }

    /// Ends it at once.
    pub(super) fn kill(self) {
        // Fails where there is nothing left to end.
        let _ = kill_process_group(self.0, Signal::KILL);
    }

    /// Asks it to end, and ends what does not.
    pub(super) async fn end(self, clock: &Clock) {
        let _ = kill_process_group(self.0, Signal::TERM);
        let latest = clock.now() + KINDLY;
        while self.is_there().await && clock.now() < latest {
            clock.sleep(LOOK).await;
        }
        self.kill();
        // What is killed needs a moment to be gone.
        let latest = clock.now() + KINDLY;
        while self.is_there().await && clock.now() < latest {
            clock.sleep(LOOK).await;
        }
    }
}
