//! A forward proxy, as users name them for accounts: HTTP (`CONNECT`, and plain requests with whole
//! addresses) and SOCKS5 on one port. It counts where to it led.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// The proxy; it ends with the test.
pub struct Tunnel {
    /// Where it listens.
    pub port: u16,
    led: Arc<Mutex<HashMap<u16, usize>>>,
}

impl Tunnel {
    /// One that leads to any port of this machine.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let led: Arc<Mutex<HashMap<u16, usize>>> = Arc::default();
        let counts = led.clone();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let counts = counts.clone();
                tokio::spawn(async move { lead(caller, &counts).await });
            }
        });
        Self { port, led }
    }

    /// How often it led to this port.
    pub fn led_to(&self, port: u16) -> usize {
        self.led.lock().unwrap().get(&port).copied().unwrap_or_default()
    }
}

async fn lead(mut caller: TcpStream, counts: &Mutex<HashMap<u16, usize>>) -> Option<()> {
    let mut first = [0; 1];
    caller.peek(&mut first).await.ok()?;
    let (port, ahead) = if first == [5] { socks(&mut caller).await? } else { http(&mut caller).await? };
    *counts.lock().unwrap().entry(port).or_default() += 1;
    let mut target = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    target.write_all(&ahead).await.ok()?;
    copy_bidirectional(&mut caller, &mut target).await.ok().map(drop)
}

/// RFC 1928, without authentication: the port, and nothing to say ahead.
async fn socks(caller: &mut TcpStream) -> Option<(u16, Vec<u8>)> {
    let mut head = [0; 2];
    caller.read_exact(&mut head).await.ok()?;
    caller.read_exact(&mut vec![0; head[1].into()]).await.ok()?;
    caller.write_all(&[5, 0]).await.ok()?;
    let mut asked = [0; 4];
    caller.read_exact(&mut asked).await.ok()?;
    let length = match asked[3] {
        1 => 4,
        4 => 16,
        _ => caller.read_u8().await.ok()?.into(),
    };
    caller.read_exact(&mut vec![0; length]).await.ok()?;
    let port = caller.read_u16().await.ok()?;
    caller.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await.ok()?;
    Some((port, Vec::new()))
}

/// The port; and of a plain request its head, as the server itself is asked.
async fn http(caller: &mut TcpStream) -> Option<(u16, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(caller.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let (line, rest) = head.split_once("\r\n")?;
    let (method, address) = line.split_once(' ')?;
    let address = address.split(' ').next()?;
    if method == "CONNECT" {
        caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
        return Some((address.rsplit(':').next()?.parse().ok()?, Vec::new()));
    }
    let (host, path) = address.strip_prefix("http://")?.split_once('/')?;
    let port = host.rsplit(':').next()?.parse().ok()?;
    Some((port, format!("{method} /{path} HTTP/1.1\r\n{rest}").into_bytes()))
}
