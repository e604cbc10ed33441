//! Ports of accounts' own: listeners that come and go with their accounts, behind which there is one account
//! and nothing else.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use andante::clock::Clock;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Company, TestApp, eventually, free_ports, guarded, ready_account};

async fn instance(client: &Client) -> (String, u16, Value) {
    let config = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null});
    let body = json!({"user_id": "test", "provider": "simulator", "use_limits": false, "config": config});
    let created = client.post("/api/v1/instances", body).await.expect(201);
    let id = created["id"].as_str().unwrap().to_owned();
    assert_eq!(created["port"], created["port_api"]);
    client.status(&id, "CONNECTED").await;
    (id, port_of(&created), created)
}

fn port_of(instance: &Value) -> u16 {
    instance["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or_else(|| panic!("no port: {instance}"))
}

fn at(port: u16) -> Client {
    Client::new(&format!("http://127.0.0.1:{port}"))
}

fn is_listened_at(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

async fn closes(port: u16) {
    eventually("nobody listens there any more", 10, async || (!is_listened_at(port)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_answers_at_its_own_port_and_nothing_else_does() {
    let range = free_ports(4);
    let app = guarded(&[("ANDANTE_INSTANCE_PORTS", &range)]).await;
    let company = Company::register(&app.client, "clinic").await;
    let (id, port, created) = instance(&company.admin).await;
    let (other, other_port, _) = instance(&company.admin).await;
    assert_ne!(port, other_port);
    for path in ["/health", "/api/v1/health", "/api/v1/simulator/health"] {
        let health = at(port).get(path).await.expect(200);
        assert_eq!((&health["status"], &health["provider"]), (&json!("healthy"), &json!("simulator")), "{path}");
    }
    let own = at(port).with_key(created["api_key"].as_str().unwrap());
    assert_eq!(own.get("/api/v1/simulator/me").await.expect(200)["id"], id);
    let text = json!({"chatId": "77777777777", "message": "m"});
    let sent = own.post("/api/v1/simulator/send", text.clone()).await.expect(200);
    assert_eq!(company.admin.message(sent["id"].as_str().unwrap()).await["accountId"], id);
    at(port).post("/api/v1/simulator/send", text.clone()).await.refused(401, "unauthorized");
    // The key of the one at the port of the other.
    let key = created["api_key"].as_str().unwrap();
    at(other_port).with_key(key).post("/api/v1/simulator/send", text).await.refused(403, "no_access");
    // Nothing of the server is there, whatever the way to it.
    let admin = at(port).with_key(&company.token);
    let there = format!("/api/v1/instances/{id}");
    let escapes =
        ["/api/accounts", "/metrics", "/openapi.json", "/", "/login", &there, "/../../api/accounts", "/%2e%2e/"];
    for path in escapes.into_iter().chain(["//api/accounts", "/api/v1/telegram/health", "/static/app.js"]) {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    let request = admin.request(Method::GET, &format!("/instances/{other}/health"));
    assert_eq!(admin.run(request).await.status, 404);
    let ports = company.admin.get("/api/v1/resources/ports").await.expect(200);
    assert_eq!((&ports["range"], &ports["total"]), (&json!(range), &json!(4)));
    assert_eq!((&ports["used"], &ports["available"]), (&json!(2), &json!(2)));
    assert_eq!(
        ports["instances"],
        json!([{"instance_id": id, "port": port}, {"instance_id": other, "port": other_port}])
    );
    // Of another company's instances nothing is told.
    let stranger = Company::register(&app.client, "other").await;
    let ports = stranger.admin.get("/api/v1/resources/ports").await.expect(200);
    assert_eq!((&ports["used"], &ports["instances"]), (&json!(2), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_closes_with_its_account_and_is_the_same_after_a_restart() {
    let range = free_ports(5);
    let mut app = TestApp::with(&[("ANDANTE_INSTANCE_PORTS", &range)]).await;
    let (first, first_port, _) = instance(&app.client).await;
    let (_, second_port, _) = instance(&app.client).await;
    // However it is removed.
    app.client.delete(&format!("/api/whatsapp/sessions/{first}")).await.expect(200);
    closes(first_port).await;
    let (third, third_port, _) = instance(&app.client).await;
    assert_ne!(third_port, first_port, "who calls by an old address reaches nobody else");
    app.client.post(&format!("/api/v1/instances/{third}/stop"), json!({})).await.expect(200);
    assert!(is_listened_at(third_port), "an instance that is stopped answers all the same");
    app.stop().await;
    assert!(!is_listened_at(second_port) && !is_listened_at(third_port), "a port is left open");
    app.resume().await;
    assert_eq!(at(third_port).get("/api/v1/health").await.expect(200)["instance_status"], "disconnected");
    let ports = app.client.get("/api/v1/resources/ports").await.expect(200);
    let found: Vec<u16> = ports["instances"].as_array().unwrap().iter().map(port_of).collect();
    assert_eq!((found, &ports["used"]), (vec![second_port, third_port], &json!(2)));
    // Also over a restart: the port of one that is gone comes last.
    app.client.delete(&format!("/api/v1/instances/{third}")).await.expect(200);
    closes(third_port).await;
    app.stop().await;
    app.resume().await;
    let (_, fourth_port, _) = instance(&app.client).await;
    assert!(![first_port, second_port, third_port].contains(&fourth_port), "{fourth_port}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_program_has_is_left_to_it() {
    let range = free_ports(2);
    let (first, last) =
        range.split_once('-').map(|(a, b)| (a.parse::<u16>().unwrap(), b.parse::<u16>().unwrap())).unwrap();
    let others = TcpListener::bind(("127.0.0.1", first)).unwrap();
    let mut app = TestApp::with(&[("ANDANTE_INSTANCE_PORTS", &range)]).await;
    let (id, port, _) = instance(&app.client).await;
    assert_eq!(port, last);
    let body = json!({"user_id": "one too many", "provider": "simulator"});
    app.client.post("/api/v1/instances", body).await.refused(409, "no_free_port");
    // An account of another dialect needs none.
    let without = ready_account(&app.client, json!({})).await;
    let shown = app.client.get(&format!("/api/v1/instances/{without}")).await.expect(200);
    assert_eq!(shown["port"], Value::Null);
    // While the server was down, the other program has taken the account's.
    app.stop().await;
    drop(others);
    let others = TcpListener::bind(("127.0.0.1", last)).unwrap();
    app.resume().await;
    let shown = async |id: &str| app.client.get(&format!("/api/v1/instances/{id}")).await.expect(200);
    assert_eq!(shown(&id).await["port"], last, "it waits for its own");
    assert_eq!(shown(&without).await["port"], first, "what had none has one now");
    assert_eq!(at(first).get("/health").await.expect(200)["provider"], "simulator");
    let logs = app.client.get(&format!("/api/v1/instances/{id}/logs?level=warn")).await.expect(200);
    let told = logs["logs"].as_array().unwrap().iter().any(|line| line["message"].as_str().unwrap().contains("port"));
    assert!(told, "{logs}");
    drop(others);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_holds_up_neither_the_port_nor_the_stop() {
    let range = free_ports(2);
    let mut app = TestApp::with(&[("ANDANTE_INSTANCE_PORTS", &range)]).await;
    let (_, port, _) = instance(&app.client).await;
    let clock = Clock::system();
    let stop = async |app: &mut TestApp| {
        let began = clock.now();
        app.stop().await;
        clock.now() - began
    };
    let alone = stop(&mut app).await;
    app.resume().await;
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    at(port).get("/health").await.expect(200);
    let beside = stop(&mut app).await;
    assert!(!is_listened_at(port));
    // A client may take five seconds to say what it wants.
    assert!(beside < alone + TimeDelta::seconds(4), "{beside} instead of {alone}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_at_the_port_of_an_account_that_is_removed_hears_what_became_of_the_message() {
    let range = free_ports(2);
    let app = TestApp::with(&[("ANDANTE_INSTANCE_PORTS", &range)]).await;
    let config = json!({"scanAfterMs": 0, "latencyMs": [60_000, 60_000]});
    let id = ready_account(&app.client, json!({"config": config})).await;
    let port = port_of(&app.client.get(&format!("/api/v1/instances/{id}")).await.expect(200));
    let send = |client: Client, path: String| {
        tokio::spawn(async move { client.post(&path, json!({"chatId": "77777777777", "message": "m"})).await })
    };
    let own = send(at(port), "/api/v1/simulator/send".to_owned());
    let main = send(app.client.clone(), format!("/instances/{id}/api/v1/simulator/send"));
    eventually("both wait", 20, async || (app.client.queue(&id).await["queueLength"] == 2).then_some(())).await;
    app.client.delete(&format!("/api/v1/instances/{id}")).await.expect(200);
    for waiting in [own, main] {
        let answer = tokio::time::timeout(Duration::from_secs(15), waiting).await.expect("it is answered");
        let status = answer.unwrap().expect(202)["status"].as_str().unwrap().to_owned();
        assert!(["cancelled", "uncertain"].contains(&&*status), "{status}");
    }
}
