//! How far messages got, as it is said: kept until it is handed over, the furthest of each message.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, MessageId};
use entity::message::Status;
use tokio::sync::Notify;
use whatsapp_rust::types::presence::ReceiptType;
use whatsapp_rust::wacore::types::events;

use crate::gateway::stanza;
use crate::store::message::Receipt;

/// Messages of which something is kept at most: more than are sent in an hour.
const MOST: usize = 10_000;

/// What is to be handed over.
#[derive(Default)]
pub(super) struct Receipts {
    kept: Mutex<HashMap<MessageId, Receipt>>,
    come: Notify,
}

/// An instant that WhatsApp tells in whole seconds: what has just been was now, and so comes after what was
/// before it.
pub(super) fn precise(at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    if (now - at).abs() < TimeDelta::seconds(2) { now } else { at }
}

impl Receipts {
    /// A receipt came, for messages of which some may be ours.
    pub(super) fn note(&self, account: AccountId, receipt: &events::Receipt, now: DateTime<Utc>) {
        let status = match receipt.r#type {
            ReceiptType::Delivered | ReceiptType::Inactive => Status::Delivered,
            ReceiptType::Read | ReceiptType::Played => Status::Read,
            _ => return,
        };
        if receipt.source.is_from_me {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for message in receipt.message_ids.iter().filter_map(|id| stanza::message(account, id, now)) {
            if kept.len() >= MOST {
                tracing::warn!(account.id = %account, "receipts come faster than they are written; some are lost");
                break;
            }
            let receipt = Receipt { account, message, status, at: precise(receipt.timestamp, now) };
            let known = kept.entry(message).or_insert(receipt);
            if known.status == Status::Delivered {
                *known = receipt;
            }
        }
        self.come.notify_one();
    }

    /// Those that came, once there are some.
    pub(super) async fn some(&self) -> Vec<Receipt> {
        loop {
            let come = self.come.notified();
            let some = self.take();
            if !some.is_empty() {
                return some;
            }
            come.await;
        }
    }

    /// Those that came.
    pub(super) fn take(&self) -> Vec<Receipt> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kept).into_values().collect()
    }
}
