//! Andante beside what a user would build in its place: Fastify and BullMQ on Redis, in `benches/peer`.
//! The peer writes no row, and its Redis nothing to disk: its 202 promises less than Andante's, which
//! comes once the message is durable.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use http1::{Request, StatusCode, header};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::harness::{Binary, Postgres, Redis};
use super::load::{in_turn, now, percentile, posts};
use super::{Line, TEXT, account, create, lives, show, unpaced};

/// Fastify, and the Redis of its queues.
struct Peer {
    url: String,
    _server: Child,
    _redis: Redis,
}

impl Peer {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let mut server = node("serve.mjs", &redis).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
        let line = said.next_line().await.unwrap().expect("it starts, once `npm ci` was run in benches/peer");
        let url = line.strip_prefix("The peer listens on ").expect("it says where it listens").to_owned();
        Self { url, _server: server, _redis: redis }
    }
}

fn node(program: &str, redis: &Redis) -> Command {
    let mut command = Command::new("node");
    command.arg(format!("{}/benches/peer/{program}", env!("CARGO_MANIFEST_DIR")));
    command.env("REDIS_URL", redis.url()).kill_on_drop(true);
    command
}

/// Measures and shows those that are wanted.
pub(super) async fn lines(is_wanted: impl Fn(&str) -> bool) {
    if is_wanted("peer-accept-sqlite") {
        show(&accept("SQLite + memory", &[], 64, "2.4").await);
        show(&accept("SQLite + memory", &[], 256, "3.0").await);
    }
    if is_wanted("peer-accept-accounts") {
        many_accounts().await.iter().for_each(show);
    }
    if is_wanted("peer-accept-redis") {
        let redis = Redis::start().await;
        show(&accept("SQLite + Redis", &[("REDIS_URL", &redis.url())], 64, "2.0").await);
        let (database, redis) = (Postgres::database().await, Redis::start().await);
        let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", &redis.url())];
        show(&accept("PostgreSQL + Redis", &settings, 64, "2.0").await);
    }
    if is_wanted("peer-life-sqlite") {
        show(&life("SQLite + memory", &[], "0.8").await);
    }
    if is_wanted("peer-life-postgres") {
        let (database, redis) = (Postgres::database().await, Redis::start().await);
        let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", &redis.url())];
        show(&life("PostgreSQL + Redis", &settings, "0.5").await);
    }
    if is_wanted("peer-latency") {
        latency().await.iter().for_each(show);
    }
    if is_wanted("peer-written") {
        show(&written().await);
    }
}

fn line(what: String, [figure, reference, ratio]: [f64; 3], other: &str, target: &'static str) -> Line {
    let (figure, reference) = (format!("{figure:.0}/s"), format!("{other} {reference:.0}/s"));
    Line { what, figure, reference, ratio, target }
}

/// Andante with so many accounts, which connect to no messenger: what is accepted stays in line, as
/// it does at the peer, where no worker runs.
async fn start(settings: &[(&str, &str)], accounts: usize) -> (Binary, Vec<String>) {
    let server = Binary::start(&[settings, &[("ANDANTE_ADDRESS_CONNECTIONS", "0")]].concat());
    let accounts = create(&server.client, accounts, &account(json!({}), false)).await;
    (server, accounts)
}

/// The rate of durable 202s against that of the peer's, for 100 accounts.
async fn accept(stores: &str, settings: &[(&str, &str)], connections: u32, target: &'static str) -> Line {
    let (server, accounts) = start(settings, 100).await;
    let peer = Peer::start().await;
    let (ours, peers) =
        (|| posts(&server.client.url, connections, &accounts), || posts(&peer.url, connections, &accounts));
    // Once uncounted: code that is compiled as it runs, and queues made as they are first named.
    ours().await;
    peers().await;
    let what = format!("accepted a second, {stores}, {connections} connections");
    line(what, in_turn(ours, peers).await, "peer", target)
}

/// What 10,000 accounts change: against the peer, and against a hundred of them.
async fn many_accounts() -> [Line; 2] {
    let (server, accounts) = start(&[], 10_000).await;
    let peer = Peer::start().await;
    let (many, few) = (|| posts(&server.client.url, 64, &accounts), || posts(&server.client.url, 64, &accounts[..100]));
    let peers = || posts(&peer.url, 64, &accounts);
    many().await;
    peers().await;
    let what = "accepted a second, SQLite + memory, 10,000 accounts";
    [
        line(format!("{what}, 64 connections"), in_turn(many, peers).await, "peer", "-"),
        line(format!("{what} against 100"), in_turn(many, few).await, "100:", "0.8"),
    ]
}

