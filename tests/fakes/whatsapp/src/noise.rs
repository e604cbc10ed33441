//! The responder's half of the Noise handshake: XX for a client that doesn't know the server's key
//! yet, IK for one that does, XXfallback for one that knows another server's. The certificates form a
//! chain as WhatsApp's do, signed properly, but from a root of our own.

use anyhow::{Context, Result, bail};
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::{NoiseCipher, NoiseHandshake};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::cert_chain::NoiseCertificate;
use waproto::whatsapp::cert_chain::noise_certificate::Details;
use waproto::whatsapp::handshake_message::ServerHello;
use waproto::whatsapp::{self as wa, HandshakeMessage};

use crate::stanza::key;

const ROOT_SERIAL: u32 = 0;
const INTERMEDIATE_SERIAL: u32 = 1;
const LEAF_SERIAL: u32 = 2;

/// 2020 and 2096, in Unix seconds.
const VALID: (u64, u64) = (1_600_000_000, 4_000_000_000);

/// The server's key pair and the certificates that vouch for it.
pub(crate) struct ServerKeys {
    static_key: KeyPair,
    certificates: Vec<u8>,
    /// The public key that the chain starts from.
    pub(crate) root: [u8; 32],
}

impl ServerKeys {
    pub(crate) fn generate() -> Self {
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        let root = KeyPair::generate(&mut rng);
        let intermediate = KeyPair::generate(&mut rng);
        let static_key = KeyPair::generate(&mut rng);
        let certificates = wa::CertChain {
            intermediate: MessageField::some(certificate(INTERMEDIATE_SERIAL, &intermediate, ROOT_SERIAL, &root)),
            leaf: MessageField::some(certificate(LEAF_SERIAL, &static_key, INTERMEDIATE_SERIAL, &intermediate)),
        };
        Self {
            static_key,
            certificates: certificates.encode_to_vec(),
            root: key(root.public_key.public_key_bytes()).expect("a public key has 32 bytes"),
        }
    }
}

fn certificate(serial: u32, subject: &KeyPair, issuer_serial: u32, issuer: &KeyPair) -> NoiseCertificate {
    let details = Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(subject.public_key.public_key_bytes().to_vec()),
        not_before: Some(VALID.0),
        not_after: Some(VALID.1),
    };
    let details = details.encode_to_vec();
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let signature = issuer.calculate_signature(&details, &mut rng).expect("a generated key signs").to_vec();
    NoiseCertificate { details: Some(details), signature: Some(signature) }
}

/// What to do after a client's hello.
pub(crate) enum Step {
    /// XX and XXfallback: send the hello and wait for the client to finish.
    AwaitFinish(Vec<u8>, Box<Unfinished>),
    /// IK: send the hello, and that is all.
    Done(Vec<u8>, Box<Established>),
}

/// An XX handshake of which the client's last part is missing.
pub(crate) struct Unfinished {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
}

/// A finished handshake.
pub(crate) struct Established {
    pub(crate) client_key: [u8; 32],
    /// Whether the client knew the server's key.
    pub(crate) is_resumed: bool,
    pub(crate) payload: wa::ClientPayload,
    pub(crate) write: NoiseCipher,
    pub(crate) read: NoiseCipher,
}

impl Established {
    fn new(noise: NoiseHandshake, client_key: [u8; 32], is_resumed: bool, payload: &[u8]) -> Result<Self> {
        // `finish` speaks as the initiator: its key for writing is ours for reading.
        let (read, write) = noise.finish()?;
        Ok(Self { client_key, is_resumed, payload: wa::ClientPayload::decode_from_slice(payload)?, write, read })
    }
}

pub(crate) fn client_hello(keys: &ServerKeys, frame: &[u8]) -> Result<Step> {
    let message = HandshakeMessage::decode_from_slice(frame)?;
    let hello = message.client_hello.into_option().context("no hello from the client")?;
    let client_ephemeral = key(hello.ephemeral.context("no ephemeral key")?)?;
    match (hello.r#static, hello.payload) {
        (None, None) => xx(NOISE_PATTERN_XX, keys, &client_ephemeral),
        (Some(client_key), Some(payload)) => ik(keys, &client_ephemeral, &client_key, &payload)
            .or_else(|_| xx(NOISE_PATTERN_XXFALLBACK, keys, &client_ephemeral)),
        _ => bail!("half of an IK hello"),
    }
}

fn xx(pattern: &str, keys: &ServerKeys, client_ephemeral: &[u8; 32]) -> Result<Step> {
    let ephemeral = KeyPair::generate(&mut rand::make_rng::<rand::rngs::StdRng>());
    let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER)?;
    noise.authenticate(client_ephemeral);
    noise.authenticate(ephemeral.public_key.public_key_bytes());
    noise.mix_shared_secret(ephemeral.private_key.serialize(), client_ephemeral)?;
    let static_key = noise.encrypt(keys.static_key.public_key.public_key_bytes())?;
    noise.mix_shared_secret(keys.static_key.private_key.serialize(), client_ephemeral)?;
    let certificates = noise.encrypt(&keys.certificates)?;
    let hello = server_hello(&ephemeral, Some(static_key), certificates);
    Ok(Step::AwaitFinish(hello, Box::new(Unfinished { noise, ephemeral })))
}

fn ik(keys: &ServerKeys, client_ephemeral: &[u8; 32], client_key: &[u8], payload: &[u8]) -> Result<Step> {
    let ephemeral = KeyPair::generate(&mut rand::make_rng::<rand::rngs::StdRng>());
    let static_private = keys.static_key.private_key.serialize();
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER)?;
    noise.authenticate(keys.static_key.public_key.public_key_bytes());
    noise.authenticate(client_ephemeral);
    noise.mix_shared_secret(static_private, client_ephemeral)?;
    let client_key = key(noise.decrypt(client_key)?)?;
    noise.mix_shared_secret(static_private, &client_key)?;
    let payload = noise.decrypt(payload)?;
    noise.authenticate(ephemeral.public_key.public_key_bytes());
    noise.mix_shared_secret(ephemeral.private_key.serialize(), client_ephemeral)?;
    noise.mix_shared_secret(ephemeral.private_key.serialize(), &client_key)?;
    let certificates = noise.encrypt(&keys.certificates)?;
    let hello = server_hello(&ephemeral, None, certificates);
    Ok(Step::Done(hello, Box::new(Established::new(noise, client_key, true, &payload)?)))
}

fn server_hello(ephemeral: &KeyPair, static_key: Option<Vec<u8>>, certificates: Vec<u8>) -> Vec<u8> {
    let hello = ServerHello {
        ephemeral: Some(ephemeral.public_key.public_key_bytes().to_vec()),
        r#static: static_key,
        payload: Some(certificates),
        ..Default::default()
    };
    HandshakeMessage { server_hello: MessageField::some(hello), ..Default::default() }.encode_to_vec()
}

/// The client's last part of an XX handshake.
pub(crate) fn client_finish(unfinished: Unfinished, frame: &[u8]) -> Result<Established> {
    let Unfinished { mut noise, ephemeral } = unfinished;
    let message = HandshakeMessage::decode_from_slice(frame)?;
    let finish = message.client_finish.into_option().context("no finish from the client")?;
    let client_key = key(noise.decrypt(&finish.r#static.context("no static key")?)?)?;
    noise.mix_shared_secret(ephemeral.private_key.serialize(), &client_key)?;
    let payload = noise.decrypt(&finish.payload.context("no payload")?)?;
    Established::new(noise, client_key, false, &payload)
}
