//! What messengers report: at least once in, exactly one row out, in the right chat, with the right
//! counts; on both databases.

use andante::gateway::Letter;
use chrono::{DateTime, Utc};
use entity::message::Kind;
use serde_json::{Value, json};

use crate::harness::{Postgres, TestApp, eventually, ready_account};

const PERSON: &str = "996700123456@c.us";

/// A message of a person, or with `is_own` one that was written on the phone.
fn letter(app: &TestApp, number: u32, text: &str) -> Letter {
    Letter {
        chat: PERSON.to_owned(),
        chat_kind: entity::chat::Kind::Individual,
        chat_name: Some("Солнышко 😊".to_owned()),
        provider_message_id: format!("wamid.{number}"),
        is_own: false,
        sender: Some(PERSON.to_owned()),
        sender_name: Some("Солнышко 😊".to_owned()),
        text: text.to_owned(),
        kind: Kind::Text,
        at: app.app().clock.now(),
        is_history: false,
        media: None,
    }
}

struct Case {
    app: TestApp,
    account: String,
}

impl Case {
    async fn on(settings: &[(&str, &str)]) -> Self {
        let app = TestApp::with(settings).await;
        let account = ready_account(&app.client, json!({})).await;
        Self { app, account }
    }

    fn write(&self, letter: Letter) {
        self.app.app().simulator.stage(TestApp::id(&self.account)).unwrap().write(letter);
    }

    async fn chats(&self, query: &str) -> Value {
        self.app.client.get(&format!("/api/whatsapp/sessions/{}/chats{query}", self.account)).await.expect(200)
    }

    async fn chat(&self, id: &str) -> Value {
        self.app.client.get(&format!("/api/whatsapp/sessions/{}/chats/{id}", self.account)).await.expect(200)["data"]
            .clone()
    }

    async fn messages(&self, chat: &str, query: &str) -> Value {
        let address = format!("/api/whatsapp/sessions/{}/chats/{chat}/messages{query}", self.account);
        self.app.client.get(&address).await.expect(200)
    }

    /// Waits until the chat with the person has so many messages.
    async fn holds(&self, count: u64) -> Value {
        eventually(&format!("the chat has {count} messages"), 20, async || {
            let chat = self.chats("").await["data"].as_array()?.first()?.clone();
            (chat["_count"]["messages"] == count).then_some(chat)
        })
        .await
    }
}

