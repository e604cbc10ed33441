//! `/api/messages/bulk`: many messages at once, each judged alone.

use actix_web::error::BlockingError;
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use entity::ids::AccountId;
use futures_util::future::LocalBoxFuture;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::accounts::find;
use super::attach::Referred;
use super::draft::{NewMessage, first_bytes, signed};
use super::read::{bytes, read, read_apart};
use super::send::{KeyHeader, SendView, key_taken, view_of};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::intake::{Accepted, Draft};
use crate::store::account::Account;

/// Messages of one bulk request.
const BULK: usize = 10_000;
/// Bytes of the body.
const BODY: usize = 32 * 1024 * 1024;
/// Bytes of one of them: as much as a request for one message may have.
const ENTRY: usize = 256 * 1024;

/// Up to 10,000 messages to send from one account.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bulk {
    #[schema(value_type = AccountId)]
    account_id: String,
    /// Read one by one, so that a bad one spoils no other.
    #[schema(value_type = Vec<NewMessage>, max_items = 10000)]
    #[serde(deserialize_with = "some")]
    messages: Vec<Box<RawValue>>,
}

/// Keeps the entries as they were written, and of too many no more than tell that they are: what a
/// request takes is in proportion to its size, whatever is in it.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    struct Some;
    impl<'de> Visitor<'de> for Some {
        type Value = Vec<Box<RawValue>>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut some = Vec::new();
            while some.len() <= BULK {
                match entries.next_element()? {
                    Option::Some(entry) => some.push(entry),
                    None => return Ok(some),
                }
            }
            while entries.next_element::<IgnoredAny>()?.is_some() {}
            Ok(some)
        }
    }
    deserializer.deserialize_seq(Some)
}

/// A bulk request's body, which may be larger than others.
#[derive(Debug)]
pub struct BulkJson(Bulk);

impl FromRequest for BulkJson {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let bytes = bytes(request, payload, BODY);
        Box::pin(async { Ok(Self(read_apart(bytes.await?, read).await?)) })
    }
}

/// What became of a bulk request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BulkView {
    #[schema(example = true)]
    success: bool,
    /// How many were accepted.
    accepted: usize,
    /// How many were not.
    refused: usize,
    /// One for each message, in order.
    results: Vec<BulkResult>,
}

/// What became of one message of a bulk request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum BulkResult {
    /// It was accepted.
    Accepted(SendView),
    /// It was not.
    Refused(ErrorBody),
}

/// Accepts many messages. Bad ones are refused singly; a header `Idempotency-Key` holds for the request as a whole.
#[utoipa::path(post, path = "/api/messages/bulk", tag = "messages", request_body = Bulk,
    params(KeyHeader),
    responses((status = 202, body = BulkView), ApiError))]
