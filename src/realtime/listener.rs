//! One Socket.IO client: who it is, which rooms it is in, and when it is cut off. The [`Door`] lets it
//! in.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, CompanyId};
use entity::user::Role;
use serde_json::Value;
use socketioxide::extract::SocketRef;
use tokio_util::sync::CancellationToken;

use super::transport::Transport;
use crate::auth::{Guard, Identity, Program, Who};
use crate::clock::Clock;
use crate::seats::{Seat, Seats};

/// Why a client is not let in: what its `connect_error` says.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Refusal {
    #[error("credentials are needed: auth: {{token}}")]
    NoCredentials,
    #[error("these credentials are not valid, or have expired")]
    Invalid,
    #[error("too many connections of this company")]
    TooMany,
    #[error("the server can't check credentials now; try again")]
    Unavailable,
}

/// What a client that was let in is.
#[derive(Clone)]
pub(super) struct Listener {
    identity: Identity,
    credential: Arc<str>,
    _seat: Arc<Seat<CompanyId>>,
    /// Cancelled when the client is gone.
    gone: CancellationToken,
}

pub(super) fn company_room(company: CompanyId) -> String {
    format!("company:{company}")
}

/// Who may pair the company's accounts.
pub(super) fn pairing_room(company: CompanyId) -> String {
    format!("pairing:{company}")
}

pub(super) fn account_room(account: AccountId) -> String {
    format!("account:{account}")
}

/// Whoever has this id: a user, an API key, a login.
pub(super) fn room_of(id: impl std::fmt::Display) -> String {
    format!("who:{id}")
}

/// Where clients come in.
pub struct Door {
    /// Knows who they are.
    pub guard: Arc<Guard>,
    /// Those of each company that are in …
    pub seats: Arc<Seats<CompanyId>>,
    /// … and how many may be.
    pub most: usize,
    /// Knows when a token expires.
    pub clock: Clock,
    /// Cancelled when the server begins to stop.
    pub quiet: CancellationToken,
}

impl Door {
    /// Lets a client in, if its credentials are good and its company has a place.
    pub(super) async fn admit(&self, socket: &SocketRef, said: Option<Value>) -> Result<(), Refusal> {
        let (identity, credential) = if self.guard.is_open() {
            (Identity::open(), String::new())
        } else {
            let credential = self.credential(socket, said.as_ref()).ok_or(Refusal::NoCredentials)?;
            let known = self.guard.identify(&credential).await.map_err(|_| Refusal::Unavailable)?;
            (known.ok_or(Refusal::Invalid)?, credential)
        };
        let seat = self.seats.take(identity.company, self.most).ok_or(Refusal::TooMany)?;
        // Before it is told that it is in: from then on it must miss nothing.
        socket.join(rooms_of(&identity));
        socket.extensions.insert(Listener {
            identity,
            credential: credential.into(),
            _seat: Arc::new(seat),
            gone: CancellationToken::new(),
        });
        socket.on_disconnect(async |socket: SocketRef| forget(&socket));
        Ok(())
    }

    /// What a client shows: `auth: {token}`, a header, or the cookie of a page of ours.
    fn credential(&self, socket: &SocketRef, said: Option<&Value>) -> Option<String> {
        let token = said.and_then(|said| said["token"].as_str());
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            return Some(token.strip_prefix("Bearer ").unwrap_or(token).to_owned());
        }
        let headers = &socket.req_parts().headers;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        self.guard.credential_of(header, false)
    }

    /// Looks after a client that is in.
    pub(super) async fn seat(&self, socket: SocketRef) {
        let Some(listener) = socket.extensions.get::<Listener>() else { return shut(&socket) };
        if !socket.connected() {
            return forget(&socket);
        }
        let identity = &listener.identity;
        if let Who::Person(person) = &identity.who {
            self.cut_when_expired(&socket, listener.gone.clone(), person.expires_at);
        }
        if self.guard.is_open() {
            return;
        }
        // What was taken back while it came in, nobody told it: look again.
        match self.guard.identify(&listener.credential).await {
            Ok(Some(now)) => {
                let left: Vec<String> = difference(identity, &now).into_iter().map(account_room).collect();
                socket.leave(left);
            }
            Ok(None) | Err(_) => shut(&socket),
        }
    }

    fn cut_when_expired(&self, socket: &SocketRef, gone: CancellationToken, at: DateTime<Utc>) {
        let (clock, quiet, socket) = (self.clock.clone(), self.quiet.clone(), socket.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = clock.sleep_until(at) => shut(&socket),
                () = gone.cancelled() => {}
                () = quiet.cancelled() => {}
            }
        });
    }
}

/// Its place is free, nobody waits for its token to expire, and its connection ends with it.
fn forget(socket: &SocketRef) {
    if let Some(listener) = socket.extensions.remove::<Listener>() {
        listener.gone.cancel();
    }
    if let Some(transport) = socket.req_parts().extensions.get::<Transport>() {
        transport.end();
    }
}

fn rooms_of(identity: &Identity) -> Vec<String> {
    let company = company_room(identity.company);
    let mut rooms = match &identity.who {
        Who::Anyone | Who::Operator => vec![company],
        Who::Program(Program { key, account: None, .. }) => vec![company, room_of(key)],
        Who::Program(Program { key, account: Some(account), .. }) => vec![account_room(*account), room_of(key)],
        Who::Person(person) => {
            let mut rooms = vec![room_of(person.user.id), room_of(person.login)];
            match person.user.role {
                Role::Admin => rooms.push(company),
                Role::Manager => rooms.extend(identity.visible().unwrap_or_default().into_iter().map(account_room)),
            }
            rooms
        }
    };
    if identity.may_pair() {
        rooms.push(pairing_room(identity.company));
    }
    rooms
}

/// The accounts that could be seen and no longer can.
fn difference(before: &Identity, now: &Identity) -> Vec<AccountId> {
    let (Some(before), Some(now)) = (before.visible(), now.visible()) else { return Vec::new() };
    before.into_iter().filter(|account| !now.contains(account)).collect()
}

/// Out of its rooms first: one whose buffer is full is not told, and must hear no more until its
/// connection has ended.
pub(super) fn shut(socket: &SocketRef) {
    socket.leave_all();
    if let Err(error) = socket.clone().disconnect() {
        tracing::debug!(%error, "a client that was to be cut off takes nothing");
    }
    forget(socket);
}
