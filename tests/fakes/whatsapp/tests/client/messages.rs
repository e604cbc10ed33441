//! Messages, receipts and signs of life, while nothing goes wrong.

use fake_whatsapp::{Delivery, Outcome, SignalKind};
use whatsapp_rust::prelude::*;
use whatsapp_rust::types::presence::ChatPresence;

use crate::harness::{ALICE, Account, BOB, CAROL, NOBODY, Seen, server};

fn chat(pn: &str) -> String {
    format!("{pn}@s.whatsapp.net")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_acknowledged_delivered_and_read() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let id = alice.send(CAROL, "hello Carol").await;
    assert_eq!(alice.ack(&id).await, None);
    let is_it = |delivery: &Delivery| delivery.to == CAROL && delivery.id == id;
    let delivery = fake.wait_for_delivery("Carol's phone has the message", is_it).await;
    assert_eq!((delivery.text(), delivery.from.as_str()), (Some("hello Carol"), ALICE));
    let receipt = alice.receipt(&id, "Delivered").await;
    assert_eq!(receipt.source.chat.to_string(), chat(CAROL));
    fake.phone_read(CAROL, ALICE, &id);
    alice.receipt(&id, "Read").await;

    assert_eq!((fake.times_arrived(&id), fake.times_delivered(CAROL, &id)), (1, 1));
    assert_eq!(fake.times_delivered(ALICE, &id), 1, "the own phone has a copy");
    assert_eq!(fake.inbox_of(CAROL).len(), 1);
    assert!(fake.undecryptable().is_empty());
    assert_eq!(fake.arrivals()[0].outcome, Outcome::Routed);
    assert!(fake.number_checks().is_empty());
    let device = fake.devices(ALICE)[0];
    let all = "the client has acknowledged everything";
    fake.wait_for(all, |fake| fake.unacknowledged(ALICE, device).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_write_to_each_other() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let mut bob = Account::linked(&fake, BOB).await;
    let id = alice.send(BOB, "hello Bob").await;
    assert_eq!(bob.message().await, Seen::new("hello Bob", &chat(ALICE), false));
    let from_companion = |event: &Event| match event {
        Event::Receipt(receipt) if receipt.message_ids.contains(&id) => {
            (receipt.source.sender.device == 1).then_some(())
        }
        _ => None,
    };
    alice.wait("a receipt from Bob's companion", from_companion).await;
    let id = bob.send(ALICE, "hello Alice").await;
    assert_eq!(alice.message().await, Seen::new("hello Alice", &chat(BOB), false));
    bob.receipt(&id, "Delivered").await;
    bob.client
        .mark_as_read(&Jid::pn(ALICE), None, &[fake.phone_send(ALICE, BOB, "read me").unwrap().as_str()])
        .await
        .unwrap();
    fake.wait_for_receipt("Bob has read it", |receipt| receipt.from == BOB && receipt.kind == "read").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_write_to_clients_and_clients_see_their_own_phone() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let id = fake.phone_send(CAROL, ALICE, "from Carol's phone").unwrap();
    assert_eq!(alice.message().await, Seen::new("from Carol's phone", &chat(CAROL), false));
    fake.wait_for_receipt("Alice has it", |receipt| receipt.ids.contains(&id) && receipt.to == CAROL).await;
    fake.phone_send(ALICE, CAROL, "from my own phone").unwrap();
    assert_eq!(alice.message().await, Seen::new("from my own phone", &chat(CAROL), true));
    alice.client.mark_as_read(&Jid::pn(CAROL), None, &[id.as_str()]).await.unwrap();
    let receipt = fake.wait_for_receipt("Alice has read it", |receipt| receipt.kind == "read").await;
    assert_eq!((receipt.from.as_str(), receipt.to.as_str(), receipt.ids), (ALICE, CAROL, vec![id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_seen_both_ways() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.wait_for_active(ALICE).await;
    alice.client.chatstate().send_composing(&Jid::pn(CAROL)).await.unwrap();
    alice.client.chatstate().send_recording(&Jid::pn(CAROL)).await.unwrap();
    alice.client.chatstate().send_paused(&Jid::pn(CAROL)).await.unwrap();
    let paused = SignalKind::Paused(CAROL.to_owned());
    fake.wait_for_signal("Alice has stopped writing", |signal| signal.kind == paused).await;
    let kinds: Vec<SignalKind> = fake.signals().into_iter().map(|signal| signal.kind).collect();
    let to = CAROL.to_owned();
    assert!(kinds.ends_with(&[SignalKind::Typing(to.clone()), SignalKind::Recording(to), paused]), "{kinds:?}");

    for (is_typing, expected) in [(true, ChatPresence::Composing), (false, ChatPresence::Paused)] {
        fake.phone_typing(CAROL, ALICE, is_typing);
        let state = |event: &Event| match event {
            Event::ChatPresence(update) => Some((update.source.chat.to_string(), update.state)),
            _ => None,
        };
        let (from, state) = alice.wait("a chat state", state).await;
        assert_eq!(from, chat(CAROL));
        assert_eq!(format!("{state:?}"), format!("{expected:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn number_checks_are_answered_and_recorded() {
    let fake = server().await;
    let alice = Account::linked(&fake, ALICE).await;
    let numbers = [Jid::pn(CAROL), Jid::pn(NOBODY)];
    let found = alice.client.contacts().is_on_whatsapp(&numbers).await.unwrap();
    let is_registered = |pn: &str| found.iter().find(|it| it.jid.user.as_str() == pn).map(|it| it.is_registered);
    assert_eq!((is_registered(CAROL), is_registered(NOBODY)), (Some(true), Some(false)));
    let checks = fake.number_checks();
    assert_eq!(checks.len(), 1);
    assert_eq!((checks[0].by.as_str(), checks[0].numbers.as_slice()), (ALICE, &[CAROL.into(), NOBODY.into()][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_restarts_from_its_store_and_gets_what_it_has_missed_once() {
    let fake = server().await;
    let alice = Account::linked(&fake, ALICE).await;
    let device = fake.wait_for_active(ALICE).await;
    assert_eq!((fake.logins(ALICE), fake.resumptions(ALICE)), (1, 0));
    let store = alice.stop().await;
    fake.wait_for_connections(ALICE, 0).await;
    fake.phone_send(CAROL, ALICE, "while you were away").unwrap();
    let mut alice = Account::from_store(&fake, store).await;
    assert_eq!(alice.message().await, Seen::new("while you were away", &chat(CAROL), false));
    alice.connected().await;
    assert_eq!((fake.logins(ALICE), fake.resumptions(ALICE)), (2, 1), "the store knows the server's key");
    let all = "the client has acknowledged everything";
    fake.wait_for(all, |fake| fake.unacknowledged(ALICE, device).is_empty().then_some(())).await;

    assert_eq!(fake.drop_connection(ALICE), 1);
    alice.connected().await;
    fake.wait_for_active(ALICE).await;
    fake.phone_send(CAROL, ALICE, "back again").unwrap();
    assert_eq!(alice.message().await, Seen::new("back again", &chat(CAROL), false));
    assert_eq!(alice.unclaimed_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_be_addressed_by_lid() {
    let fake = server().await;
    fake.set_lid_migrated(ALICE, true);
    let mut alice = Account::linked(&fake, ALICE).await;
    let mut bob = Account::linked(&fake, BOB).await;
    let sent = alice.client.send_text(Jid::pn(CAROL), "by LID").await.unwrap();
    let delivery = fake.wait_for_delivery("Carol has it", |it| it.to == CAROL && it.id == sent.message_id).await;
    assert_eq!(delivery.text(), Some("by LID"));
    let receipt = alice.receipt(&sent.message_id, "Delivered").await;
    assert!(receipt.source.chat.is_lid(), "{}", receipt.source.chat);
    alice.send(BOB, "to Bob by LID").await;
    assert_eq!(bob.message().await, Seen::new("to Bob by LID", "100000000000001@lid", false));
    fake.phone_send(CAROL, ALICE, "from Carol").unwrap();
    assert_eq!(alice.message().await, Seen::new("from Carol", "100000000000003@lid", false));
    fake.phone_send(ALICE, CAROL, "from my own phone").unwrap();
    assert_eq!(alice.message().await, Seen::new("from my own phone", "100000000000003@lid", true));
    fake.phone_read(CAROL, ALICE, &sent.message_id);
    alice.receipt(&sent.message_id, "Read").await;
}
