//! What is done with a connection as it arrives, before a byte of it is read: one of an address that
//! has too many is closed, and each is given how long its other side may take nothing.

use std::any::Any;
use std::net::{IpAddr, Shutdown};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use crate::config::Config;
use crate::host::network;
use crate::seats::Seats;

/// The connections that are open, by whom limits count them to.
pub(super) struct Arrivals {
    open: Arc<Seats<IpAddr>>,
    most: Option<usize>,
    stall: Duration,
}

impl Arrivals {
    pub(super) fn new(config: &Config) -> Self {
        Self { open: Arc::default(), most: config.address_connections, stall: config.stall }
    }

    /// Meets a new connection; `kept` is dropped when it has ended.
    pub(super) fn meet(&self, connection: &dyn Any, kept: &mut Extensions) {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        let socket = SockRef::from(stream);
        // Nothing else ends a connection whose other side takes nothing of what it is sent: what is
        // written waits, and with it everything that belongs to the connection.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(Some(self.stall));
        // One that has gone already has no peer, and ends by itself.
        let (Some(most), Ok(peer)) = (self.most, stream.peer_addr()) else { return };
        match self.open.take(network(peer.ip()), most) {
            Some(seat) => drop(kept.insert(seat)),
            None => {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}
