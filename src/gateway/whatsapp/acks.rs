//! What WhatsApp's server says to what was sent: taken, or a number why not. A send waits for that;
//! without it nobody knows whether the message left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The server's answer: none if it took the message, else its error.
pub(super) type Answer = Option<String>;

/// The sends that wait for an answer.
#[derive(Default)]
pub(super) struct Acks(Mutex<HashMap<String, oneshot::Sender<Answer>>>);

/// One send's wait. Dropped, it waits no more.
pub(super) struct Waiting {
    acks: Arc<Acks>,
    id: String,
    answer: oneshot::Receiver<Answer>,
}

impl Acks {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the answer to the message of this id, which is about to be sent.
    pub(super) fn expect(self: &Arc<Self>, id: &str) -> Waiting {
        let (tell, answer) = oneshot::channel();
        self.waiting().insert(id.to_owned(), tell);
        Waiting { acks: self.clone(), id: id.to_owned(), answer }
    }

    /// The server answered.
    pub(super) fn answer(&self, id: &str, answer: Answer) {
        if let Some(waiting) = self.waiting().remove(id) {
            // A send that gave up is uncertain already.
            let _ = waiting.send(answer);
        }
    }

    /// There will be no more answers on this connection.
    pub(super) fn give_up(&self) {
        self.waiting().clear();
    }
}

impl Waiting {
    /// The answer; none if the connection ended before.
    pub(super) async fn answer(mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.acks.waiting().remove(&self.id);
    }
}
