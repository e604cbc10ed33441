//! Linking a device: by a code that the phone scans, or by one that is typed on the phone. Either way
//! the phone vouches for the client's identity key, the client signs in turn, and then has to log in.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::protocol::KeyPair;
use waproto::buffa::Message as _;
use waproto::whatsapp::ClientPairingProps;
use waproto::whatsapp::client_payload::DevicePairingRegistrationData;

use crate::account::Companion;
use crate::address::Address;
use crate::bundle::{Bundle, SignedKey};
use crate::clock::unix_seconds;
use crate::outbox::Outbox;
use crate::session::Session;
use crate::stanza::{
    SERVER, attr, child_bytes, child_key, content, element, error, key, leaf, number, required_jid, result, show,
};
use crate::state::{DeviceChange, State};

/// A client that waits to be linked.
pub(crate) struct Pairing {
    pub(crate) outbox: Outbox,
    noise_key: [u8; 32],
    registration: DevicePairingRegistrationData,
}

/// The links under way.
#[derive(Default)]
pub(crate) struct Linking {
    /// By the ref that a QR code shows.
    pub(crate) refs: HashMap<String, Arc<Pairing>>,
    /// By the phone number that a code was asked for.
    pub(crate) codes: HashMap<String, CodeLink>,
    /// By the id of the `<iq>` that the client has to answer.
    vouched: HashMap<String, Vouched>,
}

impl Linking {
    /// Forgets what a connection was about.
    pub(crate) fn forget(&mut self, outbox: &Outbox) {
        self.refs.retain(|_, pairing| !pairing.outbox.is_same(outbox));
        self.codes.retain(|_, link| !link.pairing.outbox.is_same(outbox));
        self.vouched.retain(|_, vouched| !vouched.pairing.outbox.is_same(outbox));
    }
}

/// A link by code.
pub(crate) struct CodeLink {
    pub(crate) pairing: Arc<Pairing>,
    /// The client's ephemeral key, under the code.
    pub(crate) wrapped: Vec<u8>,
    pub(crate) reference: Vec<u8>,
    /// The phone's ephemeral key and the client's, once the code has been typed.
    pub(crate) ephemeral: Option<(KeyPair, [u8; 32])>,
}

/// A client that has been vouched for and hasn't signed yet.
struct Vouched {
    pairing: Arc<Pairing>,
    address: Address,
    key_index: u32,
    bundle: Bundle,
}

/// What a QR code says.
pub(crate) struct QrCode {
    pub(crate) reference: String,
    noise_key: [u8; 32],
    identity: [u8; 32],
    adv_secret: Vec<u8>,
}

impl QrCode {
    /// Some clients show an address with the code behind a `#`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let code = text.rsplit('#').next().unwrap_or(text);
        let mut parts = code.split(',');
        let mut part = || parts.next().with_context(|| format!("not a code to link a device: {text}"));
        let reference = part()?.to_owned();
        let noise_key = key(BASE64_STANDARD.decode(part()?)?)?;
        let identity = key(BASE64_STANDARD.decode(part()?)?)?;
        Ok(Self { reference, noise_key, identity, adv_secret: BASE64_STANDARD.decode(part()?)? })
    }
}

impl Session {
    /// Gives a client that isn't linked the refs for its QR codes.
    pub(crate) fn offer_refs(&mut self, noise_key: [u8; 32], registration: DevicePairingRegistrationData) {
        let pairing = Arc::new(Pairing { outbox: self.outbox.clone(), noise_key, registration });
        let offer = {
            let mut state = self.state();
            let new_ref = |_| format!("2@{}", BASE64_STANDARD.encode(rand::random::<[u8; 30]>()));
            let refs: Vec<String> = (0..state.qr_refs).map(new_ref).collect();
            state.linking.refs.extend(refs.iter().map(|reference| (reference.clone(), Arc::clone(&pairing))));
            let offered = refs.into_iter().map(|reference| leaf("ref", reference));
            new_request(&mut state).children([element("pair-device").children(offered).build()]).build()
        };
        self.send(offer);
        self.pairing = Some(pairing);
    }

    /// The client's two steps of linking by code.
    pub(crate) fn link_by_code(&mut self, request: &Node, link: &Node) -> Result<()> {
        let pairing = self.pairing.as_ref().context("only a client that isn't linked may ask for a code")?;
        let pn = required_jid(link, "jid")?.user.to_string();
        let mut state = self.state();
        match attr(link, "stage").as_deref() {
            Some("companion_hello") => self.send(state.begin_code_link(&pn, pairing, request, link)),
            Some("companion_finish") => state.finish_code_link(&pn, request, link)?,
            other => bail!("the step {other:?} of linking by code"),
        }
        Ok(())
    }

