//! What left is put in its chat and counted a moment later: once, and also if the server was gone
//! before it came to that.

use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::json;

use crate::harness::{Postgres, TestApp, eventually, ready_account};

/// Numbers and texts, as the account's chats should have them.
const SENT: [(&str, u64); 2] = [("77777777771", 3), ("77777777772", 2)];

/// Waits until each chat has its messages, and nothing else is counted.
async fn is_filed(app: &TestApp, account: &str) {
    for (number, count) in SENT {
        eventually("the chat has what was sent to it", 20, async || {
            let list = app.client.get(&format!("/api/whatsapp/sessions/{account}/chats?search={number}")).await;
            (list.expect(200)["data"][0]["_count"]["messages"] == count).then_some(())
        })
        .await;
        let chats =
            app.client.get(&format!("/api/whatsapp/sessions/{account}/chats?search={number}")).await.expect(200);
        let chat = chats["data"][0]["id"].as_str().unwrap();
        let path = format!("/api/whatsapp/sessions/{account}/chats/{chat}/messages");
        let messages = app.client.get(&path).await.expect(200);
        assert_eq!(messages["data"].as_array().unwrap().len() as u64, count);
    }
    let found = app.client.get(&format!("/api/whatsapp/sessions/{account}/chats?search=reminder")).await.expect(200);
    assert_eq!(found["pagination"]["total"], SENT.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_filed_before_a_crash_is_filed_by_the_next_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let postgres = Postgres::database().await;
    for (setting, url) in [
        (("ANDANTE_DATA_DIR", data.as_str()), format!("sqlite://{data}/andante.db")),
        (("DATABASE_URL", postgres.as_str()), postgres.clone()),
    ] {
        let mut app = TestApp::with(&[setting]).await;
        let account = ready_account(&app.client, json!({"useLimits": false, "limits": {"delayMs": [0, 0]}})).await;
        for (number, count) in SENT {
            for n in 0..count {
                app.client.send(&account, number, &format!("reminder {n}")).await;
            }
        }
        is_filed(&app, &account).await;
        app.stop().await;
        // As if it had died between the outcomes and the filing.
        let db = Database::connect(&url).await.unwrap();
        for sql in [
            "UPDATE message SET is_filed = FALSE, chat_id = NULL",
            "DELETE FROM chat",
            "DELETE FROM traffic",
            "DELETE FROM message_text",
        ] {
            db.execute_unprepared(sql).await.unwrap();
        }
        app.resume().await;
        is_filed(&app, &account).await;
        app.stop().await;
        let sql = "SELECT CAST(SUM(sent) AS BIGINT) FROM traffic";
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
        let counted: i64 = row.try_get_by_index(0).unwrap();
        assert_eq!(counted, 5);
        db.close().await.unwrap();
    }
}
