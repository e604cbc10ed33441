//! How one simulated account behaves.

use std::collections::VecDeque;

use serde::Deserialize;

/// How one simulated account behaves: the `config` it was created with. Milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Config {
    /// How long until the code is "scanned"; null: only on command.
    pub(super) scan_after_ms: Option<u64>,
    /// How long a code works before the next one comes.
    pub(super) code_ms: u64,
    /// Codes before it gives up; WhatsApp shows six.
    pub(super) codes: u32,
    /// How long a send takes: shortest and longest.
    pub(super) latency_ms: [u64; 2],
    /// When a message is delivered and when it is read, after it was sent; null: no receipts.
    pub(super) receipts_ms: Option<[u64; 2]>,
    /// How long a person thinks and types before answering a message that was read; null: nobody answers.
    pub(super) answer_ms: Option<[u64; 2]>,
    /// What happens to the next sends, one each.
    pub(super) faults: VecDeque<Fault>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scan_after_ms: Some(5_000),
            code_ms: 20_000,
            codes: 6,
            latency_ms: [50, 150],
            receipts_ms: Some([1_000, 4_000]),
            answer_ms: Some([2_000, 5_000]),
            faults: VecDeque::new(),
        }
    }
}

/// What can happen to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Nothing does.
    Fine,
    /// It fails before anything left.
    Before,
    /// The messenger asks to wait for a second.
    Wait,
    /// The connection breaks during it: nothing arrived, and nobody can know.
    During,
    /// It arrives, and the answer is lost.
    After,
    /// The messenger refuses the recipient.
    Refuse,
    /// The connection drops before it.
    Drop,
    /// The account is logged out before it.
    LogOut,
    /// It never returns.
    Hang,
    /// The gateway itself breaks.
    Crash,
}

/// The config in an account's row.
pub(super) fn read(config: Option<&str>) -> Config {
    config.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// Checks what an account is created with.
pub(crate) fn check(config: Option<&serde_json::Value>) -> Result<(), String> {
    let Some(config) = config else { return Ok(()) };
    let read = Config::deserialize(config).map_err(|error| error.to_string())?;
    let is_span = |[shortest, longest]: [u64; 2]| shortest <= longest;
    if !is_span(read.latency_ms) || !read.answer_ms.is_none_or(is_span) || read.code_ms == 0 || read.codes == 0 {
        return Err("latencyMs and answerMs must be [shortest, longest], codeMs and codes at least 1".to_owned());
    }
    Ok(())
}
