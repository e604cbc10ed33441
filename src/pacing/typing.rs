//! How long a person types.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Before the first letter.
const THOUGHT: Duration = Duration::from_millis(800);
/// For each character. Slow for an office, where most of it is pasted.
const CHARACTER: Duration = Duration::from_millis(25);
/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(6);

/// How long a text of so many characters is typed, a fifth more or less.
pub fn typing(characters: usize, rng: &mut impl Rng) -> Duration {
    let characters = u32::try_from(characters).unwrap_or(u32::MAX);
    let span = THOUGHT.saturating_add(CHARACTER.saturating_mul(characters)).min(LONGEST);
    span.mul_f64(rng.random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_longer_text_takes_longer_and_none_takes_forever() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut mean = |characters| (0..100).map(|_| typing(characters, &mut rng)).sum::<Duration>() / 100;
        let (none, some, many, endless) = (mean(0), mean(60), mean(200), mean(usize::MAX));
        assert!(none > Duration::from_millis(600) && none < some && some < many && many < endless);
        assert!(endless <= LONGEST * 6 / 5);
    }
}
