//! How one simulated account behaves.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use crate::gateway::BadConfig;

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

/// The longest span, in milliseconds: an hour.
const SPAN: u64 = 3_600_000;
/// The most codes before it gives up.
const CODES: u64 = 100;
/// The most faults that are told in advance.
const FAULTS: usize = 1_000;
const KEYS: [&str; 7] = ["scanAfterMs", "codeMs", "codes", "latencyMs", "receiptsMs", "answerMs", "faults"];

/// Checks what an account is created with. Only a server in open mode, which is its own user's, may
/// be told to break.
pub(crate) fn check(config: Option<&Value>, is_open: bool) -> Result<(), BadConfig> {
    let Some(config) = config else { return Ok(()) };
    let keys = config.as_object().ok_or_else(|| BadConfig::whole("must be an object"))?;
    for (name, value) in keys {
        let can_be = match name.as_str() {
            "scanAfterMs" if value.is_null() => Ok(()),
            "scanAfterMs" => number(value, 0..=SPAN),
            "codeMs" => number(value, 1..=SPAN),
            "codes" => number(value, 1..=CODES),
            "receiptsMs" | "answerMs" if value.is_null() => Ok(()),
            "receiptsMs" => two_numbers(value).map(|_| ()),
            "latencyMs" | "answerMs" => two_numbers(value).and_then(|[shortest, longest]| {
                if shortest <= longest { Ok(()) } else { Err("must have the shorter time first".to_owned()) }
            }),
            "faults" => faults(value, is_open),
            _ => return Err(BadConfig::unknown(name, &KEYS)),
        };
        can_be.map_err(|why| BadConfig::key(name, why))?;
    }
    Ok(())
}

fn number(value: &Value, range: RangeInclusive<u64>) -> Result<(), String> {
    match value.as_u64() {
        Some(number) if range.contains(&number) => Ok(()),
        _ => Err(format!("must be a whole number from {} to {}", range.start(), range.end())),
    }
}

fn two_numbers(value: &Value) -> Result<[u64; 2], String> {
    let read = <[u64; 2]>::deserialize(value).ok().filter(|numbers| numbers.iter().all(|number| *number <= SPAN));
    read.ok_or_else(|| format!("must be two whole numbers from 0 to {SPAN}"))
}

fn faults(value: &Value, is_open: bool) -> Result<(), String> {
    let listed = value.as_array().filter(|faults| faults.len() <= FAULTS);
    let listed = listed.ok_or_else(|| format!("must be a list of at most {FAULTS} faults"))?;
    for fault in listed {
        match Fault::deserialize(fault) {
            Ok(Fault::Crash) if !is_open => return Err("may have crash only on a server in open mode".to_owned()),
            Ok(_) => {}
            Err(_) => {
                return Err(
                    "must be of fine, before, wait, during, after, refuse, drop, logOut, hang, crash".to_owned()
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_not_be_is_said_of_the_key_that_it_is_about() {
        for (config, field, said) in [
            (json!([]), "config", "an object"),
            (json!({"latency": 3}), "config.latency", "known are scanAfterMs"),
            (json!({"scanAfterMs": -1}), "config.scanAfterMs", "from 0 to 3600000"),
            (json!({"codeMs": 0}), "config.codeMs", "from 1 to 3600000"),
            (json!({"codeMs": null}), "config.codeMs", "whole number"),
            (json!({"codes": 101}), "config.codes", "from 1 to 100"),
            (json!({"codes": 1.5}), "config.codes", "whole number"),
            (json!({"latencyMs": [9, 1]}), "config.latencyMs", "shorter time first"),
            (json!({"latencyMs": null}), "config.latencyMs", "two whole numbers"),
            (json!({"receiptsMs": [0, 3_600_001]}), "config.receiptsMs", "from 0 to 3600000"),
            (json!({"answerMs": [1, 2, 3]}), "config.answerMs", "two whole numbers"),
            (json!({"faults": ["explode"]}), "config.faults", "fine, before"),
            (json!({"faults": vec!["fine"; 1_001]}), "config.faults", "at most 1000"),
            (json!({"faults": ["fine", "crash"]}), "config.faults", "open mode"),
        ] {
            let bad = check(Some(&config), false).unwrap_err();
            assert_eq!(bad.field, field, "{config}");
            assert!(bad.message.contains(said), "{}", bad.message);
        }
    }

    #[test]
    fn what_can_be_is_read_as_it_was_checked() {
        for config in [
            json!({}),
            json!({"scanAfterMs": null, "codeMs": 1, "codes": 100, "latencyMs": [0, 3_600_000], "receiptsMs": null,
                   "answerMs": null, "faults": vec!["logOut"; 1_000]}),
            json!({"scanAfterMs": 0, "receiptsMs": [9, 1], "answerMs": [1, 1], "faults": ["crash"]}),
        ] {
            assert_eq!(check(Some(&config), true), Ok(()));
            assert!(Config::deserialize(&config).is_ok(), "{config}");
        }
        assert_eq!(check(None, false), Ok(()));
    }
}
