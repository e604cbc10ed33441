//! What is sent: each message once, and what becomes of it.

use fake_whatsapp_web::Behaviour;
use serde_json::json;

use super::{ANNA, BORIS, CLINIC, Stage};
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_delivered_and_read() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    stage.fake.behave(ANNA, Behaviour::LateAck);
    let message = stage.send(&id, ANNA, "Your appointment is tomorrow at 9:30 👋").await;
    let sent = stage.fake.wait_sent(CLINIC, 1).await;
    assert_eq!((sent[0].text.as_str(), sent[0].attempts), ("Your appointment is tomorrow at 9:30 👋", 1));
    assert!(sent[0].key.starts_with("3EB0") && sent[0].key.len() == 22, "{}", sent[0].key);
    // The server has it, but has not said so.
    assert_eq!(stage.client().message(&message).await["status"], "sending");
    stage.fake.release(ANNA);
    stage.client().reaches(&message, &["delivered"]).await;
    stage.fake.person(ANNA).reads(CLINIC);
    let read = stage.client().reaches(&message, &["read"]).await;
    assert_eq!(read["providerMessageId"], json!(sent[0].key));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_arrive_fails_and_what_nobody_knows_is_uncertain() {
    let stage = Stage::with(&[("ANDANTE_SEND_DEADLINE_SECONDS", "5")]).await;
    let id = stage.paired().await;
    for (behaviour, status, code) in [
        (Behaviour::NotOnWhatsApp, "failed", "not_on_whatsapp"),
        (Behaviour::Refuse, "failed", "refused"),
        (Behaviour::NoAnswer, "uncertain", "uncertain"),
    ] {
        stage.fake.behave(BORIS, behaviour);
        let message = stage.send(&id, BORIS, &format!("{behaviour:?}")).await;
        let ended = stage.client().reaches(&message, &[status]).await;
        assert_eq!(ended["lastError"]["code"], code, "{behaviour:?}: {ended}");
    }
    // What could not be found out is tried again, and others are not held up for long.
    stage.fake.behave(BORIS, Behaviour::LookupFails);
    let message = stage.send(&id, BORIS, "is it there?").await;
    eventually("it was tried", 20, async || {
        let message = stage.client().message(&message).await;
        (message["attempts"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    stage.fake.behave(BORIS, Behaviour::Normal);
    stage.client().reaches(&message, &["delivered"]).await;
    let texts: Vec<String> = stage.fake.sent(CLINIC).into_iter().map(|sent| sent.text).collect();
    assert_eq!(texts, ["Refuse", "NoAnswer", "is it there?"]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_loaded_anew_in_the_middle_of_a_send_sends_once() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    stage.fake.behave(ANNA, Behaviour::LateAck);
    let message = stage.send(&id, ANNA, "once").await;
    stage.fake.wait_sent(CLINIC, 1).await;
    assert!(stage.fake.reload(CLINIC));
    assert!(stage.fake.wait_online(CLINIC).await);
    stage.fake.release(ANNA);
    stage.client().reaches(&message, &["delivered"]).await;
    let after = stage.send(&id, ANNA, "twice").await;
    stage.fake.release(ANNA);
    stage.fake.behave(ANNA, Behaviour::Normal);
    eventually("it is taken", 20, async || {
        stage.fake.release(ANNA);
        (stage.client().message(&after).await["status"] == "delivered").then_some(())
    })
    .await;
    let sent = stage.fake.sent(CLINIC);
    assert_eq!(sent.iter().map(|sent| sent.text.as_str()).collect::<Vec<_>>(), ["once", "twice"]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_with_a_hidden_number_is_one_chat_with_its_number() {
    let stage = Stage::new().await;
    stage.fake.use_lids(true);
    let id = stage.paired().await;
    let message = stage.send(&id, ANNA, "to a number").await;
    stage.client().reaches(&message, &["delivered"]).await;
    stage.fake.person(ANNA).says(CLINIC, "from behind it");
    eventually("both are in one chat", 20, async || {
        let expected = [("from behind it".to_owned(), false), ("to a number".to_owned(), true)];
        (stage.chat(&id, ANNA).await == expected).then_some(())
    })
    .await;
    stage.end().await;
}
