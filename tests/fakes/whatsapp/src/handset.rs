//! Messages that users write on their phones: encrypted there, once for each companion, of the
//! recipient and of the writer.

use anyhow::{Context, Result};
use wacore_binary::Jid;
use waproto::buffa::MessageField;
use waproto::whatsapp as wa;
use waproto::whatsapp::message::DeviceSentMessage;

use crate::address::Address;
use crate::clock::unix_seconds;
use crate::file;
use crate::phone::Envelope;
use crate::stanza::element;
use crate::state::State;

impl State {
    /// Encrypts a message on a phone, for a companion of its own or of another user.
    pub(crate) fn encrypt_from_phone(&mut self, from: &str, to: &Address, message: &wa::Message) -> Result<Envelope> {
        let account = self.accounts.get(from).context("no such phone")?;
        let bundle = if account.phone.has_session(to) { None } else { self.take_bundle(to) };
        let phone = &mut self.accounts.get_mut(from).context("no such phone")?.phone;
        if let Some(bundle) = bundle {
            phone.open_session(to, &bundle)?;
        }
        phone.encrypt(to, message)
    }

    /// The owner of the phone `from` writes to `to` on the phone itself. The companions of both get it.
    pub(crate) fn send_from_phone(&mut self, from: &str, to: &str, id: &str, message: &wa::Message) -> Result<()> {
        if let Some(account) = self.accounts.get_mut(to) {
            account.heard_from.insert(from.to_owned());
        }
        for companion in self.companions_of(to) {
            self.send_from_phone_to(from, &companion, None, id, message)?;
        }
        for companion in self.companions_of(from).into_iter().filter(|_| from != to) {
            let is_lid = self.companion(&companion).is_some_and(|companion| companion.is_lid_migrated);
            let recipient = self.jid(&Address::new(to, 0), is_lid);
            let sent = DeviceSentMessage {
                destination_jid: Some(recipient.to_string()),
                message: MessageField::some(message.clone()),
                phash: None,
            };
            let copy = wa::Message { device_sent_message: MessageField::some(sent), ..Default::default() };
            self.send_from_phone_to(from, &companion, Some((recipient, to)), id, &copy)?;
        }
        Ok(())
    }

    fn send_from_phone_to(
        &mut self,
        from: &str,
        companion: &Address,
        recipient: Option<(Jid, &str)>,
        id: &str,
        message: &wa::Message,
    ) -> Result<()> {
        let envelope = self.encrypt_from_phone(from, companion, message)?;
        let is_lid = self.companion(companion).is_some_and(|companion| companion.is_lid_migrated);
        let phone = Address::new(from, 0);
        let mut stanza = element("message")
            .attr("from", self.jid(&phone, is_lid))
            .attr(if is_lid { "sender_pn" } else { "sender_lid" }, self.jid(&phone, !is_lid))
            .attr("id", id)
            .attr("t", unix_seconds())
            .attr("type", file::stanza_type(message));
        if let Some(account) = self.accounts.get(from) {
            stanza = stanza.attr("notify", account.name.as_str());
        }
        if let Some((recipient, pn)) = recipient {
            stanza = stanza.attr("recipient", recipient);
            if is_lid {
                stanza = stanza.attr("peer_recipient_pn", self.jid(&Address::new(pn, 0), false));
            }
        }
        self.deliver(companion, stanza.children([envelope.node()]).build());
        Ok(())
    }
}
