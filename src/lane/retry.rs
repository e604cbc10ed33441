//! When a message that did not leave is tried again. Pure.

use std::time::Duration;

use rand::Rng;

use crate::pacing::policy::Span;

/// Attempts a message gets before it is `failed`. With the delays below the last one comes
/// about half an hour after the first.
pub const MAX_ATTEMPTS: u32 = 10;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(600);

/// The pause before the next attempt, `attempts` having been made: exponential from 2 s to
/// 10 min, with full jitter over its upper half. `None`: enough.
pub fn backoff(attempts: u32, rng: &mut impl Rng) -> Option<Duration> {
    if attempts >= MAX_ATTEMPTS {
        return None;
    }
    let longest = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST);
    Some(Span { min: longest / 2, max: longest }.draw(rng))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn pauses_grow_to_ten_minutes_and_end() {
        let mut rng = StdRng::seed_from_u64(1);
        let pauses: Vec<_> = (1..MAX_ATTEMPTS).map(|n| backoff(n, &mut rng).unwrap()).collect();
        assert!(pauses[0] <= Duration::from_secs(2));
        assert!(pauses.windows(3).all(|three| three[0] < three[2]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert_eq!(backoff(MAX_ATTEMPTS, &mut rng), None);
    }
}
