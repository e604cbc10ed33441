//! What a company's accounts come to.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::CompanyId;
use futures_util::{StreamExt, TryStreamExt, stream};

use tokio::sync::Mutex;

use super::Board;
use crate::store::StoreError;

/// Accounts that are looked at together, where all of a company are.
const TOGETHER: usize = 16;
/// How long what was counted holds.
const HOLDS: TimeDelta = TimeDelta::seconds(1);

/// What was counted lately, and when.
pub type Loads = Mutex<HashMap<CompanyId, (DateTime<Utc>, Load)>>;

/// What the accounts of a company have before them, and did lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Messages waiting, in flight or scheduled.
    pub waiting: u64,
    /// Messages that left in the last 60 s.
    pub sent_last_minute: u64,
}

impl Board {
    /// What all accounts of a company have before them, and did lately: the sum of what each shows.
    pub async fn load(&self, company: CompanyId) -> Result<Load, StoreError> {
        // One after the other: who asks often gets what was counted a moment ago.
        let mut loads = self.loads.lock().await;
        let now = self.clock.now();
        loads.retain(|_, (at, _)| now - *at < HOLDS && now >= *at);
        if let Some((_, load)) = loads.get(&company) {
            return Ok(*load);
        }
        let load = self.sum(company).await?;
        loads.insert(company, (now, load));
        Ok(load)
    }

    async fn sum(&self, company: CompanyId) -> Result<Load, StoreError> {
        let ids = self.store.accounts_of(company).await?.into_iter().map(|account| account.id);
        let each = ids.map(|id| async move {
            let Some(account) = self.store.account(id).await? else { return Ok(Load::default()) };
            let overview = self.standings.overview(&account).await?;
            let sent = self.queue_state(&account, &overview).await?.sent_last_minute;
            Ok::<_, StoreError>(Load { waiting: overview.len(), sent_last_minute: sent.into() })
        });
        let sum = |all: Load, one: Load| async move {
            Ok(Load {
                waiting: all.waiting + one.waiting,
                sent_last_minute: all.sent_last_minute + one.sent_last_minute,
            })
        };
        stream::iter(each).buffer_unordered(TOGETHER).try_fold(Load::default(), sum).await
    }
}
