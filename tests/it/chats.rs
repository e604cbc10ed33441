//! Lists of chats and messages: pages, cursors, filters, search; and that none of the questions
//! that lists ask reads a whole table.

use std::collections::HashSet;

use andante::gateway::Letter;
use entity::chat::Kind;
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

use crate::harness::{Postgres, TestApp, eventually, ready_account};

/// An account with 60 chats: every tenth a group, the last a status, each with two messages.
async fn with_chats(app: &TestApp) -> String {
    let account = ready_account(&app.client, json!({})).await;
    let stage = app.app().simulator.stage(TestApp::id(&account)).unwrap();
    for number in 0..60_u64 {
        let (chat, kind) = match number {
            59 => ("status@broadcast".to_owned(), Kind::Status),
            n if n % 10 == 0 => (format!("12036300{n}@g.us"), Kind::Group),
            n => (format!("{}@c.us", 996_700_000_000 + n), Kind::Individual),
        };
        for (copy, text) in ["первое слово", "Второе SLOWO number"].into_iter().enumerate() {
            stage.write(Letter {
                chat: chat.clone(),
                chat_kind: kind,
                chat_name: Some(format!("Клиент № {number:02} 100%")),
                provider_message_id: format!("{number}-{copy}"),
                is_own: false,
                sender: Some(chat.clone()),
                sender_name: None,
                text: format!("{text} {number}"),
                kind: entity::message::Kind::Text,
                at: app.app().clock.now() + chrono::TimeDelta::milliseconds(number as i64),
                is_history: false,
                media: None,
            });
        }
    }
    eventually("all is filed", 20, async || {
        let chats = list(app, &account, "?chatType=all&limit=1").await;
        let count = chats["data"].as_array()?.first()?["_count"]["messages"].clone();
        (chats["pagination"]["total"] == 60 && count == 2).then_some(())
    })
    .await;
    account
}

async fn list(app: &TestApp, account: &str, query: &str) -> Value {
    app.client.get(&format!("/api/whatsapp/sessions/{account}/chats{query}")).await.expect(200)
}

fn names(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|chat| chat["chatName"].as_str().unwrap().to_owned()).collect()
}

