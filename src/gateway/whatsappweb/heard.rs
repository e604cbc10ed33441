//! What happened in the page, as reports: messages and receipts, codes to type, the end of a pairing;
//! and the answers to what it was asked.

use chrono::{DateTime, TimeDelta, Utc};
use entity::message::Status;
use serde_json::{Value, json};

use super::asks::{Asked, read_refusal, uncertain};
use super::page::{Acked, Chat, Happened, Refusal, Sent, Told, Typing};
use super::session::{End, Session, read};
use crate::gateway::{Code, GatewayEvent, Letter, Mail, stanza};
use crate::store::message::Receipt;

/// Messages that are caught up with at once.
const SOME: usize = 200;
/// Chats whose names are asked for.
const CHATS: usize = 500;
/// Messages that were sent lately, whose receipts are asked for: no more than the page takes at once.
const LATELY: u64 = 500;
/// How long a code to type works: the page tells when it has another one.
const TYPED: TimeDelta = TimeDelta::minutes(3);

impl Session {
    /// Hands over what happened, in its order. Answers whether it is durable: what is not comes again.
    pub(super) async fn hear(&mut self, events: Vec<Happened>, now: DateTime<Utc>) -> Result<bool, End> {
        let (mut letters, mut receipts, mut end) = (Vec::new(), Vec::new(), None);
        for Happened { kind, data, .. } in events {
            match kind.as_str() {
                "message" => match read(data).map(|told| self.read_message(told, now)) {
                    Some(Message::Ours(receipt)) => receipts.extend(receipt),
                    Some(Message::Other(letter)) => letters.extend(letter.map(|letter| *letter)),
                    None => {}
                },
                "ack" => receipts.extend(self.receipts(data, now)),
                "reply" => {
                    if let Some((number, outcome)) = Self::answer(data)
                        && let Some(asked) = self.asks.take(number)
                        && let Err(over) = self.conclude(asked, outcome, now).await
                    {
                        end.get_or_insert(over);
                    }
                }
                "link_code" => {
                    if let Some(code) = data["code"].as_str() {
                        self.show_typed(code, now).await;
                    }
                }
                "link_code_ended" if !self.is_paired => {
                    end.get_or_insert(End::LoggedOut("pairing_expired", "nobody used the code in time"));
                }
                "typing" => {
                    if let Some(Typing { chat, who, on }) = read(data) {
                        let (chat, participant) = (self.numbers.name(&chat), self.numbers.name(&who));
                        self.reports.send(GatewayEvent::Typing { chat, is_typing: on, participant }).await;
                    }
                }
                "logout" => {
                    let reason = "the device was removed on the phone, under Linked devices; pair again";
                    let over = if self.leaving.is_some() { self.left() } else { End::LoggedOut("logged_out", reason) };
                    end.get_or_insert(over);
                }
                "oops" => {
                    // What the page says of it may have people's words in it.
                    let place = data["in"].as_str().unwrap_or_default();
                    tracing::warn!(account.id = %self.account, place, "something in the page is not as it was");
                }
                _ => {}
            }
        }
        if !receipts.is_empty() {
            self.reports.send(GatewayEvent::Receipts(receipts)).await;
        }
        let is_durable = letters.is_empty() || self.deliver(letters).await;
        end.map_or(Ok(is_durable), Err)
    }

    fn read_message(&mut self, told: Told, now: DateTime<Utc>) -> Message {
        if told.from_me && stanza::message(self.account, &told.key, now).is_some() {
            return Message::Ours(self.receipt(&told.key, told.ack.unwrap_or_default(), now));
        }
        let in_since = self.in_since.unwrap_or(if self.is_paired { DateTime::UNIX_EPOCH } else { now });
        Message::Other(self.numbers.letter(told, now, in_since).map(Box::new))
    }

    async fn deliver(&mut self, messages: Vec<Letter>) -> bool {
        let latest = messages.iter().map(|letter| letter.at.timestamp()).max();
        // The place that is kept is the one before these: what follows moves it on.
        let position = self.catching_up.has(None);
        let is_durable = self.reports.deliver(GatewayEvent::Messages(Mail { messages, position })).await;
        if is_durable {
            self.catching_up.has(latest);
        }
        is_durable
    }

    fn receipts(&mut self, data: Value, now: DateTime<Utc>) -> Vec<Receipt> {
        let Some(Acked { keys, ack, result }) = read(data) else { return Vec::new() };
        if ack != 0 {
            self.asks.hear(&keys, ack, result.as_deref());
        }
        keys.iter().filter_map(|key| self.receipt(key, ack, now)).collect()
    }

    fn receipt(&self, key: &str, ack: i64, now: DateTime<Utc>) -> Option<Receipt> {
        let status = match ack {
            2 => Status::Delivered,
            3.. => Status::Read,
            _ => return None,
        };
        let message = stanza::message(self.account, key, now)?;
        Some(Receipt { account: self.account, message, status, at: now })
    }

