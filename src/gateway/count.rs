//! How a company's accounts stand: the one place where they are counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::account::Provider;
use entity::ids::{AccountId, CompanyId};

use super::sessions::{Sessions, Status};
use crate::store::StoreError;

/// One account, as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Its messenger.
    pub provider: Provider,
    /// Whether it should be connected.
    pub should_connect: bool,
    /// Whether its messenger knows it.
    pub is_known: bool,
    /// Whether it was ever to be connected.
    pub was_started: bool,
    /// Where its connection stands.
    pub status: Status,
    /// Since when it is connected, if it is.
    pub connected_since: Option<DateTime<Utc>>,
}

/// How many accounts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCounts {
    /// All of them.
    pub total: usize,
    /// Those that should be connected.
    pub active: usize,
    /// Those that are.
    pub connected: usize,
}

impl SessionCounts {
    /// Of these.
    #[must_use]
    pub fn of(all: &[Standing]) -> Self {
        let count = |is: fn(&Standing) -> bool| all.iter().filter(|one| is(one)).count();
        Self {
            total: all.len(),
            active: count(|one| one.should_connect),
            connected: count(|one| one.status == Status::Connected),
        }
    }
}

/// How many of these there are of each kind.
#[must_use]
pub fn count_by<K: Ord>(all: &[Standing], kind: impl Fn(&Standing) -> K) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(kind(one)).or_default() += 1;
    }
    counts
}

impl Sessions {
    /// How the company's accounts stand: all, or those that are `visible`.
    pub async fn standing(
        &self,
        company: CompanyId,
        visible: Option<Vec<AccountId>>,
    ) -> Result<Vec<Standing>, StoreError> {
        let accounts = self.messengers.store.accounts_of(company).await?;
        let visible: Option<HashSet<AccountId>> = visible.map(|ids| ids.into_iter().collect());
        let is_visible = |id| visible.as_ref().is_none_or(|visible| visible.contains(&id));
        let seen = accounts.into_iter().filter(|account| is_visible(account.id));
        let statuses = self.statuses();
        let standing = seen.map(|account| {
            let (status, since) = statuses.get(&account.id).copied().unwrap_or_default();
            Standing {
                provider: account.provider,
                should_connect: account.should_connect,
                is_known: account.is_known,
                was_started: account.epoch > 0,
                status,
                connected_since: since.filter(|_| status == Status::Connected),
            }
        });
        Ok(standing.collect())
    }

    /// How many sessions of this node have each status.
    #[must_use]
    pub fn count(&self) -> HashMap<Status, usize> {
        let mut counts = HashMap::new();
        for (status, _) in self.statuses().into_values() {
            *counts.entry(status).or_default() += 1;
        }
        counts
    }

    /// How many accounts the company has, and how they stand.
    pub async fn count_of(&self, company: CompanyId) -> Result<SessionCounts, StoreError> {
        Ok(SessionCounts::of(&self.standing(company, None).await?))
    }

    /// Since when the account is connected, if it is.
    #[must_use]
    pub fn connected_since(&self, account: AccountId) -> Option<DateTime<Utc>> {
        let session = self.snapshot(account);
        session.since.filter(|_| session.status == Status::Connected)
    }
}
