//! A message as it is asked for, read and checked into a draft.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use garde::Validate;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::attach::{Asked, MessageTemplate, NewMedia, Referred};
use super::read::text_or_number;
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
    variables: Option<HashMap<String, Value>>,
    /// The file that goes with it.
    #[garde(skip)]
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

    /// What it refers to, if it is asked for under that key.
    pub(super) fn asks(&self, key: Option<String>) -> Asked<'_> {
        Asked { media: self.media.as_ref(), template: self.template.as_ref(), key }
    }

    /// The draft of it, to be sent from the account.
    pub(super) fn draft(self, app: &App, account: &Account, referred: &Referred) -> Result<Draft, ApiError> {
        check(&self)?;
        let (region, now) = (app.config.phone_region, app.clock.now());
        let to = Recipient::parse(account.provider, &self.to, region).map_err(|why| ApiError::Refused {
            code: "invalid_number",
            field: "to",
            message: why.to_string(),
        })?;
        if self.expires_at.is_some_and(|at| at <= now || self.send_at.is_some_and(|from| from >= at)) {
            return Err(ApiError::field("expiresAt", "must lie ahead, and after sendAt"));
        }
        let text = match (self.message, &self.template) {
            (Some(text), None) => text,
            (None, Some(template)) => fill(referred.template(template)?, &self.variables.unwrap_or_default())?,
            (None, None) if self.media.is_some() => String::new(),
            _ => return Err(ApiError::field("message", "is needed, or a template, not both")),
        };
        if text.trim().is_empty() && self.media.is_none() {
            return Err(ApiError::field("message", "must not be empty"));
        }
        let media = match &self.media {
            Some(media) => referred.card(app, account.provider, media, &text)?,
            None => None,
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
            let hash = hash_of(account.id, &draft, self.media.as_ref());
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
fn fill(template: &str, variables: &HashMap<String, Value>) -> Result<String, ApiError> {
    let malformed = |error: Malformed| ApiError::field("template", error.to_string());
    if template.chars().count() > TEXT || template.contains('\0') {
        return Err(ApiError::field("template", "must have 1 to 4096 characters, and no NUL"));
    }
    let is_missing = |name: &&str| variables.get(*name).is_none_or(Value::is_null);
    let missing: Vec<String> = names(template)
        .map_err(malformed)?
        .into_iter()
        .filter(is_missing)
        .map(|name| format!("{{{{{name}}}}}"))
        .collect();
    if !missing.is_empty() {
        let message = format!("there is nothing for {}", missing.join(", "));
        return Err(ApiError::Refused { code: "missing_variable", field: "variables", message });
    }
    let mut text = String::with_capacity(template.len());
    for part in parts(template) {
        match part.map_err(malformed)? {
            Part::Text(some) => text += some,
            Part::Place(name) => match variables.get(name) {
                // Before it is copied: a small template can stand for very much.
                Some(Value::String(value)) if text.len() + value.len() > MOST => return Err(too_long()),
                Some(Value::String(value)) if !value.contains('\0') => text += value,
                Some(Value::Number(value)) => text += &value.to_string(),
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

/// The first eight bytes of the SHA-256 of what is asked for.
pub(super) fn hash_of(account: AccountId, draft: &Draft, media: Option<&NewMedia>) -> i64 {
    let asked =
        (account, draft.to.as_str(), &draft.text, draft.priority, draft.send_at, draft.expires_at, &draft.reference);
    let mut digest = Sha256::new_with_prefix(serde_json::to_vec(&asked).unwrap_or_default());
    if let Some(media) = media {
        // As it is named: what was fetched from an address has another id each time.
        digest.update(serde_json::to_vec(media).unwrap_or_default());
    }
    first_bytes(&digest.finalize())
}

pub(super) fn first_bytes(digest: &[u8]) -> i64 {
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | i64::from(*byte))
}
