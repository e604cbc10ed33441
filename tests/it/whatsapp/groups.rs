//! Groups: what is sent to one reaches each member once, what is written in one shows who wrote it.

use serde_json::Value;

use super::{ANNA, BORIS, CLINIC, fake, paired, received, send, start};
use crate::harness::eventually;

const SHIFT: &str = "120363000000000001@g.us";

#[tokio::test(flavor = "multi_thread")]
async fn a_group_s_members_receive_what_is_sent_and_their_answers_are_in_its_chat() {
    for hides in [false, true] {
        let fake = fake().await;
        fake.add_group(SHIFT, "Shift 2", &[CLINIC, ANNA, BORIS]);
        fake.set_group_lid(SHIFT, hides);
        let app = start(&fake).await;
        let id = paired(&app.client, &fake).await;
        for text in ["Who closes tonight?", "And tomorrow?"] {
            let message = send(&app.client, &id, SHIFT, text).await;
            app.client.reaches(&message, &["delivered"]).await;
        }
        for number in [ANNA, BORIS] {
            assert_eq!(received(&fake, number), ["Who closes tonight?", "And tomorrow?"]);
        }
        let answer = fake.phone_send_group(BORIS, SHIFT, "I do").unwrap();
        let path = format!("/api/whatsapp/sessions/{id}/chats/{SHIFT}/messages");
        let shown = eventually("his answer is in the group's chat", 20, async || {
            let messages = app.client.get(&path).await.body["data"].as_array()?.clone();
            messages.iter().find(|message| message["body"] == "I do").cloned()
        })
        .await;
        assert_eq!((&shown["fromNumber"], &shown["fromMe"]), (&Value::from(BORIS), &Value::from(false)), "{shown}");
        let chats = format!("/api/whatsapp/sessions/{id}/chats?includeGroups=true");
        let group = eventually("the group has its name", 20, async || {
            let chats = app.client.get(&chats).await.body;
            (chats["data"][0]["chatName"] == "Shift 2").then(|| chats["data"][0].clone())
        })
        .await;
        assert_eq!((&group["isGroup"], &group["unreadCount"]), (&Value::from(true), &Value::from(1)), "{group}");
        let read = format!("/api/whatsapp/sessions/{id}/chats/{SHIFT}/read");
        app.client.post(&read, Value::Null).await.expect(200);
        // The author is told, by the id that the group knows him by.
        fake.wait_for("the author is told that it was read", |fake| {
            let is_it = |receipt: &fake_whatsapp::Receipt| {
                receipt.ids == [answer.as_str()]
                    && receipt.to == BORIS
                    && receipt.group.as_deref() == Some(SHIFT)
                    && receipt.kind == "read"
            };
            fake.receipts().iter().any(is_it).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_the_account_is_not_in_is_refused_and_holds_nothing_up() {
    let fake = fake().await;
    fake.add_group(SHIFT, "Shift 2", &[ANNA, BORIS]);
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    for group in [SHIFT, "120363000000000009@g.us"] {
        let message = send(&app.client, &id, group, "Hello?").await;
        let failed = app.client.reaches(&message, &["failed"]).await;
        assert!(failed["lastError"]["message"].as_str().unwrap().contains("not in it"), "{failed}");
    }
    let message = send(&app.client, &id, ANNA, "Hello").await;
    app.client.reaches(&message, &["delivered"]).await;
    assert_eq!(received(&fake, ANNA), ["Hello"]);
}
