//! A message as it is asked for, read and checked into a draft.

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use garde::Validate;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::attach::{Asked, MessageTemplate, NewMedia, Referred};
use super::read::{object, text_or_number};
use super::variables::{Variable, Variables};
use super::wrong::{at_most, check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::intake::Draft;
use crate::phone::Recipient;
use crate::store::account::Account;
use crate::template::{Malformed, Part, names, parts};

/// Characters of a text: what Telegram and WhatsApp both take.
const TEXT: usize = 4_096;
/// Bytes of such a text at most: four a character.
const MOST: usize = 4 * TEXT;
/// Places that are named of those for which there is nothing.
const NAMED: usize = 5;

/// One message to send.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// To whom: a phone number as people write it, or what the messenger addresses chats by.
    #[garde(custom(text(1..=100)))]
    #[schema(min_length = 1, max_length = 100, example = "77777777777")]
    #[serde(deserialize_with = "text_or_number")]
    to: String,
    /// The text; or a `template`. Under a file it may be left out.
    #[garde(inner(custom(text(1..=TEXT))))]
    #[schema(min_length = 1, max_length = 4096)]
    message: Option<String>,
    /// A text with `{{name}}` in it, or one that is kept, filled from `variables`.
    #[garde(skip)]
    template: Option<MessageTemplate>,
    /// What stands for each `{{name}}`: texts or numbers.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    variables: Option<Variables>,
    /// The file that goes with it.
    #[garde(skip)]
    #[serde(default, deserialize_with = "object")]
    media: Option<NewMedia>,
    /// 0 goes first, 9 last; 5 unless said.
    #[garde(custom(at_most(9)))]
    #[schema(maximum = 9)]
    priority: Option<u8>,
    /// Not before this instant.
    #[garde(skip)]
    send_at: Option<DateTime<Utc>>,
    /// Not after this instant: then it is `expired`.
    #[garde(skip)]
    expires_at: Option<DateTime<Utc>>,
    /// Under the same key the same request is accepted once; or the header `Idempotency-Key`.
    #[garde(inner(custom(text(1..=200))))]
    #[schema(min_length = 1, max_length = 200)]
    pub(super) idempotency_key: Option<String>,
    /// The caller's own id, to find the message by.
    #[garde(inner(custom(text(1..=200))))]
    #[schema(min_length = 1, max_length = 200)]
    reference: Option<String>,
}

impl NewMessage {
    /// A text or a file, and nothing else.
    pub(super) fn plain(
        to: String,
        message: Option<String>,
        media: Option<NewMedia>,
        idempotency_key: Option<String>,
    ) -> Self {
        let (template, variables, priority) = (None, None, None);
        let (send_at, expires_at, reference) = (None, None, None);
        Self { to, message, template, variables, media, priority, send_at, expires_at, idempotency_key, reference }
    }

    /// What it refers to, if it is asked for under that key. For what can't be sent anyway nothing is fetched.
    pub(super) fn asks(&self, app: &App, account: &Account, key: Option<String>) -> Asked<'_> {
        let can_be = || {
            let to = Recipient::parse(account.provider, &self.to, app.config.phone_region);
            to.is_ok() && check(self).is_ok()
        };
        Asked { media: self.media.as_ref().filter(|_| can_be()), template: self.template.as_ref(), key }
    }

    /// The draft of it, to be sent from the account.
    pub(super) fn draft(
        self,
        app: &App,
        account: &Account,
        referred: &Referred,
        key: Option<&str>,
    ) -> Result<Draft, ApiError> {
        check(&self)?;
        // What was accepted under its key is not looked at again: what it names may have changed, or gone.
        let is_known = key.is_some_and(|key| referred.knows(key));
        let (region, now) = (app.config.phone_region, app.clock.now());
        let to = Recipient::parse(account.provider, &self.to, region).map_err(|why| ApiError::Refused {
            code: "invalid_number",
            field: "to",
            message: why.to_string(),
        })?;
        if self.expires_at.is_some_and(|at| at <= now || self.send_at.is_some_and(|from| from >= at)) {
            return Err(ApiError::field("expiresAt", "must lie ahead, and after sendAt"));
        }
        if self.template.is_none() && self.variables.as_ref().is_some_and(|variables| !variables.0.is_empty()) {
            // Whoever says what stands for a place means a template, and no text with braces in it.
            return Err(ApiError::field(
                "variables",
                "are for a template: the text stands in template, not in message",
            ));
        }
        let none = Variables::default();
        let text = match (self.message, &self.template) {
            (Some(text), None) => text,
            (None, Some(MessageTemplate::Kept { .. })) if is_known => String::new(),
            (None, Some(template)) => fill(referred.template(template)?, self.variables.as_ref().unwrap_or(&none))?,
            (None, None) if self.media.is_some() => String::new(),
            (None, None) => return Err(ApiError::field("message", "is needed, or a template, or media")),
            (Some(_), Some(_)) => return Err(ApiError::field("message", "can't stand beside a template")),
        };
        if text.trim().is_empty() && self.media.is_none() && !is_known {
            return Err(ApiError::field("message", "must not be empty"));
        }
        let media = match &self.media {
            Some(media) if !is_known => Some(referred.card(app, account.provider, media, &text)?),
            _ => None,
        };
        let mut draft = Draft {
            to,
            text,
            priority: self.priority.unwrap_or(5),
            send_at: self.send_at,
            expires_at: self.expires_at,
            reference: self.reference,
            key: None,
            chat: None,
            user: None,
            media,
        };
        draft.key = self.idempotency_key.map(|key| {
            // What is kept is hashed by its name.
            let kept = match &self.template {
                Some(MessageTemplate::Kept { id }) => Some((id.as_str(), self.variables.as_ref())),
                _ => None,
            };
            let hash = hash_of(account.id, &draft, self.media.as_ref(), kept);
            (key, hash)
        });
        Ok(draft)
    }
}

