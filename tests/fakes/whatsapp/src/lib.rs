//! A WhatsApp Web server for tests, and with it the phone of each of its users. Real clients link to
//! it, log in, send and receive; the test plays the users, and decides what goes wrong.
//!
//! The server keeps its promises as the real one does: a stanza that a device hasn't acknowledged
//! comes again at its next login, a message that came in is acknowledged or refused, and phones
//! encrypt and decrypt, for groups with sender keys. Files are uploaded to and downloaded from the same
//! port, encrypted as well. It says nothing of changes to groups, or of the contents of the app state.
//!
//! Everything is in memory. Waiting is for something that happens, never for time to pass.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod account;
mod address;
mod adv;
mod bundle;
mod clock;
mod connection;
mod control;
mod fault;
mod file;
mod frame;
mod group;
mod group_message;
mod handset;
mod history;
mod http;
mod iq;
mod listener;
mod media;
mod media_host;
mod message;
mod noise;
mod outbox;
mod pairing;
mod phone;
mod receipt;
mod record;
mod sender_key;
mod server;
mod session;
mod signal_store;
mod stanza;
mod state;
mod user;
mod usync;
mod view;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use fault::{Cut, Failure};
pub use file::{File, FileKind};
pub use history::{conversation, text_message};
pub use media::Spoil;
pub use record::{
    Arrival, BrokenFile, Delivery, NumberCheck, Outcome, Receipt, Signal, SignalKind, Undecryptable, Upload,
};
pub use wacore_binary::builder::NodeBuilder;
pub use wacore_binary::{Jid, Node};
pub use waproto::buffa::MessageField;
pub use waproto::whatsapp as wa;

use listener::Listener;
use server::Shared;

/// The server and its users' phones. Clones are the same server; with the last one it ends.
#[derive(Clone)]
pub struct FakeWhatsApp {
    shared: Arc<Shared>,
    listener: Arc<Mutex<Listener>>,
    address: SocketAddr,
}

impl FakeWhatsApp {
    /// A server on a free port of this machine.
    pub async fn start() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(address).await.expect("this machine has a free port")
    }

    /// A server on this address; port 0 takes a free one.
    #[expect(clippy::unused_async, reason = "it takes a runtime to listen")]
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        let shared = Arc::new(Shared::new());
        let listener = Listener::bind(address, Arc::clone(&shared))?;
        let address = listener.address;
        Ok(Self { shared, listener: Arc::new(Mutex::new(listener)), address })
    }

    /// Where clients connect; in truth any path will do.
    pub fn url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    /// The address of the script from which clients learn the version of WhatsApp Web.
    pub fn script_url(&self) -> String {
        format!("http://{}/sw.js", self.address)
    }

    /// The public key that signs the server's certificates, for clients that can be told to trust it.
    pub fn root_key(&self) -> [u8; 32] {
        self.shared.keys.root
    }

    /// The server is gone: connections are cut, new ones refused. Nothing is forgotten.
    pub async fn pause(&self) {
        let accepting = self.listener().refuse();
        if let Some(accepting) = accepting {
            let _aborted = accepting.await;
        }
        // A connection accepted at the very end has missed the cut.
        self.listener().cut();
        self.wait_for("the connections are cut", |fake| (fake.open_connections() == 0).then_some(())).await;
    }

    /// The server is back, on the same port.
    #[expect(clippy::unused_async, reason = "it takes a runtime to listen")]
    pub async fn resume(&self) {
        self.listener().listen(Arc::clone(&self.shared)).expect("the port is still ours");
    }

    fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
