//! The handset of a user: its identity and its Signal sessions with companions, its own and those of
//! others. How it vouches for its own companions is in `adv`, what it does in groups in `sender_key`.

use anyhow::{Context, Result, bail, ensure};
use futures_util::FutureExt as _;
use rand::rngs::StdRng;
use wacore_binary::Node;
use wacore_libsignal::protocol::{
    CiphertextMessage, CiphertextMessageType, GenericSignedPreKey as _, IdentityKeyPair, KeyPair, PreKeyRecord,
    PreKeySignalMessage, SignalMessage, SignedPreKeyRecord, Timestamp, UsePQRatchet, message_decrypt, message_encrypt,
    process_prekey_bundle,
};
use waproto::buffa::Message as _;
use waproto::whatsapp as wa;

use crate::address::Address;
use crate::bundle::{Bundle, OneTimeKey, SignedKey};
use crate::signal_store::SignalStore;
use crate::stanza::{element, key};

const SIGNED_KEY: u32 = 1;

pub(crate) struct Phone {
    pub(crate) identity: IdentityKeyPair,
    /// Names this installation in what the phone vouches for.
    pub(crate) raw_id: u32,
    pub(crate) app_state_key: [u8; 32],
    registration_id: u32,
    signed: SignedKey,
    next_one_time: u32,
    pub(crate) store: SignalStore,
}

/// A message encrypted for one device.
pub(crate) struct Envelope {
    pub(crate) kind: &'static str,
    pub(crate) ciphertext: Vec<u8>,
}

impl Envelope {
    pub(crate) fn node(self) -> Node {
        element("enc").attr("v", "2").attr("type", self.kind).bytes(self.ciphertext).build()
    }
}

impl Phone {
    pub(crate) fn new() -> Self {
        let mut rng = rng();
        let identity = IdentityKeyPair::generate(&mut rng);
        // Half of the numbers: registration ids are positive as signed ones too.
        let registration_id = rand::random::<u32>() >> 1;
        let signed = KeyPair::generate(&mut rng);
        let signature = identity
            .private_key()
            .calculate_signature(&signed.public_key.serialize(), &mut rng)
            .expect("a generated key signs");
        let mut store = SignalStore::new(identity.clone(), registration_id);
        let record = SignedPreKeyRecord::new(SIGNED_KEY.into(), Timestamp::from_epoch_millis(0), &signed, &signature);
        store.signed_prekeys.insert(SIGNED_KEY.into(), record);
        let signed = SignedKey { id: SIGNED_KEY, key: public(&signed), signature: signature.to_vec() };
        Self {
            identity,
            raw_id: rand::random(),
            app_state_key: rand::random(),
            registration_id,
            signed,
            next_one_time: 1,
            store,
        }
    }

    pub(crate) fn identity_key(&self) -> [u8; 32] {
        key(self.identity.public_key().public_key_bytes()).expect("a public key has 32 bytes")
    }

    /// A bundle with a one-time key of its own.
    pub(crate) fn bundle(&mut self) -> Bundle {
        let one_time = KeyPair::generate(&mut rng());
        let id = self.next_one_time;
        self.next_one_time += 1;
        self.store.prekeys.insert(id.into(), PreKeyRecord::new(id.into(), &one_time));
        Bundle {
            registration_id: self.registration_id,
            identity: self.identity_key(),
            signed: self.signed.clone(),
            one_time: Some(OneTimeKey { id, key: public(&one_time) }),
            device_identity: None,
        }
    }

    pub(crate) fn has_session(&self, peer: &Address) -> bool {
        self.store.sessions.contains(&peer.signal())
    }

    /// Opens a session with a device from what it published.
    pub(crate) fn open_session(&mut self, peer: &Address, bundle: &Bundle) -> Result<()> {
        let SignalStore { sessions, identities, .. } = &mut self.store;
        process_prekey_bundle(&peer.signal(), sessions, identities, &bundle.signal()?, &mut rng(), UsePQRatchet::No)
            .now_or_never()
            .context("the session store waited")??;
        Ok(())
    }

    /// Encrypts for a device with which there is a session.
    pub(crate) fn encrypt(&mut self, peer: &Address, message: &wa::Message) -> Result<Envelope> {
        let plaintext = pad(message);
        let SignalStore { sessions, identities, .. } = &mut self.store;
        let encrypted = message_encrypt(&plaintext, &peer.signal(), sessions, identities)
            .now_or_never()
            .context("the session store waited")??;
        let kind = match encrypted.message_type() {
            CiphertextMessageType::PreKey => "pkmsg",
            _ => "msg",
        };
        Ok(Envelope { kind, ciphertext: encrypted.serialize().to_vec() })
    }

    /// Decrypts what a device sent; `kind` is the type of its `<enc>`.
    pub(crate) fn decrypt(&mut self, peer: &Address, kind: &str, ciphertext: &[u8]) -> Result<wa::Message> {
        let encrypted = match kind {
            "pkmsg" => CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(ciphertext)?),
            "msg" => CiphertextMessage::SignalMessage(SignalMessage::try_from(ciphertext)?),
            other => bail!("an <enc> of type {other:?}"),
        };
        let SignalStore { sessions, identities, prekeys, signed_prekeys, .. } = &mut self.store;
        let peer = peer.signal();
        let mut rng = rng();
        let decrypted = message_decrypt(
            &encrypted,
            &peer,
            sessions,
            identities,
            prekeys,
            signed_prekeys,
            &mut rng,
            UsePQRatchet::No,
        );
        let plaintext = decrypted.now_or_never().context("the session store waited")??.plaintext;
        unpad(&plaintext)
    }
}

/// A message as it is encrypted, its length hidden.
pub(crate) fn pad(message: &wa::Message) -> Vec<u8> {
    let mut plaintext = message.encode_to_vec();
    let padding = rand::random_range(1..=16_u8);
    plaintext.extend(std::iter::repeat_n(padding, usize::from(padding)));
    plaintext
}

pub(crate) fn unpad(plaintext: &[u8]) -> Result<wa::Message> {
    let padding = usize::from(*plaintext.last().context("an empty message")?);
    ensure!(padding <= plaintext.len(), "a padding of {padding} bytes");
    Ok(wa::Message::decode_from_slice(&plaintext[..plaintext.len() - padding])?)
}

pub(crate) fn rng() -> StdRng {
    rand::make_rng()
}

fn public(pair: &KeyPair) -> [u8; 32] {
    key(pair.public_key.public_key_bytes()).expect("a public key has 32 bytes")
}
