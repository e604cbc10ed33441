//! Secrets as they stand in the database: sealed with a key that is not in it, each to its place,
//! so that one that was changed or moved to another row does not open.
//!
//! `sealed:1:` and the base64 of a random nonce of 24 bytes and what XChaCha20-Poly1305 makes of the
//! text. No text that is kept in the clear starts with `sealed:`: they are JSON, URLs and digits.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use rand::RngExt;

/// What every sealed text starts with, whatever it was sealed by.
const SEALED: &str = "sealed:";
/// … and those of today.
const TODAY: &str = "sealed:1:";
/// What stands before bytes that are sealed by that, and before those that are not.
const BYTES_SEALED: u8 = 1;
const BYTES_CLEAR: u8 = 0;
/// Bytes of a nonce: enough for random ones never to meet.
const NONCE: usize = 24;

/// Where a text stands: table, column, the row's id.
pub(super) type Place<'a> = [&'a str; 3];

/// What secrets are sealed with. By default there is no key, and they stand in the clear.
#[derive(Clone, Default)]
pub struct Seal(Option<XChaCha20Poly1305>);

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 random bytes as base64, which is what `openssl rand -base64 32` prints")]
pub struct NotAKey;

/// A text that was not sealed at its place with this key, or was changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Seal {
    /// One with the key that `text` is: 32 bytes as standard base64. An empty text: without a key.
    pub fn read(text: &str) -> Result<Self, NotAKey> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let bytes = STANDARD.decode(text.trim()).map_err(|_| NotAKey)?;
        let key = Key::try_from(bytes.as_slice()).map_err(|_| NotAKey)?;
        Ok(Self(Some(XChaCha20Poly1305::new(&key))))
    }

    /// Whether there is a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.0.is_some()
    }

    /// What is to stand at the place for `text`.
    pub(super) fn seal(&self, place: Place<'_>, text: &str) -> String {
        match &self.0 {
            Some(cipher) => format!("{TODAY}{}", STANDARD.encode(encrypt(cipher, place, text.as_bytes()))),
            None => text.to_owned(),
        }
    }

    /// The same for bytes: what they are sealed by stands before them.
    pub(super) fn seal_bytes(&self, place: Place<'_>, bytes: &[u8]) -> Vec<u8> {
        match &self.0 {
            Some(cipher) => [&[BYTES_SEALED], encrypt(cipher, place, bytes).as_slice()].concat(),
            None => [&[BYTES_CLEAR], bytes].concat(),
        }
    }

    /// The bytes for what stands at the place.
    pub(super) fn open_bytes(&self, place: Place<'_>, bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
        match (bytes.split_first(), &self.0) {
            (Some((&BYTES_CLEAR, clear)), None) => Ok(clear.to_vec()),
            (Some((&BYTES_SEALED, sealed)), Some(cipher)) => decrypt(cipher, place, sealed),
            _ => Err(Unreadable),
        }
    }

    /// The text for what stands at the place.
    pub(super) fn open(&self, place: Place<'_>, text: &str) -> Result<String, Unreadable> {
        let Some(cipher) = &self.0 else {
            return if text.starts_with(SEALED) { Err(Unreadable) } else { Ok(text.to_owned()) };
        };
        let sealed = text.strip_prefix(TODAY).and_then(|sealed| STANDARD.decode(sealed).ok()).ok_or(Unreadable)?;
        String::from_utf8(decrypt(cipher, place, &sealed)?).map_err(|_| Unreadable)
    }
}

/// A nonce, and the bytes as the cipher makes them with it.
fn encrypt(cipher: &XChaCha20Poly1305, place: Place<'_>, bytes: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE] = rand::rng().random();
    let place = place.join("/");
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: bytes, aad: place.as_bytes() })
        .unwrap_or_else(|_| unreachable!("nothing in memory is as long as the cipher can't take"));
    [nonce.as_slice(), &sealed].concat()
}

fn decrypt(cipher: &XChaCha20Poly1305, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Unreadable)?;
    let place = place.join("/");
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place.as_bytes() }).map_err(|_| Unreadable)
}

