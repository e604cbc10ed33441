//! Groups: who is in them, and what clients are told of them.

use std::collections::{HashMap, HashSet};

use wacore::messages::MessageUtils;
use wacore_binary::{Jid, JidExt as _, Node};

use crate::FakeWhatsApp;
use crate::address::Address;
use crate::clock::unix_seconds;
use crate::stanza::{attr, child, element, error, required_jid, result};
use crate::state::State;

pub(crate) struct Group {
    pub(crate) jid: Jid,
    /// The numbers of the members. The first one has made the group.
    pub(crate) members: Vec<String>,
    /// Whether members are named by LID.
    pub(crate) is_lid: bool,
    /// Who has written each message, by its id.
    pub(crate) authors: HashMap<String, String>,
    /// The devices to which each phone has given its sender key.
    pub(crate) key_holders: HashMap<String, HashSet<Address>>,
    subject: String,
    since: u64,
}

impl Group {
    fn new(id: &str) -> Self {
        Self {
            jid: Jid::group(id),
            members: Vec::new(),
            is_lid: false,
            authors: HashMap::new(),
            key_holders: HashMap::new(),
            subject: String::new(),
            since: unix_seconds(),
        }
    }

    pub(crate) fn has(&self, pn: &str) -> bool {
        self.members.iter().any(|member| member == pn)
    }

    pub(crate) fn addressing_mode(&self) -> &'static str {
        if self.is_lid { "lid" } else { "pn" }
    }
}

impl FakeWhatsApp {
    /// A group of users whose phones have been added. Its address is `<id>@g.us`; wherever a group is
    /// asked for, either will do. The first member has made it. To add it again changes its subject and
    /// its members, without a word to the devices that know it.
    pub fn add_group(&self, id: &str, subject: &str, members: &[&str]) {
        let mut state = self.shared.state();
        let are_known = members.iter().all(|member| state.accounts.contains_key(*member));
        assert!(are_known, "the phones have been added");
        let id = group_id(id);
        let group = state.groups.entry(id.to_owned()).or_insert_with(|| Group::new(id));
        group.subject = subject.to_owned();
        group.members = members.iter().map(ToString::to_string).collect();
    }

    /// Whether the members of a group are named by LID in it, instead of by phone number.
    pub fn set_group_lid(&self, group: &str, on: bool) {
        let mut state = self.shared.state();
        let group = state.groups.get_mut(group_id(group)).expect("the group has been added");
        group.is_lid = on;
        // Clients keep a sender key under the name of its owner in the group.
        group.key_holders.clear();
    }
}

/// The id of a group that is named by its id or its address.
pub(crate) fn group_id(name: &str) -> &str {
    name.trim_end_matches("@g.us")
}

impl State {
    pub(crate) fn group(&self, jid: &Jid) -> Option<&Group> {
        self.groups.get(jid.user.as_str()).filter(|_| jid.is_group())
    }

    pub(crate) fn group_mut(&mut self, jid: &Jid) -> Option<&mut Group> {
        self.groups.get_mut(jid.user.as_str()).filter(|_| jid.is_group())
    }

    /// The answer to a question about one group. Who knows its members, and says so by their hash,
    /// isn't told them again.
    pub(crate) fn group_info(&self, me: &Address, request: &Node) -> anyhow::Result<Node> {
        let Some(group) = self.group(&required_jid(request, "to")?) else {
            return Ok(error(request, 404, "item-not-found"));
        };
        if !group.has(&me.pn) {
            return Ok(error(request, 403, "forbidden"));
        }
        let known = attr(child(request, "query")?, "phash");
        let members: Vec<Jid> = group.members.iter().map(|member| self.member(group, member)).collect();
        if known.is_some() && known == Some(MessageUtils::participant_list_hash(&members)?) {
            return Ok(result(request, []));
        }
        Ok(result(request, [self.describe(group)]))
    }

    /// The groups of a user.
    pub(crate) fn participating(&self, me: &Address, request: &Node) -> Node {
        let groups = self.groups.values().filter(|group| group.has(&me.pn)).map(|group| self.describe(group));
        result(request, [element("groups").children(groups).build()])
    }

    /// The name of a user in a group.
    pub(crate) fn member(&self, group: &Group, pn: &str) -> Jid {
        self.jid(&Address::new(pn, 0), group.is_lid)
    }

    fn describe(&self, group: &Group) -> Node {
        let participants = group.members.iter().enumerate().map(|(order, member)| {
            let other = self.jid(&Address::new(member, 0), !group.is_lid);
            let participant = element("participant")
                .attr("jid", self.member(group, member))
                .attr(if group.is_lid { "phone_number" } else { "lid" }, other);
            if order == 0 { participant.attr("type", "superadmin").build() } else { participant.build() }
        });
        let described = element("group")
            .attr("id", group.jid.user.as_str())
            .attr("subject", group.subject.as_str())
            .attr("addressing_mode", group.addressing_mode())
            .attr("creation", group.since)
            .attr("s_t", group.since)
            .attr("size", group.members.len());
        let described = match group.members.first() {
            Some(maker) => described.attr("creator", self.member(group, maker)),
            None => described,
        };
        described.children(participants).build()
    }
}
