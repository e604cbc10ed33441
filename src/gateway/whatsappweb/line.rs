//! What others ask of a session, and how they hear its answer.

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::asks::Send;
use super::page::Refusal;

/// What the page answers.
pub(super) type Answer = Result<Value, Refusal>;

/// What a session is told to do.
pub(super) enum Command {
    Send(Send),
    /// A method of the page, and whoever waits for its answer.
    Ask(&'static str, Value, oneshot::Sender<Answer>),
    /// To end the browser; and the pairing, if the outside says that it goes.
    Close,
}

/// The way to a session.
#[derive(Clone)]
pub(super) struct Line(pub(super) mpsc::Sender<Command>);

impl Line {
    /// Asks something of the page. One that ends, or is loaded anew before it answers, was not ready.
    pub(super) async fn ask(&self, method: &'static str, parameters: Value) -> Answer {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Command::Ask(method, parameters, answer)).await.is_err() {
            return Err(Refusal::not_ready());
        }
        answered.await.unwrap_or_else(|_| Err(Refusal::not_ready()))
    }
}