    async fn show_typed(&mut self, code: &str, now: DateTime<Utc>) {
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let dashed = format!("{}-{}", code.get(..4).unwrap_or(&code), code.get(4..).unwrap_or_default());
        self.show(GatewayEvent::Code(Code::new(dashed, true, now + TYPED))).await;
    }

    /// What an answer of the page is for.
    async fn conclude(&mut self, asked: Asked, outcome: Result<Value, Refusal>, now: DateTime<Utc>) -> Result<(), End> {
        match (asked, outcome) {
            (Asked::Send(send), Err(refusal)) => send.settle(Err(read_refusal(&refusal))),
            (Asked::Send(send), Ok(value)) => match read::<Sent>(value) {
                Some(mut sent) => {
                    self.numbers.met(sent.chat.as_deref(), &send.to);
                    sent.chat = sent.chat.map(|chat| self.numbers.name(&chat)).filter(|chat| *chat != send.to);
                    self.asks.judge(send, sent);
                }
                None => send.settle(Err(uncertain("the page's answer is not understood"))),
            },
            (Asked::Find(send), outcome) => {
                match outcome.ok().filter(|value| !value.is_null()).and_then(read::<Sent>) {
                    Some(sent) => {
                        let receipt = self.receipt(&send.key, sent.ack, now);
                        self.asks.judge(send, Sent { chat: None, ..sent });
                        if let Some(receipt) = receipt {
                            self.reports.send(GatewayEvent::Receipts(vec![receipt])).await;
                        }
                    }
                    None => send.settle(Err(uncertain("the page was loaded anew before WhatsApp answered"))),
                }
            }
            (Asked::CatchUp, Ok(value)) => {
                let (has_more, count) = (value["hasMore"] == json!(true), value["count"].as_u64().unwrap_or_default());
                if let Some(since) = self.catching_up.goes_on(has_more, count, now) {
                    self.ask_for_messages(since).await?;
                }
            }
            (Asked::Chats, Ok(value)) => {
                let chats: Vec<Chat> = read(value).unwrap_or_default();
                let named = chats.into_iter().filter_map(|chat| Some((self.numbers.name(&chat.id), chat.name?)));
                let names: Vec<(String, String)> = named.filter(|(_, name)| !name.is_empty()).collect();
                if !names.is_empty() {
                    self.reports.send(GatewayEvent::Names(names)).await;
                }
            }
            (Asked::Acks, Ok(value)) => {
                let acks: Vec<Ack> = read(value).unwrap_or_default();
                let receipts: Vec<_> = acks.iter().filter_map(|ack| self.receipt(&ack.key, ack.ack, now)).collect();
                if !receipts.is_empty() {
                    self.reports.send(GatewayEvent::Receipts(receipts)).await;
                }
            }
            (Asked::LinkCode, Ok(value)) => {
                if let Some(code) = value.as_str() {
                    self.show_typed(code, now).await;
                }
            }
            (Asked::LinkCode, Err(_)) => {
                let reason = "WhatsApp gives no code for this number; pair by the QR code".to_owned();
                return Err(End::Failed("code_refused", reason));
            }
            (Asked::Aside(told), outcome) => drop(told.send(outcome)),
            (Asked::CatchUp | Asked::Chats | Asked::Acks | Asked::Nothing, _) => {}
        }
        Ok(())
    }

    /// Looks at what happened while nobody looked: messages, receipts, and what became of those under way.
    pub(super) async fn catch_up(&mut self, now: DateTime<Utc>) -> Result<(), End> {
        for send in std::mem::take(&mut self.asks.unsure) {
            let parameters = json!({"key": send.key, "chat": send.to});
            self.ask("find", parameters, Asked::Find(send)).await?;
        }
        let since = self.catching_up.begin(now);
        self.ask_for_messages(since).await?;
        self.ask("chats", json!({"count": CHATS}), Asked::Chats).await?;
        // A database that is away has its receipts from the next look.
        let under_way = self.store.under_way(self.account, LATELY).await.unwrap_or_default();
        if under_way.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = under_way.into_iter().map(|message| stanza::of(self.account, message)).collect();
        self.ask("acks", json!({"keys": keys}), Asked::Acks).await
    }

    pub(super) async fn ask_for_messages(&mut self, since: i64) -> Result<(), End> {
        self.ask("catchUp", json!({"since": since, "limit": SOME}), Asked::CatchUp).await
    }
}

/// A message of the page.
enum Message {
    /// It left through here: how far it got.
    Ours(Option<Receipt>),
    /// It did not.
    Other(Option<Box<Letter>>),
}

/// How far one message got.
#[derive(serde::Deserialize)]
struct Ack {
    key: String,
    ack: i64,
}