    /// The client's signature, which ends the linking.
    pub(crate) fn finish_link(&mut self, reply: &Node) -> Result<()> {
        let mut state = self.state();
        let vouched = attr(reply, "id").and_then(|id| state.linking.vouched.remove(&id));
        let Some(Vouched { pairing, address, key_index, bundle }) = vouched else { return Ok(()) };
        let signed = reply.get_optional_child("pair-device-sign");
        let identity = signed.and_then(|signed| signed.get_optional_child("device-identity"));
        let identity = content(identity.with_context(|| format!("the client has refused: {}", show(reply)))?);
        let account = state.accounts.get_mut(&address.pn).context("no such account")?;
        account.phone.check_companion(&identity, &bundle.identity)?;
        let bundle = Bundle { device_identity: Some(identity), ..bundle };
        let companion = Companion::new(pairing.noise_key, bundle, key_index, account.is_lid_migrated);
        account.companions.insert(address.device, companion);
        state.announce(&address, DeviceChange::Added { key_index });
        tracing::debug!("{address} is linked");
        // The client is asked to come again, and hangs up.
        pairing.outbox.send(element("stream:error").attr("code", "515").build());
        Ok(())
    }
}

impl State {
    /// The phone has scanned a code. Returns the number of the device that will be linked.
    pub(crate) fn scanned(&mut self, pn: &str, code: &QrCode) -> Result<u16> {
        let pairing = self.linking.refs.remove(&code.reference).context("the code is unknown or expired")?;
        ensure!(pairing.noise_key == code.noise_key, "the code names another Noise key");
        ensure!(pairing.registration.e_ident.as_deref() == Some(&code.identity), "the code names another identity");
        self.vouch(pn, &pairing, code.identity, &code.adv_secret)
    }

    fn begin_code_link(&mut self, pn: &str, pairing: &Arc<Pairing>, request: &Node, link: &Node) -> Node {
        if !self.accounts.contains_key(pn) {
            return error(request, 400, "bad-request");
        }
        let reference = rand::random::<[u8; 16]>().to_vec();
        let link = CodeLink {
            pairing: Arc::clone(pairing),
            wrapped: child_bytes(link, "link_code_pairing_wrapped_companion_ephemeral_pub"),
            reference: reference.clone(),
            ephemeral: None,
        };
        self.linking.codes.insert(pn.to_owned(), link);
        let answer = element("link_code_companion_reg").attr("stage", "companion_hello");
        result(request, [answer.children([leaf("link_code_pairing_ref", reference)]).build()])
    }

    fn finish_code_link(&mut self, pn: &str, request: &Node, link: &Node) -> Result<()> {
        let CodeLink { pairing, ephemeral, .. } = self.linking.codes.remove(pn).context("no code was asked for")?;
        let (own, companion) = ephemeral.context("the code hasn't been typed yet")?;
        let identity = child_key(link, "companion_identity_public")?;
        let wrapped = child_bytes(link, "link_code_pairing_wrapped_key_bundle");
        let account = self.accounts.get(pn).context("no such phone")?;
        match account.phone.open_key_bundle(&own, &companion, &identity, &wrapped) {
            Ok(adv_secret) => {
                pairing.outbox.send(result(request, []));
                self.vouch(pn, &pairing, identity, &adv_secret)?;
            }
            Err(refusal) => {
                tracing::debug!("a wrong code was typed on {pn}: {refusal:#}");
                pairing.outbox.send(error(request, 400, "bad-request"));
            }
        }
        Ok(())
    }

    /// The phone vouches for a client, and the client is told.
    fn vouch(&mut self, pn: &str, pairing: &Arc<Pairing>, identity: [u8; 32], adv_secret: &[u8]) -> Result<u16> {
        let registration = &pairing.registration;
        let bytes = |field: &Option<Vec<u8>>| field.clone().unwrap_or_default();
        let bundle = Bundle {
            registration_id: number(&bytes(&registration.e_regid)),
            identity,
            signed: SignedKey {
                id: number(&bytes(&registration.e_skey_id)),
                key: key(bytes(&registration.e_skey_val))?,
                signature: bytes(&registration.e_skey_sig),
            },
            one_time: None,
            device_identity: None,
        };
        let message = new_request(self);
        let account = self.accounts.get_mut(pn).context("no such phone")?;
        let device = account.next_device;
        account.next_device += 1;
        let key_index = u32::from(device);
        let properties =
            ClientPairingProps { is_chat_db_lid_migrated: Some(account.is_lid_migrated), ..Default::default() };
        let addresses =
            element("device").attr("jid", account.jid(device, false)).attr("lid", account.jid(device, true));
        let success = element("pair-success").children([
            leaf("device-identity", account.phone.vouch_for(&identity, adv_secret, key_index)),
            element("biz").attr("name", account.name.as_str()).build(),
            element("platform").attr("name", "android").build(),
            leaf("client-props", properties.encode_to_vec()),
            addresses.build(),
        ]);
        let message = message.attr("t", unix_seconds()).children([success.build()]).build();
        let id = attr(&message, "id").unwrap_or_default();
        let pairing = Arc::clone(pairing);
        pairing.outbox.send(message);
        self.linking.vouched.insert(id, Vouched { pairing, address: Address::new(pn, device), key_index, bundle });
        Ok(device)
    }
}

/// A request of the server's about linking.
fn new_request(state: &mut State) -> NodeBuilder {
    element("iq").attr("from", SERVER).attr("type", "set").attr("xmlns", "md").attr("id", state.next_id())
}