pub async fn bulk(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    body: BulkJson,
) -> Result<HttpResponse, ApiError> {
    let Bulk { account_id, messages } = body.0;
    let account = find(&app, &caller, &account_id).await?;
    if messages.is_empty() || messages.len() > BULK {
        return Err(ApiError::field("messages", "must be 1 to 10000"));
    }
    let key = KeyHeader::read(request.headers())?.0;
    let (id, count) = (account.id, messages.len());
    let (whole, asked) = web::block(move || read_all(id, &messages, key)).await.map_err(broken)?;
    let referred = {
        let all = asked.iter().enumerate().filter_map(|(index, asked)| {
            let asked = asked.as_ref().ok()?;
            let key = whole.as_ref().map(|(key, _)| key_of(key, index)).or_else(|| asked.idempotency_key.clone());
            Some(asked.asks(&app, &account, key.map(|key| caller.kept_key(key))))
        });
        let all: Vec<_> = all.collect();
        Referred::look_up(&app, &caller, &all).await?
    };
    let (to, of, by, who) = (app.clone(), account.clone(), whole.clone(), caller.clone());
    let (drafts, read) = web::block(move || draft_all(&to, &of, &who, asked, &referred, by)).await.map_err(broken)?;
    let drafts = drafts.into_iter().map(|draft| signed(draft, &caller)).collect();
    if let Some((key, hash)) = &whole {
        refuse_if_taken(&app, &caller, key, *hash, count).await?;
    }
    let mut accepted = app.intake.accept(&account, drafts).await?.into_iter();
    let mut is_repeat = whole.is_some();
    let results: Vec<BulkResult> = read
        .into_iter()
        .map(|read| match read.map(|()| accepted.next()) {
            Ok(Some(Accepted::Message { id, standing, is_repeat: again })) => {
                is_repeat &= again;
                BulkResult::Accepted(view_of(&app, account.id, id, standing))
            }
            Ok(Some(Accepted::NotNow)) => BulkResult::Refused(ApiError::unwritable().body()),
            Ok(_) => BulkResult::Refused(key_taken().body()),
            Err(error) => BulkResult::Refused(error),
        })
        .collect();
    let refused = results.iter().filter(|result| matches!(result, BulkResult::Refused(_))).count();
    let mut response = HttpResponse::Accepted();
    if is_repeat && refused < results.len() {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    Ok(response.json(BulkView { success: true, accepted: results.len() - refused, refused, results }))
}

fn broken(error: BlockingError) -> ApiError {
    ApiError::Internal(anyhow::Error::new(error).context("a bulk request was not read"))
}

/// A request's key, and the hash of what is asked for under it.
type Whole = Option<(String, i64)>;

/// The key of the whole, and the messages that can be read.
fn read_all(
    account: AccountId,
    messages: &[Box<RawValue>],
    key: Option<String>,
) -> (Whole, Vec<Result<NewMessage, ErrorBody>>) {
    let whole = key.map(|key| (key, hash_of_all(account, messages)));
    (whole, messages.iter().map(|value| read_entry(value).map_err(|error| error.body())).collect())
}

/// The drafts of the messages that can be, and of each whether it can.
fn draft_all(
    app: &App,
    account: &Account,
    caller: &Caller,
    messages: Vec<Result<NewMessage, ErrorBody>>,
    referred: &Referred,
    whole: Whole,
) -> (Vec<Draft>, Vec<Result<(), ErrorBody>>) {
    let mut drafts = Vec::with_capacity(messages.len());
    let read = messages.into_iter().enumerate().map(|(index, message)| {
        let message = message?;
        let key = whole.as_ref().map(|(key, _)| key_of(key, index)).or_else(|| message.idempotency_key.clone());
        let key = key.map(|key| caller.kept_key(key));
        let mut draft = message.draft(app, account, referred, key.as_deref()).map_err(|error| error.body())?;
        if let Some((key, hash)) = &whole {
            draft.key = Some((key_of(key, index), *hash));
        }
        drafts.push(draft);
        Ok(())
    });
    let read = read.collect();
    (drafts, read)
}

/// The key of one message of a request that has a key as a whole.
fn key_of(key: &str, index: usize) -> String {
    format!("{key}#{index}")
}

async fn refuse_if_taken(app: &App, caller: &Caller, key: &str, hash: i64, count: usize) -> Result<(), ApiError> {
    let keys: Vec<String> = (0..count).map(|index| caller.kept_key(key_of(key, index))).collect();
    let found = app.store.find_by_keys(caller.company, &keys).await?;
    if found.iter().any(|(_, _, other)| *other != hash) { Err(key_taken()) } else { Ok(()) }
}

/// The first eight bytes of the SHA-256 of what is asked for as a whole.
fn hash_of_all(account: AccountId, messages: &[Box<RawValue>]) -> i64 {
    let mut digest = Sha256::new_with_prefix(account.to_string());
    for message in messages {
        digest.update(message.get());
        digest.update([0]);
    }
    first_bytes(&digest.finalize())
}

fn read_entry(value: &RawValue) -> Result<NewMessage, ApiError> {
    if value.get().len() > ENTRY {
        return Err(ApiError::too_large(ENTRY));
    }
    read(value.get().as_bytes()).map_err(|error| match error {
        // It is no body, but one of the list.
        ApiError::Bad { details, .. } if details[0].field == "body" => ApiError::field("messages", &details[0].message),
        error => error,
    })
}
