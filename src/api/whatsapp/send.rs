//! `/api/whatsapp/send`: a text to a number, for a form with two fields.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use entity::ids::{AccountId, MessageId};
use garde::Validate;
use serde::{Deserialize, Serialize};

use super::Wrapped;
use crate::api::accounts::find;
use crate::api::attach::NewMedia;
use crate::api::chats::{ChatText, To, send_in};
use crate::api::read::{Body, object, text_or_number};
use crate::api::send::{KeyHeader, WaitHeader};
use crate::api::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::auth::access::Need;
use crate::error::{ApiError, Choice};
use crate::view::Timestamp;

/// A text or a file to a number.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneText {
    /// The number, as people write it.
    #[garde(custom(text(1..=100)))]
    #[schema(min_length = 1, max_length = 100, example = "996700123456")]
    #[serde(deserialize_with = "text_or_number")]
    phone: String,
    /// The text. Under a file it may be left out.
    #[garde(inner(custom(text(1..=4_096))))]
    #[schema(min_length = 1, max_length = 4096)]
    message: Option<String>,
    /// The file.
    #[garde(skip)]
    #[serde(default, deserialize_with = "object")]
    media: Option<NewMedia>,
    /// From which account; needed if there are several.
    #[garde(skip)]
    #[schema(value_type = Option<AccountId>)]
    account_id: Option<String>,
}

/// It is on its way.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneSent {
    message_id: MessageId,
    timestamp: Timestamp,
    account_id: AccountId,
}

/// Sends a text or a file to a number, whether or not there is a chat with it, through the account's queue.
#[utoipa::path(post, path = "/api/whatsapp/send", tag = "sessions", request_body = PhoneText,
    params(KeyHeader, WaitHeader),
    responses((status = 200, body = Wrapped<PhoneSent>), (status = 202, body = Wrapped<PhoneSent>), ApiError))]
pub async fn send(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    body: Body<PhoneText>,
) -> Result<HttpResponse, ApiError> {
    let asked = body.0;
    check(&asked)?;
    let account = match &asked.account_id {
        Some(id) => find(&app, &caller, id).await?,
        None => find(&app, &caller, &only_account(&app, &caller).await?.to_string()).await?,
    };
    if !account.provider.takes_phone_numbers() {
        let message = format!("{} accounts don't send to phone numbers", account.provider);
        return Err(ApiError::Refused { code: "phone_not_supported", field: "accountId", message });
    }
    let text = ChatText::new(asked.message, asked.media);
    let sent = send_in(&app, &caller, &account, To::Phone(&asked.phone), text, &request).await?;
    let data = PhoneSent {
        message_id: sent.view.message_id,
        timestamp: Timestamp(sent.view.message_id.made_at()),
        account_id: account.id,
    };
    Ok(sent.response().json(Wrapped::new(data)))
}

/// Accounts that a choice is offered of, at most.
const CHOICES: u64 = 50;

/// The only account from which the caller can send to a number.
async fn only_account(app: &App, caller: &Caller) -> Result<AccountId, ApiError> {
    let usable = app.store.accounts_in_use(caller.company, caller.granted(Need::Send), CHOICES).await?;
    match usable.as_slice() {
        [only] => Ok(only.id),
        [] => {
            let none = "can't be chosen: no account is connected that sends to phone numbers";
            Err(ApiError::bad("account_required", "accountId", none))
        }
        several => Err(ApiError::Choice {
            code: "account_required",
            message: "say which account sends: accountId",
            choices: several
                .iter()
                .map(|account| Choice { account_id: account.id, name: account.name.clone() })
                .collect(),
        }),
    }
}
