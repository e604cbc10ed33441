//! A Telegram bot, through the Bot API over HTTPS.
//!
//! The account's `config` is `{"token": "…"}`. Connecting asks `getMe`. Telegram's own limits, 30
//! messages a second for a bot and one a second for a chat (Bots FAQ, "My bot is hitting limits"),
//! are kept here; they are a messenger's quota, not the account's pace. What people write to the
//! bot is asked for by `updates`.

mod enclosed;
mod files;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use frankenstein::AsyncTelegramApi;
use frankenstein::client_reqwest::Bot;
use frankenstein::methods::SendMessageParams;
use frankenstein::types::{ChatId, Message};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Attachment, BadConfig, Bytestream, ConnectError, FetchError, Gateway, GatewayEvent, Messengers, Outgoing, Reports,
    SendError, Taken, proxy,
};
use crate::clock::Clock;
use crate::phone::Recipient;
use crate::store::Store;
use crate::store::account::{Account, Connected};
use crate::store::chat::Seen;

const A_BOT: u32 = 30;
const A_CHAT: u32 = 1;
/// Chats whose quota is kept in mind before those long unused are forgotten.
const CHATS: usize = 10_000;
const CONNECT: Duration = Duration::from_secs(10);

/// What a Telegram account is created with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    token: String,
}

struct Telegram {
    bot: Bot,
    clock: Clock,
    a_bot: DefaultDirectRateLimiter,
    a_chat: DefaultKeyedRateLimiter<String>,
    reports: Reports,
    store: Arc<Store>,
    send_deadline: Duration,
    /// Ends the asking along with the connection.
    _updates: DropGuard,
}

