//! Receipts that clients send: they acknowledge what the server has delivered, and they are passed on
//! to the companions of whoever sent the message.

use anyhow::Result;
use wacore_binary::{Jid, Node};

use crate::address::Address;
use crate::clock::unix_seconds;
use crate::record::Receipt;
use crate::session::Session;
use crate::stanza::{attr, element, jid, list, required_attr, required_jid};
use crate::state::State;

impl Session {
    pub(crate) fn receipt(&mut self, stanza: &Node) -> Result<()> {
        let login = self.login()?;
        let (id, to) = (required_attr(stanza, "id")?, required_jid(stanza, "to")?);
        let kind = attr(stanza, "type");
        let mut ids = vec![id.clone()];
        ids.extend(list(stanza, "list", "item").filter_map(|item| attr(item, "id")));
        let mut state = self.state();
        if let Some(companion) = state.companion_mut(&login) {
            ids.iter().for_each(|id| companion.settle(id));
        }
        self.send(ack(&id, &to));
        let group = state.group(&to).map(|group| group.jid.clone());
        let author = group.as_ref().and_then(|_| jid(stanza, "participant")).unwrap_or_else(|| to.clone());
        let name = state.name_of(&author);
        state.records.receipts.push(Receipt {
            from: login.pn.clone(),
            device: login.device,
            to: name,
            group: group.as_ref().map(Jid::to_string),
            kind: kind.clone().unwrap_or_else(|| "delivered".to_owned()),
            ids,
        });
        let Some(pn) = state.pn_of(&author).filter(|pn| *pn != login.pn) else { return Ok(()) };
        if let (Some(group), Some("retry")) = (&group, kind.as_deref()) {
            state.forget_key_holder(group, &pn, &login);
        }
        let receipt = match &group {
            Some(group) => state.group_receipt(group, &login, &id)?,
            None => {
                element("receipt").attr("from", state.jid(&login, to.is_lid())).attr("id", id).attr("t", unix_seconds())
            }
        };
        // The server keeps to itself that the app was in the background.
        let receipt = match kind.filter(|kind| kind != "inactive") {
            Some(kind) => receipt.attr("type", kind),
            None => receipt,
        };
        let receipt = receipt.apply_content(stanza.content.clone()).build();
        for companion in state.companions_of(&pn) {
            state.deliver(&companion, receipt.clone());
        }
        Ok(())
    }
}

impl State {
    /// A device couldn't decrypt what the phone `from` has written into a group: with the next message
    /// it gets the sender key again.
    fn forget_key_holder(&mut self, group: &Jid, from: &str, device: &Address) {
        let holders = self.group_mut(group).and_then(|group| group.key_holders.get_mut(from));
        if let Some(holders) = holders {
            holders.remove(device);
        }
    }
}

fn ack(id: &str, to: &Jid) -> Node {
    element("ack").attr("class", "receipt").attr("id", id).attr("from", to).build()
}
