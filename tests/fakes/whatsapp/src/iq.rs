//! Requests (`<iq>`) of clients and the answers to them. What isn't known here gets an empty result,
//! with which clients are content.

use anyhow::{Context, Result, ensure};
use wacore_binary::Node;

use crate::address::Address;
use crate::bundle::{OneTimeKey, SignedKey};
use crate::session::Session;
use crate::stanza::{attr, child, child_key, element, error, list, required_jid, result};
use crate::state::State;

/// What an account's privacy settings are about.
const PRIVACY: [&str; 7] = ["readreceipts", "last", "profile", "status", "online", "groupadd", "calladd"];

impl Session {
    pub(crate) fn iq(&mut self, request: &Node) -> Result<()> {
        let kind = attr(request, "type").unwrap_or_default();
        if kind == "result" || kind == "error" {
            return self.finish_link(request);
        }
        if let Some(link) = request.get_optional_child("link_code_companion_reg") {
            return self.link_by_code(request, link);
        }
        let Some(me) = &self.login else {
            self.send(result(request, []));
            return Ok(());
        };
        let namespace = attr(request, "xmlns").unwrap_or_default();
        let content = request.children().and_then(|children| children.first());
        let tag = content.map_or("", |content| content.tag.as_ref());
        let mut state = self.state();
        let answer = match (kind.as_str(), namespace.as_str(), tag) {
            ("get", "encrypt", "count") => state.count_prekeys(me, request),
            ("get", "encrypt", "key") => state.hand_out_bundles(request)?,
            ("get", "encrypt", "digest") => state.digest_prekeys(me, request),
            ("set", "encrypt", "rotate") => state.rotate_signed_prekey(me, request)?,
            ("set", "encrypt", _) => state.take_prekeys(me, request)?,
            ("get", "usync", _) => state.usync(me, request)?,
            ("get", "w:g2", "query") => state.group_info(me, request)?,
            ("get", "w:g2", "participating") => state.participating(me, request),
            ("set", "w:sync:app:state", _) => app_state(request),
            ("set", "w:m", "media_conn") => state.media.connection(request),
            ("get", "abt", _) => properties(request),
            ("get", "privacy", _) => privacy(request),
            ("get", "blocklist", _) => result(request, [element("list").build()]),
            ("set", "md", "remove-companion-device") => {
                let answer = result(request, []);
                state.remove_companion(me);
                answer
            }
            _ => result(request, []),
        };
        self.send(answer);
        if (kind.as_str(), namespace.as_str(), tag) == ("set", "passive", "active") {
            self.go_active(&mut state, me)?;
        }
        Ok(())
    }
}

impl State {
    fn count_prekeys(&self, me: &Address, request: &Node) -> Node {
        let count = self.companion(me).map_or(0, |companion| companion.one_time.len());
        result(request, [element("count").attr("value", count).build()])
    }

    fn take_prekeys(&mut self, me: &Address, request: &Node) -> Result<Node> {
        let companion = self.companion_mut(me).context("the device isn't linked")?;
        let identity = child_key(request, "identity")?;
        ensure!(identity == companion.bundle.identity, "the identity has changed");
        companion.bundle.signed = SignedKey::parse(child(request, "skey")?)?;
        for key in list(request, "list", "key") {
            let key = OneTimeKey::parse(key)?;
            if companion.one_time.iter().all(|known| known.id != key.id) {
                companion.one_time.push_back(key);
            }
        }
        Ok(result(request, []))
    }

    fn rotate_signed_prekey(&mut self, me: &Address, request: &Node) -> Result<Node> {
        let companion = self.companion_mut(me).context("the device isn't linked")?;
        companion.bundle.signed = SignedKey::parse(child(child(request, "rotate")?, "skey")?)?;
        Ok(result(request, []))
    }

    fn digest_prekeys(&self, me: &Address, request: &Node) -> Node {
        match self.companion(me).filter(|companion| !companion.one_time.is_empty()) {
            Some(companion) => result(request, [companion.bundle.digest(companion.one_time.iter())]),
            None => error(request, 404, "item-not-found"),
        }
    }

    fn hand_out_bundles(&mut self, request: &Node) -> Result<Node> {
        let mut users = Vec::new();
        for user in list(request, "key", "user") {
            let jid = required_jid(user, "jid")?;
            let pn = self.pn_of(&jid);
            let bundle = pn.and_then(|pn| self.take_bundle(&Address::new(&pn, jid.device)));
            let content = match bundle {
                Some(bundle) => bundle.nodes(),
                None => vec![element("error").attr("code", 406).attr("text", "not-acceptable").build()],
            };
            users.push(element("user").attr("jid", jid).children(content).build());
        }
        Ok(result(request, [element("list").children(users).build()]))
    }
}

/// There is nothing new in any collection, and what the client adds is taken without being kept.
fn app_state(request: &Node) -> Node {
    let collections = list(request, "sync", "collection").map(|collection| {
        let known = ["name", "version"].map(|key| (key, attr(collection, key).unwrap_or_default()));
        element("collection").attrs(known).build()
    });
    result(request, [element("sync").children(collections).build()])
}

/// No experiment is on.
fn properties(request: &Node) -> Node {
    let properties =
        [("protocol", "1"), ("ab_key", "fake"), ("hash", "fake"), ("refresh", "86400"), ("refresh_id", "1")];
    result(request, [element("props").attrs(properties).build()])
}

fn privacy(request: &Node) -> Node {
    let categories = PRIVACY.map(|name| element("category").attr("name", name).attr("value", "all").build());
    result(request, [element("privacy").children(categories).build()])
}
