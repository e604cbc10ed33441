//! Linking a device, and losing the link.

use fake_whatsapp::conversation;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::prelude::*;
use whatsapp_rust::types::events::ConnectFailureReason;

use crate::harness::{ALICE, Account, BOB, CAROL, Seen, server};

async fn ask_for_code(account: &mut Account, pn: &str) -> String {
    account.qr().await;
    let options = PairCodeOptions { phone_number: pn.to_owned(), ..Default::default() };
    account.client.pair_with_code(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_code_links_a_device() {
    let fake = server().await;
    let mut alice = Account::new(&fake).await;
    let qr = alice.qr().await;
    assert_eq!(fake.pairings(), 1);
    let device = fake.scan(ALICE, &qr).unwrap();
    let link = alice
        .wait("PairSuccess", |event| if let Event::PairSuccess(link) = event { Some(link.clone()) } else { None })
        .await;
    assert_eq!(link.id, Jid::pn_device(ALICE, device));
    assert_eq!(link.lid, Jid::lid_device("100000000000001", device));
    alice.connected().await;
    assert_eq!(fake.devices(ALICE), [device]);
    assert_eq!((fake.connections(ALICE), fake.logins(ALICE), fake.pairings()), (1, 1, 0));
    assert!(fake.scan(BOB, &qr).is_err(), "a code is good for once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_code_links_a_device_that_gets_the_history() {
    let fake = server().await;
    let messages = [("H1", "old question", false), ("H2", "old answer", true)];
    fake.set_history(ALICE, vec![conversation(CAROL, "Carol", 2, &messages)]);
    let mut alice = Account::new(&fake).await;
    let code = ask_for_code(&mut alice, ALICE).await;
    fake.enter_code(ALICE, &code).await.unwrap();
    alice.connected().await;
    let chats = |event: &Event| {
        let Event::HistorySync(history) = event else { return None };
        Some(history.get().unwrap().conversations.clone())
    };
    let chats = alice.wait("the history", chats).await;
    assert_eq!(chats.len(), 1);
    assert_eq!((chats[0].id.as_str(), chats[0].name.as_deref()), ("15550000003@s.whatsapp.net", Some("Carol")));
    assert_eq!((chats[0].unread_count, chats[0].messages.len()), (Some(2), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_code_links_nothing() {
    let fake = server().await;
    let mut alice = Account::new(&fake).await;
    let code = ask_for_code(&mut alice, ALICE).await;
    let wrong = if code == "AAAA-AAAA" { "BBBB-BBBB" } else { "AAAA-AAAA" };
    fake.enter_code(ALICE, wrong).await.unwrap();
    alice.wait("PairingCodeError", |event| matches!(event, Event::PairingCodeError(_)).then_some(())).await;
    assert!(fake.devices(ALICE).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_exhausted_when_the_server_gives_none() {
    let fake = server().await;
    fake.set_qr_refs(0);
    let mut alice = Account::new(&fake).await;
    let exhausted = |event: &Event| match event {
        Event::PairingQrCodesExhausted(exhausted) => Some(exhausted.disconnected),
        _ => None,
    };
    assert!(alice.wait("PairingQrCodesExhausted", exhausted).await);
    fake.wait_for("the client leaves", |fake| (fake.open_connections() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pairing_voids_its_codes_and_the_client_comes_for_new_ones() {
    let fake = server().await;
    let mut alice = Account::new(&fake).await;
    let old = alice.qr().await;
    fake.close_pairings();
    let new = alice.qr().await;
    assert!(fake.scan(ALICE, &old).is_err());
    fake.scan(ALICE, &new).unwrap();
    alice.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_may_be_demanded() {
    let fake = server().await;
    fake.demand_passkey(ALICE, true);
    let mut alice = Account::new(&fake).await;
    let qr = alice.qr().await;
    assert!(fake.scan(ALICE, &qr).is_err());
    let options = |event: &Event| match event {
        Event::PairPasskeyRequest(request) => Some(request.request_options_json.clone()),
        _ => None,
    };
    let options = alice.wait("PairPasskeyRequest", options).await;
    assert!(options.contains("challenge"), "{options}");
    fake.demand_passkey(ALICE, false);
    fake.scan(ALICE, &qr).unwrap();
    alice.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_device_is_logged_out() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let device = fake.wait_for_active(ALICE).await;
    assert!(fake.unlink(ALICE, device));
    assert_eq!(alice.logged_out().await, ConnectFailureReason::LoggedOut);
    assert!(fake.devices(ALICE).is_empty());
    let mut again = Account::from_store(&fake, alice.stop().await).await;
    assert_eq!(again.logged_out().await, ConnectFailureReason::LoggedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_can_remove_itself() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    alice.client.logout().await;
    assert_eq!(alice.logged_out().await, ConnectFailureReason::LoggedOut);
    assert!(fake.devices(ALICE).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_replaces_the_first() {
    let fake = server().await;
    let mut first = Account::linked(&fake, ALICE).await;
    let mut second = Account::from_store(&fake, first.store.clone()).await;
    first.wait("StreamReplaced", |event| matches!(event, Event::StreamReplaced(_)).then_some(())).await;
    second.connected().await;
    fake.wait_for_connections(ALICE, 1).await;
    assert_eq!(fake.logins(ALICE), 2);
    assert_eq!(fake.replace(ALICE), 1);
    second.wait("StreamReplaced", |event| matches!(event, Event::StreamReplaced(_)).then_some(())).await;
    fake.wait_for_connections(ALICE, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_learn_of_a_new_device() {
    let fake = server().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let id = alice.send(BOB, "to the phone").await;
    alice.receipt(&id, "Delivered").await;
    let mut bob = Account::linked(&fake, BOB).await;
    alice.wait("DeviceListUpdate", |event| matches!(event, Event::DeviceListUpdate(_)).then_some(())).await;
    let id = alice.send(BOB, "to all devices").await;
    assert_eq!(bob.message().await, Seen::new("to all devices", &format!("{ALICE}@s.whatsapp.net"), false));
    assert_eq!(fake.times_delivered(BOB, &id), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_server_is_logged_out() {
    let fake = server().await;
    let store = Account::linked(&fake, ALICE).await.stop().await;
    let other = server().await;
    let mut alice = Account::from_store(&other, store).await;
    assert_eq!(alice.logged_out().await, ConnectFailureReason::LoggedOut);
}
