//! The chats of all sessions in one list: what it holds, for whom, and how it is narrowed.

use andante::gateway::Letter;
use chrono::TimeDelta;
use entity::chat::Kind;
use serde_json::{Value, json};

use crate::harness::{Client, Company, Postgres, TestApp, eventually, guarded, ready_account};

fn write(app: &TestApp, account: &str, chat: &str, text: &str, order: i64) {
    let stage = app.app().simulator.stage(TestApp::id(account)).unwrap();
    stage.write(Letter {
        chat: chat.to_owned(),
        chat_kind: if chat.ends_with("@g.us") { Kind::Group } else { Kind::Individual },
        chat_name: Some(format!("Name of {chat}")),
        provider_message_id: format!("{account}-{chat}-{order}"),
        is_own: false,
        sender: None,
        sender_name: None,
        text: text.to_owned(),
        kind: entity::message::Kind::Text,
        at: app.app().clock.now() + TimeDelta::milliseconds(order),
        is_history: false,
        media: None,
    });
}

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("/api/whatsapp/chats{query}")).await.expect(200)
}

fn addresses(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|chat| chat["chatId"].as_str().unwrap()).collect()
}

async fn case(settings: &[(&str, &str)]) {
    let app = guarded(settings).await;
    let clinic = Company::register(&app.client, "clinic").await;
    let receipts = json!({"config": {"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": [0, 0], "answerMs": null}});
    let (one, two) = (ready_account(&clinic.admin, json!({})).await, ready_account(&clinic.admin, receipts).await);
    let admin = &clinic.admin;
    for number in 0..6_i64 {
        let account = if number % 2 == 0 { &one } else { &two };
        write(&app, account, &format!("99670000000{number}@c.us"), &format!("words of {number}"), number);
    }
    write(&app, &two, "1203630@g.us", "words in a group", 9);
    let total = |list: &Value| list["pagination"]["total"].as_u64();
    eventually("all is filed", 20, async || (total(&list(admin, "?chatType=all").await) == Some(7)).then_some(()))
        .await;

    let all = list(admin, "").await;
    let expected: Vec<String> = (0..6).rev().map(|number| format!("99670000000{number}@c.us")).collect();
    assert_eq!(addresses(&all), expected, "the latest first, whosever it is");
    assert_eq!(all["data"][0]["sessionId"], json!(two));
    let newest = |list: &Value, at: usize| {
        let last = &list["data"][at]["lastMessage"];
        (last["fromMe"].as_bool(), last["status"].as_str().map(str::to_owned))
    };
    assert_eq!(newest(&all, 0), (Some(false), Some("delivered".to_owned())), "{all}");
    // By pages and by cursor, each once.
    let (mut seen, mut query) = (Vec::new(), "?limit=4".to_owned());
    loop {
        let part = list(admin, &query).await;
        seen.extend(addresses(&part).into_iter().map(str::to_owned));
        let Some(cursor) = part["pagination"]["nextCursor"].as_str() else { break };
        query = format!("?limit=4&cursor={cursor}");
    }
    assert_eq!(seen, expected);
    assert_eq!(addresses(&list(admin, "?limit=4&page=2").await), expected[4..]);
    let of_one = list(admin, &format!("?sessionId={one}")).await;
    assert_eq!(
        (total(&of_one), addresses(&of_one)),
        (Some(3), vec!["996700000004@c.us", "996700000002@c.us", "996700000000@c.us"])
    );
    assert_eq!(addresses(&list(admin, "?search=words%20of%203").await), ["996700000003@c.us"]);
    assert_eq!(total(&list(admin, "?search=name%20of&includeGroups=true").await), Some(7));

    // What was read is in no list of what is unread; what was put away in none of what is not.
    let chat = format!("/api/whatsapp/sessions/{one}/chats/996700000004@c.us");
    admin.post(&format!("{chat}/read"), json!({})).await.expect(200);
    admin.put(&chat, json!({"isArchived": true})).await.expect(200);
    for (query, count) in [
        ("?unread=true", 5),
        ("?archived=true", 1),
        ("?archived=false", 5),
        ("?archived=false&unread=true&search=words", 5),
        ("", 6),
    ] {
        let found = list(admin, query).await;
        assert_eq!((total(&found), found["data"].as_array().unwrap().len()), (Some(count), count as usize), "{query}");
        let of_session = format!("/api/whatsapp/sessions/{one}/chats{query}");
        let found = admin.get(&of_session).await.expect(200);
        assert_eq!(total(&found), Some(found["data"].as_array().unwrap().len() as u64), "{of_session}");
    }

    // What was sent from here is followed in the list as far as it gets.
    let chat = format!("/api/whatsapp/sessions/{two}/chats/996700000005@c.us/messages");
    let sent = admin.post(&chat, json!({"message": "an answer"})).await.expect(202);
    let of_two = format!("/api/whatsapp/sessions/{two}/chats");
    eventually("the list says that it was read", 20, async || {
        let list = admin.get(&of_two).await.expect(200);
        let last = &list["data"][0]["lastMessage"];
        (newest(&list, 0) == (Some(true), Some("read".to_owned())) && last["id"] == sent["data"]["id"]).then_some(())
    })
    .await;

    // A manager sees what is granted, while it is.
    let anna = clinic.manager("anna").await;
    assert_eq!(total(&list(&anna.client, "").await), Some(0));
    clinic.grant(&two, &anna, &["read"]).await;
    assert_eq!(
        addresses(&list(&anna.client, "").await),
        ["996700000005@c.us", "996700000003@c.us", "996700000001@c.us"]
    );
    assert_eq!(addresses(&list(&anna.client, "?search=words").await).len(), 3);
    anna.client.get(&format!("/api/whatsapp/chats?sessionId={one}")).await.expect(403);
    // Nobody sees another company's.
    let other = Company::register(&app.client, "other").await;
    assert_eq!(total(&list(&other.admin, "?search=words").await), Some(0));
    other.admin.get(&format!("/api/whatsapp/chats?sessionId={one}")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_chats_are_one_list_the_latest_first_for_who_may_read_them() {
    case(&[]).await;
    let url = Postgres::database().await;
    case(&[("DATABASE_URL", &url)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_a_chat_says_when_it_leaves_and_why_it_did_not() {
    let app = TestApp::start().await;
    let id = ready_account(&app.client, json!({})).await;
    let chat = format!("/api/whatsapp/sessions/{id}/chats/996700123456@c.us/messages");
    let stage = app.app().simulator.stage(TestApp::id(&id)).unwrap();
    stage.fail_next([andante::gateway::simulator::Fault::Refuse]);
    let mut socket = crate::harness::Socket::with_token(&app.client, "").await;
    let first = app.client.post(&chat, json!({"message": "one"})).await.expect(202)["data"].clone();
    let moved = loop {
        let moved = socket.event("message-status").await;
        if moved["status"] == "failed" {
            break moved;
        }
    };
    assert_eq!((&moved["chatId"], &moved["messageId"]), (&first["chatId"], &first["id"]), "{moved}");
    assert_eq!(moved["lastError"]["code"], "refused", "{moved}");
    let told = socket.event("send-error").await;
    assert_eq!((&told["messageId"], &told["chatId"]), (&first["id"], &first["chatId"]));
    let second = app.client.post(&chat, json!({"message": "two"})).await.expect(202)["data"].clone();
    app.client.reaches(second["id"].as_str().unwrap(), &["sent"]).await;
    let slow = json!({"limits": {"delayMs": [60_000, 60_000]}});
    app.client.put(&format!("/api/accounts/{id}"), slow).await.expect(200);
    let third = app.client.post(&chat, json!({"message": "three"})).await.expect(202)["data"].clone();
    assert!(third["estimatedSendAt"].is_string(), "{third}");
    let messages = app.client.get(&chat).await.expect(200);
    let of = |id: &Value| messages["data"].as_array().unwrap().iter().find(|message| message["id"] == *id).unwrap();
    assert_eq!(of(&first["id"])["lastError"], moved["lastError"]);
    assert!(of(&third["id"])["estimatedSendAt"].is_string() && of(&second["id"]).get("estimatedSendAt").is_none());
    let updated = socket.event("chat-updated").await;
    assert_eq!((&updated["chat"]["id"], &updated["chat"]["sessionId"]), (&first["chatId"], &json!(id)));
    // Tried again it is queued, and who watches hears it.
    app.client.post(&format!("/api/messages/{}/retry", first["id"].as_str().unwrap()), json!({})).await.expect(202);
    let queued = loop {
        let moved = socket.event("message-status").await;
        if moved["messageId"] == first["id"] {
            break moved;
        }
    };
    assert_eq!((&queued["status"], &queued["chatId"]), (&json!("queued"), &first["chatId"]));
}
