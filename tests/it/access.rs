//! Every address of the API, tried by everybody who must not: the table of access is the list, so
//! a new address that is not tried here fails the test.

use std::collections::HashMap;

use andante::auth::access::{Need, TABLE};
use andante::clock::Clock;
use andante::gateway::{Enclosure, Letter};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Company, Manager, PASSWORD, TestApp, eventually, guarded, picture, ready_account};

/// A company with something at each address.
struct Estate {
    company: Company,
    ids: HashMap<&'static str, String>,
}

impl Estate {
    async fn found(client: &Client, name: &str) -> Self {
        let company = Company::register(client, name).await;
        let account = ready_account(&company.admin, json!({})).await;
        let other = company.admin.create(json!({"name": "Not connected"})).await;
        let message =
            company.admin.send(&other, "77777777777", "waits").await["messageId"].as_str().unwrap().to_owned();
        let chat = format!("/api/accounts/{account}/chats/77777777777");
        company.admin.post(&chat, json!({"message": "hello"})).await.expect(202);
        let chats = company.admin.get(&format!("/api/accounts/{account}/chats")).await.expect(200);
        let manager = company.manager("granted").await;
        company.grant(&account, &manager, &["read"]).await;
        let key = company.admin.post("/api/api-keys", json!({"name": "k"})).await.expect(201);
        let template = company.admin.post("/api/templates", json!({"name": "t", "text": "m"})).await.expect(201);
        let ids = HashMap::from([
            ("account", account),
            ("message", message),
            ("template", template["id"].as_str().unwrap().to_owned()),
            ("chat", chats["data"][0]["id"].as_str().unwrap().to_owned()),
            ("manager", manager.id),
            ("key", key["id"].as_str().unwrap().to_owned()),
        ]);
        Self { company, ids }
    }

    /// The address with the ids of what is there.
    fn address(&self, pattern: &str) -> String {
        let kind = match pattern.split('/').nth(2).unwrap() {
            _ if pattern.contains("/instances/") => "account",
            "messages" => "message",
            "managers" => "manager",
            "api-keys" => "key",
            "media" => "media",
            "templates" => "template",
            _ => "account",
        };
        pattern
            .replace("{id}", &self.ids[kind])
            .replace("{chatId}", &self.ids["chat"])
            .replace("{managerId}", &self.ids["manager"])
            .replace("{provider}", "simulator")
    }

    /// A body that the address would take from who may.
    fn body(&self, method: &str, pattern: &str) -> Value {
        match (method, pattern) {
            ("POST", "/api/messages/send") => {
                json!({"accountId": self.ids["account"], "to": "77777777777", "message": "m"})
            }
            ("POST", "/api/messages/bulk") => {
                json!({"accountId": self.ids["account"], "messages": [{"to": "77777777777", "message": "m"}]})
            }
            ("POST", "/api/whatsapp/send") => {
                json!({"accountId": self.ids["account"], "phone": "77777777777", "message": "m"})
            }
            ("POST", "/api/managers") => json!({"email": "new@clinic.example", "password": "long enough"}),
            ("PUT", "/api/auth/me") => json!({"currentPassword": PASSWORD}),
            ("POST", "/api/accounts" | "/api/api-keys") => json!({"name": "new"}),
            ("POST", "/api/templates") => json!({"name": "new", "text": "m"}),
            ("POST", "/api/v1/instances") => json!({"user_id": "new", "provider": "simulator"}),
            (_, pattern) if pattern.ends_with("/send") || pattern.ends_with("/send-message") => {
                json!({"chatId": "77777777777", "message": "m"})
            }
            (_, pattern) if pattern.ends_with("/managers") => {
                json!({"managerId": self.ids["manager"], "permissions": ["read"]})
            }
            (_, pattern) if pattern.ends_with("/access") => json!({"managerId": self.ids["manager"], "canRead": true}),
            _ => json!({"message": "m", "name": "n"}),
        }
    }
}

