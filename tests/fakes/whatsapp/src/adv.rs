//! Account device verification: how a phone vouches for its companions, and how it opens what a
//! companion that links by code sends it.

use anyhow::{Context, Result, anyhow, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wacore_libsignal::crypto::aes_256_gcm_decrypt;
use wacore_libsignal::protocol::{KeyPair, PublicKey};
use waproto::buffa::Message as _;
use waproto::whatsapp as wa;

use crate::clock::unix_seconds;
use crate::phone::{Phone, rng};

/// What a signature is over starts with the kind of the signature.
const ACCOUNT_SIGNATURE: &[u8] = &[6, 0];
const DEVICE_SIGNATURE: &[u8] = &[6, 1];
const KEY_INDEX_SIGNATURE: &[u8] = &[6, 2];

const BUNDLE_KEY: &[u8] = b"link_code_pairing_key_bundle_encryption_key";
const ADV_SECRET: &[u8] = b"adv_secret";

impl Phone {
    /// Vouches for a companion's identity key: an ADVSignedDeviceIdentityHMAC.
    pub(crate) fn vouch_for(&self, companion: &[u8; 32], adv_secret: &[u8], key_index: u32) -> Vec<u8> {
        let details = wa::ADVDeviceIdentity {
            raw_id: Some(self.raw_id),
            timestamp: Some(unix_seconds()),
            key_index: Some(key_index),
            ..Default::default()
        };
        let details = details.encode_to_vec();
        let signature = self.sign(&[ACCOUNT_SIGNATURE, &details, companion].concat());
        let identity = wa::ADVSignedDeviceIdentity {
            details: Some(details),
            account_signature_key: Some(self.identity_key().to_vec()),
            account_signature: Some(signature),
            device_signature: None,
        };
        let identity = identity.encode_to_vec();
        let mut hmac = Hmac::<Sha256>::new_from_slice(adv_secret).expect("a key of any length will do");
        hmac.update(&identity);
        wa::ADVSignedDeviceIdentityHMAC {
            hmac: Some(hmac.finalize().into_bytes().to_vec()),
            details: Some(identity),
            ..Default::default()
        }
        .encode_to_vec()
    }

    /// Checks what a companion signed in turn.
    pub(crate) fn check_companion(&self, device_identity: &[u8], companion: &[u8; 32]) -> Result<()> {
        let identity = wa::ADVSignedDeviceIdentity::decode_from_slice(device_identity)?;
        let details = identity.details.unwrap_or_default();
        let signed = [DEVICE_SIGNATURE, &details, companion, &self.identity_key()].concat();
        let signature = identity.device_signature.unwrap_or_default();
        let is_valid = PublicKey::from_djb_public_key_bytes(companion)?.verify_signature(&signed, &signature);
        ensure!(is_valid, "the companion's signature is wrong");
        Ok(())
    }

    /// The signed list of the companions in force: an ADVSignedKeyIndexList.
    pub(crate) fn key_index_list(&self, companions: impl Iterator<Item = u32>) -> Vec<u8> {
        let indexes: Vec<u32> = std::iter::once(0).chain(companions).collect();
        let list = wa::ADVKeyIndexList {
            raw_id: Some(self.raw_id),
            timestamp: Some(unix_seconds()),
            current_index: indexes.iter().max().copied(),
            valid_indexes: indexes,
            ..Default::default()
        };
        let list = list.encode_to_vec();
        let signature = self.sign(&[KEY_INDEX_SIGNATURE, &list].concat());
        wa::ADVSignedKeyIndexList { details: Some(list), account_signature: Some(signature), ..Default::default() }
            .encode_to_vec()
    }

    /// Linking by code: opens the companion's key bundle, and derives the secret that both now share.
    pub(crate) fn open_key_bundle(
        &self,
        ephemeral: &KeyPair,
        companion_ephemeral: &[u8; 32],
        companion: &[u8; 32],
        wrapped: &[u8],
    ) -> Result<[u8; 32]> {
        let shared = ephemeral.calculate_agreement(&PublicKey::from_djb_public_key_bytes(companion_ephemeral)?)?;
        let (salt, sealed) = wrapped.split_at_checked(32).context("a key bundle without salt")?;
        let (nonce, sealed) = sealed.split_first_chunk::<12>().context("a key bundle without nonce")?;
        let mut bundle = Vec::new();
        aes_256_gcm_decrypt(&derive(&shared, Some(salt), BUNDLE_KEY), nonce, b"", sealed, &mut bundle)
            .map_err(|error| anyhow!("the key bundle doesn't open: {error:?}"))?;
        let named = [&companion[..], &self.identity_key()].concat();
        let random = bundle.strip_prefix(&named[..]).context("the key bundle names other identities")?;
        let identities =
            self.identity.private_key().calculate_agreement(&PublicKey::from_djb_public_key_bytes(companion)?)?;
        Ok(derive(&[&shared[..], &identities, random].concat(), None, ADV_SECRET))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.identity.private_key().calculate_signature(message, &mut rng());
        signature.expect("a generated key signs").to_vec()
    }
}

fn derive(secret: &[u8], salt: Option<&[u8]>, info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    hkdf::Hkdf::<Sha256>::new(salt, secret).expand(info, &mut key).expect("32 bytes can be derived");
    key
}
