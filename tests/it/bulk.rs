//! Many messages in one request, and templates.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Binary, TestApp};

async fn bulk(app: &TestApp, key: Option<&str>, account: &str, messages: Value) -> Answer {
    let mut request = app.client.request(Method::POST, "/api/messages/bulk");
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    app.client.run(request.json(&json!({"accountId": account, "messages": messages}))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_entries_are_refused_singly_and_the_rest_keep_their_order() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let messages = json!([
        {"to": "77777777771", "message": "one"},
        {"to": "not a number", "message": "two"},
        {"to": [5], "message": "three"},
        "four",
        {"to": "77777777775"},
        {"to": "77777777776", "message": "six", "priority": 12},
        {"to": "77777777777", "message": "seven"},
    ]);
    let body = bulk(&app, None, &account, messages).await.expect(202);
    assert_eq!((&body["accepted"], &body["refused"]), (&json!(2), &json!(5)));
    let results = body["results"].as_array().unwrap();
    let codes: Vec<&str> = results.iter().map(|r| r["code"].as_str().unwrap_or("accepted")).collect();
    let invalid = "invalid_request";
    assert_eq!(codes, ["accepted", "invalid_number", invalid, invalid, invalid, invalid, "accepted"]);
    assert_eq!(results[0]["queuePosition"], 1);
    assert_eq!(results[6]["queuePosition"], 2);
    let queue = app.client.queue(&account).await;
    assert_eq!(queue["messages"][0]["message"], "one");
    assert_eq!(queue["messages"][1]["message"], "seven");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_keep_their_order_and_one_more_is_too_many() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let many: Vec<Value> = (0..10_000).map(|i| json!({"to": "77777777777", "message": format!("m{i}")})).collect();
    let body = bulk(&app, None, &account, json!(many)).await.expect(202);
    assert_eq!(body["accepted"], 10_000);
    for (index, result) in body["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!(result["queuePosition"], index + 1);
    }
    let queue = app.client.queue(&account).await;
    assert_eq!(queue["queueLength"], 10_000);
    assert_eq!(queue["messages"].as_array().unwrap().len(), 100);
    assert_eq!(queue["messages"][99]["message"], "m99");
    let mut more = many;
    more.push(more[0].clone());
    bulk(&app, None, &account, json!(more)).await.refused(400, "invalid_request");
    bulk(&app, None, &account, json!([])).await.refused(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_may_be_repeated_as_a_whole() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let messages = json!([{"to": "77777777771", "message": "one"}, {"to": "x", "message": "bad"}, {"to": "77777777772", "message": "two"}]);
    let first = bulk(&app, Some("k"), &account, messages.clone()).await;
    assert!(!first.headers.contains_key("Idempotent-Replayed"));
    let first = first.expect(202);
    let again = bulk(&app, Some("k"), &account, messages).await;
    assert_eq!(again.headers["Idempotent-Replayed"], "true");
    let again = again.expect(202);
    for index in [0, 2] {
        assert_eq!(again["results"][index]["messageId"], first["results"][index]["messageId"]);
    }
    let other = json!([{"to": "77777777771", "message": "changed"}]);
    bulk(&app, Some("k"), &account, other).await.refused(409, "idempotency_key_taken");
    assert_eq!(app.client.get("/api/messages").await.expect(200)["pagination"]["total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_filled_and_what_it_lacks_is_named() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let post = async |template: &str, variables: Value| {
        let body = json!({"accountId": account, "to": "77777777777", "template": template, "variables": variables});
        app.client.post("/api/messages/send", body).await
    };
    let sent = post("Dear {{ name }}, see you at {{hour}}:00", json!({"name": "Айгуль", "hour": 9})).await.expect(202);
    let message = app.client.message(sent["messageId"].as_str().unwrap()).await;
    assert_eq!(message["message"], "Dear Айгуль, see you at 9:00");
    let refused = post("Dear {{name}}, {{when}}", json!({"name": null})).await.refused(422, "missing_variable");
    assert_eq!(
        refused["details"][0],
        json!({"field": "variables", "message": "there is nothing for {{name}}, {{when}}"})
    );
    post("Dear {{name}}", json!({"name": {}})).await.refused(400, "invalid_request");
    let places = |count| (0..count).map(|n| format!("{{{{{n}}}}}")).collect::<String>();
    let refused = post(&places(50), json!({})).await.refused(422, "missing_variable");
    assert!(refused["error"].as_str().unwrap().ends_with("{{4}} and 45 more"), "{refused}");
    post(&places(51), json!({})).await.refused(400, "invalid_request");
    let braces =
        json!({"accountId": account, "to": "77777777777", "message": "Dear {{name}}", "variables": {"name": "x"}});
    let refused = app.client.post("/api/messages/send", braces).await.refused(400, "invalid_request");
    assert_eq!(refused["details"][0]["field"], "variables");
    post("Dear {{name", json!({"name": "x"})).await.refused(400, "invalid_request");
    post("{{x}}", json!({"x": "y".repeat(5_000)})).await.refused(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_takes_is_in_proportion_to_its_size() {
    let server = Binary::start(&[]);
    let account = server.client.create(json!({"name": "A"})).await;
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    };
    let before = memory();
    for entry in ["1", "{\"a\":0}", "[[],[],[],[],[],[],[],[]]"] {
        let body = format!(
            "{{\"accountId\":\"{account}\",\"messages\":[{}]}}",
            vec![entry; 30_000_000 / (entry.len() + 1)].join(",")
        );
        let request = server.client.request(Method::POST, "/api/messages/bulk");
        let request = request.header("Content-Type", "application/json").body(body);
        server.client.run(request).await.refused(400, "invalid_request");
    }
    // What stands for nothing in a text is not kept as it is written.
    let deep = format!("{{\"b\":[{}]}}", vec!["{\"\":0}"; 30_000].join(","));
    let entry = format!("{{\"to\":\"77777777777\",\"template\":\"{{{{b}}}}\",\"variables\":{deep}}}");
    let body = format!("{{\"accountId\":\"{account}\",\"messages\":[{}]}}", vec![entry; 140].join(","));
    let request = server.client.request(Method::POST, "/api/messages/bulk");
    let request = request.header("Content-Type", "application/json").body(body);
    assert_eq!(server.client.run(request).await.expect(202)["refused"], 140);
    // A small template that stands for much is not written out.
    let template = json!({"accountId": account, "to": "77777777777", "template": "{{a}}".repeat(800),
                          "variables": {"a": "x".repeat(250_000)}});
    server.client.post("/api/messages/send", template).await.refused(400, "invalid_request");
    let took = memory() - before;
    assert!(took < 150, "30 MB took {took} MB");
    // Nor is one entry among few any larger than a request of its own may be.
    let large = json!({"to": "77777777777", "message": "m", "variables": {"a": vec![json!([]); 200_000]}});
    let messages = json!([large, {"to": "77777777777", "message": "m"}]);
    let answer = server.client.post("/api/messages/bulk", json!({"accountId": account, "messages": messages})).await;
    let answer = answer.expect(202);
    assert_eq!((&answer["results"][0]["code"], &answer["accepted"]), (&json!("too_large"), &json!(1)));
}