async fn on_both(case: impl AsyncFn(TestApp)) {
    case(TestApp::start().await).await;
    let url = Postgres::database().await;
    case(TestApp::with(&[("DATABASE_URL", &url)]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_cursors_show_every_chat_once_the_latest_first() {
    on_both(async |app: TestApp| {
        let account = with_chats(&app).await;
        let first = list(&app, &account, "?limit=20").await;
        assert_eq!(first["pagination"]["total"], 53);
        assert_eq!(names(&first)[0], "Клиент № 58 100%");
        let mut paged = names(&first);
        for page in 2..=3 {
            paged.extend(names(&list(&app, &account, &format!("?limit=20&page={page}")).await));
        }
        let (mut by_cursor, mut query) = (Vec::new(), "?limit=20".to_owned());
        loop {
            let part = list(&app, &account, &query).await;
            by_cursor.extend(names(&part));
            match part["pagination"]["nextCursor"].as_str() {
                Some(cursor) => query = format!("?limit=20&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(paged, by_cursor);
        assert_eq!(paged.iter().collect::<HashSet<_>>().len(), 53);
        app.client
            .get(&format!("/api/whatsapp/sessions/{account}/chats?cursor=x"))
            .await
            .refused(400, "invalid_request");
        // Messages in the same way.
        let chat = format!("/api/whatsapp/sessions/{account}/chats/996700000001@c.us/messages");
        let newest = app.client.get(&format!("{chat}?limit=1")).await.expect(200);
        assert_eq!(newest["data"][0]["body"], "Второе SLOWO number 1");
        let cursor = newest["pagination"]["nextCursor"].as_str().unwrap();
        let oldest = app.client.get(&format!("{chat}?limit=1&cursor={cursor}")).await.expect(200);
        assert_eq!(oldest["data"][0]["body"], "первое слово 1");
        assert_eq!(app.client.get(&format!("{chat}?limit=1&page=2")).await.expect(200)["data"], oldest["data"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_pick_kinds_and_search_finds_names_numbers_and_words() {
    on_both(async |app: TestApp| {
        let account = with_chats(&app).await;
        let total = async |query: &str| list(&app, &account, query).await["pagination"]["total"].as_u64().unwrap();
        for (query, found) in [
            ("", 53),
            ("?includeGroups=true", 59),
            ("?includeGroups=true&includeStatus=true", 60),
            ("?chatType=group", 6),
            ("?chatType=status", 1),
            ("?chatType=individual", 53),
            ("?chatType=all", 60),
            // Names, in any case, with what LIKE would take for its own.
            ("?search=клиент%20№%2007", 1),
            ("?search=07%20100%25", 1),
            ("?search=100%25x", 0),
            // Not in the account's own id.
            ("?search=acc", 0),
            ("?search=a", 0),
            ("?search=07_100", 0),
            // Numbers, as people write them.
            ("?search=996%20700-000-007", 1),
            ("?search=%2B996700000007", 1),
            // The beginning of words of messages, in any case and any script.
            ("?search=перв", 53),
            ("?search=ВТОРОЕ%20slowo%2033", 1),
            ("?search=owo", 0),
            ("?search=%22%20OR%20*", 0),
            ("?search=%27%29%3B--", 0),
            ("?search=%20", 53),
        ] {
            assert_eq!(total(query).await, found, "{query}");
        }
        let chats = format!("/api/whatsapp/sessions/{account}/chats");
        app.client.get(&format!("{chats}?chatType=family")).await.refused(400, "invalid_request");
        app.client.get(&format!("{chats}?search=%00")).await.refused(400, "invalid_request");
        // The accounts' own dialect lists groups, too.
        let all = app.client.get(&format!("/api/accounts/{account}/chats")).await.expect(200);
        assert_eq!(all["pagination"]["total"], 59);
    })
    .await;
}

/// The questions that lists, counts and receipts ask, as the statements that run.
const QUESTIONS: &[&str] = &[
    "SELECT * FROM chat WHERE account_id = 'a' AND kind IN ('individual') ORDER BY active_at_ms DESC, id DESC LIMIT 50",
    "SELECT COUNT(*) FROM chat WHERE account_id = 'a' AND kind IN ('individual', 'group')",
    "SELECT individual_chats + group_chats FROM tally WHERE account_id = 'a'",
    "SELECT * FROM chat WHERE account_id = 'a' AND address = 'x'",
    "SELECT SUM(individual_chats), SUM(group_chats) FROM tally WHERE company_id = 'c'",
    "SELECT SUM(listed_messages) FROM tally WHERE company_id = 'c' AND account_id IN ('a')",
    "SELECT COUNT(*) FROM chat WHERE company_id = 'c' AND unread_count > 0",
    "SELECT * FROM message WHERE chat_id = 'h' ORDER BY filed_seq DESC LIMIT 50",
    "SELECT * FROM message WHERE chat_id = 'h' AND filed_seq < 7 ORDER BY filed_seq DESC LIMIT 50",
    "SELECT id FROM message WHERE chat_id = 'h' AND origin = 'received' AND status = 'delivered'",
    "SELECT id FROM message WHERE account_id = 'a' AND recipient = 'x' AND provider_message_id = 'y' AND origin <> 'accepted'",
    "SELECT * FROM message WHERE company_id = 'c' AND origin = 'accepted' AND is_listed = TRUE ORDER BY id DESC LIMIT 50",
    "SELECT * FROM message WHERE company_id = 'c' AND origin = 'accepted' AND is_listed = FALSE ORDER BY id DESC LIMIT 50",
    "SELECT * FROM message WHERE company_id = 'c' AND origin = 'accepted' AND is_listed = TRUE AND account_id IN ('a') ORDER BY id DESC LIMIT 50",
    "SELECT id, priority, seq FROM message WHERE account_id = 'a' AND status = 'queued' AND is_listed = TRUE",
    "SELECT id, priority, seq FROM message WHERE account_id = 'a' AND status = 'queued' AND is_listed = FALSE",
    "SELECT SUM(sent) FROM traffic WHERE company_id = 'c'",
    "SELECT day, SUM(sent) FROM traffic WHERE company_id = 'c' AND day > 1 AND day <= 31 GROUP BY day",
    "SELECT user_id FROM account_grant WHERE company_id = 'c'",
    "SELECT * FROM \"user\" WHERE email = 'e'",
    "SELECT * FROM api_key WHERE digest = 'd'",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_question_reads_a_whole_table() {
    let app = TestApp::start().await;
    let file = app.app().config.data_dir.join("andante.db");
    let sqlite = Database::connect(format!("sqlite://{}", file.display())).await.unwrap();
    for question in QUESTIONS {
        let plan = sqlite
            .query_all_raw(Statement::from_string(
                sqlite.get_database_backend(),
                format!("EXPLAIN QUERY PLAN {question}"),
            ))
            .await
            .unwrap();
        for row in plan {
            let step: String = row.try_get_by("detail").unwrap();
            assert!(!step.starts_with("SCAN"), "{question}\n{step}");
        }
    }
    let failed = "SELECT * FROM message WHERE company_id = 'c' AND origin = 'accepted' AND is_listed = TRUE AND status = 'failed'
                  ORDER BY id DESC LIMIT 50";
    let plan = format!("EXPLAIN QUERY PLAN {failed}");
    let plan =
        sqlite.query_one_raw(Statement::from_string(sqlite.get_database_backend(), plan)).await.unwrap().unwrap();
    let step: String = plan.try_get_by("detail").unwrap();
    assert!(step.contains("message_ended"), "{step}");
    let named = "EXPLAIN QUERY PLAN SELECT id FROM chat WHERE account_id = 'a' AND instr(search_text, 'x') > 0 LIMIT 9";
    let plan =
        sqlite.query_one_raw(Statement::from_string(sqlite.get_database_backend(), named)).await.unwrap().unwrap();
    let step: String = plan.try_get_by("detail").unwrap();
    assert!(step.contains("COVERING INDEX chat_search"), "{step}");
    let search = "SELECT chat FROM message_text WHERE message_text MATCH 'text : a' ORDER BY rowid DESC LIMIT 9";
    let plan = format!("EXPLAIN QUERY PLAN {search}");
    let plan =
        sqlite.query_one_raw(Statement::from_string(sqlite.get_database_backend(), plan)).await.unwrap().unwrap();
    let step: String = plan.try_get_by("detail").unwrap();
    assert!(step.contains("VIRTUAL TABLE INDEX"), "{step}");
}

/// How often each of the tables that grow was read as a whole.
async fn whole_reads(url: &str) -> Vec<(String, i64)> {
    let postgres = Database::connect(url).await.unwrap();
    let sql = "SELECT relname::text, seq_scan FROM pg_stat_user_tables
               WHERE relname IN ('chat', 'message', 'message_text', 'tally', 'traffic', 'account_grant', 'user', 'api_key')
               ORDER BY relname";
    let rows = postgres.query_all_raw(Statement::from_string(postgres.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_many_by_index().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_reads_a_whole_table() {
    let url = Postgres::database().await;
    let postgres = Database::connect(&url).await.unwrap();
    // Tables of a test are small, and reading them as a whole is quick: it is made the last resort.
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    postgres.execute_unprepared(&format!("ALTER DATABASE \"{name}\" SET enable_seqscan = off")).await.unwrap();
    let mut app = TestApp::with(&[("DATABASE_URL", &url)]).await;
    let account = with_chats(&app).await;
    // Counts reach the statistics for certain when the sessions end.
    app.stop().await;
    let before = whole_reads(&url).await;
    app.resume().await;
    app.client.status(&account, "CONNECTED").await;
    let chats = format!("/api/whatsapp/sessions/{account}/chats");
    let chat = format!("{chats}/996700000001@c.us");
    app.client.post(&format!("{chat}/messages"), json!({"message": "m"})).await.expect(202);
    let sent = app.client.send(&account, "77777777777", "m").await;
    app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    app.client.post(&format!("{chat}/read"), json!({})).await.expect(200);
    let listed = app.client.get(&format!("{chats}?limit=5")).await.expect(200);
    let cursor = listed["pagination"]["nextCursor"].as_str().unwrap();
    for address in [
        format!("{chats}?limit=5&cursor={cursor}"),
        format!("{chats}?page=3&limit=5&chatType=all"),
        format!("{chats}?search=perw"),
        format!("{chats}?search=996700000007"),
        chat.clone(),
        format!("{chat}/messages"),
        format!("{chat}/messages?limit=1&page=2"),
        format!("{chat}/messages?limit=1&cursor=9999999999999999"),
        "/api/whatsapp/chats?limit=5".to_owned(),
        format!("/api/whatsapp/chats?limit=5&cursor={cursor}&archived=false"),
        format!("/api/whatsapp/chats?sessionId={account}&unread=true"),
        "/api/whatsapp/chats?archived=true".to_owned(),
        "/api/whatsapp/chats?search=perw".to_owned(),
        format!("/api/accounts/{account}/activity"),
        "/api/whatsapp/stats".to_owned(),
        "/api/whatsapp/sessions".to_owned(),
        format!("/api/accounts/{account}/queue"),
        "/api/messages?limit=1".to_owned(),
        format!("/api/messages?limit=1&accountId={account}&status=sent"),
        "/api/messages?reference=x".to_owned(),
        "/api/managers".to_owned(),
        "/api/api-keys".to_owned(),
    ] {
        app.client.get(&address).await.expect(200);
    }
    app.stop().await;
    assert_eq!(whole_reads(&url).await, before);
}
