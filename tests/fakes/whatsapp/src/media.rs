//! The files at the media host: what clients and phones have uploaded, encrypted, and what comes of it
//! when somebody wants it. Who receives a message with a file checks all that the message says of it.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use wacore::download::DownloadUtils;
use wacore::upload::encrypt_media;
use wacore_binary::Node;
use waproto::whatsapp as wa;

use crate::clock::unix_seconds;
use crate::file::{self, File, FileKind, Reference};
use crate::stanza::{attr, element, result};
use crate::{FakeWhatsApp, Upload};

/// The host that the server names; it is reached at the server's own port.
const HOST: &str = "127.0.0.1";
/// For how many seconds clients may believe what the server said of its hosts …
const TTL: u64 = 300;
/// … and use the token.
const AUTH_TTL: u64 = 21_600;
/// For how many seconds a path to a file works.
const LIFE: u64 = 30 * 24 * 3_600;

/// How a file is spoilt on its way to who downloads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// One bit of it is another.
    Flipped,
    /// So many bytes come after its end.
    Longer(usize),
    /// It breaks off in the middle.
    Cut,
}

/// What a test makes go wrong with files.
#[derive(Default)]
pub(crate) struct MediaFaults {
    /// With which status so many further uploads are refused.
    pub(crate) refused_uploads: Option<(u16, usize)>,
    /// After how many bytes the next upload is cut off.
    pub(crate) cut_upload: Option<usize>,
    /// Whether uploads wait in the middle.
    pub(crate) is_holding_uploads: bool,
    /// Whether whoever asks is sent away without a word.
    pub(crate) is_down: bool,
    /// With which status downloads are refused.
    pub(crate) refused_downloads: Option<u16>,
    pub(crate) spoil: Option<Spoil>,
}

pub(crate) struct Media {
    /// What clients show with an upload.
    pub(crate) auth: String,
    /// The hosts that clients are told of.
    pub(crate) hosts: Vec<String>,
    /// Encrypted files by their paths.
    files: HashMap<String, Bytes>,
    /// What has come of uploads that broke off, by the hash of the whole.
    pub(crate) partial: HashMap<String, Vec<u8>>,
    pub(crate) uploads: Vec<Upload>,
    pub(crate) uploads_begun: usize,
    pub(crate) downloads: usize,
    pub(crate) faults: MediaFaults,
    /// For how many seconds the paths of further uploads work.
    pub(crate) life: u64,
}

impl Media {
    pub(crate) fn new() -> Self {
        Self {
            auth: new_auth(),
            hosts: vec![HOST.to_owned()],
            files: HashMap::new(),
            partial: HashMap::new(),
            uploads: Vec::new(),
            uploads_begun: 0,
            downloads: 0,
            faults: MediaFaults::default(),
            life: LIFE,
        }
    }

    /// What the server says of its media hosts.
    pub(crate) fn connection(&self, request: &Node) -> Node {
        let hosts = self.hosts.iter().map(|name| {
            let does = ["upload", "download"].map(|what| element(what).build());
            element("host").attr("hostname", name.as_str()).attr("type", "primary").children(does).build()
        });
        let connection = element("media_conn")
            .attr("auth", self.auth.as_str())
            .attr("ttl", TTL)
            .attr("auth_ttl", AUTH_TTL)
            .attr("max_buckets", 12)
            .children(hosts.collect::<Vec<_>>());
        result(request, [connection.build()])
    }

    /// Keeps an encrypted file: the path to it.
    pub(crate) fn keep(&mut self, file: Bytes) -> String {
        let expires = unix_seconds() + self.life;
        let path = format!("/v/t62.7118-24/{}_{:016x}_n.enc", self.files.len() + 1, rand::random::<u64>());
        let query = format!("ccb=11-4&oh=01_fake&oe={expires:X}&_nc_sid=5e03e0");
        self.files.insert(path.clone(), file);
        format!("{path}?{query}")
    }

    /// The path to a file that is there already, by the hash of the encrypted one.
    pub(crate) fn find(&self, token: &str) -> Option<String> {
        let (path, _) = self.files.iter().find(|(_, file)| token_of(file) == token)?;
        Some(format!("{path}?ccb=11-4&oh=01_fake&oe={:X}", unix_seconds() + self.life))
    }

    /// The encrypted file at a path, with or without its query.
    pub(crate) fn get(&self, path: &str) -> Option<Bytes> {
        self.files.get(path.split('?').next().unwrap_or(path)).cloned()
    }

    pub(crate) fn url(&self, direct_path: &str) -> String {
        let host = self.hosts.first().map_or(HOST, String::as_str);
        format!("https://{host}{direct_path}&mms3=true")
    }

