//! Somebody with a phone.

use serde_json::json;

use crate::state::lid_of;
use crate::{FakeWeb, File};

/// Somebody with WhatsApp, who writes to accounts and reads what they wrote.
pub struct Person {
    pub(crate) fake: FakeWeb,
    pub(crate) phone: String,
}

impl Person {
    /// Gives them the name that their messages carry.
    pub fn named(self, name: &str) -> Self {
        self.fake.state().names.insert(self.phone.clone(), name.to_owned());
        self
    }

    /// Writes to the account. The message waits if the account's page is away. Its key.
    pub fn says(&self, account: &str, text: &str) -> String {
        self.fake.state().deliver(account, &self.phone, None, false, text, None)
    }

    /// Sends a file to the account, with a caption or an empty one. The key.
    pub fn sends(&self, account: &str, file: &File, caption: &str) -> String {
        self.fake.state().deliver(account, &self.phone, None, false, caption, Some(file))
    }

    /// Writes in a group that the account is in. The key.
    pub fn says_in(&self, group: &str, account: &str, text: &str) -> String {
        self.fake.state().deliver(account, group, Some(&self.phone), false, text, None)
    }

    /// Reads all that the account wrote to them.
    pub fn reads(&self, account: &str) {
        let mut state = self.fake.state();
        let unread = state.unread.remove(&self.phone).unwrap_or_default();
        let (read, unread) = unread.into_iter().partition(|one| one.account == account);
        state.unread.insert(self.phone.clone(), unread);
        let read: Vec<crate::state::Unread> = read;
        for one in read {
            state.receipt(&one.account, &one.key, &self.phone, one.group.as_deref(), 3);
        }
    }

    /// Begins or stops to write to the account. Whether its page asked to be told, and was.
    pub fn types(&self, account: &str, on: bool) -> bool {
        let chat = self.fake.state().address(&self.phone);
        self.shows(account, &chat, None, on)
    }

    /// Begins or stops to write in a group. Whether the account's page asked to be told, and was.
    pub fn types_in(&self, group: &str, account: &str, on: bool) -> bool {
        self.shows(account, group, Some(lid_of(&self.phone)), on)
    }

    fn shows(&self, account: &str, chat: &str, who: Option<String>, on: bool) -> bool {
        let order = json!({ "op": "presence", "chat": chat, "who": who, "on": on });
        let mut state = self.fake.state();
        state.device_of(account).is_some_and(|page| page.subscribed.contains(chat) && page.order(order))
    }
}
