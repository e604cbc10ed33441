//! What users do on their phones.

use anyhow::{Context, Result, bail};
use wacore::pair_code::PairCodeUtils;
use wacore_libsignal::protocol::KeyPair;

use crate::address::Address;
use crate::clock::unix_seconds;
use crate::group::group_id;
use crate::pairing::{CodeLink, QrCode};
use crate::phone::rng;
use crate::stanza::{SERVER, element, key, leaf};
use crate::state::State;
use crate::{FakeWhatsApp, Jid, text_message, wa};

impl FakeWhatsApp {
    /// A user joins, with a phone and no other device. Numbers are digits without a plus.
    pub fn add_phone(&self, pn: &str, lid: &str, name: &str) {
        self.shared.state().add_account(pn, lid, name);
    }

    /// The chats that the phone sends to the next device it links.
    pub fn set_history(&self, pn: &str, chats: Vec<wa::Conversation>) {
        self.account_mut(pn, |account| account.history = Some(chats));
    }

    /// Whether the next device that the phone links is told to address people by LID.
    pub fn set_lid_migrated(&self, pn: &str, on: bool) {
        self.account_mut(pn, |account| account.is_lid_migrated = on);
    }

    /// Whether linking a device takes a passkey. While it does, `scan` and `enter_code` make the
    /// server ask the client for it and then fail; the client waits in vain.
    pub fn demand_passkey(&self, pn: &str, on: bool) {
        self.account_mut(pn, |account| account.wants_passkey = on);
    }

    /// The user scans a QR code. Returns the number of the device, which is linked once the client
    /// has signed: wait for a login.
    pub fn scan(&self, pn: &str, qr: &str) -> Result<u16> {
        let code = QrCode::parse(qr)?;
        let mut state = self.shared.state();
        if wants_passkey(&state, pn)? {
            let pairing = state.linking.refs.get(&code.reference).context("the code is unknown or expired")?;
            let outbox = pairing.outbox.clone();
            outbox.send(state.passkey_demand());
            bail!("linking takes a passkey");
        }
        state.scanned(pn, &code)
    }

    /// The user types the code that a client shows. A wrong one is only noticed by the server, which
    /// refuses the client.
    pub async fn enter_code(&self, pn: &str, code: &str) -> Result<()> {
        let (pairing, wrapped, reference) = {
            let mut state = self.shared.state();
            let link = state.linking.codes.get(pn).context("no code was asked for")?;
            let CodeLink { pairing, wrapped, reference, .. } = link;
            let found = (pairing.clone(), wrapped.clone(), reference.clone());
            if wants_passkey(&state, pn)? {
                found.0.outbox.send(state.passkey_demand());
                bail!("linking takes a passkey");
            }
            found
        };
        let own = KeyPair::generate(&mut rng());
        let own_public = key(own.public_key.public_key_bytes())?;
        let code = code.replace('-', "").to_uppercase();
        let (companion, wrapped) = tokio::task::spawn_blocking(move || {
            let companion = PairCodeUtils::decrypt_primary_ephemeral_pub(&wrapped, &code);
            companion.map(|companion| (companion, PairCodeUtils::encrypt_ephemeral_pub(&own_public, &code)))
        })
        .await??;
        let mut state = self.shared.state();
        let identity = state.accounts.get(pn).context("no such phone")?.phone.identity_key();
        state.linking.codes.get_mut(pn).context("the client has left")?.ephemeral = Some((own, companion));
        let hello = element("link_code_companion_reg").attr("stage", "primary_hello").children([
            leaf("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped),
            leaf("primary_identity_pub", identity),
            leaf("link_code_pairing_ref", reference),
        ]);
        let notification = element("notification")
            .attr("from", SERVER)
            .attr("type", "link_code_companion_reg")
            .attr("id", state.next_id())
            .attr("t", unix_seconds())
            .children([hello.build()]);
        pairing.outbox.send(notification.build());
        Ok(())
    }

    /// The user writes a text on the phone. It reaches the companions of the recipient, and the own
    /// ones. Returns the message's id.
    pub fn phone_send(&self, from: &str, to: &str, text: &str) -> Result<String> {
        self.phone_send_message(from, to, &text_message(text))
    }

    /// The user sends anything else from the phone.
    pub fn phone_send_message(&self, from: &str, to: &str, message: &wa::Message) -> Result<String> {
        let mut state = self.shared.state();
        let id = format!("3A{:018X}", state.next_number());
        state.send_from_phone(from, to, &id, message)?;
        Ok(id)
    }

    /// The user opens the chat with `to` on the phone, and has read that message of theirs.
    pub fn phone_read(&self, from: &str, to: &str, id: &str) {
        let mut state = self.shared.state();
        for companion in state.companions_of(to) {
            let receipt = element("receipt")
                .attr("from", phone_as_seen_by(&state, from, &companion))
                .attr("id", id)
                .attr("type", "read")
                .attr("t", unix_seconds());
            state.deliver(&companion, receipt.build());
        }
    }

    /// The user writes a text into a group on the phone. It reaches the companions of all members, the
    /// own ones too. Returns the message's id.
    pub fn phone_send_group(&self, from: &str, group: &str, text: &str) -> Result<String> {
        self.phone_send_group_message(from, group, &text_message(text))
    }

    /// The user sends anything else into a group from the phone.
    pub fn phone_send_group_message(&self, from: &str, group: &str, message: &wa::Message) -> Result<String> {
        let mut state = self.shared.state();
        let id = format!("3A{:018X}", state.next_number());
        state.send_from_phone_to_group(from, &Jid::group(group_id(group)), &id, message)?;
        Ok(id)
    }

    /// The user opens a group on the phone, and has read that message in it.
    pub fn phone_read_group(&self, from: &str, group: &str, id: &str) -> Result<()> {
        let mut state = self.shared.state();
        let group = Jid::group(group_id(group));
        let authors = &state.group(&group).context("no such group")?.authors;
        let author = authors.get(id).context("no such message")?.clone();
        let receipt = state.group_receipt(&group, &Address::new(from, 0), id)?.attr("type", "read").build();
        for companion in state.companions_of(&author) {
            state.deliver(&companion, receipt.clone());
        }
        Ok(())
    }

    /// The user begins or stops writing to `to`.
    pub fn phone_typing(&self, from: &str, to: &str, is_typing: bool) {
        let state = self.shared.state();
        for address in state.companions_of(to) {
            let sign = element(if is_typing { "composing" } else { "paused" }).build();
            let from = phone_as_seen_by(&state, from, &address);
            if let Some(companion) = state.companion(&address) {
                companion.mention(&element("chatstate").attr("from", from).children([sign]).build());
            }
        }
    }

    /// The user removes a linked device. Returns whether it was there.
    pub fn unlink(&self, pn: &str, device: u16) -> bool {
        let Some(companion) = self.shared.state().remove_companion(&Address::new(pn, device)) else { return false };
        if let Some((_, outbox)) = companion.connection {
            let conflict = element("conflict").attr("type", "device_removed").build();
            outbox.send(element("stream:error").attr("code", "401").children([conflict]).build());
            outbox.close();
        }
        true
    }
}

fn wants_passkey(state: &State, pn: &str) -> Result<bool> {
    Ok(state.accounts.get(pn).context("no such phone")?.wants_passkey)
}

fn phone_as_seen_by(state: &State, pn: &str, companion: &Address) -> Jid {
    let is_lid = state.companion(companion).is_some_and(|companion| companion.is_lid_migrated);
    state.jid(&Address::new(pn, 0), is_lid)
}
