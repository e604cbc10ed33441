//! The connection below a Socket.IO client: a WebSocket, or a session that polls. Its first request
//! carries this to the client that comes over it, so that the two end together.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

/// A connection that can be ended. It is also ended when the last of what carries this is gone.
#[derive(Clone)]
pub struct Transport {
    end: CancellationToken,
    _guard: Arc<DropGuard>,
}

impl Transport {
    /// A connection, and what is cancelled when it is to end.
    #[must_use]
    pub fn new() -> (Self, CancellationToken) {
        let end = CancellationToken::new();
        (Self { end: end.clone(), _guard: Arc::new(end.clone().drop_guard()) }, end)
    }

    /// Ends it.
    pub fn end(&self) {
        self.end.cancel();
    }
}
