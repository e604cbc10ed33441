//! Accounts as instances: what is created answers at once, has a key of its own, and is counted the same
//! wherever it is counted.

use std::net::TcpListener;

use andante::clock::Clock;
use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bot_api::{BotApi, token};
use crate::harness::{Client, Company, TestApp, eventually, guarded, ready_account};

/// Creates an instance of the simulator that pairs at once; `more` changes what it is created with.
async fn instance(client: &Client, more: Value) -> Value {
    let config = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null});
    let mut body = json!({"user_id": "test", "provider": "simulator", "type_instance": ["api"],
                          "use_limits": false, "config": config});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    client.post("/api/v1/instances", body).await.expect(201)
}

fn id_of(instance: &Value) -> String {
    instance["id"].as_str().unwrap().to_owned()
}

async fn shown(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/v1/instances/{id}")).await.expect(200)
}

async fn ready(client: &Client, id: &str) -> Value {
    eventually("the instance is ready", 20, async || {
        let instance = shown(client, id).await;
        (instance["status"] == "client_ready").then_some(instance)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_an_account_in_other_words() {
    let app = TestApp::start().await;
    let client = &app.client;
    let created = instance(client, json!({"user_id": "crm-7", "type_instance": ["api", "chat"]})).await;
    assert_eq!((&created["status"], &created["auth_status"]), (&json!("pending"), &json!("pending")));
    assert_eq!(
        (&created["account"], &created["port"], &created["api_key"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let id = id_of(&created);
    let shown = ready(client, &id).await;
    assert_eq!(shown["instance_id"], id);
    assert_eq!((&shown["user_id"], &shown["name"]), (&json!("crm-7"), &json!("crm-7")), "kept as given");
    assert_eq!((&shown["type_instance"], &shown["auth_status"]), (&json!(["api", "chat"]), &json!("authenticated")));
    let account = client.account(&id).await;
    assert_eq!(shown["account"]["phone_number"], account["phoneNumber"]);
    // Changed here, seen there.
    let change = json!({"name": "Front desk", "limits": {"perMinute": 7}, "user_id": "crm-8"});
    let changed = client.run(client.request(Method::PATCH, &format!("/api/v1/instances/{id}")).json(&change)).await;
    let changed = changed.expect(200);
    assert_eq!((&changed["name"], &changed["user_id"]), (&json!("Front desk"), &json!("crm-8")));
    let account = client.account(&id).await;
    assert_eq!((&account["name"], &account["limits"]["perMinute"]), (&json!("Front desk"), &json!(7)));
    // Stopped, started, restarted.
    let stopped = client.post(&format!("/api/v1/instances/{id}/stop"), json!({})).await.expect(200);
    assert_eq!((&stopped["status"], &stopped["auth_status"]), (&json!("disconnected"), &json!("authenticated")));
    for word in ["start", "restart"] {
        client.run(client.request(Method::POST, &format!("/api/v1/instances/{id}/{word}"))).await.expect(200);
        ready(client, &id).await;
    }
    let memory = client.get(&format!("/api/v1/instances/{id}/memory")).await.expect(200);
    assert_eq!((&memory["status"], &memory["queue_length"]), (&json!("client_ready"), &json!(0)));
    assert!(memory["uptime_seconds"].as_i64().unwrap() >= 0 && memory["connected_at"].is_string(), "{memory}");
    client.delete(&format!("/api/v1/instances/{id}")).await.expect(200);
    client.get(&format!("/api/accounts/{id}")).await.refused(404, "account_not_found");
    // An account of another dialect is one, too.
    let other = client.create(json!({"name": "By the other dialect"})).await;
    let listed = client.get("/api/v1/instances").await.expect(200);
    assert_eq!((&listed["total"], &listed["instances"][0]["id"]), (&json!(1), &json!(other)));
    assert_eq!(
        (&listed["instances"][0]["user_id"], &listed["instances"][0]["status"]),
        (&Value::Null, &json!("pending"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_can_not_be_created_with_is_named_as_the_caller_wrote_it() {
    let app = TestApp::start().await;
    for (body, field) in [
        (json!({"provider": "simulator"}), "user_id"),
        (json!({"user_id": " ", "provider": "simulator"}), "user_id"),
        (json!({"user_id": "a", "provider": "icq"}), "provider"),
        (json!({"user_id": "a", "provider": "simulator", "type_instance": []}), "type_instance"),
        (json!({"user_id": "a", "provider": "simulator", "type_instance": ["a\u{0}"]}), "type_instance"),
        (json!({"user_id": "a", "provider": "simulator", "type_instance": ["x".repeat(51)]}), "type_instance"),
        (json!({"user_id": "a", "provider": "telegram", "config": {}}), "config.token"),
    ] {
        let refused = app.client.post("/api/v1/instances", body.clone()).await.refused(400, "invalid_request");
        assert_eq!(refused["details"][0]["field"], field, "{body}: {refused}");
    }
    assert_eq!(app.client.get("/api/v1/instances").await.expect(200)["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_answers_at_once_though_a_messenger_hangs() {
    // Whoever connects there is never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let app = TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &url)]).await;
    let create = |n: u32| {
        let telegram = json!({"provider": "telegram", "config": {"token": token(n)}});
        let more = if n.is_multiple_of(2) { telegram } else { json!({}) };
        async { instance(&app.client, more).await }
    };
    let created = join_all((0..100).map(create)).await;
    // None of those can have been answered yet: the messenger still has them waiting.
    for instance in created.iter().filter(|instance| instance["provider"] == "telegram") {
        assert_eq!(shown(&app.client, instance["id"].as_str().unwrap()).await["status"], "pending");
    }
    for instance in created.iter().filter(|instance| instance["provider"] == "simulator") {
        ready(&app.client, instance["id"].as_str().unwrap()).await;
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_there_for_who_asks_right_after_the_creation() {
    let app = TestApp::start().await;
    let created = instance(&app.client, json!({"config": {"scanAfterMs": null}})).await;
    let address = format!("/api/v1/instances/{}/qr", id_of(&created));
    let qr = app.client.get(&address).await.expect(200);
    assert!(qr["qr_code"].as_str().unwrap().starts_with("data:image/png;base64,"), "{qr}");
    assert!(qr["success"] == true && qr["code"].is_string() && qr["expires_at"].is_string());
    assert_eq!(shown(&app.client, &id_of(&created)).await["status"], "qr_ready");
    let other = id_of(&instance(&app.client, json!({})).await);
    ready(&app.client, &other).await;
    let refused = app.client.get(&format!("/api/v1/instances/{other}/qr")).await.refused(409, "qr_not_available");
    assert!(refused["error"].as_str().unwrap().contains("client_ready"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_an_instance_opens_that_one_and_nothing_else() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let created = instance(&company.admin, json!({})).await;
    let (id, key) = (id_of(&created), created["api_key"].as_str().unwrap().to_owned());
    let other = id_of(&instance(&company.admin, json!({})).await);
    assert_eq!(shown(&company.admin, &id).await["api_key"], Value::Null, "it is shown once");
    ready(&company.admin, &id).await;
    let program = app.client.with_key(&key);
    let own = format!("/instances/{id}/api/v1/simulator");
    app.client.get(&format!("{own}/health")).await.expect(200);
    app.client.get(&format!("{own}/me")).await.refused(401, "unauthorized");
    assert!(program.get(&format!("{own}/me")).await.expect(200)["phone_number"].as_str().unwrap().starts_with('+'));
    let text = json!({"chatId": "77777777777", "message": "m"});
    let sent = program.post(&format!("{own}/send"), text.clone()).await.expect(200);
    assert_eq!((&sent["provider"], &sent["status"]), (&json!("simulator"), &json!("sent")));
    // Other addresses of that account, and lists, which have it alone.
    program.send(&id, "77777777777", "by the other dialect").await;
    assert_eq!(program.get("/api/v1/instances").await.expect(200)["total"], 1);
    assert_eq!(program.get("/api/accounts").await.expect(200)["pagination"]["total"], 1);
    let stats = program.get("/api/v1/instances/memory/stats").await.expect(200);
    assert_eq!(stats["stats"]["total_instances"], 1);
    let me = program.get("/api/auth/me").await.expect(200);
    assert_eq!((&me["apiKey"]["accountId"], &me["apiKey"]["scope"]), (&json!(id), &json!("send")));
    // What is another account's, or the company's, is not its.
    for path in [format!("/api/accounts/{other}"), format!("/instances/{other}/api/v1/simulator/me")] {
        program.get(&path).await.refused(403, "no_access");
    }
    let send = format!("/instances/{other}/api/v1/simulator/send");
    program.post(&send, text.clone()).await.refused(403, "no_access");
    let body = json!({"accountId": other, "to": "77777777777", "message": "m"});
    program.post("/api/messages/send", body).await.refused(403, "no_access");
    for path in ["/api/whatsapp/stats", "/api/v1/resources/performance", "/api/v1/resources/ports", "/api/managers"] {
        program.get(path).await.refused(403, "forbidden");
    }
    program.post(&format!("/api/v1/instances/{id}/stop"), json!({})).await.refused(403, "forbidden");
    program.get(&format!("/api/accounts/{id}/actions")).await.refused(403, "forbidden");
    // A new one takes its place, and goes with the account.
    let renewed = company.admin.post(&format!("/api/v1/instances/{id}/api-key"), json!({})).await.expect(201);
    program.get(&format!("{own}/me")).await.refused(401, "unauthorized");
    let program = app.client.with_key(renewed["api_key"].as_str().unwrap());
    program.post(&format!("{own}/send"), text).await.expect(200);
    let keys = company.admin.get("/api/api-keys").await.expect(200);
    let of_it = |key: &&Value| key["accountId"] == json!(id);
    assert_eq!(keys["data"].as_array().unwrap().iter().filter(of_it).count(), 1, "{keys}");
    company.admin.delete(&format!("/api/v1/instances/{id}")).await.expect(200);
    program.get("/api/v1/instances").await.refused(401, "unauthorized");
    let keys = company.admin.get("/api/api-keys").await.expect(200);
    assert_eq!(keys["data"].as_array().unwrap().iter().filter(of_it).count(), 0, "{keys}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_of_many_new_keys_is_worth_something() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let id = id_of(&instance(&company.admin, json!({})).await);
    let address = format!("/api/v1/instances/{id}/api-key");
    let renewed = join_all((0..8).map(|_| company.admin.post(&address, json!({})))).await;
    let mut good = 0;
    for key in renewed {
        let key = key.expect(201)["api_key"].as_str().unwrap().to_owned();
        good += u32::from(app.client.with_key(&key).get("/api/auth/me").await.status == 200);
    }
    assert_eq!(good, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_two_accounts_may_number_their_messages_alike() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let mut sent = Vec::new();
    for _ in 0..2 {
        let created = instance(&company.admin, json!({})).await;
        let id = id_of(&created);
        ready(&company.admin, &id).await;
        let program = app.client.with_key(created["api_key"].as_str().unwrap());
        let text = json!({"chatId": "77777777777", "message": "m"});
        let path = format!("/instances/{id}/api/v1/simulator/send");
        for _ in 0..2 {
            let request = program.request(Method::POST, &path).header("Idempotency-Key", "order-17").json(&text);
            sent.push(program.run(request).await.expect(200)["id"].as_str().unwrap().to_owned());
        }
    }
    assert!(sent[0] == sent[1] && sent[2] == sent[3] && sent[0] != sent[2], "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_account_may_send_or_read_and_no_more() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let id = ready_account(&company.admin, json!({})).await;
    let all = json!({"name": "k", "scope": "all", "accountId": id});
    let refused = company.admin.post("/api/api-keys", all).await.refused(400, "invalid_request");
    assert_eq!(refused["details"][0]["field"], "scope");
    let nobody = json!({"name": "k", "accountId": "acc_01jdzn2v3k8q4w6x9y0a2b4c6d"});
    company.admin.post("/api/api-keys", nobody).await.refused(404, "account_not_found");
    let read = json!({"name": "k", "scope": "read", "accountId": id});
    let key = company.admin.post("/api/api-keys", read).await.expect(201);
    let reader = app.client.with_key(key["key"].as_str().unwrap());
    reader.get(&format!("/api/accounts/{id}")).await.expect(200);
    let body = json!({"accountId": id, "to": "77777777777", "message": "m"});
    reader.post("/api/messages/send", body).await.refused(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_waits_for_the_messenger_and_says_so_if_that_takes_too_long() {
    let clock = Clock::manual(Clock::system().now());
    let app = TestApp::on(&[], clock.clone()).await;
    let created =
        instance(&app.client, json!({"config": {"scanAfterMs": 0, "faults": ["refuse", "hang"], "latencyMs": [0, 0]}}));
    let id = id_of(&created.await);
    let client = &app.client;
    let step = async || clock.advance_to(clock.now() + TimeDelta::seconds(1));
    eventually("it is ready", 20, async || {
        step().await;
        (shown(client, &id).await["status"] == "client_ready").then_some(())
    })
    .await;
    let address = format!("/api/v1/multi-provider/instances/simulator/{id}/send-message");
    let text = json!({"chatId": "77777777777", "message": "m"});
    let refused = client.post(&address, text.clone()).await.expect(202);
    assert_eq!((&refused["messageId"], &refused["status"]), (&Value::Null, &json!("failed")));
    assert_eq!(refused["lastError"]["code"], "refused");
    let waiting = tokio::spawn({
        let (client, address, text) = (client.clone(), address.clone(), text.clone());
        async move { client.post(&address, text).await }
    });
    let late = eventually("the caller has waited long enough", 20, async || {
        step().await;
        waiting.is_finished().then_some(())
    });
    late.await;
    let late = waiting.await.unwrap().expect(202);
    assert_eq!((&late["messageId"], &late["status"]), (&Value::Null, &json!("sending")));
    client.message(late["id"].as_str().unwrap()).await;
    // Nor is waited for what is known not to come in time.
    let other = json!({"config": {"scanAfterMs": 0, "latencyMs": [0, 0]}, "limits": {"perMinute": 1}});
    let other = id_of(&instance(&app.client, other).await);
    eventually("it is ready", 20, async || {
        step().await;
        (shown(client, &other).await["status"] == "client_ready").then_some(())
    })
    .await;
    let of_other = address.replace(&id, &other);
    client.post(&of_other, text.clone()).await.expect(200);
    let later = client.post(&of_other, text.clone()).await.expect(202);
    assert!(later["estimatedSendAt"].is_string() && later["status"] == "queued", "{later}");
    // Of one that is held nobody waits for anything.
    client.post(&format!("/api/accounts/{id}/queue/pause"), json!({})).await.expect(200);
    let held = client.post(&address, text.clone()).await.expect(202);
    assert_eq!((&held["status"], &held["holdReason"]), (&json!("queued"), &json!("paused")));
    // The address names the messenger, too.
    let wrong = address.replace("simulator", "telegram");
    client.post(&wrong, text).await.refused(404, "account_not_found");
    let refused =
        client.post(&address, json!({"chatId": "nobody", "message": "m"})).await.refused(422, "invalid_number");
    assert_eq!(refused["details"][0]["field"], "chatId");
}

/// What each address says of how many there are.
async fn counts(client: &Client) -> Vec<(&'static str, Value)> {
    let stats = client.get("/api/v1/instances/memory/stats").await.expect(200)["stats"].clone();
    let sessions = client.get("/api/whatsapp/stats").await.expect(200)["data"]["sessions"].clone();
    let listed = client.get("/api/v1/instances?limit=200").await.expect(200);
    let accounts = client.get("/api/accounts?limit=200").await.expect(200);
    let of = |list: &Value, field: &str, word: &str| {
        json!(list.as_array().unwrap().iter().filter(|one| one[field] == word).count())
    };
    let sum = |counts: &Value| json!(counts.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>());
    let number = |value: &Value| if value.is_null() { json!(0) } else { value.clone() };
    vec![
        ("total", stats["total_instances"].clone()),
        ("total", sessions["total"].clone()),
        ("total", listed["total"].clone()),
        ("total", accounts["pagination"]["total"].clone()),
        ("total", sum(&stats["by_status"])),
        ("total", sum(&stats["by_provider"])),
        ("active", stats["active_instances"].clone()),
        ("active", sessions["active"].clone()),
        ("connected", stats["connected_instances"].clone()),
        ("connected", sessions["connected"].clone()),
        ("connected", number(&stats["by_status"]["client_ready"])),
        ("connected", of(&listed["instances"], "status", "client_ready")),
        ("connected", of(&accounts["data"], "status", "CONNECTED")),
        ("paired", stats["authenticated_instances"].clone()),
        ("paired", of(&listed["instances"], "auth_status", "authenticated")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn all_counts_agree_whatever_changes() {
    let app = TestApp::start().await;
    let client = &app.client;
    let agree = async |total: u64, connected: u64, paired: u64| {
        for (word, count) in counts(client).await {
            let expected = match word {
                "total" => total,
                "paired" => paired,
                _ => connected,
            };
            assert_eq!(count, expected, "{word} of {:?}", counts(client).await);
        }
    };
    agree(0, 0, 0).await;
    let mut ids = Vec::new();
    for n in 1..=3 {
        ids.push(ready_account(client, json!({})).await);
        agree(n, n, n).await;
    }
    client.create(json!({"name": "Never connected"})).await;
    agree(4, 3, 3).await;
    client.post(&format!("/api/accounts/{}/disconnect", ids[0]), json!({})).await.expect(200);
    agree(4, 2, 3).await;
    client.post(&format!("/api/v1/instances/{}/stop", ids[1]), json!({})).await.expect(200);
    agree(4, 1, 3).await;
    client.post(&format!("/api/accounts/{}/disconnect", ids[0]), json!({"logout": true})).await.expect(200);
    agree(4, 1, 2).await;
    client.delete(&format!("/api/whatsapp/sessions/{}", ids[2])).await.expect(200);
    agree(3, 0, 1).await;
    // What waits and what left, in the figures of the whole and in those of each.
    client.post(&format!("/api/v1/instances/{}/start", ids[1]), json!({})).await.expect(200);
    ready(client, &ids[1]).await;
    let sent = client.send(&ids[1], "77777777777", "one").await;
    client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    client.send(&ids[0], "77777777777", "waits").await;
    let performance = client.get("/api/v1/resources/performance").await.expect(200);
    assert_eq!((&performance["queue"]["waiting"], &performance["sends_per_minute"]), (&json!(1), &json!(1)));
    let memory = client.get(&format!("/api/v1/instances/{}/memory", ids[1])).await.expect(200);
    assert_eq!((&memory["sent_last_minute"], &memory["queue_length"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_the_process_are_real() {
    let app = TestApp::start().await;
    let figures = app.client.get("/api/v1/resources/performance").await.expect(200);
    assert_eq!(figures["systemHealth"]["status"], "healthy");
    let memory = &figures["memory"];
    let number = |name: &str| memory[name].as_u64().unwrap();
    assert!(number("process_bytes") > 10 << 20 && number("process_bytes") < number("total_bytes"), "{memory}");
    assert!(number("available_bytes") > 0 && number("available_bytes") < number("total_bytes"), "{memory}");
    assert_eq!((number("browsers"), number("browsers_bytes")), (0, 0));
    assert!(figures["cpu"]["cores"].as_u64().unwrap() >= 1, "{figures}");
    assert!(figures["cpu"]["process_percent"].as_f64().unwrap() >= 0.0, "{figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_answers_with_the_messengers_own_id() {
    let api = BotApi::start();
    let app = TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &api.url)]).await;
    let bot = json!({"provider": "telegram", "config": {"token": token(1)}, "limits": {"delayMs": [0, 0]}});
    let id = id_of(&instance(&app.client, bot).await);
    ready(&app.client, &id).await;
    // As the report's curl line has it: no word that it is JSON.
    let request = app.client.request(Method::POST, &format!("/instances/{id}/api/v1/telegram/send"));
    let body = r#"{"chatId":"134527512","message":"Тест!"}"#;
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body);
    let sent = app.client.run(request).await.expect(200);
    assert_eq!((&sent["provider"], api.taken()[0].chat.as_str()), (&json!("telegram"), "134527512"));
    let row = app.client.message(sent["id"].as_str().unwrap()).await;
    assert_eq!(row["providerMessageId"], sent["messageId"]);
}
