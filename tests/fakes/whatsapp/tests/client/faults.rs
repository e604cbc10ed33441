//! What goes wrong when a test asks for it.

use fake_whatsapp::{Cut, Failure, Outcome};
use whatsapp_rust::prelude::*;
use whatsapp_rust::types::events::ConnectFailureReason;

use crate::harness::{ALICE, Account, BOB, CAROL, NOBODY, Seen, server};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_refused_with_a_code() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.nack_messages_to(CAROL, Some(479));
    let id = alice.send(CAROL, "malformed").await;
    assert_eq!(alice.ack(&id).await.as_deref(), Some("479"));
    fake.nack_messages_to(CAROL, None);
    let id = alice.send(CAROL, "well formed").await;
    assert_eq!(alice.ack(&id).await, None);
    let id = alice.send(NOBODY, "anyone?").await;
    assert_eq!(alice.ack(&id).await.as_deref(), Some("404"));
    let outcomes: Vec<Outcome> = fake.arrivals().iter().map(|arrival| arrival.outcome).collect();
    assert_eq!(outcomes, [Outcome::Refused(479), Outcome::Routed, Outcome::Refused(404)]);
    let texts: Vec<Option<String>> = fake.inbox_of(CAROL).iter().map(|it| it.text().map(str::to_owned)).collect();
    assert_eq!(texts, [Some("well formed".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reachout_lock_lets_only_answers_pass() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.set_reachout_lock(ALICE, true);
    let id = alice.send(BOB, "hello stranger").await;
    assert_eq!(alice.ack(&id).await.as_deref(), Some("463"));
    fake.phone_send(CAROL, ALICE, "a question").unwrap();
    alice.message().await;
    let id = alice.send(CAROL, "an answer").await;
    assert_eq!(alice.ack(&id).await, None);
    fake.set_reachout_lock(ALICE, false);
    let id = alice.send(BOB, "hello again").await;
    assert_eq!(alice.ack(&id).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_can_be_withheld_and_messages_dropped() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.hold_acks(true);
    let id = alice.send(CAROL, "no ack yet").await;
    alice.receipt(&id, "Delivered").await;
    fake.hold_acks(false);
    fake.drop_messages(true);
    let lost = alice.send(CAROL, "lost").await;
    fake.wait_for_arrival("the lost message", |arrival| arrival.id == lost).await;
    fake.drop_messages(false);
    let last = alice.send(CAROL, "the last").await;
    assert_eq!(alice.ack(&last).await, None);
    fake.release_acks();
    assert_eq!(alice.ack(&id).await, None);
    assert_eq!((fake.times_arrived(&lost), fake.times_delivered(CAROL, &lost)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_can_be_cut_around_a_message() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    for (cut, outcome, delivered) in
        [(Cut::BeforeRouting, Outcome::CutBeforeRouting, 0), (Cut::AfterRouting, Outcome::CutAfterRouting, 1)]
    {
        fake.wait_for_active(ALICE).await;
        fake.drop_after_message(ALICE, cut);
        let id = alice.send(CAROL, "on a thread").await;
        let arrival = fake.wait_for_arrival("the message", |arrival| arrival.id == id).await;
        assert_eq!(arrival.outcome, outcome);
        alice.connected().await;
        assert_eq!(fake.times_delivered(CAROL, &id), delivered);
        if delivered == 1 {
            alice.receipt(&id, "Delivered").await;
        }
    }
    let id = alice.send(CAROL, "whole").await;
    assert_eq!(alice.ack(&id).await, None);
    assert!(fake.undecryptable().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_account_is_told_for_how_long() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.refuse(ALICE, Failure::TemporaryBan { code: 104, seconds: 3600 });
    assert_eq!(fake.drop_connection(ALICE), 1);
    let ban = |event: &Event| match event {
        Event::TemporaryBan(ban) => Some((format!("{:?}", ban.code), ban.expire.num_seconds())),
        _ => None,
    };
    assert_eq!(alice.wait("TemporaryBan", ban).await, ("SentTooManySameMessage".to_owned(), 3600));
    fake.readmit(ALICE);
    let mut again = Account::from_store(&fake, alice.stop().await).await;
    again.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_refused_for_every_reason() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.refuse(ALICE, Failure::ServiceUnavailable);
    fake.drop_connection(ALICE);
    let reason = |event: &Event| if let Event::ConnectFailure(failure) = event { Some(failure.reason) } else { None };
    assert_eq!(alice.wait("ConnectFailure", reason).await, ConnectFailureReason::ServiceUnavailable);
    fake.readmit(ALICE);
    alice.connected().await;
    let store = alice.stop().await;

    fake.refuse(ALICE, Failure::ClientOutdated);
    let mut outdated = Account::from_store(&fake, store.clone()).await;
    outdated.wait("ClientOutdated", |event| matches!(event, Event::ClientOutdated(_)).then_some(())).await;
    outdated.stop().await;
    for (failure, reason) in
        [(Failure::Locked, ConnectFailureReason::AccountLocked), (Failure::LoggedOut, ConnectFailureReason::LoggedOut)]
    {
        fake.refuse(ALICE, failure);
        let mut refused = Account::from_store(&fake, store.clone()).await;
        assert_eq!(refused.logged_out().await, reason);
        refused.stop().await;
    }
    fake.readmit(ALICE);
    let mut alice = Account::from_store(&fake, store).await;
    alice.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_gone_comes_back_with_all_it_knew() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.wait_for_active(ALICE).await;
    fake.pause().await;
    assert!(tokio::net::TcpStream::connect(fake.url().split('/').nth(2).unwrap()).await.is_err());
    fake.phone_send(CAROL, ALICE, "during the outage").unwrap();
    alice.wait("Disconnected", |event| matches!(event, Event::Disconnected(_)).then_some(())).await;
    fake.resume().await;
    assert_eq!(alice.message().await, Seen::new("during the outage", &format!("{CAROL}@s.whatsapp.net"), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_with_its_last_clone() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let address = fake.url().split('/').nth(2).unwrap().to_owned();
    let clone = fake.clone();
    drop(fake);
    let id = alice.send(CAROL, "still there?").await;
    assert_eq!(alice.ack(&id).await, None);
    drop(clone);
    alice.wait("Disconnected", |event| matches!(event, Event::Disconnected(_)).then_some(())).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
