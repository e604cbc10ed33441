//! How many Socket.IO clients of each company are connected to this node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use entity::ids::CompanyId;

/// Clients of each company.
#[derive(Default)]
pub(super) struct Seats(Mutex<HashMap<CompanyId, usize>>);

/// One client's place; given back when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    company: CompanyId,
}

impl Seats {
    /// A place for one more, if there are fewer than `most`.
    pub(super) fn take(self: &Arc<Self>, company: CompanyId, most: usize) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(company).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { seats: self.clone(), company })
    }

    /// Whether the company has any client here.
    pub(super) fn are_taken(&self, company: CompanyId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&company)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.company) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.company);
            }
        }
    }
}
