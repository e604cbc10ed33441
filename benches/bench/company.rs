//! What a company's people feel: events in the browser, lists at a million messages, signing in.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use sea_orm::{ConnectionTrait, Database, DbBackend};
use serde_json::json;
use tokio::sync::mpsc;

use super::harness::{Binary, Socket};
use super::load::{gets, in_turn, median, now, percentile};
use super::{Line, account, connect, connected, create, resident_kib};

/// One event to 2,000 clients, from the request that causes it to each client's having it; beside
/// the same for one client alone. And what the server's memory grows by for each client.
pub(super) async fn broadcast() -> Vec<Line> {
    const CLIENTS: usize = 2_000;
    const ROUNDS: usize = 30;
    let server = Binary::start(&[("ANDANTE_SOCKET_HANDSHAKES", "0"), ("ANDANTE_ADDRESS_CONNECTIONS", "0")]);
    let client = server.client.clone();
    let account = create(&client, 1, &account(json!({}), false)).await.remove(0);
    connect(&client, std::slice::from_ref(&account)).await;
    connected(&client, 1).await;
    let chat = format!("/api/whatsapp/sessions/{account}/chats/77777777777");
    client.post(&format!("{chat}/messages"), json!({"message": "x".repeat(150)})).await.expect(202);
    let round = async |arrivals: &mut mpsc::UnboundedReceiver<Instant>, clients: usize, number: usize| {
        let began = now();
        client.put(&chat, json!({"chatName": format!("{number} {}", "n".repeat(100))})).await.expect(200);
        let mut taken = Vec::with_capacity(clients);
        for _ in 0..clients {
            taken.push((arrivals.recv().await.unwrap() - began).as_secs_f64() * 1_000.0);
        }
        taken
    };
    let listen = async |to: mpsc::UnboundedSender<Instant>| {
        let mut socket = Socket::enter(&client, json!({})).await.socket();
        tokio::spawn(async move {
            loop {
                let event = socket.event("chat-updated").await;
                if event["lastMessageText"].is_string() && to.send(now()).is_err() {
                    return;
                }
            }
        });
    };
    let empty = resident_kib(&server);
    let (to, mut alone) = mpsc::unbounded_channel();
    listen(to).await;
    let mut single = Vec::new();
    for number in 0..ROUNDS {
        single.extend(round(&mut alone, 1, number).await);
    }
    let (to, mut arrivals) = mpsc::unbounded_channel();
    let joining = stream::iter(1..CLIENTS).for_each_concurrent(32, async |_| listen(to.clone()).await);
    joining.await;
    let each = (resident_kib(&server) - empty) / CLIENTS as f64;
    let mut all = Vec::new();
    for number in 0..ROUNDS {
        all.extend(round(&mut arrivals, CLIENTS - 1, ROUNDS + number).await);
        alone.recv().await.unwrap();
    }
    let reference = format!("one client {:.1} ms", percentile(&mut single, 0.5));
    let line = |what: &str, part: f64, all: &mut [f64], single: &mut [f64]| Line {
        what: what.to_owned(),
        figure: format!("{:.1} ms", percentile(all, part)),
        reference: reference.clone(),
        ratio: percentile(all, part) / percentile(single, 0.5),
        target: "-",
    };
    vec![
        line("an event to 2,000 clients, p50", 0.5, &mut all, &mut single),
        line("an event to 2,000 clients, p99", 0.99, &mut all, &mut single),
        Line {
            what: "memory a connected Socket.IO client, 2,000 of them".to_owned(),
            figure: format!("{each:.1} KiB"),
            reference: format!("64 KiB; empty {:.0} MiB", empty / 1024.0),
            ratio: each / 64.0,
            target: "1.0",
        },
    ]
}

/// An account with a million messages in 20,000 chats, a tenth of them in one chat; as SQL, since
/// what is measured is reading.
const SEED: &[&str] = &[
    "INSERT INTO chat (id, company_id, account_id, address, name, search_text, kind, active_at_ms, last_message_at_ms,
                       last_message_text, unread_count, message_count, is_archived, is_renamed, created_at_ms)
     SELECT 'cht_' || substr('00000000000000000000000000' || n, -26, 26), a.company_id, a.id, (996700000000 + n) || '@c.us',
            'Client ' || n, 'client ' || n || ' ' || (996700000000 + n) || '@c.us',
            CASE WHEN n % 10 = 0 THEN 'group' ELSE 'individual' END, 1750000000000 + n, 1750000000000 + n,
            'See you tomorrow', n % 3, CASE WHEN n = 1 THEN 100000 ELSE 45 END, false, false, 1750000000000
     FROM numbers CROSS JOIN account a WHERE n <= 20000",
    "INSERT INTO message (id, company_id, account_id, recipient, text, status, priority, seq, provider_message_id,
                          created_at_ms, sent_at_ms, delivered_at_ms, origin, kind, chat_id, filed_seq, is_listed, is_filed)
     SELECT 1024 * n, a.company_id, a.id, 'x',
            'Your appointment number ' || n || ' is tomorrow at 9:30', 'delivered', 5, n, 'p' || n, 1750000000000 + n,
            CASE WHEN n % 2 = 0 THEN 1750000000000 + n END, 1750000000000 + n,
            CASE WHEN n % 2 = 0 THEN 'accepted' ELSE 'received' END, 'text',
            'cht_' || substr('00000000000000000000000000' || (CASE WHEN n % 10 = 0 THEN 1 ELSE n % 20000 + 1 END), -26, 26), n, TRUE,
            CASE WHEN n % 2 = 0 THEN TRUE END
     FROM numbers CROSS JOIN account a",
    "INSERT INTO tally (account_id, company_id, listed_messages, filed_messages, sent_messages, delivered_messages,
                        read_messages, individual_chats, group_chats, status_chats)
     SELECT a.id, a.company_id, 500000, 1000000, 0, 500000, 0, 18000, 2000, 0 FROM numbers CROSS JOIN account a WHERE n = 1",
];

