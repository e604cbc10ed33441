//! Messages and receipts in groups.

use fake_whatsapp::{Delivery, FakeWhatsApp, Outcome};
use whatsapp_rust::prelude::*;
use whatsapp_rust::request::IqError;
use whatsapp_rust::store::SignalStore as _;
use whatsapp_rust::types::message::MessageSource;
use whatsapp_rust::wacore::libsignal::store::sender_key_name::SenderKeyName;
use whatsapp_rust::wacore::types::jid::JidExt as _;

use crate::harness::{ALICE, Account, BOB, CAROL, server};

const ID: &str = "120363000000000001";
const GROUP: &str = "120363000000000001@g.us";

/// A server with three users, all in one group.
async fn with_group() -> FakeWhatsApp {
    let fake = server().await;
    fake.add_group(ID, "The three", &[ALICE, BOB, CAROL]);
    fake
}

async fn send(account: &Account, text: &str) -> String {
    account.client.send_text(Jid::group(ID), text).await.unwrap().message_id
}

/// What the phone has received of a message.
async fn at_phone(fake: &FakeWhatsApp, pn: &str, id: &str) -> Delivery {
    fake.wait_for_delivery("the message is at the phone", |it| it.to == pn && it.id == id).await
}

/// The next message, as its text and where it came from.
async fn message(account: &mut Account) -> (String, String, MessageSource) {
    let text = |event: &Event| {
        event.messages().find_map(|message| {
            let text = message.message.text_content()?.to_owned();
            Some((text, message.info.id.clone(), message.info.source.clone()))
        })
    };
    account.wait("a message", text).await
}

