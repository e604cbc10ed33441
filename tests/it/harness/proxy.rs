//! A TCP proxy that does to what runs through it what networks and servers in trouble do: it cuts
//! connections, freezes them, or answers in the server's place.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The proxy; it ends with the test.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Cut,
    /// Each command of Redis is answered so.
    Answer(&'static str),
}

#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    /// How often what was open was frozen.
    freezes: u32,
}

impl Proxy {
    /// A proxy before `127.0.0.1:target`.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::channel(State { mode: Mode::Open, freezes: 0 }).0);
        let watched = state.clone();
        tokio::spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                tokio::spawn(carry(inner, target, watched.subscribe()));
            }
        });
        Self { port, state }
    }

    /// Cuts every connection and refuses new ones.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.mode = Mode::Cut);
    }

    /// Cuts every connection; on new ones, each command of Redis is answered by `line`.
    pub fn answer(&self, line: &'static str) {
        self.state.send_modify(|state| state.mode = Mode::Answer(line));
    }

    /// The connections that are open stay open and carry nothing any more, as half-open ones do;
    /// new ones pass.
    pub fn freeze(&self) {
        self.state.send_modify(|state| state.freezes += 1);
    }

    /// Lets connections through again. What is frozen stays so.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.mode = Mode::Open);
    }
}

async fn carry(mut inner: TcpStream, target: u16, mut state: watch::Receiver<State>) {
    let born = *state.borrow();
    match born.mode {
        Mode::Cut => {}
        Mode::Answer(line) => tokio::select! {
            () = answer(inner, line) => {}
            _ = state.wait_for(|now| now.mode != born.mode) => {}
        },
        Mode::Open => {
            let Ok(mut outer) = TcpStream::connect(("127.0.0.1", target)).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut inner, &mut outer) => return,
                _ = state.wait_for(|now| now.mode != born.mode || now.freezes != born.freezes) => {}
            }
            // Frozen: held on both sides until it is cut.
            let _ = state.wait_for(|now| now.mode != born.mode).await;
        }
    }
}

/// Says the same to every command: each is an array of Redis' protocol, so it begins with a `*`.
async fn answer(mut caller: TcpStream, line: &str) {
    let mut heard = vec![0; 65_536];
    loop {
        let Ok(length @ 1..) = caller.read(&mut heard).await else { return };
        let commands = heard[..length].split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"*")).count();
        if caller.write_all(line.repeat(commands).as_bytes()).await.is_err() {
            return;
        }
    }
}
