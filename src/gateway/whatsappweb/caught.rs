//! From where on the page is read for what came while nobody looked. What comes meanwhile moves that
//! place on only once all before it is there: a row for the newest message says nothing of the others.

use chrono::{DateTime, TimeDelta, Utc};

/// How far back the page is read for an account that has just been paired.
const HISTORY: TimeDelta = TimeDelta::days(30);
/// How far back before the last message that is a row: what came late is between older ones.
const OVERLAP: i64 = 600;
/// Rounds in which all has to come.
const ROUNDS: u32 = 200;

/// How far the page was read.
pub(super) struct CatchingUp {
    /// Seconds since 1970 of the last message before which all are rows …
    position: Option<i64>,
    /// … and of the last one that is.
    latest: Option<i64>,
    /// Whether all that came while nobody looked is there.
    is_done: bool,
    /// Messages that the page could not keep, as it said last.
    dropped: u64,
    rounds: u32,
}

impl CatchingUp {
    /// Up to that place, all are rows.
    pub(super) fn from(position: Option<i64>) -> Self {
        Self { position, latest: position, is_done: false, dropped: 0, rounds: 0 }
    }

    /// It is another page, which has to be read anew. Where it is read from: seconds since 1970.
    pub(super) fn begin(&mut self, now: DateTime<Utc>) -> i64 {
        (self.is_done, self.rounds) = (false, 0);
        self.since(now)
    }

    fn since(&self, now: DateTime<Utc>) -> i64 {
        self.position.map_or_else(|| (now - HISTORY).timestamp(), |position| position - OVERLAP)
    }

    /// A round has given so many messages; answers where the next one begins, if there is one.
    pub(super) fn goes_on(&mut self, has_more: bool, count: u64, now: DateTime<Utc>) -> Option<i64> {
        self.rounds += 1;
        if has_more && count > 0 && self.rounds < ROUNDS {
            return Some(self.since(now));
        }
        self.is_done = true;
        self.position = self.latest.or(self.position);
        None
    }

    /// Messages up to there are rows; answers up to where all are.
    pub(super) fn has(&mut self, latest: Option<i64>) -> Option<i64> {
        self.latest = self.latest.max(latest);
        if self.is_done {
            self.position = self.latest;
        }
        self.position
    }

    /// The page says how many messages it could not keep; answers where it has to be read from, if there
    /// are more of them. They are not further back than what came before they did.
    pub(super) fn lost(&mut self, dropped: u64, now: DateTime<Utc>) -> Option<i64> {
        let is_more = dropped > self.dropped;
        self.dropped = dropped;
        is_more.then(|| self.begin(now))
    }

    /// It is another page: it has dropped nothing yet.
    pub(super) fn forget(&mut self) {
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap_or_default()
    }

    #[test]
    fn what_comes_while_it_is_caught_up_moves_the_place_on_only_at_the_end() {
        let mut caught = CatchingUp::from(Some(10_000));
        assert_eq!(caught.begin(at(90_000)), 10_000 - OVERLAP);
        // A message of now is a row before those of the night are.
        assert_eq!(caught.has(Some(90_000)), Some(10_000));
        assert_eq!(caught.goes_on(true, 200, at(90_001)), Some(10_000 - OVERLAP));
        assert_eq!(caught.goes_on(false, 17, at(90_002)), None);
        assert_eq!(caught.has(None), Some(90_000));
        assert_eq!(caught.begin(at(95_000)), 90_000 - OVERLAP);
    }

    #[test]
    fn what_the_page_could_not_keep_is_read_again() {
        let mut caught = CatchingUp::from(Some(10_000));
        caught.begin(at(20_000));
        assert_eq!(caught.lost(3, at(20_001)), Some(10_000 - OVERLAP));
        assert_eq!(caught.lost(3, at(20_002)), None);
        caught.forget();
        assert_eq!(caught.lost(1, at(20_003)), Some(10_000 - OVERLAP));
    }

    #[test]
    fn it_ends_whatever_the_page_says() {
        let mut caught = CatchingUp::from(None);
        caught.begin(at(20_000));
        let rounds = (0..).take_while(|_| caught.goes_on(true, 1, at(20_000)).is_some()).count();
        assert_eq!(rounds, usize::try_from(ROUNDS).unwrap() - 1);
    }
}
