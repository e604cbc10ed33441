//! The listening socket. The port stays ours while nobody listens, so that the server can be gone for
//! a while and come back where it was.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection;
use crate::server::Shared;

const BACKLOG: u32 = 1024;

pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    /// Bound, but never listening: whoever connects while nothing else listens is refused.
    _reserved: TcpSocket,
    accepting: Option<JoinHandle<()>>,
    /// A change cuts every connection, and so does the end of this.
    cut: watch::Sender<()>,
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, shared: Arc<Shared>) -> io::Result<Self> {
        let reserved = socket(address)?;
        let address = reserved.local_addr()?;
        let mut listener = Self { address, _reserved: reserved, accepting: None, cut: watch::Sender::new(()) };
        listener.listen(shared)?;
        Ok(listener)
    }

    /// Accepts connections from now on.
    pub(crate) fn listen(&mut self, shared: Arc<Shared>) -> io::Result<()> {
        if self.accepting.is_none() {
            let listener = socket(self.address)?.listen(BACKLOG)?;
            self.accepting = Some(tokio::spawn(accept(listener, shared, self.cut.subscribe())));
        }
        Ok(())
    }

    /// Cuts every connection and refuses new ones; await the task's end to be sure that it does.
    pub(crate) fn refuse(&mut self) -> Option<JoinHandle<()>> {
        let accepting = self.accepting.take();
        if let Some(accepting) = &accepting {
            accepting.abort();
        }
        self.cut();
        accepting
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// A socket that shares its port with others of ours.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, cut: watch::Receiver<()>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => drop(tokio::spawn(connection::serve(Arc::clone(&shared), socket, cut.clone()))),
            Err(error) => tracing::warn!("cannot accept a connection: {error}"),
        }
    }
}
