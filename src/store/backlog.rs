//! What the task that writes has put off: how much about, and from where on. A database whose old rows
//! can't be cleaned away (somebody holds a transaction open) would otherwise go through all that ever
//! was there, each time that the oldest is looked for.

/// Rows that wait, in the order of a number of theirs.
pub(super) struct Backlog {
    count: u64,
    from: i64,
    /// What a look through everything counts for: enough to be done at the first opportunity.
    look: u64,
}

impl Backlog {
    /// One of which nothing is known: what an earlier server left is looked for at the first opportunity.
    pub(super) fn new(count: u64) -> Self {
        Self { count, from: 0, look: count }
    }

    /// So many more wait, from this number on.
    pub(super) fn add(&mut self, count: usize, from: Option<i64>) {
        let Some(from) = from else { return };
        self.from = if self.count == 0 { from } else { self.from.min(from) };
        self.count += count as u64;
    }

    /// Of at most `most` that were asked for so many were done, up to the number `last`.
    pub(super) fn done(&mut self, count: u64, most: u64, last: Option<i64>) {
        if count < most {
            self.count = 0;
        } else {
            self.count = self.count.saturating_sub(count).max(1);
            self.from = last.unwrap_or(self.from);
        }
    }

    /// Looks through everything the next time: another node may have left something behind.
    pub(super) fn look_again(&mut self) {
        (self.count, self.from) = (self.count.max(self.look), 0);
    }

    /// About how many wait.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// From where on.
    pub(super) fn from(&self) -> i64 {
        self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_the_oldest_that_was_put_off() {
        let mut backlog = Backlog::new(1);
        assert_eq!((backlog.count(), backlog.from()), (1, 0));
        backlog.done(0, 10, None);
        assert_eq!(backlog.count(), 0);
        backlog.add(25, Some(100));
        backlog.add(1, Some(90));
        backlog.add(0, None);
        assert_eq!((backlog.count(), backlog.from()), (26, 90));
        backlog.done(10, 10, Some(109));
        assert_eq!((backlog.count(), backlog.from()), (16, 109));
        // Others have done more than was known.
        backlog.done(10, 10, Some(120));
        backlog.done(10, 10, Some(130));
        assert_eq!((backlog.count(), backlog.from()), (1, 130));
        backlog.done(3, 10, Some(133));
        assert_eq!(backlog.count(), 0);
        backlog.look_again();
        assert_eq!((backlog.count(), backlog.from()), (1, 0));
    }
}
