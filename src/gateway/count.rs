//! How many accounts a company has, and how they stand.

use entity::ids::CompanyId;

use super::sessions::{Sessions, Status};
use crate::store::StoreError;

/// How many accounts a company has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCounts {
    /// All of them.
    pub total: usize,
    /// Those that should be connected.
    pub active: usize,
    /// Those that are.
    pub connected: usize,
}

impl Sessions {
    /// How many accounts a company has, and how they stand.
    pub async fn count_of(&self, company: CompanyId) -> Result<SessionCounts, StoreError> {
        let accounts = self.messengers.store.accounts_of(company).await?;
        let is_connected = |id| self.status(id) == Status::Connected;
        Ok(SessionCounts {
            total: accounts.len(),
            active: accounts.iter().filter(|(_, should_connect)| *should_connect).count(),
            connected: accounts.iter().filter(|(id, _)| is_connected(*id)).count(),
        })
    }
}
