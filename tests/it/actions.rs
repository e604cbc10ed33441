//! Who did what to which account.

use andante::clock::Clock;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Client, Company, Postgres, TestApp, guarded, ready_account};

async fn actions(client: &Client, id: &str) -> Vec<Value> {
    let listed = client.get(&format!("/api/accounts/{id}/actions?limit=200")).await.expect(200);
    listed["data"].as_array().unwrap().clone()
}

fn words(actions: &[Value]) -> Vec<&str> {
    actions.iter().map(|action| action["action"].as_str().unwrap()).collect()
}

async fn all_that_is_done_is_kept(app: TestApp) {
    let company = Company::register(&app.client, "clinic").await;
    let admin = company.admin.from("203.0.113.7");
    let key = company.key("all").await;
    let program = app.client.with_key(&key).from("198.51.100.4, 2001:db8::1");
    let id = ready_account(&admin, json!({"name": "Front desk"})).await;
    program.put(&format!("/api/accounts/{id}"), json!({"limits": {"perMinute": 7}})).await.expect(200);
    admin.put(&format!("/api/accounts/{id}"), json!({"name": "Desk", "proxy": null})).await.expect(200);
    admin.pause(&id, true).await;
    admin.send(&id, "77777777777", "waits").await;
    admin.delete(&format!("/api/accounts/{id}/queue")).await.expect(200);
    program.pause(&id, false).await;
    let manager = company.manager("anna").await;
    company.grant(&id, &manager, &["read", "write"]).await;
    let access = format!("/api/whatsapp/sessions/{id}/managers/{}", manager.id);
    admin.delete(&access).await.expect(200);
    admin.post(&format!("/api/v1/instances/{id}/api-key"), json!({})).await.expect(201);
    admin.post(&format!("/api/accounts/{id}/disconnect"), json!({})).await.expect(200);
    admin.post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    // What a refused caller wanted is none.
    manager.client.delete(&format!("/api/accounts/{id}")).await.refused(403, "forbidden");
    admin.delete(&format!("/api/accounts/{id}")).await.expect(200);
    let found = actions(&admin, &id).await;
    let expected = [
        "removed",
        "logged_out",
        "disconnected",
        "key_made",
        "revoked",
        "granted",
        "resumed",
        "cleared",
        "paused",
        "changed",
        "limits_changed",
        "paired",
        "connected",
        "created",
    ];
    assert_eq!(words(&found), expected, "the latest first, also of one that is gone");
    let of = |word: &str| found.iter().find(|action| action["action"] == word).unwrap();
    let created = of("created");
    assert_eq!((&created["by"]["kind"], &created["from"]), (&json!("user"), &json!("203.0.113.7")));
    assert_eq!(created["by"]["name"], "admin@clinic.example");
    assert_eq!(created["details"], json!({"name": "Front desk", "provider": "simulator", "port": null}));
    let limits = of("limits_changed");
    assert_eq!((&limits["by"]["kind"], &limits["by"]["name"]), (&json!("api_key"), &json!("all")));
    assert_eq!(limits["from"], "2001:db8::1", "what the proxy itself says");
    assert_eq!(limits["details"]["limits"]["perMinute"], 7);
    let changed = json!({"fields": ["name", "proxy"], "name": "Desk"});
    assert_eq!(of("changed")["details"], changed, "names, and never what a secret is");
    assert_eq!(limits["details"]["was"]["limits"], json!({}));
    assert_eq!((&of("paired")["by"]["kind"], &of("paired")["from"]), (&json!("visitor"), &Value::Null));
    assert_eq!(of("cleared")["details"], json!({"cleared": 1}));
    assert_eq!(of("granted")["details"]["permissions"], json!(["read", "write"]));
    assert_eq!(of("granted")["details"]["managerId"], json!(manager.id));
    let page = admin.get(&format!("/api/accounts/{id}/actions?limit=2&page=2")).await.expect(200);
    assert_eq!(words(page["data"].as_array().unwrap()), expected[2..4]);
    // Nobody else sees them.
    let stranger = Company::register(&app.client, "other").await;
    stranger.admin.get(&format!("/api/accounts/{id}/actions")).await.refused(404, "account_not_found");
    manager.client.get(&format!("/api/accounts/{id}/actions")).await.refused(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_done_to_an_account_is_kept_on_sqlite() {
    all_that_is_done_is_kept(guarded(&[("ANDANTE_BEHIND_PROXY", "true")]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_done_to_an_account_is_kept_on_postgres() {
    let database = Postgres::database().await;
    all_that_is_done_is_kept(guarded(&[("ANDANTE_BEHIND_PROXY", "true"), ("DATABASE_URL", &database)]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_by_the_pairing_page_is_a_visitor() {
    let app = TestApp::start().await;
    let id = app.client.create(json!({"name": "A", "config": {"scanAfterMs": null}})).await;
    app.client.post(&format!("/qr/{id}/start"), json!({})).await.expect(200);
    let found = actions(&app.client, &id).await;
    assert_eq!(words(&found), ["connected", "created"]);
    assert_eq!((&found[0]["by"]["kind"], &found[0]["from"]), (&json!("visitor"), &json!("127.0.0.1")));
    assert_eq!(found[1]["by"]["kind"], "anyone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_forgotten_after_ninety_days() {
    let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let mut app = TestApp::on(&[], clock.clone()).await;
    let id = app.client.create(json!({"name": "A"})).await;
    clock.advance_to(clock.now() + TimeDelta::days(60));
    app.client.pause(&id, true).await;
    assert_eq!(words(&actions(&app.client, &id).await), ["paused", "created"]);
    clock.advance_to(clock.now() + TimeDelta::days(31));
    assert_eq!(words(&actions(&app.client, &id).await), ["paused"]);
    app.client.pause(&id, false).await;
    let kept = async |app: &TestApp| {
        let beginning = "1970-01-01T00:00:00Z".parse().unwrap();
        let (rows, _) =
            app.app().store.actions(entity::ids::CompanyId::DEFAULT, TestApp::id(&id), beginning, 0, 10).await.unwrap();
        rows.len()
    };
    assert_eq!(kept(&app).await, 2, "what is too old went when something new came");
    app.stop().await;
    clock.advance_to(clock.now() + TimeDelta::days(90));
    app.resume().await;
    assert_eq!(kept(&app).await, 1, "or at a start");
}
