//! What follows from where an account stands: a code to show, the account to let in, or an end.

use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::asks::Asked;
use super::page::{Seen, State};
use super::session::{End, Session};
use super::standing::Standing;
use crate::gateway::{Code, GatewayEvent, Pairing};
use crate::store::account::Connected;

/// How long an account may take to come in, whose messages WhatsApp may have to send first.
const ENTERS: TimeDelta = TimeDelta::minutes(10);
/// How long a code counts as shown: the page draws another one sooner.
const CODE: TimeDelta = TimeDelta::seconds(60);

impl Session {
    /// Takes over what was seen.
    pub(super) async fn follow(&mut self, seen: Seen, now: DateTime<Utc>) -> Result<(), End> {
        let Seen { state, events, is_other } = seen;
        if is_other {
            self.asks.lose();
            self.outside.is_in.store(false, Ordering::Release);
            self.stand(Standing::Loading, now);
        }
        self.take_over(events, now).await?;
        let standing = Standing::of(&state);
        let is_new = standing != self.standing;
        if is_new {
            self.stand(standing, now);
        }
        self.react(&state, is_new, now).await
    }

    fn stand(&mut self, standing: Standing, now: DateTime<Utc>) {
        // One code after the other is one wait.
        if !matches!((&self.standing, &standing), (Standing::Code(_), Standing::Code(_))) {
            self.since = now;
        }
        self.standing = standing;
    }

    /// What follows from where the account stands.
    async fn react(&mut self, state: &State, is_new: bool, now: DateTime<Utc>) -> Result<(), End> {
        let lasts = now - self.since;
        match self.standing.clone() {
            Standing::Unreachable => return Err(End::Dropped("WhatsApp Web can't be reached".to_owned())),
            Standing::TooOld => return Err(self.not_understood("the library in ANDANTE_WAJS_PATH is too old").await),
            Standing::Blocked(code, reason) => return Err(End::Failed(code, reason.to_owned())),
            Standing::Loading if lasts > self.patience && state.is_loaded => {
                return Err(self.not_understood("WhatsApp Web has a page that is not understood").await);
            }
            Standing::Entering if lasts > self.patience && state.mode.as_deref() == Some("MAIN") => {
                return Err(self.not_understood("WhatsApp Web is open and can't be worked").await);
            }
            Standing::Entering if lasts > ENTERS => {
                return Err(End::Dropped("WhatsApp Web does not finish to load the account".to_owned()));
            }
            Standing::Offline if lasts > self.patience => {
                return Err(End::Dropped("WhatsApp Web has lost its connection".to_owned()));
            }
            Standing::Outdated if lasts > self.patience => {
                return Err(End::Dropped("WhatsApp Web wants to be loaded anew".to_owned()));
            }
            // Of an account that is logged out, the page shows a code.
            Standing::Code(_) | Standing::Idle if self.leaving.is_some() => return Err(self.left(true)),
            Standing::Code(_) | Standing::Idle if self.is_paired => {
                let reason = "the browser is not linked any more; pair again";
                return Err(End::LoggedOut("logged_out", reason));
            }
            Standing::Idle => {
                return Err(End::LoggedOut("pairing_expired", "nobody used the code in time"));
            }
            Standing::Code(code) if is_new => match self.pairing.clone() {
                Pairing::Qr => self.show(GatewayEvent::Code(Code::new(code, false, now + CODE))).await,
                Pairing::Code(number) if lasts == TimeDelta::zero() => {
                    self.ask("linkCode", json!({"phone": number}), Asked::LinkCode).await?;
                }
                Pairing::Code(_) => {}
            },
            Standing::Entering if is_new && !self.is_paired => self.show(GatewayEvent::Authenticating).await,
            Standing::In if !self.outside.is_in.load(Ordering::Acquire) => self.enter(state, now).await?,
            _ => {}
        }
        self.outside.is_in.store(self.standing == Standing::In, Ordering::Release);
        Ok(())
    }

    /// The account can send: says so, and looks at what happened meanwhile.
    async fn enter(&mut self, state: &State, now: DateTime<Utc>) -> Result<(), End> {
        let is_first = self.in_since.is_none();
        let was_paired = std::mem::replace(&mut self.is_paired, true);
        // Of an account that was paired before, nothing is history.
        self.in_since.get_or_insert(if was_paired { DateTime::UNIX_EPOCH } else { now });
        if is_first {
            tracing::info!(account.id = %self.account, wa_js = state.wa_js, page = state.page, "WhatsApp Web is open");
            let number = state.me.as_deref().and_then(|me| me.split(['@', ':']).next());
            let connected = Connected {
                phone_number: number.map(str::to_owned),
                display_name: state.name.clone().filter(|name| !name.is_empty()),
                pairing: Some(json!({"lid": state.lid}).to_string()),
                at: now,
            };
            self.show(GatewayEvent::Connected(connected)).await;
        }
        self.outside.is_in.store(true, Ordering::Release);
        self.catch_up(now).await
    }

    /// An alarm: keeps a picture for the operator, and waits for a person.
    async fn not_understood(&self, what: &str) -> End {
        let kept = self.browser.picture().await.is_ok();
        tracing::error!(account.id = %self.account, what, kept, "WhatsApp Web can't be worked; its picture is in the account's folder");
        let reason = format!("{what}: a newer library may know it (ANDANTE_WAJS_PATH)");
        End::Failed("unsupported_page", reason)
    }
}