/// A picture that somebody sends to the account: its id, once it is there.
async fn picture_of(app: &TestApp, admin: &Client, account: &str) -> String {
    let uploaded = admin.uploaded("a.png", picture(1_000)).await;
    let send = json!({"accountId": account, "to": "77777777777", "media": {"id": uploaded}});
    let sent = admin.post("/api/messages/send", send).await.expect(202);
    admin.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    let enclosure = Enclosure { thumbnail: Some(b"\xff\xd8\xff".to_vec()), source: uploaded, ..Enclosure::default() };
    app.app().simulator.stage(TestApp::id(account)).unwrap().write(Letter {
        chat: "996700123456@c.us".to_owned(),
        chat_kind: entity::chat::Kind::Individual,
        chat_name: None,
        provider_message_id: "wamid.1".to_owned(),
        is_own: false,
        sender: None,
        sender_name: None,
        text: String::new(),
        kind: entity::message::Kind::Image,
        at: app.app().clock.now(),
        is_history: false,
        media: Some(enclosure),
    });
    let chat = format!("/api/accounts/{account}/chats/996700123456@c.us");
    eventually("the picture is there", 20, async || {
        admin.get(&chat).await.body["data"][0]["media"]["id"].as_str().map(str::to_owned)
    })
    .await
}

async fn call(client: &Client, method: &str, address: &str, body: &Value) -> crate::harness::Answer {
    let method: Method = method.parse().unwrap();
    let request = client.request(method.clone(), address);
    client.run(if method == Method::GET { request } else { request.json(body) }).await
}

/// What a list has in it, or how much there is.
fn listed(body: &Value) -> Value {
    ["/data", "/instances", "/stats/total_instances"].iter().find_map(|at| body.pointer(at)).unwrap().clone()
}