fn phone(pn: &str) -> String {
    format!("{pn}@s.whatsapp.net")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_each_phone_of_a_group_once() {
    let fake = with_group().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let id = send(&alice, "hello all").await;
    assert_eq!(alice.ack(&id).await, None);
    for pn in [BOB, CAROL] {
        let delivery = at_phone(&fake, pn, &id).await;
        assert_eq!((delivery.text(), delivery.from.as_str()), (Some("hello all"), ALICE));
        assert_eq!(delivery.group.as_deref(), Some(GROUP));
    }
    for _ in [BOB, CAROL] {
        let receipt = alice.receipt(&id, "Delivered").await;
        assert_eq!(receipt.source.chat.to_string(), GROUP);
    }
    for pn in [ALICE, BOB, CAROL] {
        assert_eq!(fake.times_delivered(pn, &id), 1, "{pn}");
    }
    assert_eq!(fake.times_arrived(&id), 1);
    assert_eq!((fake.arrivals()[0].to.as_str(), fake.arrivals()[0].outcome), (GROUP, Outcome::Routed));
    assert!(fake.undecryptable().is_empty(), "{:?}", fake.undecryptable());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_client_share_a_sender_key() {
    let fake = with_group().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let mut keys = Vec::new();
    for text in ["the first", "the second", "the third"] {
        let id = send(&alice, text).await;
        assert_eq!(alice.ack(&id).await, None);
        let delivery = at_phone(&fake, BOB, &id).await;
        assert_eq!(delivery.text(), Some(text));
        keys.push(delivery.sender_key.unwrap());
    }
    assert_eq!(keys, [keys[0]; 3]);
    assert!(fake.undecryptable().is_empty(), "{:?}", fake.undecryptable());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_receipts_name_the_member() {
    let fake = with_group().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let device = fake.wait_for_active(ALICE).await;
    let id = send(&alice, "read this").await;
    let mut members = Vec::new();
    for _ in [BOB, CAROL] {
        members.push(alice.receipt(&id, "Delivered").await.source.sender.to_string());
    }
    members.sort();
    assert_eq!(members, [phone(BOB), phone(CAROL)]);
    fake.phone_read_group(CAROL, GROUP, &id).unwrap();
    let receipt = alice.receipt(&id, "Read").await;
    assert_eq!((receipt.source.chat.to_string(), receipt.source.sender.to_string()), (GROUP.into(), phone(CAROL)));
    let all = "the client has acknowledged everything";
    fake.wait_for(all, |fake| fake.unacknowledged(ALICE, device).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_writes_into_a_group_and_is_told_who_has_read_it() {
    let fake = with_group().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    for text in ["from Carol's phone", "once more"] {
        let id = fake.phone_send_group(CAROL, ID, text).unwrap();
        let (seen, seen_id, source) = message(&mut alice).await;
        assert_eq!((seen.as_str(), &seen_id), (text, &id));
        assert_eq!((source.chat.to_string(), source.sender.to_string()), (GROUP.into(), phone(CAROL)));
        assert_eq!(source.sender_alt.unwrap().to_string(), "100000000000003@lid");
        assert!(source.is_group && !source.is_from_me);
        let is_it = |kind: &'static str| {
            let id = id.clone();
            move |it: &fake_whatsapp::Receipt| it.kind == kind && it.ids.contains(&id)
        };
        fake.wait_for_receipt("Alice has it", is_it("inactive")).await;
        alice.client.mark_as_read(&source.chat, Some(&source.sender), &[seen_id.as_str()]).await.unwrap();
        let receipt = fake.wait_for_receipt("Alice has read it", is_it("read")).await;
        assert_eq!((receipt.from.as_str(), receipt.to.as_str()), (ALICE, CAROL));
        assert_eq!(receipt.group.as_deref(), Some(GROUP));
    }
    fake.phone_send_group(ALICE, GROUP, "from my own phone").unwrap();
    let (seen, _, source) = message(&mut alice).await;
    assert_eq!((seen.as_str(), source.is_from_me), ("from my own phone", true));
    assert!(fake.receipts().iter().all(|receipt| receipt.kind != "retry"), "{:?}", fake.receipts());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_write_to_each_other_in_a_group() {
    let fake = with_group().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    let mut bob = Account::linked(&fake, BOB).await;
    let id = send(&alice, "hello Bob").await;
    let (seen, _, source) = message(&mut bob).await;
    assert_eq!((seen.as_str(), source.chat.to_string()), ("hello Bob", GROUP.into()));
    assert_eq!((source.sender.user.as_str(), source.sender.device), (ALICE, fake.devices(ALICE)[0]));
    bob.client.mark_as_read(&source.chat, Some(&source.sender), &[id.as_str()]).await.unwrap();
    let receipt = alice.receipt(&id, "Read").await;
    assert_eq!((receipt.source.sender.user.as_str(), receipt.source.chat.to_string()), (BOB, GROUP.into()));
    let answer = send(&bob, "hello Alice").await;
    assert_eq!(message(&mut alice).await.0, "hello Alice");
    assert_eq!(at_phone(&fake, CAROL, &answer).await.text(), Some("hello Alice"));
    assert_eq!(at_phone(&fake, BOB, &answer).await.text(), Some("hello Alice"), "the own phone has it, too");
    assert!(fake.undecryptable().is_empty(), "{:?}", fake.undecryptable());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_may_be_named_by_lid() {
    let fake = with_group().await;
    fake.set_group_lid(ID, true);
    let mut alice = Account::linked(&fake, ALICE).await;
    let mut bob = Account::linked(&fake, BOB).await;
    let id = send(&alice, "by LID").await;
    assert_eq!(at_phone(&fake, CAROL, &id).await.text(), Some("by LID"));
    let (seen, _, source) = message(&mut bob).await;
    assert_eq!((seen.as_str(), source.sender.to_non_ad().to_string()), ("by LID", "100000000000001@lid".into()));
    assert_eq!(source.sender_alt.unwrap().to_string(), phone(ALICE));
    let receipt = alice.receipt(&id, "Delivered").await;
    assert!(receipt.source.sender.is_lid() && receipt.source.sender_alt.unwrap().is_pn());
    fake.phone_send_group(CAROL, ID, "from Carol").unwrap();
    let (seen, _, source) = message(&mut alice).await;
    assert_eq!((seen.as_str(), source.sender.to_string()), ("from Carol", "100000000000003@lid".into()));
    assert_eq!(source.sender_alt.unwrap().to_string(), phone(CAROL));
    assert!(fake.undecryptable().is_empty(), "{:?}", fake.undecryptable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_the_account_or_that_does_not_exist_is_an_error() {
    let fake = server().await;
    fake.add_group(ID, "The others", &[BOB, CAROL]);
    let mut alice = Account::linked(&fake, ALICE).await;
    for (id, expected) in [(ID, 403), ("120363000000000009", 404)] {
        let error = alice.client.send_text(Jid::group(id), "anyone?").await.unwrap_err();
        match error {
            SendError::Iq(IqError::ServerError { code, .. }) => assert_eq!(code, expected),
            other => panic!("{other:?}"),
        }
    }
    assert!(fake.arrivals().is_empty(), "the client has asked before it sends");

    fake.add_group(ID, "All", &[ALICE, BOB, CAROL]);
    let id = send(&alice, "let in").await;
    assert_eq!(alice.ack(&id).await, None);
    fake.add_group(ID, "The others", &[BOB, CAROL]);
    let id = send(&alice, "sent away").await;
    assert_eq!(alice.ack(&id).await.as_deref(), Some("403"));
    fake.nack_messages_to(GROUP, Some(420));
    let id = send(&alice, "refused").await;
    assert_eq!(alice.ack(&id).await.as_deref(), Some("420"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_list_and_look_at_its_groups() {
    let fake = with_group().await;
    fake.add_group("120363000000000002", "The others", &[BOB, CAROL]);
    let alice = Account::linked(&fake, ALICE).await;
    let groups = alice.client.groups().get_participating().await.unwrap();
    assert_eq!(groups.keys().map(ToString::to_string).collect::<Vec<_>>(), [GROUP]);
    let group = alice.client.groups().get_metadata(&Jid::group(ID)).await.unwrap();
    assert_eq!((group.subject.as_str(), group.size), ("The three", Some(3)));
    let members: Vec<String> = group.participants.iter().map(|member| member.jid.user.to_string()).collect();
    assert_eq!(members, [ALICE, BOB, CAROL]);
    assert!(group.participants[0].is_super_admin() && !group.participants[1].is_admin());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_client_goes_on_in_its_groups() {
    let fake = with_group().await;
    let mut alice = Account::linked(&fake, ALICE).await;
    fake.phone_send_group(CAROL, ID, "the key comes along").unwrap();
    assert_eq!(message(&mut alice).await.0, "the key comes along");
    let before = send(&alice, "before").await;
    assert_eq!(alice.ack(&before).await, None);
    let store = alice.stop().await;
    fake.wait_for_connections(ALICE, 0).await;
    fake.phone_send_group(CAROL, ID, "while you were away").unwrap();
    let mut alice = Account::from_store(&fake, store).await;
    assert_eq!(message(&mut alice).await.0, "while you were away");
    let after = send(&alice, "after").await;
    let (before, after) = (at_phone(&fake, BOB, &before).await, at_phone(&fake, BOB, &after).await);
    assert_eq!(before.sender_key, after.sender_key);
    assert_eq!(alice.unclaimed_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_lost_a_sender_key_gets_it_again() {
    let fake = with_group().await;
    let alice = Account::linked(&fake, ALICE).await;
    let mut bob = Account::linked(&fake, BOB).await;
    send(&alice, "with the key").await;
    fake.phone_send_group(CAROL, ID, "with the key, too").unwrap();
    let mut senders = Vec::new();
    for _ in [ALICE, CAROL] {
        senders.push(message(&mut bob).await.2.sender);
    }
    let store = bob.stop().await;
    fake.wait_for_connections(BOB, 0).await;
    for sender in senders {
        let name = SenderKeyName::from_parts(GROUP, sender.to_non_ad().to_protocol_address().as_str());
        assert!(store.get_sender_key(name.cache_key()).await.unwrap().is_some(), "{sender}");
        store.delete_sender_key(name.cache_key()).await.unwrap();
    }
    let mut bob = Account::from_store(&fake, store).await;
    let id = send(&alice, "sent again").await;
    assert_eq!(message(&mut bob).await.0, "sent again");
    assert_eq!(fake.times_arrived(&id), 2);
    let lost = fake.phone_send_group(CAROL, ID, "lost").unwrap();
    let is_it = |it: &fake_whatsapp::Receipt| it.kind == "retry" && it.ids.contains(&lost);
    fake.wait_for_receipt("Bob can't decrypt it", is_it).await;
    fake.phone_send_group(CAROL, ID, "with the key again").unwrap();
    assert_eq!(message(&mut bob).await.0, "with the key again");
    for pn in [ALICE, BOB, CAROL] {
        assert_eq!(fake.times_delivered(pn, &id), 1, "{pn}");
    }
}
