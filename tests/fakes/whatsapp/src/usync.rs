//! Questions about users (`usync`): whether a number is on WhatsApp, a user's LID, a user's devices.

use anyhow::{Context, Result};
use wacore_binary::{Jid, Node};

use crate::account::Account;
use crate::address::Address;
use crate::clock::unix_seconds;
use crate::record::NumberCheck;
use crate::stanza::{attr, child, content, element, jid, list, result};
use crate::state::State;

impl State {
    pub(crate) fn usync(&mut self, me: &Address, request: &Node) -> Result<Node> {
        let question = child(request, "usync")?;
        let protocols: Vec<&str> = child(question, "query")?.children().into_iter().flatten().map(tag).collect();
        let mut numbers = Vec::new();
        let mut users = Vec::new();
        for user in list(question, "list", "user") {
            let number = user.get_optional_child("contact").map(number);
            let asked =
                jid(user, "jid").or_else(|| number.clone().map(Jid::pn)).context("a <user> without an address")?;
            let pn = self.pn_of(&asked);
            if let (true, Some(account)) =
                (protocols.contains(&"devices"), pn.and_then(|pn| self.accounts.get_mut(&pn)))
            {
                account.watchers.insert(me.pn.clone());
            }
            users.push(answer(&protocols, &asked.to_non_ad(), number.as_deref(), self.account(&asked)));
            numbers.extend(number);
        }
        if protocols.contains(&"contact") && !numbers.is_empty() {
            self.records.number_checks.push(NumberCheck { by: me.pn.clone(), numbers });
        }
        let echoed = ["sid", "mode", "context"].map(|key| (key, attr(question, key).unwrap_or_default()));
        let answer = element("usync").attrs(echoed).attr("last", "true").attr("index", "0");
        Ok(result(request, [answer.children([element("list").children(users).build()]).build()]))
    }
}

fn tag(node: &Node) -> &str {
    node.tag.as_ref()
}

fn number(contact: &Node) -> String {
    String::from_utf8_lossy(&content(contact)).trim_start_matches('+').to_owned()
}

fn answer(protocols: &[&str], asked: &Jid, number: Option<&str>, account: Option<&Account>) -> Node {
    let mut answers = Vec::new();
    for protocol in protocols {
        match (*protocol, account) {
            ("contact", account) => {
                let kind = if account.is_some() { "in" } else { "out" };
                let contact = element("contact").attr("type", kind).string_content(number.unwrap_or_default());
                answers.push(contact.build());
            }
            ("lid", Some(account)) => answers.push(element("lid").attr("val", account.jid(0, true)).build()),
            ("devices", Some(account)) => answers.push(devices(account)),
            _ => {}
        }
    }
    let user = element("user").attr("jid", asked);
    let user = match account {
        Some(account) if asked.is_lid() => user.attr("pn_jid", account.jid(0, false)),
        _ => user,
    };
    user.children(answers).build()
}

fn devices(account: &Account) -> Node {
    let companions = account.companions.iter().map(|(device, companion)| {
        element("device").attr("id", *device).attr("key-index", companion.key_index).build()
    });
    let devices = std::iter::once(element("device").attr("id", 0).build()).chain(companions);
    let list = element("device-list").attr("hash", "2:fake").children(devices).build();
    let signed = element("key-index-list").attr("ts", unix_seconds()).bytes(account.key_index_list()).build();
    element("devices").children([list, signed]).build()
}
