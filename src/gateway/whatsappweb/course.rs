//! What follows from where an account stands: a code to show, the account to let in, or an end.

use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::asks::Asked;
use super::page::{Seen, State};
use super::session::{End, Session};
use super::standing::Standing;
use crate::gateway::{Code, GatewayEvent, Pairing};
use crate::logs::step;
use crate::store::account::Connected;

/// How long an account may take to come in, whose messages WhatsApp may have to send first.
const ENTERS: TimeDelta = TimeDelta::minutes(10);
/// How long a page may take to come back that has lost WhatsApp, or is loaded anew.
const LOST: TimeDelta = TimeDelta::seconds(45);
/// How long a code counts as shown: the page draws another one sooner.
const CODE: TimeDelta = TimeDelta::seconds(60);

impl Session {
    /// Takes over what was seen.
    pub(super) async fn follow(&mut self, seen: Seen, now: DateTime<Utc>) -> Result<(), End> {
        let Seen { state, events, dropped, is_other } = seen;
        if is_other {
            self.asks.lose();
            self.catching_up.forget();
            self.outside.is_in.store(false, Ordering::Release);
            self.loaded_at = None;
            self.stand(Standing::Loading, now);
        }
        if state.is_loaded {
            self.loaded_at.get_or_insert(now);
        }
        self.take_over(events, now).await?;
        if let Some(since) = self.catching_up.lost(dropped, now)
            && self.outside.is_in.load(Ordering::Acquire)
        {
            tracing::warn!(account.id = %self.account, "more came than the page keeps; it is read again");
            self.ask_for_messages(since).await?;
        }
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
        let is_lost = matches!(self.standing, Standing::Loading | Standing::Offline | Standing::Outdated);
        if !is_lost {
            self.stood_at = now;
        } else if now - self.stood_at > LOST {
            return Err(End::Dropped("WhatsApp Web does not come back".to_owned()));
        }
        let is_puzzling = self.loaded_at.is_some_and(|at| now - at.max(self.since) > self.patience);
        match self.standing.clone() {
            Standing::Unreachable => return Err(End::Dropped("WhatsApp Web can't be reached".to_owned())),
            Standing::TooOld => {
                let reason = "the library in ANDANTE_WAJS_PATH is older than 4.5.0".to_owned();
                return Err(End::Failed("unsupported_page", reason));
            }
            Standing::Blocked(code, reason) => return Err(End::Failed(code, reason.to_owned())),
            Standing::Loading if is_puzzling => return Err(self.not_understood().await),
            Standing::Entering if is_puzzling && state.mode.as_deref() == Some("MAIN") => {
                return Err(self.not_understood().await);
            }
            Standing::Entering if lasts > ENTERS => {
                return Err(End::Dropped("WhatsApp Web does not finish to load the account".to_owned()));
            }
            // Of an account that is logged out, the page shows a code.
            Standing::Code(_) | Standing::Idle if self.leaving.is_some() => return Err(self.left()),
            Standing::Code(_) | Standing::Idle if self.is_paired => {
                let reason = "the browser is not linked any more; pair again";
                return Err(End::LoggedOut("logged_out", reason));
            }
            Standing::Idle => {
                return Err(End::LoggedOut("pairing_expired", "nobody used the code in time"));
            }
            // What is scanned may be linked before we hear of it.
            Standing::Entering if is_new && !self.is_paired => {
                self.browser.profile.note_linked();
                self.show(GatewayEvent::Authenticating).await;
            }
            Standing::Code(code) if is_new => match self.pairing.clone() {
                Pairing::Qr => self.show(GatewayEvent::Code(Code::new(code, false, now + CODE))).await,
                Pairing::Code(number) if lasts == TimeDelta::zero() => {
                    self.ask("linkCode", json!({"phone": number}), Asked::LinkCode).await?;
                }
                Pairing::Code(_) => {}
            },
            Standing::In if !self.outside.is_in.load(Ordering::Acquire) => self.enter(state, now).await?,
            _ => {}
        }
        self.outside.is_in.store(self.standing == Standing::In, Ordering::Release);
        Ok(())
    }

    /// The account can send: says so, and looks at what happened meanwhile.
    async fn enter(&mut self, state: &State, now: DateTime<Utc>) -> Result<(), End> {
        self.browsers.understood(self.account);
        let is_first = self.in_since.is_none();
        let was_paired = std::mem::replace(&mut self.is_paired, true);
        // Of an account that was paired before, nothing is history.
        self.in_since.get_or_insert(if was_paired { DateTime::UNIX_EPOCH } else { now });
        if is_first {
            self.browser.profile.note_linked();
            step!(info, self.account, "WhatsApp Web is open", wa_js = state.wa_js, page = state.page);
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

    /// A page that is not what it was. Once may be an accident, or a network's own page; again and again it
    /// is an alarm: keeps a picture for the operator, and waits for a person.
    async fn not_understood(&self) -> End {
        let kept = self.browser.picture().await.is_ok();
        if self.browsers.is_puzzled(self.account) {
            step!(error, self.account, "WhatsApp Web can't be worked; its picture is in the account's folder", kept);
            let reason =
                "WhatsApp Web has a page that is not understood: a newer library may know it (ANDANTE_WAJS_PATH)";
            return End::Failed("unsupported_page", reason.to_owned());
        }
        step!(warn, self.account, "WhatsApp Web has a page that is not understood; it is tried again", kept);
        End::Dropped("WhatsApp Web has a page that is not understood".to_owned())
    }
}
