//! The head of an HTTP request, read before it is known what it asks for: a WebSocket at any path, a
//! file of the media host, or the script from which clients learn the version of WhatsApp Web.

use std::io::Cursor;

use anyhow::{Result, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::media_host::{self, Head};
use crate::server::Shared;

/// The revision in the version 2.3000.x that clients are told.
const REVISION: u32 = 1_042_742_319;

const MAX_HEAD: usize = 16 * 1024;

/// A connection of which the head has been read, to be read once more.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Answers a request for the script or for a file; gives back any other request.
pub(crate) async fn answer(shared: &Shared, mut socket: TcpStream) -> Result<Option<impl Stream>> {
    socket.set_nodelay(true)?;
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        ensure!(head.len() < MAX_HEAD, "the head of the request doesn't end");
        ensure!(socket.read_buf(&mut head).await? > 0, "the request ended in its head");
    }
    if head.starts_with(b"GET /sw.js ") || head.starts_with(b"GET /sw.js?") {
        socket.write_all(script().as_bytes()).await?;
        socket.shutdown().await?;
        return Ok(None);
    }
    let body = head.windows(4).position(|end| end == b"\r\n\r\n").map_or(head.len(), |end| end + 4);
    let for_media = Head::parse(&head[..body]);
    let (reader, writer) = socket.into_split();
    if let Some(asked) = for_media {
        let rest = Cursor::new(head.split_off(body));
        media_host::serve(shared, asked, tokio::io::join(rest.chain(reader), writer)).await?;
        return Ok(None);
    }
    Ok(Some(tokio::io::join(Cursor::new(head).chain(reader), writer)))
}

fn script() -> String {
    let body = format!("self.__swData={{\"client_revision\":{REVISION}}};\n");
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/javascript\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