/// A token is the bot's number, a colon, and a secret of letters, digits, `-` and `_`.
pub(super) fn check_config(config: Option<&serde_json::Value>) -> Result<(), BadConfig> {
    let needed = "must be {\"token\": \"123456:ABC…\"} for a Telegram account";
    let keys = config.and_then(serde_json::Value::as_object).ok_or_else(|| BadConfig::whole(needed))?;
    if let Some(name) = keys.keys().find(|name| *name != "token") {
        return Err(BadConfig::unknown(name, &["token"]));
    }
    let token = keys.get("token").and_then(serde_json::Value::as_str).unwrap_or_default();
    let is_token = token.split_once(':').is_some_and(|(number, secret)| {
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && secret.len() >= 20
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    if is_token { Ok(()) } else { Err(BadConfig::key("token", "must be a bot's token, such as 123456:ABC…")) }
}

pub(super) async fn connect(
    messengers: &Messengers,
    account: &Account,
    reports: Reports,
) -> Result<Arc<dyn Gateway>, ConnectError> {
    let config: Config = account
        .config
        .as_deref()
        .and_then(|json| serde_json::from_str(json).ok())
        .ok_or(ConnectError::Failed { code: "no_token", reason: "the account has no bot token".to_owned() })?;
    let mut client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        // Asking for updates takes long by intent; a send has a deadline of its own.
        .timeout(messengers.send_deadline.max(updates::LONGEST))
        // A message is answered by Telegram itself; following a redirect could send it twice.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(proxy) = &account.proxy {
        client = proxy::through(client, proxy, messengers.egress, &messengers.telegram_api_url).await?;
    }
    let client = client.build().map_err(|error| ConnectError::Later(error.without_url().into()))?;
    let bot = Bot { api_url: format!("{}/bot{}", messengers.telegram_api_url, config.token), client };
    let me = match bot.get_me().await {
        Ok(answer) => answer.result,
        Err(frankenstein::Error::Api(said)) if matches!(said.error_code, 401 | 403 | 404) => {
            let reason = format!("Telegram does not accept the bot token ({})", said.description);
            return Err(ConnectError::Failed { code: "invalid_token", reason });
        }
        Err(error) => return Err(ConnectError::Later(describe(error))),
    };
    let position = messengers.store.inbox_position(account.id).await;
    let position = position.map_err(|error| ConnectError::Later(error.into()))?;
    let connected = Connected {
        phone_number: None,
        display_name: Some(me.username.map_or(me.first_name, |name| format!("@{name}"))),
        pairing: None,
        at: messengers.clock.now(),
    };
    reports.send(GatewayEvent::Connected(connected)).await;
    let stop = CancellationToken::new();
    tokio::spawn({
        let (bot, clock, reports, stop) = (bot.clone(), messengers.clock.clone(), reports.clone(), stop.clone());
        async move { stop.run_until_cancelled(updates::run(&bot, &clock, &reports, position)).await }
    });
    Ok(Arc::new(Telegram {
        bot,
        clock: messengers.clock.clone(),
        a_bot: RateLimiter::direct(a_second(A_BOT)),
        a_chat: RateLimiter::keyed(a_second(A_CHAT)),
        reports,
        store: messengers.store.clone(),
        send_deadline: messengers.send_deadline,
        _updates: stop.drop_guard(),
    }))
}

fn a_second(messages: u32) -> Quota {
    let one = std::num::NonZeroU32::MIN;
    Quota::per_second(std::num::NonZeroU32::new(messages).unwrap_or(one)).allow_burst(one)
}

/// The error without what must not be logged: the answer's text may quote the message, and the URL
/// holds the token.
fn describe(error: frankenstein::Error) -> anyhow::Error {
    match error {
        frankenstein::Error::Api(said) => anyhow!("Telegram answered {}: {}", said.error_code, said.description),
        frankenstein::Error::JsonDecode { source, .. } => anyhow!("Telegram's answer can't be read: {source}"),
        frankenstein::Error::HttpReqwest(error) => {
            anyhow::Error::from(error.without_url()).context("no answer from Telegram")
        }
        _ => anyhow!("the request to Telegram could not be made"),
    }
}

impl Telegram {
    async fn send_text(&self, to: &str, text: &str) -> Result<Message, SendError> {
        let chat = to.parse().map_or_else(|_| ChatId::String(to.to_owned()), ChatId::Integer);
        let params = SendMessageParams::builder().chat_id(chat).text(text).build();
        self.bot.send_message(&params).await.map(|answer| answer.result).map_err(read_error)
    }

    /// How long Telegram may take to get a file.
    fn patience(&self, file: &Attachment) -> Duration {
        self.send_deadline + file.carrying()
    }
}

#[async_trait]
impl Gateway for Telegram {
    async fn send(&self, message: &Outgoing) -> Result<Taken, SendError> {
        let to = message.recipient.as_str();
        self.a_chat.until_key_ready(&to.to_owned()).await;
        self.a_bot.until_ready().await;
        if self.a_chat.len() > CHATS {
            self.a_chat.retain_recent();
        }
        let sent = match &message.media {
            Some(file) => self.send_file(to, &message.text.0, file).await,
            None => self.send_text(to, &message.text.0).await,
        };
        match sent {
            Ok(sent) => Ok(Taken {
                provider_message_id: sent.message_id.to_string(),
                // A channel is addressed by its name, and known by its number.
                chat: Some(sent.chat.id.to_string()),
            }),
            Err(error) => {
                if let SendError::AccountDown { reason } = &error {
                    let event = GatewayEvent::Failed { code: "invalid_token", reason: reason.clone() };
                    self.reports.send(event).await;
                }
                Err(error)
            }
        }
    }

    /// Bots are no people.
    async fn show_typing(&self, _to: &Recipient, _is_typing: bool) -> bool {
        false
    }

    /// Bots have no read receipts.
    async fn mark_read(&self, _chat: &str, _messages: &[Seen]) {}

    async fn fetch(&self, source: &str) -> Result<Bytestream, FetchError> {
        self.fetch_file(source).await
    }

    async fn is_alive(&self) -> bool {
        let answer = self.clock.timeout(CONNECT, self.bot.get_me()).await;
        matches!(answer, Ok(Ok(_)))
    }

    /// A bot's token needs no logging out, and there is no connection to close.
    async fn close(&self, _log_out: bool) {}
}

/// What an error means for the message.
fn read_error(error: frankenstein::Error) -> SendError {
    match &error {
        frankenstein::Error::Api(said) => match said.error_code {
            429 => {
                let seconds = said.parameters.and_then(|p| p.retry_after).unwrap_or(1);
                SendError::Later { after: Some(Duration::from_secs(u64::from(seconds))), cause: describe(error) }
            }
            401 | 404 => SendError::AccountDown {
                reason: format!("Telegram does not accept the bot token ({})", said.description),
            },
            400..=499 => SendError::refused(said.description.clone()),
            _ => SendError::Uncertain { cause: describe(error) },
        },
        frankenstein::Error::HttpReqwest(cause) if cause.is_connect() || cause.is_builder() => {
            SendError::Later { after: None, cause: describe(error) }
        }
        frankenstein::Error::JsonEncode { .. } => SendError::Later { after: None, cause: describe(error) },
        _ => SendError::Uncertain { cause: describe(error) },
    }
}