/// Whole lives of messages against BullMQ's jobs, which are in line before its time begins, do
/// nothing, and leave nothing behind.
async fn life(stores: &str, settings: &[(&str, &str)], target: &'static str) -> Line {
    let server = Binary::start(settings);
    let accounts = unpaced(&server.client).await;
    let redis = Redis::start().await;
    let drain = async || {
        redis.flush().await;
        let output = node("drain.mjs", &redis).arg("100000").stderr(Stdio::inherit()).output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().parse().expect("it drains, once `npm ci` was run in benches/peer")
    };
    let what = format!("whole lives a second, {stores}, 1,000 accounts");
    line(what, in_turn(|| lives(&server.client, &accounts), drain).await, "peer's drain", target)
}

/// How long a 202 takes, for each at half the rate that wrk reaches with it.
async fn latency() -> Vec<Line> {
    let (server, accounts) = start(&[], 100).await;
    let peer = Peer::start().await;
    let half = async |url: &str| {
        posts(url, 64, &accounts).await;
        posts(url, 64, &accounts).await / 2.0
    };
    let (our_url, peer_url) = (&server.client.url, &peer.url);
    let (our_half, peer_half) = (half(our_url).await, half(peer_url).await);
    let mut lines = Vec::new();
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let ours = || at_rate(our_url, &accounts, our_half, part);
        let peers = || at_rate(peer_url, &accounts, peer_half, part);
        let [figure, reference, ratio] = in_turn(ours, peers).await;
        lines.push(Line {
            what: format!("an accept at half the top rate, {our_half:.0}/s, {name}"),
            figure: format!("{figure:.2} ms"),
            reference: format!("peer at {peer_half:.0}/s {reference:.2} ms"),
            ratio,
            target: "-",
        });
    }
    lines
}

/// The milliseconds that so large a part of the messages does not exceed, from when they are due to
/// their 202s: 64 connections send so many a second together, whether they are answered in time or not.
async fn at_rate(url: &str, accounts: &[String], rate: f64, part: f64) -> f64 {
    const CONNECTIONS: u32 = 64;
    const LASTS: Duration = Duration::from_secs(5);
    let address = url.strip_prefix("http://").unwrap();
    let pause = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
    let began = now();
    let send = async |number: u32| {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut times = Vec::new();
        let mut due = began + pause * number / CONNECTIONS;
        let mut accounts = accounts.iter().cycle().skip(number as usize);
        while due < began + LASTS {
            // A timer may be a millisecond late by itself, which is not the server's doing.
            let is_early = now() < due;
            #[expect(clippy::disallowed_methods, reason = "a benchmark keeps a rate")]
            tokio::time::sleep_until(due.into()).await;
            let from = if is_early { now() } else { due };
            let request = Request::post("/api/messages/send").header(header::HOST, address);
            let request = request.header(header::CONTENT_TYPE, "application/json");
            let body = json!({"accountId": accounts.next(), "to": "77777777777", "message": TEXT}).to_string();
            sender.ready().await.unwrap();
            let answer = sender.send_request(request.body(Full::<Bytes>::from(body)).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
            answer.into_body().collect().await.unwrap();
            times.push(from.elapsed().as_secs_f64() * 1_000.0);
            due += pause;
        }
        times
    };
    percentile(&mut join_all((0..CONNECTIONS).map(send)).await.concat(), part)
}

/// What is written to disk for a message accepted: its row and its places in indexes, in the log and
/// then in the file.
async fn written() -> Line {
    let (server, accounts) = start(&[], 100).await;
    let so_far = async || {
        let io = fs::read_to_string(format!("/proc/{}/io", server.pid())).unwrap();
        let bytes: f64 = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap().parse().unwrap();
        (bytes / 1024.0, server.client.metric("andante_messages_accepted_total").await)
    };
    let before = so_far().await;
    posts(&server.client.url, 64, &accounts).await;
    let after = so_far().await;
    let each = (after.0 - before.0) / (after.1 - before.1);
    Line {
        what: "written a message accepted, SQLite + memory, 64 connections".to_owned(),
        figure: format!("{each:.2} KiB"),
        reference: "2 KiB".to_owned(),
        ratio: each / 2.0,
        target: "1.0",
    }
}
