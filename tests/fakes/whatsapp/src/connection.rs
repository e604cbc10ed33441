//! One connection: the WebSocket, the Noise handshake in it, and the two loops that carry stanzas in
//! and out. A client that sends nonsense is logged and sent away.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_websockets::{Limits, Message, ServerBuilder, WebSocketStream};
use wacore_binary::Node;
use wacore_noise::NoiseCipher;
use wacore_noise::framing::encode_frame;

use crate::frame::Frames;
use crate::http::{self, Stream};
use crate::noise::{self, Established, Step};
use crate::outbox::{Outbox, Outgoing};
use crate::server::Shared;
use crate::session::Session;
use crate::stanza::show;
use crate::state::Connection;

/// The longest WebSocket message taken from a client.
const MAX_MESSAGE: usize = 2 << 20;

/// How long a client may take to leave after the server has said good-bye.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves a connection until it ends by itself or is cut.
pub(crate) async fn serve(shared: Arc<Shared>, socket: TcpStream, mut cut: watch::Receiver<()>) {
    tokio::select! {
        result = run(&shared, socket) => {
            if let Err(error) = result {
                tracing::warn!("a connection has failed: {error:#}");
            }
        }
        _ = cut.changed() => {}
    }
}

async fn run(shared: &Arc<Shared>, socket: TcpStream) -> Result<()> {
    let Some(stream) = http::answer(shared, socket).await? else { return Ok(()) };
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE));
    let (_, mut socket) = ServerBuilder::new().limits(limits).accept(stream).await?;
    let mut frames = Frames::default();
    let open = Open::new(shared);
    let Some(established) = shake_hands(shared, &mut socket, &mut frames).await? else { return Ok(()) };
    let Established { client_key, is_resumed, payload, write, read } = established;
    let (sink, stream) = socket.split();
    let (outbox, outgoing) = Outbox::new();
    let mut session = Session::new(Arc::clone(shared), outbox, open.0);
    session.start(client_key, is_resumed, payload);
    let mut incoming = Incoming { stream, frames, cipher: read, counter: 0 };
    let is_farewell = tokio::select! {
        result = receive(&mut incoming, &mut session) => result.map(|()| false)?,
        result = transmit(sink, write, outgoing) => result?,
    };
    drop(session);
    if is_farewell {
        // A socket closed with bytes unread would take back what was sent last.
        let _late = tokio::time::timeout(FAREWELL, incoming.drain()).await;
    }
    Ok(())
}

/// The entry of a connection in the state.
struct Open<'a>(u64, &'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut state = shared.state();
        let number = state.next_number();
        state.connections.insert(number, Connection::default());
        state.visits += 1;
        Self(number, shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.1.state().connections.remove(&self.0);
    }
}

/// The handshake; nothing if the client leaves during it.
async fn shake_hands(
    shared: &Shared,
    socket: &mut WebSocketStream<impl Stream>,
    frames: &mut Frames,
) -> Result<Option<Established>> {
    let mut unfinished = None;
    loop {
        while let Some(frame) = frames.take()? {
            if let Some(unfinished) = unfinished.take() {
                return Ok(Some(noise::client_finish(unfinished, &frame)?));
            }
            match noise::client_hello(&shared.keys, &frame)? {
                Step::AwaitFinish(hello, pending) => {
                    socket.send(Message::binary(encode_frame(&hello, None)?)).await?;
                    unfinished = Some(*pending);
                }
                Step::Done(hello, established) => {
                    socket.send(Message::binary(encode_frame(&hello, None)?)).await?;
                    return Ok(Some(*established));
                }
            }
        }
        let Some(message) = socket.next().await else { return Ok(None) };
        let message = message?;
        if message.is_binary() {
            frames.feed(&message.into_payload());
        }
    }
}

/// The receiving side of a connection.
struct Incoming<S> {
    stream: SplitStream<WebSocketStream<S>>,
    frames: Frames,
    cipher: NoiseCipher,
    counter: u32,
}

impl<S: Stream> Incoming<S> {
    /// The next stanza; nothing at the end of the connection.
    async fn stanza(&mut self) -> Result<Option<Node>> {
        loop {
            if let Some(mut frame) = self.frames.take()? {
                self.cipher.decrypt_in_place_with_counter(self.counter, &mut frame)?;
                self.counter = self.counter.checked_add(1).context("too many frames")?;
                let plaintext = wacore_binary::util::unpack(&frame)?;
                return Ok(Some(wacore_binary::marshal::unmarshal_ref(&plaintext)?.to_owned()));
            }
            match self.stream.next().await {
                Some(Ok(message)) if message.is_binary() => self.frames.feed(&message.into_payload()),
                Some(Ok(message)) if !message.is_close() => {}
                _ => return Ok(None),
            }
        }
    }

    /// Waits for the client to leave.
    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

async fn receive(incoming: &mut Incoming<impl Stream>, session: &mut Session) -> Result<()> {
    while let Some(stanza) = incoming.stanza().await? {
        tracing::trace!("received {}", show(&stanza));
        session.handle(&stanza).with_context(|| show(&stanza))?;
    }
    Ok(())
}

/// Sends what is put into the outbox; true if it ended with a good-bye.
async fn transmit(
    mut sink: SplitSink<WebSocketStream<impl Stream>, Message>,
    cipher: NoiseCipher,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) -> Result<bool> {
    let mut counter = 0;
    while let Some(next) = outgoing.recv().await {
        let stanza = match next {
            Outgoing::Stanza(stanza) => stanza,
            Outgoing::Close => {
                sink.close().await?;
                return Ok(true);
            }
            Outgoing::Cut => return Ok(false),
        };
        tracing::trace!("sending {}", show(&stanza));
        let mut frame = wacore_binary::marshal(&stanza)?;
        cipher.encrypt_in_place_with_counter(counter, &mut frame)?;
        counter += 1;
        sink.send(Message::binary(encode_frame(&frame, None)?)).await?;
    }
    Ok(false)
}