    /// The file that came with a message to a phone, which downloads it and checks all that it was
    /// told of it; none if none came. `stanza` and `encrypted` are what the message came in.
    pub(crate) fn open(&self, message: &wa::Message, stanza: &Node, encrypted: &Node) -> Result<Option<File>> {
        let Some((mut file, at)) = file::read(message)? else { return Ok(None) };
        ensure!(attr(stanza, "type").as_deref() == Some("media"), "the stanza does not say that it has a file");
        let name = attr(encrypted, "mediatype");
        ensure!(name.as_deref() == Some(file.kind.stanza_name()), "the stanza's mediatype is {name:?}");
        let stored = self.get(&at.direct_path).context("there is no such file")?;
        ensure!(Sha256::digest(&stored)[..] == at.encrypted_sha256, "the encrypted file has another hash");
        let bytes = DownloadUtils::verify_and_decrypt(&stored, &at.media_key, file.kind.cipher())?;
        ensure!(Sha256::digest(&bytes)[..] == at.sha256, "the file has another hash");
        ensure!(bytes.len() as u64 == at.size, "the file has {} bytes, not {}", bytes.len(), at.size);
        file.bytes = bytes.into();
        Ok(Some(file))
    }
}

/// What a path and a query call an encrypted file: its hash.
pub(crate) fn token_of(encrypted: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(encrypted))
}

fn new_auth() -> String {
    format!("AWfake{:016x}", rand::random::<u64>())
}

impl FakeWhatsApp {
    /// A message with a file, which a phone has encrypted and uploaded.
    pub fn file_message(&self, file: &File) -> wa::Message {
        let encrypted = encrypt_media(&file.bytes, file.kind.cipher()).expect("any bytes can be encrypted");
        let mut state = self.shared.state();
        let direct_path = state.media.keep(encrypted.data_to_upload.into());
        let reference = Reference {
            url: state.media.url(&direct_path),
            direct_path,
            media_key: encrypted.media_key.to_vec(),
            sha256: encrypted.file_sha256.to_vec(),
            encrypted_sha256: encrypted.file_enc_sha256.to_vec(),
            size: file.bytes.len() as u64,
        };
        file::message(file, reference)
    }

    /// The user sends a file from the phone. Returns the message's id.
    pub fn phone_send_file(&self, from: &str, to: &str, file: &File) -> Result<String> {
        self.phone_send_message(from, to, &self.file_message(file))
    }

    /// The uploads of clients that were taken, in order.
    pub fn uploads(&self) -> Vec<Upload> {
        self.shared.look().media.uploads.clone()
    }

    /// How many uploads clients have begun, whatever became of them.
    pub fn uploads_begun(&self) -> usize {
        self.shared.look().media.uploads_begun
    }

    /// How many downloads clients have asked for, whatever became of them.
    pub fn downloads(&self) -> usize {
        self.shared.look().media.downloads
    }

    /// Refuses the next uploads with a status, so many times.
    pub fn refuse_uploads(&self, status: u16, times: usize) {
        self.shared.state().media.faults.refused_uploads = Some((status, times));
    }

    /// Cuts the connection of the next upload once so many bytes of it have come.
    pub fn cut_upload_after(&self, bytes: usize) {
        self.shared.state().media.faults.cut_upload = Some(bytes);
    }

    /// Whether uploads wait in the middle, until this is switched off.
    pub fn hold_uploads(&self, on: bool) {
        self.shared.state().media.faults.is_holding_uploads = on;
    }

    /// Whether the media host sends whoever asks away without a word.
    pub fn set_media_down(&self, on: bool) {
        self.shared.state().media.faults.is_down = on;
    }

    /// Refuses downloads with a status; `None` ends it.
    pub fn refuse_downloads(&self, status: Option<u16>) {
        self.shared.state().media.faults.refused_downloads = status;
    }

    /// Spoils what is downloaded; `None` ends it.
    pub fn spoil_downloads(&self, how: Option<Spoil>) {
        self.shared.state().media.faults.spoil = how;
    }

    /// The token that clients have for uploads is worth nothing any more.
    pub fn expire_media_auth(&self) {
        self.shared.state().media.auth = new_auth();
    }

    /// The media hosts that clients are told of, from their next question on.
    pub fn set_media_hosts(&self, names: &[&str]) {
        self.shared.state().media.hosts = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// For how many seconds the paths to further uploads work: 30 days at first.
    pub fn set_media_life(&self, seconds: u64) {
        self.shared.state().media.life = seconds;
    }
}

/// What uploads of a kind are sent to.
pub(crate) fn is_upload_path(kind: &str) -> bool {
    [FileKind::Image, FileKind::Video, FileKind::Audio, FileKind::Document]
        .iter()
        .any(|known| known.cipher().mms_type() == kind)
}
