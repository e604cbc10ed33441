//! What the page was asked and has not answered yet.

use std::collections::HashMap;

use anyhow::anyhow;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::line::Answer;
use super::page::{Refusal, Sent};
use crate::gateway::SendError;

/// A message to be sent.
pub(super) struct Send {
    /// Where to.
    pub(super) to: String,
    /// WhatsApp's id of it.
    pub(super) key: String,
    pub(super) text: String,
    /// What the page calls the file that goes with it, and how it goes.
    pub(super) file: Option<Value>,
    /// Told what became of it: the chat it is in.
    pub(super) answer: oneshot::Sender<Result<Option<String>, SendError>>,
}

impl Send {
    pub(super) fn parameters(&self) -> Value {
        // It may have been tried before, from another document: then it is there, and not sent again.
        json!({"to": self.to, "text": self.text, "key": self.key, "file": self.file, "isRepeat": true})
    }

    pub(super) fn settle(self, outcome: Result<Option<String>, SendError>) {
        // Whoever sends it may have given up.
        let _ = self.answer.send(outcome);
    }
}

/// What an answer is for.
pub(super) enum Asked {
    Send(Send),
    /// What became of a message that was under way when the page was loaded anew.
    Find(Send),
    CatchUp,
    Chats,
    Acks,
    LinkCode,
    /// Whoever waits for it is told the answer.
    Aside(oneshot::Sender<Answer>),
    /// Nobody waits for it.
    Nothing,
}

/// What is asked of the page and not answered yet.
#[derive(Default)]
pub(super) struct Asks {
    all: HashMap<u64, Asked>,
    /// Messages that were under way when the page was loaded anew, or of which the page does not know yet
    /// how far they got.
    pub(super) unsure: Vec<Send>,
}

impl Asks {
    pub(super) fn put(&mut self, number: u64, asked: Asked) {
        self.all.insert(number, asked);
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Asked> {
        self.all.remove(&number)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// It is another page by now: what was asked is never answered.
    pub(super) fn lose(&mut self) {
        for (_, asked) in self.all.drain() {
            if let Asked::Send(send) | Asked::Find(send) = asked {
                self.unsure.push(send);
            }
        }
        // Whoever has given up need not be told.
        self.unsure.retain(|send| !send.answer.is_closed());
    }

    /// The page says of these how far they got.
    pub(super) fn hear(&mut self, keys: &[String], ack: i64, result: Option<&str>) {
        let (known, unsure) = std::mem::take(&mut self.unsure).into_iter().partition(|send| keys.contains(&send.key));
        self.unsure = unsure;
        for send in known {
            self.judge(send, Sent { chat: None, ack, result: result.map(str::to_owned) });
        }
    }

    /// What the page knows of a message, for whoever sends it; one that is on its way still, waits.
    pub(super) fn judge(&mut self, send: Send, sent: Sent) {
        match (sent.ack, sent.result.as_deref()) {
            (1.., _) => send.settle(Ok(sent.chat)),
            // A message leaves only after its file.
            (_, Some("ERROR_UPLOAD")) => {
                let cause = anyhow!("WhatsApp did not take the file");
                send.settle(Err(SendError::Later { after: None, cause }));
            }
            (0, None | Some("OK")) => self.unsure.push(send),
            (0, _) => send.settle(Err(uncertain("the page does not know whether WhatsApp took the message"))),
            _ => send.settle(Err(SendError::refused("WhatsApp did not take the message"))),
        }
    }

    /// Nothing is answered any more.
    pub(super) fn end(&mut self) {
        self.lose();
        for send in self.unsure.drain(..) {
            send.settle(Err(uncertain("the browser ended before WhatsApp answered")));
        }
    }
}

pub(super) fn uncertain(cause: &'static str) -> SendError {
    SendError::Uncertain { cause: anyhow!(cause) }
}

/// What the page's refusal means for a message.
pub(super) fn read_refusal(refusal: &Refusal) -> SendError {
    let later = |cause: &'static str| SendError::Later { after: None, cause: anyhow!(cause) };
    let refused = |code: &'static str, reason: &str| SendError::Refused { code, reason: reason.to_owned() };
    match refusal.code.as_str() {
        "not_on_whatsapp" => refused("not_on_whatsapp", "the number is not on WhatsApp"),
        "not_in_group" => refused("refused", "the account is in no such group"),
        "not_connected" | "not_ready" => later("the page is not connected"),
        "no_file" => later("the page has lost the file"),
        "file_too_large" => SendError::refused("WhatsApp does not take a file of this size"),
        "file_not_supported" => SendError::refused("WhatsApp can't play the file"),
        "check_failed" | "no_lid" => later("WhatsApp does not say whether it has the number"),
        _ if refusal.may_be_sent => uncertain("the page failed while it sent the message"),
        _ => later("the page could not send the message"),
    }
}