/// Runs a case on SQLite and on PostgreSQL.
async fn on_both(case: impl AsyncFn(Case)) {
    case(Case::on(&[]).await).await;
    let url = Postgres::database().await;
    case(Case::on(&[("DATABASE_URL", &url)]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reported_twice_is_one_row() {
    on_both(async |case: Case| {
        for _ in 0..3 {
            case.write(letter(&case.app, 1, "Привет! Как дела?"));
        }
        case.write(letter(&case.app, 2, "Вы ещё там?"));
        case.write(letter(&case.app, 1, "Привет! Как дела?"));
        let chat = case.holds(2).await;
        assert_eq!((&chat["chatId"], &chat["chatName"]), (&json!(PERSON), &json!("Солнышко 😊")));
        assert_eq!((&chat["unreadCount"], &chat["lastMessageText"]), (&json!(2), &json!("Вы ещё там?")));
        let messages = case.messages(PERSON, "").await;
        let ids: Vec<&Value> = messages["data"].as_array().unwrap().iter().map(|m| &m["messageId"]).collect();
        assert_eq!(ids, ["wamid.2", "wamid.1"]);
        let first = &messages["data"][1];
        assert_eq!((&first["fromMe"], &first["fromNumber"]), (&json!(false), &json!(PERSON)));
        assert_eq!((&first["body"], &first["isRead"]), (&json!("Привет! Как дела?"), &json!(false)));
        assert_eq!(messages["pagination"]["total"], 2);
        let stats = case.app.client.get("/api/whatsapp/stats").await.expect(200)["data"].clone();
        assert_eq!((&stats["messages"]["received"], &stats["messages"]["today"]), (&json!(2), &json!(2)));
        // What came in is nothing that was accepted to be sent.
        assert_eq!(case.app.client.get("/api/messages").await.expect(200)["pagination"]["total"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_chat_marks_its_rows_and_tells_the_messenger() {
    on_both(async |case: Case| {
        case.write(letter(&case.app, 1, "one"));
        case.write(letter(&case.app, 2, "two"));
        let chat = case.holds(2).await;
        let id = chat["id"].as_str().unwrap();
        let read = format!("/api/whatsapp/sessions/{}/chats/{id}/read", case.account);
        case.app.client.post(&read, json!({})).await.expect(200);
        assert_eq!(case.chat(id).await["unreadCount"], 0);
        let messages = case.messages(id, "").await;
        assert!(messages["data"].as_array().unwrap().iter().all(|m| m["isRead"] == true), "{messages}");
        let stage = case.app.app().simulator.stage(TestApp::id(&case.account)).unwrap();
        let mut seen = stage.seen_as_read();
        seen.sort();
        assert_eq!(seen, ["wamid.1", "wamid.2"]);
        case.app.client.post(&read, json!({})).await.expect(200);
        assert_eq!(stage.seen_as_read().len(), 2, "what was read is not told again");
        case.write(letter(&case.app, 3, "three"));
        assert_eq!(case.holds(3).await["unreadCount"], 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_writes_on_the_phone_and_what_is_from_before_are_not_unread() {
    on_both(async |case: Case| {
        case.write(letter(&case.app, 1, "now"));
        case.write(Letter { is_own: true, sender: None, ..letter(&case.app, 2, "answered on the phone") });
        let long_ago: DateTime<Utc> = "2025-07-16T11:13:54Z".parse().unwrap();
        case.write(Letter { is_history: true, at: long_ago, ..letter(&case.app, 3, "long ago") });
        let chat = case.holds(3).await;
        assert_eq!((&chat["unreadCount"], &chat["lastMessageText"]), (&json!(1), &json!("answered on the phone")));
        let messages = case.messages(PERSON, "").await;
        let told: Vec<(&Value, &Value)> =
            messages["data"].as_array().unwrap().iter().map(|m| (&m["body"], &m["fromMe"])).collect();
        let (no, yes) = (json!(false), json!(true));
        let bodies = [json!("answered on the phone"), json!("now"), json!("long ago")];
        assert_eq!(told, [(&bodies[0], &yes), (&bodies[1], &no), (&bodies[2], &no)]);
        assert_eq!(messages["data"][2]["timestamp"], "2025-07-16T11:13:54.000Z");
        let stats = case.app.client.get("/api/whatsapp/stats").await.expect(200)["data"]["messages"].clone();
        assert_eq!((&stats["sent"], &stats["received"], &stats["today"]), (&json!(1), &json!(2), &json!(2)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_from_an_app_enters_its_chat_when_it_leaves() {
    on_both(async |case: Case| {
        let body = json!({"accountId": case.account, "to": "+996 700 123456", "message": "later",
                          "sendAt": "2099-01-01T00:00:00Z"});
        case.app.client.post("/api/messages/send", body).await.expect(202);
        assert_eq!(case.chats("").await["pagination"]["total"], 0);
        let sent = case.app.client.send(&case.account, "+996 700 123456", "now").await;
        case.app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
        let chat = case.holds(1).await;
        assert_eq!((&chat["chatId"], &chat["lastMessageText"]), (&json!(PERSON), &json!("now")));
        assert_eq!((&chat["unreadCount"], &chat["chatName"]), (&json!(0), &json!("+996700123456")));
        // The answer is in the same chat, and gives it a name; the company's own name stays.
        case.write(letter(&case.app, 1, "thank you"));
        assert_eq!(case.holds(2).await["chatName"], "Солнышко 😊");
        let address = format!("/api/whatsapp/sessions/{}/chats/{PERSON}", case.account);
        case.app.client.put(&address, json!({"chatName": "Патient 17", "isArchived": true})).await.expect(200);
        case.write(letter(&case.app, 2, "once more"));
        let chat = case.holds(3).await;
        assert_eq!((&chat["chatName"], &chat["isArchived"]), (&json!("Патient 17"), &json!(true)));
        let listed = case.app.client.get("/api/whatsapp/sessions").await.expect(200);
        assert_eq!(listed["data"][0]["_count"], json!({"chats": 1, "messages": 3}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_writes_is_in_the_chat_at_once_in_both_dialects() {
    on_both(async |case: Case| {
        let by_session = format!("/api/whatsapp/sessions/{}/chats/{PERSON}", case.account);
        let by_account = format!("/api/accounts/{}/chats/{PERSON}", case.account);
        let body = json!({"message": "one", "type": "text"});
        let stored = case.app.client.post(&format!("{by_session}/messages"), body).await.expect(202)["data"].clone();
        assert_eq!(
            (&stored["fromMe"], &stored["body"], &stored["messageType"]),
            (&json!(true), &json!("one"), &json!("text"))
        );
        assert_eq!(stored["id"], stored["messageId"]);
        let chat = case.chat(PERSON).await;
        assert_eq!((&chat["id"], &chat["lastMessageText"]), (&stored["chatId"], &json!("one")));
        case.app.client.reaches(stored["id"].as_str().unwrap(), &["sent"]).await;
        let waits = |address: &str, body: Value| {
            case.app.client.request(reqwest::Method::POST, address).header("Prefer", "wait=20").json(&body)
        };
        let answer = case.app.client.run(waits(&format!("{by_session}/send"), json!({"message": "two"}))).await;
        assert_eq!(answer.expect(200)["data"]["status"], "sent");
        let answer = case.app.client.run(waits(&by_account, json!({"message": "three"}))).await.expect(200);
        assert_eq!((&answer["status"], &answer["queued"]), (&json!("sent"), &json!(false)));
        let phone = json!({"phone": "+996 700-123-456", "message": "four"});
        let answer = case.app.client.run(waits("/api/whatsapp/send", phone)).await.expect(200);
        assert_eq!(answer["data"]["accountId"], json!(case.account));
        let listed = case.app.client.get(&by_account).await.expect(200);
        let bodies: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|m| &m["body"]).collect();
        assert_eq!(bodies, ["four", "three", "two", "one"]);
        assert_eq!(case.chats("").await["data"][0]["_count"]["messages"], 4);
        // The same key, the same message.
        let keyed = || {
            let request = case.app.client.request(reqwest::Method::POST, &by_account).header("Idempotency-Key", "k");
            request.json(&json!({"message": "once"}))
        };
        let first = case.app.client.run(keyed()).await.expect(202)["messageId"].clone();
        let again = case.app.client.run(keyed()).await;
        assert_eq!(again.headers["Idempotent-Replayed"], "true");
        assert_eq!(again.expect(202)["messageId"], first);
        assert_eq!(case.chats("").await["data"][0]["_count"]["messages"], 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_only_move_a_message_forward() {
    on_both(async |case: Case| {
        use entity::message::Status;
        let counts = async || {
            let mut counts = Vec::new();
            for status in ["sent", "delivered", "read"] {
                let list = case.app.client.get(&format!("/api/messages?status={status}")).await.expect(200);
                assert_eq!(list["data"].as_array().unwrap().len(), list["pagination"]["total"]);
                counts.push(list["pagination"]["total"].as_u64().unwrap());
            }
            counts
        };
        let stage = case.app.app().simulator.stage(TestApp::id(&case.account)).unwrap();
        let receipt = |id: &str, status| andante::store::message::Receipt {
            account: TestApp::id(&case.account),
            message: TestApp::id(id),
            status,
            at: case.app.app().clock.now(),
        };
        let mut ids = Vec::new();
        for text in ["hello", "again"] {
            let sent = case.app.client.send(&case.account, "996700123456", text).await;
            ids.push(sent["messageId"].as_str().unwrap().to_owned());
            case.app.client.reaches(ids.last().unwrap(), &["sent"]).await;
        }
        // Whether what left is filed by then or not.
        assert_eq!(counts().await, [2, 0, 0]);
        stage.receipts(vec![receipt(&ids[0], Status::Delivered)]);
        case.app.client.reaches(&ids[0], &["delivered"]).await;
        assert_eq!(counts().await, [1, 1, 0]);
        case.holds(2).await;
        stage.receipts(ids.iter().flat_map(|id| [receipt(id, Status::Read), receipt(id, Status::Delivered)]).collect());
        case.app.client.reaches(&ids[1], &["read"]).await;
        stage.receipts(vec![receipt(&ids[1], Status::Delivered), receipt(&ids[1], Status::Delivered)]);
        // What comes after it has been dealt with, so it has been, too.
        case.write(letter(&case.app, 1, "after"));
        case.holds(3).await;
        assert_eq!(case.app.client.message(&ids[1]).await["status"], "read");
        assert_eq!(counts().await, [0, 0, 2]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_can_not_be_and_an_account_that_must_be_chosen_are_told_apart() {
    let case = Case::on(&[]).await;
    let phone = |phone: &str| json!({"phone": phone, "message": "m"});
    case.app.client.post("/api/whatsapp/send", phone("12")).await.refused(422, "invalid_number");
    let bad = format!("/api/accounts/{}/chats/nobody", case.account);
    case.app.client.post(&bad, json!({"message": "m"})).await.refused(422, "invalid_number");
    case.app.client.get(&bad).await.refused(404, "chat_not_found");
    let image = json!({"message": "m", "type": "image"});
    let chat = format!("/api/whatsapp/sessions/{}/chats/{PERSON}/messages", case.account);
    case.app.client.post(&chat, image).await.refused(422, "type_not_supported");
    let second = ready_account(&case.app.client, json!({"name": "Second"})).await;
    let said = case.app.client.post("/api/whatsapp/send", phone("996700123456")).await.refused(400, "account_required");
    let choices = said["details"].to_string();
    assert!(choices.contains(&second) && choices.contains(&case.account) && choices.contains("Second"), "{said}");
    let mut chosen = phone("996700123456");
    chosen["accountId"] = json!(second);
    case.app.client.post("/api/whatsapp/send", chosen).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_agree_with_the_rows_whatever_happened_to_the_messages() {
    on_both(async |case: Case| {
        let stage = case.app.app().simulator.stage(TestApp::id(&case.account)).unwrap();
        use andante::gateway::simulator::Fault;
        stage.fail_next([Fault::Fine, Fault::Refuse, Fault::After, Fault::Fine]);
        let mut ids = Vec::new();
        for text in ["sent", "refused", "uncertain", "sent too"] {
            let sent = case.app.client.send(&case.account, "996700123456", text).await;
            ids.push(sent["messageId"].as_str().unwrap().to_owned());
        }
        for id in &ids {
            case.app.client.reaches(id, &["sent", "failed", "uncertain"]).await;
        }
        let chat = case.holds(3).await;
        assert_eq!(chat["lastMessageText"], "sent too");
        case.app.client.post(&format!("/api/messages/{}/retry", ids[2]), json!({})).await.expect(202);
        case.app.client.reaches(&ids[2], &["sent"]).await;
        let stats = eventually("all three are counted", 20, async || {
            let stats = case.app.client.get("/api/whatsapp/stats").await.expect(200)["data"].clone();
            (stats["messages"]["sent"] == 3).then_some(stats)
        })
        .await;
        assert_eq!(stats["messages"]["total"], 3);
        for (status, count) in [("sent", 3), ("failed", 1), ("uncertain", 0), ("delivered", 0)] {
            let list = case.app.client.get(&format!("/api/messages?status={status}")).await.expect(200);
            assert_eq!((list["data"].as_array().unwrap().len(), &list["pagination"]["total"]), (count, &json!(count)));
        }
        assert_eq!(stats["chats"], json!({"total": 1, "individual": 1, "groups": 0}));
        assert_eq!(case.holds(3).await["_count"]["messages"], 3, "it was in the chat already");
        let days = stats["messages"]["last30Days"].as_array().unwrap();
        assert_eq!((days.len(), &days[29]["sent"]), (30, &json!(3)));
        assert!(days[29]["date"].as_str().unwrap() > days[0]["date"].as_str().unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_takes_its_chats_along_and_a_restart_does_not() {
    let mut case = Case::on(&[]).await;
    case.write(letter(&case.app, 1, "kept"));
    case.holds(1).await;
    case.app.stop().await;
    case.app.resume().await;
    case.app.client.status(&case.account, "CONNECTED").await;
    assert_eq!(case.holds(1).await["unreadCount"], 1);
    // The same again after the restart is still the same.
    case.write(letter(&case.app, 1, "kept"));
    case.write(letter(&case.app, 2, "new"));
    case.holds(2).await;
    case.app.client.delete(&format!("/api/whatsapp/sessions/{}", case.account)).await.expect(200);
    let stats = case.app.client.get("/api/whatsapp/stats").await.expect(200)["data"].clone();
    assert_eq!((&stats["sessions"]["total"], &stats["chats"]["total"]), (&json!(0), &json!(0)));
    let gone = case.app.client.get(&format!("/api/accounts/{}/chats", case.account)).await;
    gone.refused(404, "account_not_found");
}