/// The draft as its caller's: with who wrote it, and its key kept apart from others'.
pub(super) fn signed(draft: Draft, caller: &Caller) -> Draft {
    let key = draft.key.map(|(key, hash)| (caller.kept_key(key), hash));
    Draft { user: caller.user().map(|user| user.id), key, ..draft }
}

/// Fills a template: each `{{name}}` becomes the variable of that name.
fn fill(template: &str, variables: &Variables) -> Result<String, ApiError> {
    let malformed = |error: Malformed| ApiError::field("template", error.to_string());
    if template.chars().count() > TEXT || template.contains('\0') {
        return Err(ApiError::field("template", "must have 1 to 4096 characters, and no NUL"));
    }
    let variables = &variables.0;
    let names = names(template).map_err(malformed)?;
    let missing: Vec<&str> = names.into_iter().filter(|name| !variables.contains_key(*name)).collect();
    if let Some(more) = missing.len().checked_sub(1) {
        let named: Vec<String> = missing.iter().take(NAMED).map(|name| format!("{{{{{name}}}}}")).collect();
        let more = (more + 1).saturating_sub(NAMED);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("there is nothing for {}{rest}", named.join(", "));
        return Err(ApiError::Refused { code: "missing_variable", field: "variables", message });
    }
    let mut text = String::with_capacity(template.len());
    for part in parts(template) {
        match part.map_err(malformed)? {
            Part::Text(some) => text += some,
            Part::Place(name) => match variables.get(name) {
                // Before it is copied: a small template can stand for very much.
                Some(Variable::Text(value)) if text.len() + value.len() > MOST => return Err(too_long()),
                Some(Variable::Text(value)) if !value.contains('\0') => text += value,
                _ => return Err(ApiError::field(format!("variables.{name}"), "must be a text or a number")),
            },
        }
        if text.len() > MOST {
            return Err(too_long());
        }
    }
    if text.chars().count() > TEXT { Err(too_long()) } else { Ok(text) }
}

fn too_long() -> ApiError {
    ApiError::field("template", "is longer than 4096 characters once filled")
}

/// A template that is kept, and what is filled in.
type KeptTemplate<'a> = (&'a str, Option<&'a Variables>);

/// The first eight bytes of the SHA-256 of what is asked for.
pub(super) fn hash_of(
    account: AccountId,
    draft: &Draft,
    media: Option<&NewMedia>,
    template: Option<KeptTemplate<'_>>,
) -> i64 {
    // By its name: its text may be another by now.
    let text = if template.is_some() { "" } else { draft.text.as_str() };
    let asked = (account, draft.to.as_str(), text, draft.priority, draft.send_at, draft.expires_at, &draft.reference);
    let mut digest = Sha256::new_with_prefix(serde_json::to_vec(&asked).unwrap_or_default());
    if let Some(media) = media {
        // As it is named: what was fetched from an address has another id each time.
        digest.update(serde_json::to_vec(media).unwrap_or_default());
    }
    if let Some(template) = template {
        digest.update(serde_json::to_vec(&template).unwrap_or_default());
    }
    first_bytes(&digest.finalize())
}

pub(super) fn first_bytes(digest: &[u8]) -> i64 {
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | i64::from(*byte))
}
