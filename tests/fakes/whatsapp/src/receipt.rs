//! Receipts that clients send: they acknowledge what the server has delivered, and they are passed on
//! to the companions of whoever sent the message.

use anyhow::Result;
use wacore_binary::{Jid, Node};

use crate::clock::unix_seconds;
use crate::record::Receipt;
use crate::session::Session;
use crate::stanza::{attr, element, list, required_attr, required_jid};

impl Session {
    pub(crate) fn receipt(&mut self, stanza: &Node) -> Result<()> {
        let login = self.login()?;
        let (id, to) = (required_attr(stanza, "id")?, required_jid(stanza, "to")?);
        let kind = attr(stanza, "type");
        let mut ids = vec![id.clone()];
        ids.extend(list(stanza, "list", "item").filter_map(|item| attr(item, "id")));
        let mut state = self.state();
        if let Some(companion) = state.companion_mut(&login) {
            for id in &ids {
                companion.acknowledge("message", id, None, None);
            }
        }
        self.send(ack(&id, &to));
        let name = state.name_of(&to);
        state.records.receipts.push(Receipt {
            from: login.pn.clone(),
            device: login.device,
            to: name,
            kind: kind.clone().unwrap_or_else(|| "delivered".to_owned()),
            ids,
        });
        let Some(pn) = state.pn_of(&to).filter(|pn| *pn != login.pn) else { return Ok(()) };
        let receipt = element("receipt").attr("from", state.jid(&login, to.is_lid())).attr("id", id);
        let receipt = receipt.attr("t", unix_seconds());
        // The server keeps to itself that the app was in the background.
        let receipt = match kind.filter(|kind| kind != "inactive") {
            Some(kind) => receipt.attr("type", kind),
            None => receipt,
        };
        let receipt = match stanza.get_optional_child("list") {
            Some(list) => receipt.children([list.clone()]).build(),
            None => receipt.build(),
        };
        for companion in state.companions_of(&pn) {
            state.deliver(&companion, receipt.clone());
        }
        Ok(())
    }
}

fn ack(id: &str, to: &Jid) -> Node {
    element("ack").attr("class", "receipt").attr("id", id).attr("from", to).build()
}
