//! What is sent: each message once, with what the server, the recipient and WhatsApp's rules say to it.

use andante::clock::Clock;
use chrono::TimeDelta;
use fake_whatsapp::SignalKind;
use serde_json::json;

use super::{ANNA, BORIS, CLINIC, NOBODY, account, fake, pair, paired, received, send, start, start_with};
use crate::harness::{eventually, never};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_delivered_and_read() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    fake.hold_acks(true);
    let message = send(&app.client, &id, ANNA, "Your appointment is tomorrow at 9:30 👋").await;
    let arrival = fake.wait_for_arrival("the message", |arrival| arrival.to == ANNA).await;
    assert!(arrival.id.starts_with("3EB0") && arrival.id.len() == 22, "{}", arrival.id);
    // The server has it, but has not said so.
    let is_sent =
        async || !matches!(app.client.message(&message).await["status"].as_str(), Some("sending" | "delivered"));
    never("it counts as sent", 1, is_sent).await;
    fake.hold_acks(false);
    fake.release_acks();
    // The receipt may be there before the outcome is written.
    app.client.reaches(&message, &["delivered"]).await;
    eventually("it has WhatsApp's id", 20, async || {
        (app.client.message(&message).await["providerMessageId"] == arrival.id).then_some(())
    })
    .await;
    fake.phone_read(ANNA, CLINIC, &arrival.id);
    let read = app.client.reaches(&message, &["read"]).await;
    assert!(read["sentAt"].is_string() && read["deliveredAt"].is_string(), "{read}");
    assert!(read["readAt"].as_str() >= read["deliveredAt"].as_str(), "{read}");
    assert_eq!(received(&fake, ANNA), ["Your appointment is tomorrow at 9:30 👋"]);
    assert_eq!(fake.undecryptable(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_on_whatsapp_fails_and_nothing_is_sent() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let message = send(&app.client, &id, NOBODY, "Is anybody there?").await;
    let failed = app.client.reaches(&message, &["failed"]).await;
    assert_eq!(failed["lastError"]["code"], "not_on_whatsapp");
    assert_eq!(fake.arrivals(), []);
    // Both answers are kept: neither number is asked for again.
    for text in ["one", "two", "three"] {
        let message = send(&app.client, &id, ANNA, text).await;
        app.client.reaches(&message, &["delivered"]).await;
        let message = send(&app.client, &id, NOBODY, text).await;
        app.client.reaches(&message, &["failed"]).await;
    }
    let asked: Vec<String> = fake.number_checks().into_iter().flat_map(|check| check.numbers).collect();
    assert_eq!(asked.iter().filter(|number| *number == NOBODY).count(), 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|number| *number == ANNA).count(), 1, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_lock_holds_new_chats_while_answers_go_on_and_ends_by_itself() {
    let fake = fake().await;
    let clock = Clock::manual(Clock::system().now());
    let app = start_with(&fake, &[], clock.clone()).await;
    let id = account(&app.client, json!({"limits": {"delayMs": [0, 0]}})).await;
    pair(&app.client, &fake, &id, CLINIC).await;
    fake.phone_send(ANNA, CLINIC, "Do you have time tomorrow?").unwrap();
    eventually("Anna's question is there", 20, async || {
        (!super::chat(&app.client, &id, ANNA).await.is_empty()).then_some(())
    })
    .await;
    fake.set_reachout_lock(CLINIC, true);
    let stranger = send(&app.client, &id, BORIS, "You don't know me").await;
    eventually("the stranger's message is held", 20, async || {
        (app.client.message(&stranger).await["lastError"]["code"] == "held").then_some(())
    })
    .await;
    let second = send(&app.client, &id, BORIS, "Nor this").await;
    let answer = send(&app.client, &id, ANNA, "At ten").await;
    app.client.reaches(&answer, &["delivered"]).await;
    eventually("the second is held as well", 20, async || {
        (app.client.message(&second).await["lastError"]["code"] == "held").then_some(())
    })
    .await;
    // WhatsApp was not asked for the second, and an attempt was neither.
    let refused = fake.arrivals().iter().filter(|arrival| arrival.to == BORIS).count();
    assert_eq!(refused, 1);
    let held = app.client.message(&stranger).await;
    assert_eq!((held["status"].as_str(), held["attempts"].as_u64()), (Some("queued"), Some(0)), "{held}");
    assert_eq!(received(&fake, BORIS), [""; 0]);
    fake.set_reachout_lock(CLINIC, false);
    clock.advance_to(clock.now() + TimeDelta::hours(1));
    for message in [&stranger, &second] {
        app.client.reaches(message, &["delivered"]).await;
    }
    assert_eq!(received(&fake, BORIS), ["You don't know me", "Nor this"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_for_what_it_is() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    fake.nack_messages_to(ANNA, Some(404));
    let message = send(&app.client, &id, ANNA, "refused").await;
    assert_eq!(app.client.reaches(&message, &["failed"]).await["lastError"]["code"], "refused");
    fake.nack_messages_to(ANNA, Some(479));
    let message = send(&app.client, &id, ANNA, "later").await;
    eventually("it is tried later", 20, async || {
        let message = app.client.message(&message).await;
        (message["lastError"]["code"] == "later" && message["status"] == "queued").then_some(())
    })
    .await;
    fake.nack_messages_to(ANNA, None);
    app.client.reaches(&message, &["delivered"]).await;
    assert_eq!(received(&fake, ANNA), ["later"]);
    assert_eq!(
        fake.arrivals()
            .iter()
            .filter(|arrival| arrival.to == ANNA)
            .map(|arrival| &arrival.id)
            .collect::<std::collections::HashSet<_>>()
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_answer_is_uncertain_until_a_receipt_proves_that_it_arrived() {
    let fake = fake().await;
    let app = start_with(&fake, &[("ANDANTE_SEND_DEADLINE_SECONDS", "2")], Clock::system()).await;
    let id = paired(&app.client, &fake).await;
    fake.drop_messages(true);
    let lost = send(&app.client, &id, ANNA, "lost on the way").await;
    assert_eq!(app.client.reaches(&lost, &["uncertain"]).await["lastError"]["code"], "uncertain");
    fake.drop_messages(false);
    let after = send(&app.client, &id, ANNA, "after it").await;
    app.client.reaches(&after, &["delivered"]).await;
    assert_eq!(received(&fake, ANNA), ["after it"], "what may have left is not sent again by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipient_sees_the_account_typing_for_as_long_as_a_person_would() {
    let fake = fake().await;
    let app = start(&fake).await;
    let limits = json!({"typing": true, "delayMs": [0, 0]});
    let id = account(&app.client, json!({"useLimits": true, "limits": limits})).await;
    pair(&app.client, &fake, &id, CLINIC).await;
    let clock = Clock::system();
    let began = clock.now();
    let message = send(&app.client, &id, ANNA, "Half a line of text.").await;
    fake.wait_for_signal("typing", |signal| signal.kind == SignalKind::Typing(ANNA.to_owned())).await;
    assert_eq!(received(&fake, ANNA), [""; 0]);
    assert_eq!(app.client.message(&message).await["status"], "queued", "nothing is on its way while it is typed");
    app.client.reaches(&message, &["delivered"]).await;
    let took = clock.now() - began;
    assert!(took >= TimeDelta::milliseconds(900), "{took}");
}
