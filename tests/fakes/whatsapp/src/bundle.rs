//! Key bundles: what a device publishes so that others can open a Signal session with it.

use anyhow::Result;
use sha1::{Digest, Sha1};
use wacore_binary::Node;
use wacore_libsignal::protocol::{IdentityKey, PreKeyBundle, PublicKey};

use crate::stanza::{child_bytes, child_key, element, key_number, leaf, number};

/// The type byte of a Curve25519 key.
const KEY_TYPE: u8 = 5;

/// A one-time prekey.
#[derive(Clone)]
pub(crate) struct OneTimeKey {
    pub(crate) id: u32,
    pub(crate) key: [u8; 32],
}

impl OneTimeKey {
    pub(crate) fn parse(node: &Node) -> Result<Self> {
        Ok(Self { id: number(&child_bytes(node, "id")), key: child_key(node, "value")? })
    }
}

/// A signed prekey.
#[derive(Clone)]
pub(crate) struct SignedKey {
    pub(crate) id: u32,
    pub(crate) key: [u8; 32],
    pub(crate) signature: Vec<u8>,
}

impl SignedKey {
    pub(crate) fn parse(node: &Node) -> Result<Self> {
        let id = number(&child_bytes(node, "id"));
        Ok(Self { id, key: child_key(node, "value")?, signature: child_bytes(node, "signature") })
    }
}

/// The published keys of one device, with at most one of its one-time keys.
#[derive(Clone)]
pub(crate) struct Bundle {
    pub(crate) registration_id: u32,
    pub(crate) identity: [u8; 32],
    pub(crate) signed: SignedKey,
    pub(crate) one_time: Option<OneTimeKey>,
    /// The ADVSignedDeviceIdentity; of companions only.
    pub(crate) device_identity: Option<Vec<u8>>,
}

impl Bundle {
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let mut nodes = self.lasting_nodes();
        if let Some(OneTimeKey { id, key }) = &self.one_time {
            nodes.push(element("key").children([leaf("id", key_number(*id)), leaf("value", *key)]).build());
        }
        if let Some(device_identity) = &self.device_identity {
            nodes.push(leaf("device-identity", device_identity.clone()));
        }
        nodes
    }

    fn lasting_nodes(&self) -> Vec<Node> {
        let SignedKey { id, key, signature } = &self.signed;
        let signed = [leaf("id", key_number(*id)), leaf("value", *key), leaf("signature", signature.clone())];
        vec![
            leaf("registration", self.registration_id.to_be_bytes()),
            leaf("type", [KEY_TYPE]),
            leaf("identity", self.identity),
            element("skey").children(signed).build(),
        ]
    }

    /// What a device compares with its own keys.
    pub(crate) fn digest<'a>(&self, one_time: impl Iterator<Item = &'a OneTimeKey> + Clone) -> Node {
        let mut hash = Sha1::new();
        hash.update(self.identity);
        hash.update(self.signed.key);
        hash.update(&self.signed.signature);
        for one_time in one_time.clone() {
            hash.update(one_time.key);
        }
        let ids = one_time.map(|one_time| leaf("id", key_number(one_time.id)));
        let mut nodes = self.lasting_nodes();
        nodes.push(element("list").children(ids).build());
        nodes.push(leaf("hash", hash.finalize().to_vec()));
        element("digest").children(nodes).build()
    }

    pub(crate) fn signal(&self) -> Result<PreKeyBundle> {
        let one_time = match &self.one_time {
            Some(OneTimeKey { id, key }) => Some(((*id).into(), PublicKey::from_djb_public_key_bytes(key)?)),
            None => None,
        };
        Ok(PreKeyBundle::new(
            self.registration_id,
            0.into(),
            one_time,
            self.signed.id.into(),
            PublicKey::from_djb_public_key_bytes(&self.signed.key)?,
            self.signed.signature.clone(),
            IdentityKey::new(PublicKey::from_djb_public_key_bytes(&self.identity)?),
        )?)
    }
}
