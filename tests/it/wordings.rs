//! Every 400 about accounts, people and sessions, word for word as [`crate::sentences`] asks for.

use serde_json::{Value, json};

use crate::bot_api::token;
use crate::harness::TestApp;
use crate::sentences::{Asked, company, spoilt, with};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_account_is_said_in_plain_words() {
    let (_app, company, account) = company().await;
    let mut asked = Asked::new(&company.admin);
    let new = json!({"name": "A"});
    let fields = ["useLimits", "provider", "proxy"];
    asked.body("POST", "/api/accounts", spoilt(&new, &["name"], &fields)).await;
    let bot = json!({"name": "A", "provider": "telegram", "config": {"token": token(1)}});
    let of = |config: Value| with(&new, "config", config);
    let limited = |limits: Value| with(&new, "limits", limits);
    let mut both = vec![
        (with(&new, "name", json!("")), "name"),
        (with(&new, "name", json!("  \n ")), "name"),
        (with(&new, "name", json!(7)), "name"),
        (with(&new, "name", json!("n".repeat(201))), "name"),
        (with(&new, "useLimits", json!("no")), "useLimits"),
        (limited(json!(7)), "limits"),
        (limited(json!([1])), "limits"),
        (limited(json!({"perMinute": 0})), "limits.perMinute"),
        (limited(json!({"perMinute": -1})), "limits.perMinute"),
        (limited(json!({"perMinute": 1.5})), "limits.perMinute"),
        (limited(json!({"perMinute": "many"})), "limits.perMinute"),
        (limited(json!({"perMinute": 99_999_999_999_u64})), "limits.perMinute"),
        (limited(json!({"perMinut": 3})), "limits.perMinut"),
        (limited(json!({"delayMs": [1]})), "limits.delayMs"),
        (limited(json!({"delayMs": [1, 2, 3]})), "limits.delayMs"),
        (limited(json!({"delayMs": ["a", "b"]})), "limits.delayMs"),
        (limited(json!({"delayMs": [9, 1]})), "limits.delayMs"),
        (limited(json!({"restMs": "long"})), "limits.restMs"),
        (limited(json!({"timezone": 7})), "limits.timezone"),
        (limited(json!({"timezone": "Mars/Olympus"})), "limits.timezone"),
        (limited(json!({"quietHours": "22-08"})), "limits.quietHours"),
        (limited(json!({"quietHours": ["22:00", "25:00"]})), "limits.quietHours"),
        (with(&new, "proxy", json!("http://203.0.113.9:3128")), "proxy"),
        (of(json!(7)), "config"),
        (of(json!("x")), "config"),
        (of(json!([])), "config"),
        (of(json!({"latency": 3})), "config.latency"),
        (of(json!({"codes": "six"})), "config.codes"),
        (of(json!({"codes": 0})), "config.codes"),
        (of(json!({"codes": 101})), "config.codes"),
        (of(json!({"codeMs": 0})), "config.codeMs"),
        (of(json!({"codeMs": 3_600_001})), "config.codeMs"),
        (of(json!({"scanAfterMs": 3_600_001})), "config.scanAfterMs"),
        (of(json!({"scanAfterMs": -1})), "config.scanAfterMs"),
        (of(json!({"latencyMs": [0, 3_600_001]})), "config.latencyMs"),
        (of(json!({"latencyMs": [2, 1]})), "config.latencyMs"),
        (of(json!({"latencyMs": 5})), "config.latencyMs"),
        (of(json!({"receiptsMs": [1, u64::MAX]})), "config.receiptsMs"),
        (of(json!({"answerMs": [5, 1]})), "config.answerMs"),
        (of(json!({"faults": ["explode"]})), "config.faults"),
        (of(json!({"faults": "fine"})), "config.faults"),
        (of(json!({"faults": vec!["fine"; 1_001]})), "config.faults"),
        // It would break the gateway of everybody.
        (of(json!({"faults": ["fine", "crash"]})), "config.faults"),
    ];
    asked.body("PUT", &format!("/api/accounts/{account}"), both.clone()).await;
    both.extend([
        (with(&new, "provider", json!("icq")), "provider"),
        (json!({"name": "A", "provider": "telegram"}), "config"),
        (with(&bot, "config", json!({})), "config"),
        (with(&bot, "config", json!({"token": "nonsense"})), "config"),
        (with(&bot, "config", json!({"token": 7})), "config"),
        (with(&bot, "config", json!({"token": token(1), "tokn": 1})), "config.tokn"),
        (with(&bot, "proxy", json!("my proxy")), "proxy"),
        (with(&bot, "proxy", json!("ftp://203.0.113.9")), "proxy"),
    ]);
    asked.body("POST", "/api/accounts", both).await;
    let connect = format!("/api/accounts/{account}/connect");
    asked
        .body(
            "POST",
            &connect,
            vec![
                (json!({"method": "fax"}), "method"),
                (json!({"method": 7}), "method"),
                (json!({"method": "code"}), "phoneNumber"),
                (json!({"method": "code", "phoneNumber": {}}), "phoneNumber"),
                (json!({"method": "code", "phoneNumber": "abc"}), "phoneNumber"),
                (json!([]), "body"),
            ],
        )
        .await;
    let disconnect = format!("/api/accounts/{account}/disconnect");
    asked.body("POST", &disconnect, vec![(json!({"logout": "yes"}), "logout"), (json!("now"), "body")]).await;
    asked.end();
    assert_eq!(company.admin.get("/api/accounts").await.expect(200)["pagination"]["total"], 1);
    // What is bounded may be as large as the bound; and this machine's own may break things.
    let most = json!({"scanAfterMs": 3_600_000, "codeMs": 3_600_000, "codes": 100, "latencyMs": [0, 3_600_000]});
    company.admin.create(of(most)).await;
    company.admin.create(of(json!({"faults": vec!["fine"; 1_000]}))).await;
    TestApp::start().await.client.create(of(json!({"faults": ["crash"]}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_people_and_sessions_is_said_in_plain_words() {
    let (_app, company, account) = company().await;
    let manager = company.manager("anna").await;
    let mut asked = Asked::new(&company.admin);
    let names = ["firstName", "lastName"];
    let bad = |good: &Value| {
        let all = [
            ("email", json!("no address")),
            ("email", json!(7)),
            ("password", json!("short")),
            ("password", json!(7)),
            ("firstName", json!("")),
            ("firstName", json!("  ")),
            ("lastName", json!("n".repeat(101))),
        ];
        all.map(|(field, value)| (with(good, field, value), field))
    };
    let new = json!({"companyName": "C", "email": "a@b.example", "password": "correct horse"});
    let mut bodies = spoilt(&new, &["companyName", "email", "password"], &names);
    bodies.extend(bad(&new));
    bodies.extend([(with(&new, "companyName", json!(" ")), "companyName")]);
    asked.body("POST", "/api/auth/register", bodies).await;
    let login = json!({"email": "a@b.example", "password": "correct horse"});
    asked.body("POST", "/api/auth/login", spoilt(&login, &["email", "password"], &[])).await;
    let mut bodies = spoilt(&login, &["email", "password"], &names);
    bodies.extend(bad(&login));
    asked.body("POST", "/api/managers", bodies).await;
    let mut bodies = spoilt(&json!({}), &[], &["email", "password", "firstName", "lastName"]);
    bodies.extend(bad(&json!({})));
    asked.body("PUT", &format!("/api/managers/{}", manager.id), bodies).await;
    let key = json!({"name": "CRM"});
    let mut bodies = spoilt(&key, &["name"], &["scope"]);
    bodies.extend([(json!({"name": " "}), "name"), (json!({"name": "CRM", "scope": "everything"}), "scope")]);
    asked.body("POST", "/api/api-keys", bodies).await;
    let mut bodies = spoilt(&json!({}), &[], &["displayName", "provider", "useLimits"]);
    bodies.extend([
        (json!({"displayName": ""}), "displayName"),
        (json!({"displayName": "   "}), "displayName"),
        (json!({"provider": "icq"}), "provider"),
        (json!({"config": {"latency": 3}}), "config.latency"),
    ]);
    asked.body("POST", "/api/whatsapp/sessions", bodies).await;
    let session = format!("/api/whatsapp/sessions/{account}");
    let grant = json!({"managerId": manager.id, "permissions": ["read"]});
    let mut bodies = spoilt(&grant, &["managerId", "permissions"], &[]);
    bodies.extend([(with(&grant, "permissions", json!(["fly"])), "permissions")]);
    asked.body("POST", &format!("{session}/managers"), bodies).await;
    let grant = json!({"managerId": manager.id});
    let rights = ["canRead", "canWrite", "canManageChats"];
    asked.body("POST", &format!("{session}/access"), spoilt(&grant, &["managerId"], &rights)).await;
    company.admin.post(&format!("{session}/chats/77777777777/messages"), json!({"message": "m"})).await.expect(202);
    let bodies = spoilt(&json!({}), &[], &["chatName", "isArchived"]);
    asked.body("PUT", &format!("{session}/chats/77777777777"), bodies).await;
    asked.end();
}
