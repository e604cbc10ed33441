//! When something that changes often is told: at once, and then at most once a second.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};

/// Between two tellings of the same.
const PAUSE: TimeDelta = TimeDelta::seconds(1);

/// What changed, and when each may be told.
pub struct Due<K> {
    /// What was told within the last second, or is to be told; and whether there is news of it.
    known: HashMap<K, bool>,
    /// When each of them comes next, in the order in which they do.
    turns: VecDeque<(DateTime<Utc>, K)>,
}

impl<K> Default for Due<K> {
    fn default() -> Self {
        Self { known: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash> Due<K> {
    /// This changed: it is due at once, unless it was told within the second.
    pub fn note(&mut self, what: K, now: DateTime<Utc>) {
        if self.known.insert(what, true).is_none() {
            self.turns.push_front((now, what));
        }
    }

    /// When the next may be told.
    #[must_use]
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.turns.front().map(|(at, _)| *at)
    }

    /// What is to be told now. What had nothing to tell for a second is forgotten.
    pub fn take(&mut self, now: DateTime<Utc>) -> Vec<K> {
        let mut due = Vec::new();
        while let Some((_, what)) = self.turns.pop_front_if(|(at, _)| *at <= now) {
            if self.known.insert(what, false) == Some(true) {
                due.push(what);
                self.turns.push_back((now + PAUSE, what));
            } else {
                self.known.remove(&what);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_at_once_and_those_after_it_together_a_second_later() {
        let (mut due, start) = (Due::default(), DateTime::UNIX_EPOCH);
        let at = |ms| start + TimeDelta::milliseconds(ms);
        assert_eq!(due.next(), None);
        due.note("a", at(0));
        due.note("b", at(10));
        assert_eq!(due.next(), Some(at(10)), "whichever comes first, all of them are due");
        assert_eq!(due.take(at(10)), ["b", "a"]);
        for ms in [20, 30, 40] {
            due.note("a", at(ms));
        }
        assert_eq!(due.next(), Some(at(1_010)));
        assert_eq!(due.take(at(1_009)), [""; 0]);
        assert_eq!(due.take(at(1_010)), ["a"]);
        assert_eq!(due.take(at(3_000)), [""; 0]);
        assert_eq!(due.next(), None, "what no longer changes is forgotten");
    }
}
