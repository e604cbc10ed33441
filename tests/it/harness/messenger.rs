//! What each gateway that pairs a phone has to do, whatever it is made of: one story, told through the
//! public API, for as many messengers as there are.

use serde_json::{Value, json};

use super::{TestApp, eventually};

/// The account's own phone …
pub const CLINIC: &str = "77010000001";
/// … those of a person …
pub const ANNA: &str = "77010000002";
/// … and a number that nobody has.
pub const NOBODY: &str = "77010000009";

/// A messenger as its users have it, on their phones.
pub trait Messenger {
    /// What an account of it is created with.
    const PROVIDER: &'static str;

    /// The clinic's phone scans a code; answers whether it was good.
    fn scan(&self, code: &str) -> bool;
    /// The clinic's phone removes the linked device.
    fn unlink(&self);
    /// Whether the clinic's phone has a linked device.
    fn is_linked(&self) -> bool;
    /// Anna writes to the clinic.
    fn anna_says(&self, text: &str);
    /// Somebody writes to Anna on the clinic's own phone.
    fn phone_says(&self, text: &str);
    /// What Anna received from the clinic, in its order: each time that it came.
    fn anna_received(&self) -> Vec<String>;
    /// Anna reads what she received.
    fn anna_reads(&self);
    /// Whether Anna was told that the clinic has read what she wrote.
    fn was_read(&self) -> bool;
}

async fn paired(app: &TestApp, messenger: &impl Messenger, id: &str) -> Value {
    let client = &app.client;
    client.connect(id).await;
    // A code may be replaced by the next one while it is scanned.
    eventually("the code is scanned", 60, async || {
        let shown = client.get(&format!("/api/accounts/{id}/qr")).await;
        (shown.status == 200 && messenger.scan(shown.body["code"].as_str()?)).then_some(())
    })
    .await;
    connected(app, id).await
}

async fn connected(app: &TestApp, id: &str) -> Value {
    eventually("the account is connected", 60, async || {
        let account = app.client.account(id).await;
        (account["status"] == "CONNECTED").then_some(account)
    })
    .await
}

async fn chat(app: &TestApp, id: &str) -> Vec<(String, bool)> {
    let answer = app.client.get(&format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/messages")).await;
    let messages = answer.body["data"].as_array().cloned().unwrap_or_default();
    let read = |message: &Value| Some((message["body"].as_str()?.to_owned(), message["fromMe"].as_bool()?));
    messages.iter().filter_map(read).collect()
}

/// Pairs, sends, hears, restarts, is unlinked and pairs again.
pub async fn conforms(app: &mut TestApp, messenger: &impl Messenger) {
    let asked = json!({"name": "Clinic", "provider": messenger_of(messenger), "useLimits": false});
    let id = app.client.create(asked).await;
    let account = paired(app, messenger, &id).await;
    assert_eq!((&account["phoneNumber"], &account["isPaired"]), (&json!(format!("+{CLINIC}")), &json!(true)));
    let send = async |app: &TestApp, to: &str, text: &str| {
        app.client.send(&id, to, text).await["messageId"].as_str().unwrap().to_owned()
    };

    // What is sent arrives once, and its receipts are told.
    let first = send(app, ANNA, "first, from here").await;
    app.client.reaches(&first, &["delivered"]).await;
    messenger.anna_reads();
    let read = app.client.reaches(&first, &["read"]).await;
    assert!(read["providerMessageId"].as_str().is_some_and(|key| key.starts_with("3EB0")), "{read}");
    let lost = send(app, NOBODY, "Is anybody there?").await;
    assert_eq!(app.client.reaches(&lost, &["failed"]).await["lastError"]["code"], "not_on_whatsapp");

    // What comes in is in one chat with it, and so is what the owner writes on the phone.
    messenger.anna_says("second, from her");
    eventually("hers is there", 30, async || (chat(app, &id).await.len() == 2).then_some(())).await;
    messenger.phone_says("third, from the phone");
    eventually("the owner's is there", 30, async || (chat(app, &id).await.len() == 3).then_some(())).await;
    let told = [("third, from the phone", true), ("second, from her", false), ("first, from here", true)];
    assert_eq!(chat(app, &id).await, told.map(|(text, is_own)| (text.to_owned(), is_own)));
    let chats = app.client.get(&format!("/api/whatsapp/sessions/{id}/chats")).await.expect(200);
    assert_eq!(chats["data"].as_array().unwrap().len(), 1, "one person is one chat: {chats}");
    assert_eq!((&chats["data"][0]["chatName"], &chats["data"][0]["unreadCount"]), (&json!("Anna"), &json!(1)));
    app.client.post(&format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/read"), json!({})).await.expect(200);
    eventually("she is told that it was read", 30, async || messenger.was_read().then_some(())).await;

    // A restart asks for no new pairing, and nothing that came meanwhile is lost.
    app.stop().await;
    messenger.anna_says("fourth, while nobody was there");
    app.resume().await;
    connected(app, &id).await;
    eventually("it is there", 30, async || (chat(app, &id).await.len() == 4).then_some(())).await;
    let fifth = send(app, ANNA, "fifth, after it").await;
    app.client.reaches(&fifth, &["delivered", "read"]).await;
    assert_eq!(messenger.anna_received(), ["first, from here", "fifth, after it"]);

    // Removed on the phone, it waits for a person with all that is queued; paired again, it goes on.
    messenger.unlink();
    let account = app.client.status(&id, "DISCONNECTED").await;
    assert_eq!(
        (&account["lastError"]["code"], &account["isPaired"]),
        (&json!("logged_out"), &json!(false)),
        "{account}"
    );
    let sixth = send(app, ANNA, "sixth, in between").await;
    assert_eq!(app.client.message(&sixth).await["status"], "queued");
    paired(app, messenger, &id).await;
    app.client.reaches(&sixth, &["delivered", "read"]).await;
    assert_eq!(messenger.anna_received().len(), 3);

    // Logged out here, it is unlinked there, and nothing is wrong.
    let out = app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    assert_eq!(out["isPaired"], false, "{out}");
    eventually("the phone has no linked device", 30, async || (!messenger.is_linked()).then_some(())).await;
    assert_eq!(app.client.status(&id, "DISCONNECTED").await["lastError"], Value::Null);
}

const fn messenger_of<M: Messenger>(_: &M) -> &'static str {
    M::PROVIDER
}
