//! Who is who at WhatsApp: which numbers are there, and what their chats are called here. Somebody is
//! known by a phone number and by an id that hides it (`…@lid`); here a chat is one, by its number.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use entity::chat::Kind;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use whatsapp_rust::Client;
use whatsapp_rust::wacore::types::message::AddressingMode;
use whatsapp_rust::wacore_binary::{Jid, JidExt};

use super::keys::Keys;
use crate::gateway::SendError;
use crate::phone::Recipient;

/// Numbers that are asked for at once …
const BURST: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// … and the pause between further ones: faster than any account sends that is to live.
const PAUSE: Duration = Duration::from_secs(2);
/// Seconds for which a number counts as being there …
const THERE: i64 = 7 * 24 * 3_600;
/// … and as not: its owner may join any day.
const NOT_THERE: i64 = 24 * 3_600;

/// The people an account writes to.
pub(super) struct People {
    pub(super) client: Arc<Client>,
    pub(super) keys: Arc<Keys>,
    asking: DefaultDirectRateLimiter,
}

impl People {
    pub(super) fn new(client: Arc<Client>, keys: Arc<Keys>) -> Self {
        let quota = Quota::with_period(PAUSE).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
        Self { client, keys, asking: RateLimiter::direct(quota.allow_burst(BURST)) }
    }

    /// Where to send what is for `to`. A number is asked for, if it was not lately.
    pub(super) async fn find(&self, to: &Recipient) -> Result<Jid, SendError> {
        let text = to.as_str();
        if text.contains('@') {
            return jid_of(text).ok_or_else(|| SendError::refused("WhatsApp has no such chat"));
        }
        let now = self.keys.clock.now().timestamp();
        // What the crate or the database says has its words in it, and maybe the number.
        let later = |what: &'static str| SendError::Later { after: None, cause: anyhow!(what) };
        let known = self.keys.find("number", text).await.map_err(|_| later("the database did not answer"))?;
        let known = known.and_then(|entry| String::from_utf8(entry.value).ok().map(|jid| (jid, entry.number)));
        let jid = match known {
            Some((jid, at)) if now - at < if jid.is_empty() { NOT_THERE } else { THERE } => jid,
            _ => self.ask(text, now).await.map_err(later)?,
        };
        if jid.is_empty() {
            let reason = "the number is not on WhatsApp".to_owned();
            return Err(SendError::Refused { code: "not_on_whatsapp", reason });
        }
        jid.parse().map_err(|_| SendError::refused("WhatsApp has no such chat"))
    }

    /// Asks WhatsApp for a number: its chat, or nothing.
    async fn ask(&self, number: &str, now: i64) -> Result<String, &'static str> {
        self.asking.until_ready().await;
        let asked = [Jid::pn(number)];
        let found = self.client.contacts().is_on_whatsapp(&asked).await;
        let found = found.map_err(|_| "WhatsApp was not reached")?.into_iter().next();
        let found = found.ok_or("WhatsApp does not say whether it has the number")?;
        // It may know the number by another spelling.
        let jid = if found.is_registered { found.jid.to_non_ad_string() } else { String::new() };
        self.keys.put("number", number, jid.as_bytes(), now).await.map_err(|_| "the database did not answer")?;
        Ok(jid)
    }

    /// Who wrote into a shared chat, by the id that the chat has for them; `sender` is what a row says.
    pub(super) async fn author(&self, chat: &Jid, sender: &str) -> Option<Jid> {
        let author = if sender.contains('@') { sender.parse().ok()? } else { Jid::pn(sender) };
        let group = if chat.is_group() { self.client.groups().query_info(chat).await.ok() } else { None };
        if group.is_none_or(|group| group.addressing_mode != AddressingMode::Lid) {
            return Some(author);
        }
        let known = self.client.get_lid_pn_entry(&author).await;
        Some(known.ok().flatten().map_or(author, |known| Jid::lid(&*known.lid)))
    }

    /// What a chat is called here, or a person. `alternate` is the same person's other id, where it is
    /// known.
    pub(super) async fn name(client: &Client, jid: &Jid, alternate: Option<&Jid>) -> String {
        let number = |jid: &Jid| format!("{}@c.us", jid.user);
        if jid.is_pn() {
            return number(jid);
        }
        if let Some(alternate) = alternate.filter(|alternate| alternate.is_pn()) {
            return number(alternate);
        }
        match client.get_lid_pn_entry(jid).await {
            Ok(Some(known)) => format!("{}@c.us", known.phone_number),
            _ => jid.to_non_ad_string(),
        }
    }
}

/// WhatsApp's id of what a chat is called here.
pub(super) fn jid_of(chat: &str) -> Option<Jid> {
    match chat.strip_suffix("@c.us") {
        Some(number) => Some(Jid::pn(number)),
        None => chat.parse().ok(),
    }
}

/// What sort of chat it is; none for what no person reads as one.
pub(super) fn kind_of(jid: &Jid) -> Option<Kind> {
    if jid.is_group() {
        Some(Kind::Group)
    } else if jid.is_status_broadcast() {
        Some(Kind::Status)
    } else {
        (jid.is_pn() || jid.is_lid()).then_some(Kind::Individual)
    }
}
