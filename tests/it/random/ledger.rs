//! What was asked for and what was answered: what the verdict is founded on.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::plan::{Entry, Order};

/// A message that was asked for, perhaps in vain.
#[derive(Debug)]
pub struct Asked {
    pub account: usize,
    pub entry: Entry,
    /// The id that was answered: it is accepted.
    pub id: Option<String>,
    /// Requests to try it again that were not refused.
    pub retries: usize,
    /// Somebody asked to cancel it, and was not refused.
    pub may_be_cancelled: bool,
}

/// All that was asked for.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By their texts.
    pub messages: HashMap<String, Asked>,
    /// Accounts whose queue somebody asked to clear.
    pub cleared: HashSet<usize>,
    pub kills: usize,
    pub disconnects: usize,
    /// Answers that should not be, with how often they came.
    pub strange: BTreeMap<String, usize>,
    /// What broke, and when.
    pub events: Vec<String>,
}

impl Ledger {
    /// Enters what is about to be asked for.
    pub fn ask(&mut self, order: &Order) {
        for entry in &order.entries {
            let (account, entry) = (order.account, entry.clone());
            let asked = Asked { account, entry, id: None, retries: 0, may_be_cancelled: false };
            self.messages.insert(asked.entry.text.clone(), asked);
        }
    }

    /// Enters the ids that an order was answered; the same as before, if it was asked before.
    pub fn accept(&mut self, order: &Order, ids: &[Option<String>]) {
        if ids.len() != order.entries.len() {
            self.note_strange(format!("an order of {} was answered {} results", order.entries.len(), ids.len()));
        }
        for (entry, id) in order.entries.iter().zip(ids) {
            let Some(asked) = self.messages.get_mut(&entry.text) else { continue };
            match (&asked.id, id) {
                // It was accepted, and has expired since.
                (_, None) if entry.expires_in.is_some() => {}
                (_, None) => self.note_strange("a good message was refused".to_owned()),
                (Some(before), Some(id)) if before != id => {
                    let what = format!("{} was {before}, and then {id}, under the same key", entry.text);
                    self.note_strange(what);
                }
                _ => asked.id.clone_from(id),
            }
        }
    }

    /// Enters an answer that should not be.
    pub fn note_strange(&mut self, what: String) {
        *self.strange.entry(what).or_default() += 1;
    }

    /// The id of an accepted message, by a number.
    pub fn some_id(&self, number: usize) -> Option<String> {
        let ids: Vec<&String> = self.messages.values().take(200).filter_map(|asked| asked.id.as_ref()).collect();
        ids.get(number % ids.len().max(1)).map(|id| (*id).clone())
    }
}
