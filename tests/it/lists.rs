//! Lists of messages. A message is put in the lists of its account and company later than it is
//! accepted, and nobody can tell.

use andante::clock::Clock;
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

use crate::harness::{Postgres, TestApp};

/// More than are listed together.
const MANY: usize = 1_300;

fn id_of(answer: &Value) -> String {
    answer["messageId"].as_str().unwrap().to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}

/// The whole list, page after page by its cursor; each page says how many there are in all.
async fn whole(app: &TestApp, query: &str) -> Vec<String> {
    let (mut all, mut cursor, mut total) = (Vec::new(), String::new(), 0);
    loop {
        let page = app.client.get(&format!("/api/messages?limit=200{query}{cursor}")).await.expect(200);
        all.extend(ids(&page));
        total = page["pagination"]["total"].as_u64().unwrap().max(total);
        let Some(next) = page["pagination"]["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all.len() as u64, total, "{query}");
    all
}

async fn unlisted(url: &str) -> i64 {
    let db = Database::connect(url).await.unwrap();
    let sql = "SELECT COUNT(*) FROM message WHERE is_listed = FALSE";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    let count = row.try_get_by_index(0).unwrap();
    db.close().await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_whole_and_in_order_whether_its_messages_are_in_it_yet_or_not() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let postgres = Postgres::database().await;
    for (settings, url) in [
        (("ANDANTE_DATA_DIR", data.as_str()), format!("sqlite://{data}/andante.db")),
        (("DATABASE_URL", &postgres), postgres.clone()),
    ] {
        let mut app = TestApp::with(&[settings]).await;
        let many = app.client.create(json!({"name": "Many"})).await;
        let few = app.client.create(json!({"name": "Few"})).await;
        let mut all = Vec::new();
        let mut of_few = Vec::new();
        for _ in 0..3 {
            all.extend(app.client.send_many(&many, MANY).await);
            let one = id_of(&app.client.send(&few, "77777777777", "m").await);
            of_few.push(one.clone());
            all.push(one);
        }
        // One of the oldest, and the latest.
        for id in [&all[3], all.last().unwrap()] {
            app.client.delete(&format!("/api/messages/{id}")).await.expect(200);
        }
        assert!(unlisted(&url).await > 0, "some are in no list yet");
        all.reverse();
        of_few.reverse();
        let account = format!("&accountId={few}");
        for is_stopped in [false, true] {
            if is_stopped {
                app.stop().await;
                assert_eq!(unlisted(&url).await, 0, "a stop leaves none");
                app.resume().await;
            }
            assert_eq!(whole(&app, "").await, all);
            assert_eq!(whole(&app, &account).await, of_few);
            assert_eq!(whole(&app, "&status=cancelled").await, [all[0].clone(), all[all.len() - 4].clone()]);
            assert_eq!(whole(&app, "&status=queued").await.len(), all.len() - 2);
            let page = app.client.get("/api/messages?limit=7&page=400").await.expect(200);
            assert_eq!(ids(&page), all[399 * 7..400 * 7]);
            assert_eq!(app.client.queue(&many).await["queueLength"], 3 * MANY - 1);
            assert_eq!(app.client.queue(&few).await["queueLength"], 2);
        }
        // Some that are listed, and some that are not, are taken back together.
        app.client.send_many(&many, 10).await;
        let cleared = app.client.delete(&format!("/api/accounts/{many}/queue")).await.expect(200);
        assert_eq!(cleared["cleared"], 3 * MANY - 1 + 10);
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_put_back_gives_no_older_ids() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let settings = [("ANDANTE_DATA_DIR", data.as_str())];
    let mut app = TestApp::with(&settings).await;
    let account = app.client.create(json!({"name": "A"})).await;
    let first = id_of(&app.client.send(&account, "77777777777", "m").await);
    app.stop().await;
    let app = TestApp::on(&settings, Clock::manual(Clock::system().now() - TimeDelta::days(1))).await;
    let second = id_of(&app.client.send(&account, "77777777777", "m").await);
    assert!(first < second, "{first} and then {second}");
    assert_eq!(whole(&app, "").await, [second, first]);
}
