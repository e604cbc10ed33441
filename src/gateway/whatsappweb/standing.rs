//! Where an account stands, read from the state of its page. Pure.

use super::page::State;

/// The oldest library that finds its way around the page however early it is loaded.
const OLDEST: [u32; 2] = [4, 5];

/// Where an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The page is on its way, or the library looks around in it.
    Loading,
    /// The page can't be fetched.
    Unreachable,
    /// It shows a code to scan.
    Code(String),
    /// It has shown codes long enough.
    Idle,
    /// Somebody scanned it, or a paired account comes in.
    Entering,
    /// It can send.
    In,
    /// It is paired, and has lost WhatsApp for the moment.
    Offline,
    /// The page wants to be loaded anew.
    Outdated,
    /// WhatsApp does not let it in: a stable word and a sentence.
    Blocked(&'static str, &'static str),
    /// The library is too old for us.
    TooOld,
}

impl Standing {
    /// What the page's state says.
    pub(super) fn of(state: &State) -> Self {
        if state.is_error || state.href.starts_with("chrome-error:") {
            return Self::Unreachable;
        }
        if state.wa_js.as_deref().is_some_and(is_too_old) {
            return Self::TooOld;
        }
        if !state.is_injected {
            return Self::Loading;
        }
        match state.mode.as_deref() {
            Some("CONFLICT") => {
                return Self::Blocked("replaced", "WhatsApp Web was opened elsewhere with this account's profile");
            }
            Some("PROXYBLOCK") => {
                return Self::Blocked("proxy_blocked", "WhatsApp does not take connections from this address or proxy");
            }
            Some("TOS_BLOCK" | "SMB_TOS_BLOCK") => {
                return Self::Blocked(
                    "banned",
                    "WhatsApp has blocked the account: open WhatsApp on the phone to see why",
                );
            }
            Some("DEPRECATED_VERSION") => return Self::Outdated,
            _ => {}
        }
        if state.needs_update {
            return Self::Outdated;
        }
        if state.is_authenticated {
            let is_in = state.mode.as_deref() == Some("MAIN") && state.is_full_ready;
            let is_cut = matches!(state.info.as_deref(), Some("OFFLINE" | "OPENING" | "RESUMING" | "CONNECTING"));
            return match (is_in, is_cut) {
                (true, true) => Self::Offline,
                (true, false) => Self::In,
                (false, _) => Self::Entering,
            };
        }
        match (&state.qr, state.socket.as_deref()) {
            (_, Some("UNPAIRED_IDLE")) => Self::Idle,
            (_, Some("PAIRING")) => Self::Entering,
            (Some(code), _) if state.mode.as_deref() == Some("QR") => Self::Code(code.clone()),
            _ => Self::Loading,
        }
    }
}

fn is_too_old(version: &str) -> bool {
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).take(2).collect();
    numbers.len() == 2 && numbers[..] < OLDEST[..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(change: impl FnOnce(&mut State)) -> State {
        let mut state = State {
            wa_js: Some("4.6.0".to_owned()),
            is_injected: true,
            is_full_ready: true,
            href: "https://web.whatsapp.com/".to_owned(),
            ..State::default()
        };
        change(&mut state);
        state
    }

    fn paired(mode: &str, info: &str) -> State {
        state(|state| {
            state.is_authenticated = true;
            (state.mode, state.info) = (Some(mode.to_owned()), Some(info.to_owned()));
        })
    }

    #[test]
    fn an_account_is_in_only_when_all_of_the_page_says_so() {
        assert_eq!(Standing::of(&paired("MAIN", "NORMAL")), Standing::In);
        assert_eq!(Standing::of(&paired("SYNCING", "NORMAL")), Standing::Entering);
        assert_eq!(Standing::of(&paired("MAIN", "OPENING")), Standing::Offline);
        assert_eq!(Standing::of(&State { is_full_ready: false, ..paired("MAIN", "NORMAL") }), Standing::Entering);
        assert_eq!(Standing::of(&State { is_injected: false, ..paired("MAIN", "NORMAL") }), Standing::Loading);
        assert_eq!(Standing::of(&State { needs_update: true, ..paired("MAIN", "NORMAL") }), Standing::Outdated);
    }

    #[test]
    fn a_code_is_shown_until_it_is_scanned_or_nobody_comes() {
        let code = |socket: &str| {
            Standing::of(&state(|state| {
                (state.mode, state.qr) = (Some("QR".to_owned()), Some("2@abc".to_owned()));
                state.socket = Some(socket.to_owned());
            }))
        };
        assert_eq!(code("UNPAIRED"), Standing::Code("2@abc".to_owned()));
        assert_eq!(code("UNPAIRED_IDLE"), Standing::Idle);
        assert_eq!(code("PAIRING"), Standing::Entering);
    }

    #[test]
    fn what_needs_a_person_is_told_from_what_needs_patience() {
        assert!(matches!(Standing::of(&paired("CONFLICT", "NORMAL")), Standing::Blocked("replaced", _)));
        assert!(matches!(Standing::of(&paired("TOS_BLOCK", "NORMAL")), Standing::Blocked("banned", _)));
        let gone = State { href: "chrome-error://chromewebdata/".to_owned(), ..State::default() };
        assert_eq!(Standing::of(&gone), Standing::Unreachable);
        assert_eq!(Standing::of(&State { is_error: true, ..paired("MAIN", "NORMAL") }), Standing::Unreachable);
        let old =
            |version: &str| Standing::of(&state(|state| state.wa_js = Some(version.to_owned()))) == Standing::TooOld;
        assert!(old("4.4.3") && old("3.9.0") && !old("4.5.0") && !old("10.0.0") && !old("next"));
    }
}
