//! What must not stand still: the queue after Redis was in trouble, everybody else while one
//! account has much to do or a messenger is silent, the server whose log nobody reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entity::ids::MessageId;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::bot_api::token;
use crate::harness::{Client, Proxy, Redis, TestApp, Unheard, eventually, ready_account};

fn id_of(answer: &Value) -> String {
    answer["messageId"].as_str().unwrap().to_owned()
}

/// A message goes through, position and all: the queue is in use.
async fn goes_through(client: &Client, account: &str) {
    let sent = id_of(&client.send(account, "77777777777", "m").await);
    client.reaches(&sent, &["sent"]).await;
    eventually("the queue is healthy", 20, async || {
        (client.get("/health").await.body["checks"]["queue"] == "ok").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_wants_a_password_for_a_while_is_used_again_after_it() {
    let redis = Redis::start().await;
    // Of a numbered database: to choose it is refused as well, in the middle of connecting.
    let app = TestApp::with(&[("REDIS_URL", &format!("{}/1", redis.url()))]).await;
    let account = ready_account(&app.client, json!({})).await;
    goes_through(&app.client, &account).await;
    let mut admin = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut run = async |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async::<redis::Value>(&mut admin).await.unwrap();
    };
    run(&["CONFIG", "SET", "requirepass", "for a while"]).await;
    run(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    eventually("it is noticed", 20, async || {
        (app.client.get("/health").await.body["checks"]["queue"] == "down").then_some(())
    })
    .await;
    // Accepted as ever; somebody tries in vain to place each.
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(id_of(&app.client.send(&account, "77777777777", "meanwhile").await));
    }
    run(&["CONFIG", "SET", "requirepass", ""]).await;
    goes_through(&app.client, &account).await;
    for id in &ids {
        app.client.reaches(id, &["sent"]).await;
    }
}

/// A server whose Redis is behind a proxy, with an account that has used it.
async fn behind_proxy() -> (Redis, Proxy, TestApp, String) {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.url().rsplit(':').next().unwrap().parse().unwrap()).await;
    let app = TestApp::with(&[("REDIS_URL", &format!("redis://127.0.0.1:{}/1", proxy.port))]).await;
    let account = ready_account(&app.client, json!({})).await;
    goes_through(&app.client, &account).await;
    (redis, proxy, app, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_answers_with_errors_while_it_loads_is_used_again_after_it() {
    for words in ["-LOADING Redis is loading the dataset in memory\r\n", "-ERR max number of clients reached\r\n"] {
        let (_redis, proxy, app, account) = behind_proxy().await;
        proxy.answer(words);
        eventually("it is noticed", 20, async || {
            (app.client.get("/health").await.body["checks"]["queue"] == "down").then_some(())
        })
        .await;
        let meanwhile = id_of(&app.client.send(&account, "77777777777", "meanwhile").await);
        proxy.mend();
        goes_through(&app.client, &account).await;
        app.client.reaches(&meanwhile, &["sent"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_to_redis_is_replaced() {
    let (_redis, proxy, app, account) = behind_proxy().await;
    proxy.freeze();
    let meanwhile = id_of(&app.client.send(&account, "77777777777", "meanwhile").await);
    app.client.reaches(&meanwhile, &["sent"]).await;
    goes_through(&app.client, &account).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_log_nobody_reads_goes_on() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let server = Unheard::start(&[("ANDANTE_DATA_DIR", &data), ("ANDANTE_LOG", "debug")]).await;
    let client = &server.client;
    let config = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": [0, 0], "answerMs": [0, 0]});
    let account = ready_account(client, json!({ "config": config })).await;
    // The second one's connection drops, which is a thing to log for whoever hears of it.
    let dropping = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": [0, 0], "answerMs": [0, 0],
                          "faults": ["fine", "drop"]});
    let other = ready_account(client, json!({ "config": dropping })).await;
    for account in [account, other] {
        for round in 1..4 {
            let sent = id_of(&client.send(&account, "77777777777", "Are you there?").await);
            client.reaches(&sent, &["read"]).await;
            eventually("the answer is filed", 20, async || {
                let chats = client.get(&format!("/api/whatsapp/sessions/{account}/chats")).await.expect(200);
                (chats["data"][0]["_count"]["messages"] == 2 * round).then_some(())
            })
            .await;
        }
    }
    ready_account(client, json!({ "config": config })).await;
    client.get("/health").await.expect(200);
}

/// Puts `count` more messages in line, beside one that is there, while no server runs.
async fn multiply(file: &str, message: &str, count: u32) {
    let db = Database::connect(format!("sqlite://{file}")).await.unwrap();
    let first: MessageId = message.parse().unwrap();
    let sql = format!(
        "INSERT INTO message (id, company_id, account_id, recipient, text, priority, seq, created_at_ms, is_listed)
         WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < {count})
         SELECT id + 1024 * n, company_id, account_id, recipient, text, priority, seq + n, created_at_ms, is_listed
         FROM more, message WHERE message.id = {}",
        first.number()
    );
    db.execute_unprepared(&sql).await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_a_queue_of_two_hundred_thousand_refuses_nobody_else() {
    const ROWS: u32 = 200_000;
    let folder = TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let mut app = TestApp::with(&[("ANDANTE_DATA_DIR", &data)]).await;
    let full = app.client.create(json!({"name": "Full"})).await;
    let other = ready_account(&app.client, json!({})).await;
    let first = id_of(&app.client.send(&full, "77777777777", "m").await);
    app.stop().await;
    multiply(&format!("{data}/andante.db"), &first, ROWS).await;
    app.resume().await;
    app.client.status(&other, "CONNECTED").await;

    let path = format!("/api/accounts/{full}/queue");
    let is_clear = AtomicBool::new(false);
    let clearing = async {
        let cleared = app.client.delete(&path).await;
        is_clear.store(true, Ordering::Relaxed);
        cleared
    };
    let others = (0..4).map(async |_| {
        while !is_clear.load(Ordering::Relaxed) {
            // Asserts its 202.
            app.client.send(&other, "77777777777", "as ever").await;
        }
    });
    let (cleared, _) = tokio::join!(clearing, join_all(others));
    assert_eq!(cleared.expect(200)["cleared"], ROWS + 1);
    assert_eq!(app.client.count(&full, "queued").await, 0);
    assert_eq!(app.client.queue(&full).await["queueLength"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_of_a_silent_messenger_hold_up_nobody_else() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            held.push(connection);
        }
    });
    let mut app = TestApp::with(&[
        ("ANDANTE_TELEGRAM_API_URL", &url),
        ("ANDANTE_CONNECT_DEADLINE_SECONDS", "30"),
        ("ANDANTE_SHUTDOWN_SECONDS", "1"),
    ])
    .await;
    for bot in 0..96 {
        let bot = json!({"name": "Bot", "provider": "telegram", "config": {"token": token(bot)}});
        let bot = app.client.create(bot).await;
        app.client.connect(&bot).await;
    }
    let within_seconds = async |app: &TestApp, account: &str| {
        let sent = id_of(&app.client.send(account, "77777777777", "m").await);
        eventually("another messenger's message leaves", 10, async || {
            (app.client.message(&sent).await["status"] == "sent").then_some(())
        })
        .await;
    };
    let config = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null});
    let account = app.client.create(json!({"name": "A", "useLimits": false, "config": config})).await;
    app.client.connect(&account).await;
    within_seconds(&app, &account).await;
    app.stop().await;
    app.resume().await;
    within_seconds(&app, &account).await;
    let patience = Duration::from_secs(10);
    let request = app.client.request(reqwest::Method::POST, &format!("/api/accounts/{account}/disconnect"));
    assert!(app.client.hang_up(request, patience).await.is_some(), "a disconnect waits for the others");
    app.client.connect(&account).await;
    within_seconds(&app, &account).await;
}

/// Otherwise a commit has to, and all that wait for the next one wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_s_log_is_copied_into_its_file_while_messages_come_in() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let app = TestApp::with(&[("ANDANTE_DATA_DIR", &data)]).await;
    let account = app.client.create(json!({"name": "A"})).await;
    let length = || std::fs::metadata(format!("{data}/andante.db")).unwrap().len();
    let before = length();
    // Less than SQLite would copy by itself.
    app.client.send_many(&account, 2_500).await;
    assert!(std::fs::metadata(format!("{data}/andante.db-wal")).unwrap().len() < 16 << 20);
    eventually("the rows are in the file", 20, async || (length() > before + (200 << 10)).then_some(())).await;
}
