//! Templates: kept by admins, read by who may send, filled for each message at its acceptance.

use andante::clock::Clock;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Company, Postgres, TestApp, guarded, picture, ready_account};

async fn template(app: &TestApp, name: &str, text: &str) -> String {
    let made = app.client.post("/api/templates", json!({"name": name, "text": text})).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_made_listed_changed_and_removed() {
    let url = Postgres::database().await;
    for settings in [vec![], vec![("DATABASE_URL", url.as_str())]] {
        let app = TestApp::with(&settings).await;
        let made =
            app.client.post("/api/templates", json!({"name": " Reminder ", "text": "{{b}}, {{ a }}, {{b}}"})).await;
        let made = made.expect(201);
        assert_eq!((&made["name"], &made["variables"]), (&json!("Reminder"), &json!(["b", "a"])));
        let id = made["id"].as_str().unwrap();
        template(&app, "Absent", "We missed you").await;
        let list = app.client.get("/api/templates").await.expect(200);
        let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!((names, &list["pagination"]["total"]), (vec![&json!("Absent"), &json!("Reminder")], &json!(2)));
        let taken = json!({"name": "Absent", "text": "m"});
        app.client.post("/api/templates", taken.clone()).await.refused(409, "template_exists");
        app.client.put(&format!("/api/templates/{id}"), taken).await.refused(409, "template_exists");
        let changed = app.client.put(&format!("/api/templates/{id}"), json!({"text": "See you"})).await.expect(200);
        assert_eq!(
            (&changed["name"], &changed["text"], &changed["variables"]),
            (&json!("Reminder"), &json!("See you"), &json!([]))
        );
        for (body, field) in [
            (json!({"name": "n", "text": "{{a"}), "text"),
            (json!({"name": "n", "text": "{{ }}"}), "text"),
            (json!({"name": "", "text": "m"}), "name"),
            (json!({"name": "n", "text": "я".repeat(4_097)}), "text"),
            (json!({"name": "n"}), "text"),
        ] {
            let refused = app.client.post("/api/templates", body).await.refused(400, "invalid_request");
            assert_eq!(refused["details"][0]["field"], field);
        }
        app.client.delete(&format!("/api/templates/{id}")).await.expect(200);
        app.client.delete(&format!("/api/templates/{id}")).await.refused(404, "template_not_found");
        app.client.put(&format!("/api/templates/{id}"), json!({"text": "m"})).await.refused(404, "template_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_has_a_bound_of_templates() {
    let app = TestApp::start().await;
    for number in 0..200 {
        template(&app, &format!("{number}"), "m").await;
    }
    app.client.post("/api/templates", json!({"name": "one more", "text": "m"})).await.refused(409, "template_limit");
    let list = app.client.get("/api/templates?limit=200").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_of_10_000_is_filled_as_it_is_accepted() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let id = template(&app, "Reminder", "Dear {{name}}, you are number {{n}}.").await;
    let messages: Vec<Value> = (0..10_000)
        .map(|n| match n {
            7 => json!({"to": "77777777777", "template": {"id": id}, "variables": {"n": n}}),
            8 => json!({"to": "77777777777", "template": {"id": "tpl_1"}, "variables": {}}),
            n => json!({"to": "77777777777", "template": {"id": id}, "variables": {"name": "Айгуль", "n": n}}),
        })
        .collect();
    let body = json!({"accountId": account, "messages": messages});
    let answer = app.client.post("/api/messages/bulk", body).await.expect(202);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(9_998), &json!(2)));
    assert_eq!(answer["results"][7]["code"], "missing_variable");
    assert!(answer["results"][7]["error"].as_str().unwrap().contains("{{name}}"), "{}", answer["results"][7]);
    assert_eq!(answer["results"][8]["code"], "template_not_found");
    // What becomes of the template is nothing to them.
    app.client.put(&format!("/api/templates/{id}"), json!({"text": "other"})).await.expect(200);
    app.client.delete(&format!("/api/templates/{id}")).await.expect(200);
    let last = app.client.message(answer["results"][9_999]["messageId"].as_str().unwrap()).await;
    assert_eq!(last["message"], "Dear Айгуль, you are number 9999.");
    let gone = json!({"accountId": account, "to": "77777777777", "template": {"id": id}});
    app.client.post("/api/messages/send", gone).await.refused(404, "template_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_the_same_message_whatever_became_of_what_it_names() {
    let clock = Clock::manual(Clock::system().now());
    let app = TestApp::on(&[], clock.clone()).await;
    let account = app.client.create(json!({"name": "A"})).await;
    let id = template(&app, "Reminder", "Dear {{name}}").await;
    let media = app.client.uploaded("a.png", picture(100)).await;
    let bodies = [
        json!({"accountId": account, "to": "77777777777", "template": {"id": id}, "variables": {"name": "x"}}),
        json!({"accountId": account, "to": "77777777777", "media": {"id": media}}),
    ];
    let post = async |number: usize, body: &Value| {
        let request = app.client.request(Method::POST, "/api/messages/send");
        app.client.run(request.header("Idempotency-Key", format!("k{number}")).json(body)).await
    };
    let mut first = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        first.push(post(number, body).await.expect(202)["messageId"].clone());
    }
    app.client.put(&format!("/api/templates/{id}"), json!({"text": "{{other}}"})).await.expect(200);
    clock.advance_to(clock.now() + TimeDelta::days(91));
    for _ in 0..2 {
        for (number, body) in bodies.iter().enumerate() {
            let again = post(number, body).await;
            assert_eq!(again.headers["idempotent-replayed"], "true");
            assert_eq!(again.expect(202)["messageId"], first[number]);
        }
        app.client.delete(&format!("/api/templates/{id}")).await;
    }
    let other = json!({"accountId": account, "to": "77777777777", "template": {"id": id}, "variables": {"name": "y"}});
    post(0, &other).await.refused(409, "idempotency_key_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_are_their_company_s() {
    let app = guarded(&[]).await;
    let ours = Company::register(&app.client, "ours").await;
    let theirs = Company::register(&app.client, "theirs").await;
    let body = json!({"name": "Reminder", "text": "Hello {{name}}"});
    let id = ours.admin.post("/api/templates", body.clone()).await.expect(201)["id"].as_str().unwrap().to_owned();
    theirs.admin.post("/api/templates", body.clone()).await.expect(201);
    for answer in [
        theirs.admin.put(&format!("/api/templates/{id}"), json!({"name": "n"})).await,
        theirs.admin.delete(&format!("/api/templates/{id}")).await,
    ] {
        answer.refused(404, "template_not_found");
    }
    let own = ready_account(&theirs.admin, json!({})).await;
    let send = json!({"accountId": own, "to": "77777777777", "template": {"id": id}, "variables": {"name": "x"}});
    theirs.admin.post("/api/messages/send", send).await.refused(404, "template_not_found");
    // A manager who may send reads and uses them, and changes none.
    let account = ready_account(&ours.admin, json!({})).await;
    let manager = ours.manager("anna").await;
    ours.grant(&account, &manager, &["read", "write"]).await;
    assert_eq!(manager.client.get("/api/templates").await.expect(200)["pagination"]["total"], 1);
    manager.client.post("/api/templates", body).await.refused(403, "forbidden");
    let send = json!({"accountId": account, "to": "77777777777", "template": {"id": id}, "variables": {"name": "x"}});
    let sent = manager.client.post("/api/messages/send", send).await.expect(202);
    assert_eq!(manager.client.message(sent["messageId"].as_str().unwrap()).await["message"], "Hello x");
}
