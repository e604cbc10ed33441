//! How many places of each key are taken: a company's clients, an address's connections or streams.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// The places taken of each key.
pub struct Seats<K: Clone + Eq + Hash>(Mutex<HashMap<K, usize>>);

/// One place; given back when dropped.
pub struct Seat<K: Clone + Eq + Hash> {
    seats: Arc<Seats<K>>,
    key: K,
}

impl<K: Clone + Eq + Hash> Default for Seats<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Seats<K> {
    /// A place for one more, if there are fewer than `most`.
    pub fn take(self: &Arc<Self>, key: K, most: usize) -> Option<Seat<K>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&key).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        taken.insert(key.clone(), count + 1);
        Some(Seat { seats: self.clone(), key })
    }

    /// Whether any place of the key is taken.
    pub fn are_taken(&self, key: &K) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }
}

impl<K: Clone + Eq + Hash> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_dropped_and_each_key_has_its_own() {
        let seats = Arc::new(Seats::default());
        let first = seats.take("a", 1).unwrap();
        assert!(seats.take("a", 1).is_none() && seats.take("b", 1).is_some() && seats.take("c", 0).is_none());
        drop(first);
        assert!(!seats.are_taken(&"a") && !seats.are_taken(&"c") && seats.take("a", 1).is_some());
    }
}
