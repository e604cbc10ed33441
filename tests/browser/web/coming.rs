//! What comes in: each message once, also of what came while nobody looked.

use serde_json::json;

use super::{ANNA, BORIS, CLINIC, Stage};
use crate::harness::{Socket, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_there_once_also_of_what_came_while_nobody_looked() {
    let mut stage = Stage::new().await;
    let id = stage.paired().await;
    stage.fake.person(ANNA).named("Anna").says(CLINIC, "one");
    eventually("it is there", 20, async || (stage.chat(&id, ANNA).await.len() == 1).then_some(())).await;
    stage.app.stop().await;
    stage.fake.person(ANNA).says(CLINIC, "two");
    stage.fake.phone_says(CLINIC, ANNA, "three, from the phone");
    stage.app.resume().await;
    stage.connected(&id).await;
    let expected = [("three, from the phone", true), ("two", false), ("one", false)];
    eventually("all are there", 30, async || {
        let chat = stage.chat(&id, ANNA).await;
        (chat.len() == 3).then_some(())
    })
    .await;
    // A page that is loaded anew tells them again; they are there once.
    assert!(stage.fake.reload(CLINIC));
    assert!(stage.fake.wait_online(CLINIC).await);
    stage.fake.person(BORIS).says(CLINIC, "after it");
    eventually("what came after is there", 30, async || (stage.chat(&id, BORIS).await.len() == 1).then_some(())).await;
    let mut chat = stage.chat(&id, ANNA).await;
    chat.sort();
    let mut expected = expected.map(|(text, is_own)| (text.to_owned(), is_own));
    expected.sort();
    assert_eq!(chat, expected);
    let chats = stage.client().get(&format!("/api/whatsapp/sessions/{id}/chats")).await.expect(200);
    let anna = chats["data"].as_array().unwrap().iter().find(|chat| chat["chatId"] == format!("{ANNA}@c.us")).unwrap();
    assert_eq!((&anna["chatName"], &anna["unreadCount"]), (&json!("Anna"), &json!(2)), "{anna}");
    // What is read here is read there.
    stage.client().post(&format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/read"), json!({})).await.expect(200);
    eventually("WhatsApp is told", 20, async || stage.fake.read(CLINIC).contains(&ANNA.to_owned()).then_some(())).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_written_to_and_says_who_writes() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let group = stage.fake.group("The clinic", &[CLINIC, ANNA]);
    stage.fake.person(ANNA).named("Anna").says_in(&group, CLINIC, "hello all");
    eventually("it is there", 20, async || (stage.chat(&id, &group).await.len() == 1).then_some(())).await;
    let path = format!("/api/whatsapp/sessions/{id}/chats/{group}/messages");
    let messages = stage.client().get(&path).await.expect(200);
    assert_eq!((&messages["data"][0]["fromNumber"], &messages["data"][0]["fromName"]), (&json!(ANNA), &json!("Anna")));
    let message = stage.send(&id, &group, "hello Anna").await;
    stage.client().reaches(&message, &["sent", "delivered"]).await;
    assert_eq!(stage.fake.wait_sent(CLINIC, 1).await[0].to, group);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_shown_both_ways() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    stage.fake.person(ANNA).says(CLINIC, "hello");
    eventually("it is there", 20, async || (stage.chat(&id, ANNA).await.len() == 1).then_some(())).await;
    // Who reads a chat watches it.
    stage.client().post(&format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/read"), json!({})).await.expect(200);
    let mut socket = Socket::with_token(stage.client(), "").await;
    eventually("the page watches her", 20, async || stage.fake.person(ANNA).types(CLINIC, true).then_some(())).await;
    let heard = socket.event("typing-status").await;
    assert_eq!((&heard["sessionId"], &heard["isTyping"]), (&json!(id), &json!(true)), "{heard}");
    // With limits a message is typed before it leaves.
    let limits = json!({"useLimits": true, "limits": {"delayMs": [0, 0], "typing": true}});
    stage.client().put(&format!("/api/accounts/{id}"), limits).await.expect(200);
    let message = stage.send(&id, ANNA, "hello, Anna").await;
    eventually("she sees it typed", 30, async || {
        stage.fake.composing(CLINIC).iter().any(|seen| seen.chat == ANNA && seen.on).then_some(())
    })
    .await;
    stage.client().reaches(&message, &["delivered"]).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_page_keeps_is_there_all_the_same() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    // Ten megabytes at once, of which the page keeps four.
    let long = "word ".repeat(10_000);
    for number in 0..200 {
        let person = if number % 2 == 0 { ANNA } else { BORIS };
        stage.fake.person(person).says(CLINIC, &format!("{number} {long}"));
    }
    eventually("all are there", 90, async || {
        let chats = stage.client().get(&format!("/api/whatsapp/sessions/{id}/chats")).await.expect(200);
        let counts = chats["data"].as_array().unwrap().iter().filter_map(|chat| chat["_count"]["messages"].as_u64());
        (counts.sum::<u64>() == 200).then_some(())
    })
    .await;
    stage.end().await;
}
