//! What this process takes of its machine: processor and memory, as the system counts them.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// How long a look holds: who asks more often gets the same answer.
const HOLDS: TimeDelta = TimeDelta::seconds(1);

/// What the process takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Cores of the machine.
    pub cores: usize,
    /// Percent of one core that the process took since the look before (at first, since its start).
    pub percent: f64,
    /// How many processes wanted a core, on average over the last minute, the last five, the last fifteen.
    pub load: [f64; 3],
    /// Bytes of memory that the process has (its resident set).
    pub own: u64,
    /// Bytes of memory that there are: of the machine, or as many as its container may have …
    pub total: u64,
    /// … and that are free for who needs some.
    pub available: u64,
}

/// The machine.
#[derive(Default)]
pub struct Machine(Mutex<Looks>);

#[derive(Default)]
struct Looks {
    /// From the first look on.
    system: Option<System>,
    last: Option<Look>,
}

struct Look {
    at: DateTime<Utc>,
    /// Milliseconds of processor time that the process had taken by then.
    taken: u64,
    usage: Usage,
}

impl Machine {
    /// What the process takes now. Reads files of the system: not for a thread that others wait for. Fails
    /// on a system that can't be asked.
    pub fn look(&self, now: DateTime<Utc>) -> anyhow::Result<Usage> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Looks { system, last } = &mut *looks;
        if let Some(last) = last.as_ref().filter(|last| now - last.at < HOLDS && now >= last.at) {
            return Ok(last.usage);
        }
        let system = match system {
            Some(system) => system,
            None => system.insert(System::new()?),
        };
        let own = Pid::from_u32(std::process::id());
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
        let process = system.process(own);
        let taken = process.map_or(0, sysinfo::Process::accumulated_cpu_time);
        let (since, before) = match last {
            Some(last) => ((now - last.at).num_milliseconds(), last.taken),
            None => (process.map_or(0, |process| process.run_time().saturating_mul(1_000)).cast_signed(), 0),
        };
        let percent = taken.saturating_sub(before) as f64 * 100.0 / since.max(1) as f64;
        let load = System::load_average().map_or([0.0; 3], |load| [load.one, load.five, load.fifteen]);
        let container = system.cgroup_limits();
        let usage = Usage {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            percent: (percent * 10.0).round() / 10.0,
            load,
            own: process.map_or(0, sysinfo::Process::memory),
            total: container.as_ref().map_or_else(|| system.total_memory(), |limits| limits.total_memory),
            available: container.map_or_else(|| system.available_memory(), |limits| limits.free_memory),
        };
        *last = Some(Look { at: now, taken, usage });
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_the_process_own() {
        let machine = Machine::default();
        let now = DateTime::UNIX_EPOCH;
        let first = machine.look(now).unwrap();
        assert!(first.cores >= 1 && first.total > first.available && first.available > 0, "{first:?}");
        assert!(first.own > 1 << 20 && first.own < first.total, "{first:?}");
        let mut much = vec![0_u8; 64 << 20];
        much.iter_mut().for_each(|byte| *byte = 1);
        assert_eq!(machine.look(now + TimeDelta::milliseconds(500)).unwrap(), first, "it holds for a second");
        let second = machine.look(now + TimeDelta::seconds(2)).unwrap();
        assert!(second.own > first.own + (32 << 20), "{first:?} {second:?}");
        drop(much);
    }
}