/// Whether the address is about something of a company, named in it or in the body.
fn names_something(pattern: &str) -> bool {
    pattern.contains('{') || matches!(pattern, "/api/messages/send" | "/api/messages/bulk" | "/api/whatsapp/send")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_further_than_the_table_says() {
    let app = guarded(&[]).await;
    let mut ours = Estate::found(&app.client, "ours").await;
    let picture = picture_of(&app, &ours.company.admin, &ours.ids["account"]).await;
    ours.ids.insert("media", picture);
    let theirs = Company::register(&app.client, "theirs").await;
    let ungranted = ours.company.manager("ungranted").await;
    let reader = ours.company.manager("reader").await;
    ours.company.grant(&ours.ids["account"], &reader, &["read"]).await;
    // What the reader reads of messages belongs to the account that is not connected.
    let other = ours.company.admin.message(&ours.ids["message"]).await["accountId"].as_str().unwrap().to_owned();
    ours.company.grant(&other, &reader, &["read"]).await;
    let keys = [("read", ours.company.key("read").await), ("send", ours.company.key("send").await)];
    for (method, pattern, need) in TABLE {
        let (address, body) = (ours.address(pattern), ours.body(method, pattern));
        for nobody in [app.client.clone(), app.client.with_key("nonsense"), app.client.with_key("ak_nonsense")] {
            call(&nobody, method, &address, &body).await.refused(401, "unauthorized");
        }
        // Another company's admin may do everything, elsewhere: what is ours is not there.
        if names_something(pattern) {
            let answer = call(&theirs.admin, method, &address, &body).await;
            assert_eq!(answer.status, 404, "{method} {pattern}: {}", answer.body);
        }
        managers(*need, method, pattern, &address, &body, &ungranted, &reader).await;
        for (scope, key) in &keys {
            let may = match need {
                Need::SignedIn | Need::Read | Need::Company => true,
                Need::Send => *scope == "send",
                Need::ManageChats | Need::Admin => false,
            };
            if !may {
                call(&app.client.with_key(key), method, &address, &body).await.refused(403, "forbidden");
            } else if *method == "GET" && !pattern.ends_with("/qr") {
                call(&app.client.with_key(key), method, &address, &body).await.expect(200);
            }
        }
    }
    // Nothing of all that did anything.
    let account = ours.company.admin.account(&ours.ids["account"]).await;
    assert_eq!((&account["status"], &account["name"]), (&json!("CONNECTED"), &json!("Test")));
    assert_eq!(ours.company.admin.message(&ours.ids["message"]).await["status"], "queued");
}

async fn managers(
    need: Need,
    method: &str,
    pattern: &str,
    address: &str,
    body: &Value,
    ungranted: &Manager,
    reader: &Manager,
) {
    if need == Need::SignedIn && method == "POST" {
        // Signing out is tried elsewhere: it would end the login.
        return;
    }
    let without = call(&ungranted.client, method, address, body).await;
    let with = call(&reader.client, method, address, body).await;
    match need {
        Need::SignedIn => drop(without.expect(200)),
        Need::Company | Need::Admin => {
            without.refused(403, "forbidden");
            with.refused(403, "forbidden");
        }
        Need::Read if !names_something(pattern) => {
            let (none, some) = (listed(&without.expect(200)), listed(&with.expect(200)));
            assert!(none == json!([]) || none == 0, "{pattern}: a manager without a grant sees something: {none}");
            assert_ne!(some, none, "{pattern}");
        }
        Need::Read => {
            without.refused(403, "no_access");
            with.expect(200);
        }
        Need::Send | Need::ManageChats => {
            without.refused(403, "no_access");
            with.refused(403, "no_access");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_opens_nothing() {
    let clock = Clock::manual(Clock::system().now());
    let settings = [("ANDANTE_AUTH", "required"), ("ANDANTE_HTTP_RATE", "0")];
    let app = TestApp::on(&settings, clock.clone()).await;
    let company = Company::register(&app.client, "clinic").await;
    company.admin.get("/api/auth/me").await.expect(200);
    clock.advance_to(clock.now() + TimeDelta::hours(24));
    for (method, pattern, _) in TABLE {
        let address = pattern.replace(['{', '}'], "");
        call(&company.admin, method, &address, &json!({})).await.refused(401, "unauthorized");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_with_a_grant_does_what_it_says_and_no_more() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    let hidden = company.admin.create(json!({"name": "Hidden"})).await;
    let manager = company.manager("anna").await;
    company.grant(&account, &manager, &["read", "write"]).await;
    let sent = manager.client.send(&account, "77777777777", "from the manager").await;
    manager.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    let listed = manager.client.get("/api/accounts").await.expect(200);
    assert_eq!(listed["pagination"]["total"], 1);
    assert_eq!(manager.client.get("/api/messages").await.expect(200)["pagination"]["total"], 1);
    manager.client.get(&format!("/api/accounts/{hidden}")).await.refused(403, "no_access");
    let body = json!({"accountId": hidden, "to": "77777777777", "message": "m"});
    manager.client.post("/api/messages/send", body).await.refused(403, "no_access");
    let chat = format!("/api/whatsapp/sessions/{account}/chats/77777777777");
    manager.client.put(&chat, json!({"isArchived": true})).await.refused(403, "no_access");
    // The other dialect of the same grant, with one more right.
    let more = json!({"managerId": manager.id, "canRead": true, "canWrite": false, "canManageChats": true});
    let granted = company.admin.post(&format!("/api/whatsapp/sessions/{account}/access"), more).await.expect(200);
    assert_eq!(granted["data"]["permissions"], json!(["read", "manage"]));
    assert_eq!(manager.client.put(&chat, json!({"isArchived": true})).await.expect(200)["data"]["isArchived"], true);
    let body = json!({"accountId": account, "to": "77777777777", "message": "m"});
    manager.client.post("/api/messages/send", body).await.refused(403, "no_access");
    let managers = company.admin.get(&format!("/api/whatsapp/sessions/{account}/managers")).await.expect(200);
    assert_eq!(managers["data"][0]["manager"]["firstName"], "anna");
    company.admin.delete(&format!("/api/whatsapp/sessions/{account}/access/{}", manager.id)).await.expect(200);
    manager.client.get(&format!("/api/accounts/{account}")).await.refused(403, "no_access");
    let again = format!("/api/whatsapp/sessions/{account}/managers/{}", manager.id);
    company.admin.delete(&again).await.refused(404, "grant_not_found");
}
