//! What was accepted is sent: whoever hangs up, however much of the queue is wiped, whoever asks
//! while it is rebuilt, and whatever happened while Redis could not be told.

use std::time::Duration;

use andante::gateway::simulator::Fault;
use futures_util::future::join_all;
use reqwest::Method;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use serde_json::{Value, json};

use crate::harness::{Disk, Postgres, Proxy, Redis, TestApp, eventually, ready_account};

/// As fast as it can be sent.
fn fast() -> Value {
    json!({"useLimits": false, "limits": {"delayMs": [0, 0]}})
}

fn id_of(answer: &Value) -> String {
    answer["messageId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_queue_comes_back_whole_whatever_its_length() {
    // In memory, since it is not the disk's speed that counts here.
    let (redis, disk) = (Redis::start().await, Disk::of(256));
    let data = disk.path().display().to_string();
    let app = TestApp::with(&[("REDIS_URL", &redis.url()), ("ANDANTE_DATA_DIR", &data)]).await;
    let mut queues = Vec::new();
    for length in [1, 1_001, 5_500] {
        let account = ready_account(&app.client, fast()).await;
        app.client.pause(&account, true).await;
        queues.push((account.clone(), app.client.send_many(&account, length).await));
    }
    redis.flush().await;
    for (account, ids) in &queues {
        assert_eq!(app.client.queue(account).await["queueLength"], ids.len());
        for place in [0, ids.len() / 2, ids.len() - 1] {
            eventually(&format!("number {} of {} is in line", place + 1, ids.len()), 20, async || {
                (app.client.message(&ids[place]).await["queuePosition"] == place + 1).then_some(())
            })
            .await;
        }
    }
    for (account, ids) in &queues {
        app.client.pause(account, false).await;
        eventually(&format!("all {} are sent", ids.len()), 300, async || {
            (app.client.count(account, "sent").await == ids.len() as u64).then_some(())
        })
        .await;
    }
    assert_eq!(app.app().simulator.arrived(), 6_502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_whose_queue_is_lost_is_told_its_places_all_the_same() {
    let redis = Redis::start().await;
    let app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let account = app.client.create(json!({"name": "A"})).await;
    app.client.send(&account, "77777777770", "before").await;
    redis.flush().await;
    let message = |priority: u8| json!({"to": "77777777771", "message": "m", "priority": priority});
    let scheduled = json!({"to": "77777777771", "message": "m", "sendAt": "2099-01-01T00:00:00Z"});
    let messages = json!([message(5), message(9), scheduled, message(0)]);
    let body = json!({"accountId": account, "messages": messages});
    let results = app.client.post("/api/messages/bulk", body).await.expect(202)["results"].clone();
    let places: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["queuePosition"]).collect();
    assert_eq!(places, [&json!(3), &json!(4), &Value::Null, &json!(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_at_any_moment_leaves_nothing_half_done() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, fast()).await;
    let send = |number: u64| {
        let body = json!({"accountId": account, "to": "77777777777", "message": format!("m{number}")});
        let request = app.client.request(Method::POST, "/api/messages/send");
        request.header("Idempotency-Key", format!("key-{number}")).json(&body)
    };
    // A few at a time, so that each moment of a request's life is somebody's last.
    for group in 0..12 {
        let calls = (0..10).map(|i| app.client.hang_up(send(group * 10 + i), Duration::from_millis(1 + 2 * i)));
        join_all(calls).await;
    }
    eventually("what became a row is sent", 20, async || {
        (app.client.count(&account, "queued").await == 0).then_some(())
    })
    .await;
    let mut ids = Vec::new();
    for number in 0..120 {
        ids.push(id_of(&app.client.run(send(number)).await.expect(202)));
    }
    for id in &ids {
        app.client.reaches(id, &["sent"]).await;
    }
    assert_eq!(app.app().simulator.arrived(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_whose_caller_hangs_up_is_sent() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, fast()).await;
    app.app().simulator.stage(TestApp::id(&account)).unwrap().fail_next([Fault::Refuse; 60]);
    let ids = app.client.send_many(&account, 60).await;
    for id in &ids {
        app.client.reaches(id, &["failed"]).await;
    }
    let retry = |id: &String| app.client.request(Method::POST, &format!("/api/messages/{id}/retry"));
    for group in ids.chunks(10) {
        let patience = |i: usize| Duration::from_millis(1 + 2 * i as u64);
        join_all(group.iter().enumerate().map(|(i, id)| app.client.hang_up(retry(id), patience(i)))).await;
    }
    for id in &ids {
        let again = app.client.run(retry(id)).await.status;
        assert!([202, 409].contains(&again.as_u16()), "{again}");
    }
    for id in &ids {
        app.client.reaches(id, &["sent"]).await;
    }
    assert_eq!(app.app().simulator.arrived(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_ask_and_hang_up_while_a_queue_is_rebuilt_take_nothing_from_it() {
    let redis = Redis::start().await;
    let mut app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let account = ready_account(&app.client, fast()).await;
    app.client.pause(&account, true).await;
    let ids = app.client.send_many(&account, 20_000).await;
    app.client.pause(&account, false).await;
    app.stop().await;
    redis.flush().await;
    app.resume().await;

    let last = ids.last().unwrap();
    let asked =
        [format!("/api/accounts/{account}"), format!("/api/accounts/{account}/queue"), format!("/api/messages/{last}")];
    let callers = (0..24).map(async |caller: usize| {
        for call in 0..40 {
            let request = app.client.request(Method::GET, &asked[(caller + call) % 3]);
            app.client.hang_up(request, Duration::from_millis(50)).await;
        }
    });
    // Somebody else is served as ever meanwhile, ahead of all that waits.
    let urgent = json!({"accountId": account, "to": "77777777777", "message": "now", "priority": 0});
    let (_, accepted) = tokio::join!(join_all(callers), app.client.post("/api/messages/send", urgent));
    app.client.reaches(&id_of(&accepted.expect(202)), &["sent"]).await;
    let arrived = app.app().simulator.arrived();
    eventually("it goes on", 20, async || (app.app().simulator.arrived() > arrived + 20).then_some(())).await;

    app.client.pause(&account, true).await;
    eventually("what was in flight has left", 20, async || {
        (app.client.count(&account, "sending").await == 0).then_some(())
    })
    .await;
    let waiting = app.client.count(&account, "queued").await;
    eventually(&format!("the {waiting} that wait are in line"), 20, async || {
        let length = &app.client.queue(&account).await["queueLength"];
        (*length == waiting && app.client.message(last).await["queuePosition"] == waiting).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cancelled_and_one_accepted_while_redis_is_cut_are_told_apart() {
    let redis = Redis::start().await;
    let port = redis.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port).await;
    let app = TestApp::with(&[("REDIS_URL", &format!("redis://127.0.0.1:{}", proxy.port))]).await;
    let account = ready_account(&app.client, fast()).await;
    app.client.pause(&account, true).await;
    let cancelled = id_of(&app.client.send(&account, "77777777777", "taken back").await);
    proxy.cut();
    app.client.delete(&format!("/api/messages/{cancelled}")).await.expect(200);
    let accepted = id_of(&app.client.send(&account, "77777777777", "to be sent").await);
    proxy.mend();
    app.client.pause(&account, false).await;
    app.client.reaches(&accepted, &["sent"]).await;
    assert_eq!(app.client.message(&cancelled).await["status"], "cancelled");
    assert_eq!(app.app().simulator.arrived(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_stored_behind_a_503_is_sent_once_it_is_repeated() {
    let database = Postgres::database().await;
    let port = database.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port).await;
    let through_proxy = database.replace(&port.to_string(), &proxy.port.to_string());
    let app = TestApp::with(&[("DATABASE_URL", &through_proxy)]).await;
    let account = ready_account(&app.client, fast()).await;
    // One commit takes long enough to be cut in the middle; PostgreSQL finishes it all the same.
    let admin = Database::connect(database.as_str()).await.unwrap();
    for statement in [
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (NEW.text = 'slow') EXECUTE FUNCTION dawdle()",
    ] {
        admin.execute_unprepared(statement).await.unwrap();
    }
    let send = || {
        let body = json!({"accountId": account, "to": "77777777777", "message": "slow", "idempotencyKey": "k"});
        app.client.post("/api/messages/send", body)
    };
    let cut = async {
        eventually("it is being committed", 20, async || {
            let sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
            admin.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap()
        })
        .await;
        proxy.cut();
    };
    let (answer, ()) = tokio::join!(send(), cut);
    answer.refused(503, "unavailable");
    proxy.mend();
    let accepted = eventually("it is accepted", 30, async || {
        let answer = send().await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    assert_eq!(accepted.headers["Idempotent-Replayed"], "true", "it was not stored the first time");
    app.client.reaches(&id_of(&accepted.body), &["sent"]).await;
    assert_eq!(app.app().simulator.arrived(), 1);
}