impl fmt::Debug for Seal {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_key() { "Seal(a key)" } else { "Seal(no key)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = ["account", "config", "acc_1"];

    fn key(byte: u8) -> Seal {
        Seal::read(&STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing() {
        let seal = key(7);
        for text in ["", "{\"token\": \"123456:ABC\"}", "👋\u{1}"] {
            let (one, other) = (seal.seal(PLACE, text), seal.seal(PLACE, text));
            assert!(one.starts_with("sealed:1:") && (text.is_empty() || !one.contains(text)));
            assert_ne!(one, other);
            assert_eq!(seal.open(PLACE, &one).as_deref(), Ok(text));
        }
        assert_eq!(format!("{seal:?} {:?}", Seal::default()), "Seal(a key) Seal(no key)");
    }

    #[test]
    fn another_place_or_key_or_a_changed_byte_does_not_open() {
        let seal = key(7);
        let sealed = seal.seal(PLACE, "a secret");
        for place in [["signing_key", "config", "acc_1"], ["account", "proxy", "acc_1"], ["account", "config", "acc_2"]]
        {
            assert_eq!(seal.open(place, &sealed), Err(Unreadable));
        }
        assert_eq!(key(8).open(PLACE, &sealed), Err(Unreadable));
        let bytes = STANDARD.decode(&sealed[TODAY.len()..]).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open(PLACE, &format!("{TODAY}{}", STANDARD.encode(changed))), Err(Unreadable));
        }
        for text in ["", "a secret", "sealed:", "sealed:1:", "sealed:1:!", "sealed:1:AAAA", "sealed:2:AAAA"] {
            assert_eq!(seal.open(PLACE, text), Err(Unreadable), "{text}");
        }
    }

    #[test]
    fn without_a_key_texts_stand_in_the_clear_and_sealed_ones_do_not_pass_for_such() {
        let none = Seal::default();
        assert_eq!(none.seal(PLACE, "{}"), "{}");
        assert_eq!(none.open(PLACE, "{}").as_deref(), Ok("{}"));
        assert_eq!(none.open(PLACE, &key(7).seal(PLACE, "{}")), Err(Unreadable));
    }

    #[test]
    fn bytes_are_sealed_as_texts_are() {
        let (seal, none) = (key(7), Seal::default());
        for bytes in [&b""[..], &[0, 1, 255], &[7; 1_000]] {
            let sealed = seal.seal_bytes(PLACE, bytes);
            assert_eq!(seal.open_bytes(PLACE, &sealed).as_deref(), Ok(bytes));
            assert_eq!(seal.open_bytes(["account", "config", "acc_2"], &sealed), Err(Unreadable));
            assert_eq!(
                (key(8).open_bytes(PLACE, &sealed), none.open_bytes(PLACE, &sealed)),
                (Err(Unreadable), Err(Unreadable))
            );
            let clear = none.seal_bytes(PLACE, bytes);
            assert_eq!(none.open_bytes(PLACE, &clear).as_deref(), Ok(bytes));
            // With a key, what stands in the clear does not pass for sealed.
            assert_eq!(seal.open_bytes(PLACE, &clear), Err(Unreadable));
        }
        assert_eq!((seal.open_bytes(PLACE, &[]), none.open_bytes(PLACE, &[])), (Err(Unreadable), Err(Unreadable)));
    }

    #[test]
    fn a_key_is_32_bytes_of_base64() {
        assert!(!Seal::read("").unwrap().has_key() && !Seal::read(" \n").unwrap().has_key());
        let good = STANDARD.encode([7; 32]);
        assert!(Seal::read(&format!("{good}\n")).unwrap().has_key());
        let (short, long) = (STANDARD.encode([7; 31]), STANDARD.encode([7; 33]));
        for text in [&short, &long, good.trim_end_matches('='), "a password", &"07".repeat(32)] {
            assert_eq!(Seal::read(text).err(), Some(NotAKey), "{text}");
        }
    }
}
