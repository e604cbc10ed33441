//! A database that refuses for a while, whole or in parts: what is said to be kept is kept, and what
//! could not be kept is not said to be.

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::bot_api::{BotApi, token};
use crate::harness::{Binary, Client, Disk, Postgres, TestApp, eventually, never};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_disk_what_is_accepted_is_on_disk_again() {
    let disk = Disk::of(48);
    let data = disk.path().display().to_string();
    let mut server = Binary::start(&[("ANDANTE_DATA_DIR", &data)]);
    let account = server.client.create(json!({"name": "A"})).await;
    let text = "x".repeat(4_000);
    let send = async |client: &Client| {
        let body = json!({"accountId": account, "to": "77777777777", "message": text});
        client.post("/api/messages/send", body).await
    };
    let mut accepted = Vec::new();
    let mut note = |answer: Value| accepted.push(answer["messageId"].as_str().unwrap().to_owned());
    for _ in 0..20 {
        note(send(&server.client).await.expect(202));
    }
    disk.fill();
    // Something may still find room in what the file has; five in a row that do not are a full disk.
    let mut refused = Vec::new();
    for _ in 0..300 {
        let answer = send(&server.client).await;
        if answer.status == 202 {
            refused.clear();
            note(answer.body);
        } else {
            refused.push(answer);
        }
        if refused.len() == 5 {
            break;
        }
    }
    let full = server.client.get("/health").await;
    disk.free();
    let again = eventually("messages are accepted again", 30, async || {
        let answer = send(&server.client).await;
        (answer.status == 202).then_some(answer.body)
    })
    .await;
    note(again);
    for _ in 0..20 {
        note(send(&server.client).await.expect(202));
    }
    for id in &accepted {
        // Read through another connection than the one that wrote it.
        server.client.get(&format!("/api/messages/{id}")).await.expect(200);
    }
    eventually("it is healthy again", 20, async || {
        (server.client.get("/health").await.body["status"] == "healthy").then_some(())
    })
    .await;
    server.kill();
    server.resume();
    for id in &accepted {
        assert_eq!(server.client.message(id).await["status"], "queued");
    }
    assert_eq!(server.client.count(&account, "queued").await, accepted.len() as u64);
    assert_eq!(refused.len(), 5, "the disk was never full");
    for answer in refused {
        answer.refused(503, "unavailable");
    }
    assert_eq!(full.expect(503)["status"], "degraded", "while the disk was full");
}