/// Lists at a million messages, as requests a second, beside the same server's plainest GET.
pub(super) async fn chats(database: &str, settings: &[(&str, &str)]) -> Vec<Line> {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let mut server = Binary::start(&[settings, &[("ANDANTE_DATA_DIR", &data)]].concat());
    let account = create(&server.client, 1, &account(json!({}), false)).await.remove(0);
    server.kill();
    let file = format!("sqlite://{data}/andante.db");
    let url = settings.iter().find(|(name, _)| *name == "DATABASE_URL").map_or(file, |(_, url)| (*url).to_owned());
    let db = Database::connect(&url).await.unwrap();
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    for statement in SEED {
        let sql = if is_postgres {
            let padded = "lpad(CAST($ AS text), 26, '0')";
            let mut sql =
                statement.replace("numbers CROSS JOIN", "generate_series(1, 1000000) AS numbers(n) CROSS JOIN");
            for (written, value) in [
                ("substr('00000000000000000000000000' || n, -26, 26)", "n"),
                (
                    "substr('00000000000000000000000000' || (CASE WHEN n % 10 = 0 THEN 1 ELSE n % 20000 + 1 END), -26, 26)",
                    "(CASE WHEN n % 10 = 0 THEN 1 ELSE n % 20000 + 1 END)",
                ),
            ] {
                sql = sql.replace(written, &padded.replace('$', value));
            }
            sql
        } else {
            let (insert, select) = statement.split_once("SELECT").unwrap();
            format!(
                "{insert} WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000)
                 SELECT{select}"
            )
        };
        db.execute_unprepared(&sql).await.unwrap();
    }
    if is_postgres {
        db.execute_unprepared("ANALYZE").await.unwrap();
    }
    db.close().await.unwrap();
    server.resume();
    let base = format!("{}/api/whatsapp/sessions/{account}/chats", server.client.url);
    let one = format!("{base}/cht_{:026}/messages", 1);
    let live = format!("{}/health/live", server.client.url);
    let stats = format!("{}/api/whatsapp/stats", server.client.url);
    let messages = format!("{}/api/messages", server.client.url);
    let mut lines = Vec::new();
    for (what, url) in [
        ("chat lists a second", base.clone()),
        ("… page 100 of them by cursor", format!("{base}?cursor=1750000010000_cht_{:026}", 10_000)),
        ("… searched by a number", format!("{base}?search=996700012345")),
        ("message pages a second, of 100,000 in the chat", one.clone()),
        ("… 90,000 messages down by cursor", format!("{one}?cursor=100000")),
        ("lists of messages a second", messages.clone()),
        ("… of one account", format!("{messages}?accountId={account}")),
        ("… those that failed", format!("{messages}?status=failed")),
        ("… those that were delivered, a half of all", format!("{messages}?status=delivered")),
        ("company's counts a second", stats),
    ] {
        let [rate, plain, ratio] = in_turn(|| gets(&url, 64), || gets(&live, 64)).await;
        lines.push(Line {
            what: format!("{what}, {database}, 1M messages"),
            figure: format!("{rate:.0}/s"),
            reference: format!("GET {plain:.0}/s"),
            ratio,
            target: "-",
        });
    }
    lines
}

/// What signing in costs, beside a call that shows the token it gave; and the same for an address
/// that nobody has, which must not be told by the time it takes.
pub(super) async fn login() -> Vec<Line> {
    let settings = [("ANDANTE_AUTH", "required"), ("ANDANTE_LOGIN_RATE", "0"), ("ANDANTE_HTTP_RATE", "0")];
    let server = Binary::start(&settings);
    let company = super::harness::Company::register(&server.client, "bench").await;
    let (mut logins, mut nobodies, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    let ms = |began: Instant| began.elapsed().as_secs_f64() * 1_000.0;
    for _ in 0..50 {
        let began = now();
        super::harness::login(&server.client, "admin@bench.example").await;
        logins.push(ms(began));
        let began = now();
        let nobody = json!({"email": "nobody@bench.example", "password": super::harness::PASSWORD});
        server.client.post("/api/auth/login", nobody).await.expect(401);
        nobodies.push(ms(began));
        let began = now();
        company.admin.get("/api/auth/me").await.expect(200);
        calls.push(ms(began));
    }
    let (login, nobody, call) = (median(logins), median(nobodies), median(calls));
    let line = |what: &str, figure: f64, reference: String, ratio: f64| Line {
        what: what.to_owned(),
        figure: format!("{figure:.1} ms"),
        reference,
        ratio,
        target: "-",
    };
    vec![
        line("signing in, p50", login, format!("a call {call:.2} ms"), login / call),
        line("signing in as nobody, p50", nobody, format!("somebody {login:.1} ms"), nobody / login),
    ]
}
