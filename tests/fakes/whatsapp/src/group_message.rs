//! Messages to groups: how one that a client or a phone has written reaches the devices of all
//! members, and the receipts for it whoever wrote it.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::whatsapp as wa;

use crate::address::Address;
use crate::clock::unix_seconds;
use crate::file;
use crate::group::Group;
use crate::message::Submission;
use crate::record::{Delivery, Undecryptable};
use crate::stanza::{attr, child, element, jid, list, required_jid};
use crate::state::State;

impl State {
    /// Passes a client's message on to each other device of the members, with the sender key if one
    /// came along for that device; one that is sent again, to the device that couldn't decrypt it.
    pub(crate) fn route_to_group(&mut self, submission: &Submission<'_>) -> Result<()> {
        let Submission { stanza, from, to, id, .. } = submission;
        let group = self.group_mut(to).context("no such group")?;
        group.authors.insert(id.clone(), from.pn.clone());
        let content = child(stanza, "enc")?;
        if let Some(again) = jid(stanza, "participant") {
            let Some(device) = self.device(&again) else { return Ok(()) };
            return self.route_in_group(submission, &device, vec![content.clone()]);
        }
        let mut keys = HashMap::new();
        for target in list(stanza, "participants", "to") {
            if let Some(device) = self.device(&required_jid(target, "jid")?) {
                keys.insert(device, child(target, "enc")?);
            }
        }
        for device in self.devices_in(to).into_iter().filter(|device| device != from) {
            let key = keys.remove(&device).cloned();
            self.route_in_group(submission, &device, key.into_iter().chain([content.clone()]).collect())?;
        }
        Ok(())
    }

    fn route_in_group(&mut self, submission: &Submission<'_>, to: &Address, encrypted: Vec<Node>) -> Result<()> {
        if to.is_phone() {
            return self.deliver_in_group_to_phone(submission, &to.pn, &encrypted);
        }
        let Submission { stanza, from, id, .. } = submission;
        let group = self.group(&submission.to).context("no such group")?;
        let kind = attr(stanza, "type").unwrap_or_else(|| "text".to_owned());
        let mut message = self.group_stanza(group, from, id).attr("type", kind);
        if let Some(edit) = attr(stanza, "edit") {
            message = message.attr("edit", edit);
        }
        let identity = stanza.get_optional_child("device-identity").cloned();
        self.deliver(to, message.children(encrypted.into_iter().chain(identity)).build());
        Ok(())
    }

    fn deliver_in_group_to_phone(&mut self, submission: &Submission<'_>, pn: &str, encrypted: &[Node]) -> Result<()> {
        let Submission { stanza, from, to: group, id, .. } = submission;
        let account = self.accounts.get_mut(pn).context("no such account")?;
        let (to, sender) = (pn.to_owned(), from.pn.clone());
        match account.phone.decrypt_in_group(&group.to_string(), from, encrypted) {
            Ok(opened) => {
                let content = child(stanza, "enc")?;
                let file = self.file_for(&to, submission, content, &opened.message);
                self.records.deliveries.push(Delivery {
                    to,
                    from: sender,
                    device: from.device,
                    id: id.clone(),
                    group: Some(group.to_string()),
                    sender_key: opened.key,
                    is_peer: false,
                    message: opened.message,
                    file,
                });
                if pn != from.pn {
                    let receipt = self.group_receipt(group, &Address::new(pn, 0), id)?;
                    self.deliver(from, receipt.build());
                }
            }
            Err(error) => {
                tracing::warn!("the phone {to} cannot decrypt {id} from {from} in {group}: {error:#}");
                let error = format!("{error:#}");
                self.records.undecryptable.push(Undecryptable { to, from: sender, id: id.clone(), error });
            }
        }
        Ok(())
    }

    /// The owner of the phone `from` writes into a group on the phone itself. The companions of all
    /// members get it, the own ones too.
    pub(crate) fn send_from_phone_to_group(
        &mut self,
        from: &str,
        to: &Jid,
        id: &str,
        message: &wa::Message,
    ) -> Result<()> {
        let (author, kind) = (Address::new(from, 0), file::stanza_type(message));
        let name = to.to_string();
        let group = self.group_mut(to).context("no such group")?;
        ensure!(group.has(from), "{from} isn't in the group");
        group.authors.insert(id.to_owned(), from.to_owned());
        let phone = &mut self.accounts.get_mut(from).context("no such phone")?.phone;
        // The key is one to what comes after it, so it is taken before the message is encrypted.
        let key = phone.sender_key(&name, &author)?;
        let content = phone.encrypt_for_group(&name, &author, message)?.node();
        for device in self.devices_in(to).into_iter().filter(|device| !device.is_phone()) {
            let holders = self.group_mut(to).context("no such group")?.key_holders.entry(from.to_owned()).or_default();
            let is_new = holders.insert(device.clone());
            let key = if is_new { Some(self.encrypt_from_phone(from, &device, &key)?.node()) } else { None };
            let group = self.group(to).context("no such group")?;
            let stanza = self.group_stanza(group, &author, id).attr("type", kind);
            let stanza = stanza.children(key.into_iter().chain([content.clone()])).build();
            self.deliver(&device, stanza);
        }
        Ok(())
    }

    /// A receipt for a message to a group, from a device of a member, as whoever wrote it gets it. It
    /// says that the message was delivered.
    pub(crate) fn group_receipt(&self, group: &Jid, by: &Address, id: &str) -> Result<NodeBuilder> {
        let group = self.group(group).context("no such group")?;
        let receipt = element("receipt")
            .attr("from", &group.jid)
            .attr("participant", self.jid(by, group.is_lid))
            .attr("id", id)
            .attr("t", unix_seconds());
        Ok(if group.is_lid {
            receipt.attr("participant_pn", self.jid(&Address::new(&by.pn, 0), false))
        } else {
            receipt
        })
    }

    /// A message to a group, without what is in it.
    fn group_stanza(&self, group: &Group, author: &Address, id: &str) -> NodeBuilder {
        let other = self.jid(&Address::new(&author.pn, 0), !group.is_lid);
        let stanza = element("message")
            .attr("from", &group.jid)
            .attr("participant", self.jid(author, group.is_lid))
            .attr(if group.is_lid { "participant_pn" } else { "participant_lid" }, other)
            .attr("addressing_mode", group.addressing_mode())
            .attr("id", id)
            .attr("t", unix_seconds());
        match self.accounts.get(&author.pn) {
            Some(account) => stanza.attr("notify", account.name.as_str()),
            None => stanza,
        }
    }

    /// The phones and companions of all members.
    fn devices_in(&self, group: &Jid) -> Vec<Address> {
        let members = self.group(group).into_iter().flat_map(|group| &group.members);
        members.flat_map(|pn| std::iter::once(Address::new(pn, 0)).chain(self.companions_of(pn))).collect()
    }

    fn device(&self, jid: &Jid) -> Option<Address> {
        self.pn_of(jid).map(|pn| Address::new(&pn, jid.device))
    }
}