/// PostgreSQL refuses by `refuse` and takes it back by `relent`, both run in the database by a
/// superuser; the server is a user like any other.
async fn nothing_that_comes_in_is_lost(refuse: &str, relent: &str) {
    let url = Postgres::database().await;
    let database = url.rsplit('/').next().unwrap();
    let admin = Database::connect(url.as_str()).await.unwrap();
    let run = async |sql: &str| {
        let user = format!("u_{database}");
        for statement in sql.replace("$USER", &user).replace("$DATABASE", database).split(';') {
            admin.execute_unprepared(statement).await.unwrap();
        }
    };
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '$USER'";
    run("CREATE ROLE $USER LOGIN; ALTER DATABASE $DATABASE OWNER TO $USER").await;
    let api = BotApi::start();
    let own = url.replace("postgres@", &format!("u_{database}@"));
    let app = TestApp::with(&[("DATABASE_URL", &own), ("ANDANTE_TELEGRAM_API_URL", &api.url)]).await;
    let bot = json!({"name": "Bot", "provider": "telegram", "config": {"token": token(1)}});
    let account = app.client.create(bot).await;
    app.client.connect(&account).await;
    app.client.status(&account, "CONNECTED").await;
    api.write(&token(1), 42, "Айгуль", "Здравствуйте!");
    eventually("it is confirmed", 20, async || (api.unconfirmed(&token(1)) == 0).then_some(())).await;

    run(refuse).await;
    run(cut).await;
    for number in 0..5 {
        api.write(&token(1), 42 + number, "Айгуль", "Вы там?");
    }
    never("something that was not written is confirmed", 3, async || api.unconfirmed(&token(1)) < 5).await;
    app.client.get("/health/live").await.expect(200);
    run(relent).await;
    run(cut).await;
    eventually("all is written", 40, async || {
        let chats = app.client.get(&format!("/api/whatsapp/sessions/{account}/chats?chatType=all")).await;
        let chats = chats.body["data"].as_array()?.clone();
        (chats.iter().map(|chat| chat["_count"]["messages"].as_u64().unwrap()).sum::<u64>() == 6).then_some(())
    })
    .await;
    eventually("all is confirmed", 20, async || (api.unconfirmed(&token(1)) == 0).then_some(())).await;
    assert_eq!(api.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_while_the_database_is_read_only_is_written_later() {
    let refuse = "ALTER DATABASE $DATABASE SET default_transaction_read_only = on";
    nothing_that_comes_in_is_lost(refuse, "ALTER DATABASE $DATABASE RESET default_transaction_read_only").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_while_the_database_has_no_connections_left_is_written_later() {
    nothing_that_comes_in_is_lost("ALTER ROLE $USER CONNECTION LIMIT 0", "ALTER ROLE $USER CONNECTION LIMIT -1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_while_a_right_is_missing_is_written_later() {
    let refuse = "REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA public FROM $USER";
    nothing_that_comes_in_is_lost(refuse, "GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO $USER").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_was_removed_or_replaced_takes_nothing_more() {
    for is_replaced in [false, true] {
        let folder = tempfile::TempDir::new().unwrap();
        let data = folder.path().display().to_string();
        let app = TestApp::with(&[("ANDANTE_DATA_DIR", &data)]).await;
        let account = app.client.create(json!({"name": "A"})).await;
        app.client.send(&account, "77777777777", "kept").await;
        std::fs::rename(folder.path().join("andante.db"), folder.path().join("elsewhere.db")).unwrap();
        if is_replaced {
            std::fs::write(folder.path().join("andante.db"), "").unwrap();
        }
        let body = json!({"accountId": account, "to": "77777777777", "message": "into nothing"});
        app.client.post("/api/messages/send", body).await.refused(503, "unavailable");
        assert_eq!(app.client.get("/health").await.expect(503)["checks"]["database"], "down");
        // However many read: not one opens the file that is not ours.
        let path = format!("/api/messages?accountId={account}");
        for answer in join_all((0..20).map(|_| app.client.get(&path))).await {
            answer.refused(503, "unavailable");
        }
        if is_replaced {
            std::fs::remove_file(folder.path().join("andante.db")).unwrap();
        }
        std::fs::rename(folder.path().join("elsewhere.db"), folder.path().join("andante.db")).unwrap();
        app.client.send(&account, "77777777777", "kept as well").await;
        assert_eq!(app.client.count(&account, "queued").await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_that_breaks_off_says_which_messages_were_accepted() {
    let url = Postgres::database().await;
    let app = TestApp::with(&[("DATABASE_URL", &url)]).await;
    let account = app.client.create(json!({"name": "A"})).await;
    let admin = Database::connect(url.as_str()).await.unwrap();
    // The database breaks at one message of the third part, and would again.
    for statement in [
        "CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'no more' USING ERRCODE = 'disk_full'; END $$",
        "CREATE TRIGGER full_up BEFORE INSERT ON message FOR EACH ROW WHEN (NEW.text = 'm2500') EXECUTE FUNCTION give_up()",
    ] {
        admin.execute_unprepared(statement).await.unwrap();
    }
    let messages: Vec<_> = (0..4_000).map(|i| json!({"to": "77777777777", "message": format!("m{i}")})).collect();
    let answer = app.client.post("/api/messages/bulk", json!({"accountId": account, "messages": messages})).await;
    let answer = answer.expect(202);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2_000), &json!(2_000)));
    assert_eq!(answer["results"][1_999]["queued"], true);
    assert_eq!(answer["results"][2_000]["code"], "unavailable");
    assert_eq!(app.client.count(&account, "queued").await, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_a_full_disk_refuses_is_not_there() {
    let disk = Disk::of(48);
    let data = disk.path().display().to_string();
    let key = "an operator's key of a test";
    let settings = [("ANDANTE_DATA_DIR", &*data), ("ANDANTE_AUTH", "required"), ("ANDANTE_API_KEY", key)];
    let server = Binary::start(&[&settings[..], &[("ANDANTE_HTTP_RATE", "0")]].concat());
    let client = server.client.with_key(key);
    let create = async || {
        let body = json!({"user_id": "u".repeat(200), "name": "n".repeat(200), "provider": "simulator"});
        client.post("/api/v1/instances", body).await
    };
    let (mut created, mut refused) = (Vec::new(), 0);
    disk.fill();
    for _ in 0..300 {
        let answer = create().await;
        match answer.status.as_u16() {
            201 => created.push(answer.body["id"].as_str().unwrap().to_owned()),
            _ => refused += 1,
        }
        if refused == 20 {
            break;
        }
    }
    assert!(refused > 0, "the disk is full, and nothing was refused");
    disk.free();
    let last = eventually("instances are created again", 30, async || {
        let answer = create().await;
        (answer.status == 201).then(|| answer.body["id"].as_str().unwrap().to_owned())
    });
    created.push(last.await);
    let listed = client.get("/api/v1/instances?limit=200").await.expect(200);
    let ids: Vec<&str> =
        listed["instances"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(
        (listed["total"].as_u64().unwrap() as usize, ids),
        (created.len(), created.iter().map(|id| &**id).collect())
    );
    let keys = client.get("/api/api-keys?limit=200").await.expect(200);
    assert_eq!(keys["pagination"]["total"], created.len(), "each has its key, and there is no other");
}
