//! Messages out of a page and into it.

use fake_whatsapp_web::{Behaviour, FakeWeb, lid_of};
use serde_json::{Value, json};

use crate::tab::Tab;

const SHOP: &str = "996555000001";
const ADA: &str = "996700000001";
const BOB: &str = "996700000002";

fn send(to: &str, text: &str, key: &str) -> Value {
    let to = if to.contains('@') { to.to_owned() } else { format!("{to}@c.us") };
    json!({ "to": to, "text": text, "key": key })
}

fn key(number: u32) -> String {
    format!("3EB0{number:018}")
}

#[tokio::test]
async fn a_message_goes_out_under_its_key_and_its_receipts_come_back() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    let key = key(1);
    let sent = tab.ask("send", send(ADA, "Hello, Ada 👋", &key)).await.unwrap();
    assert_eq!((&sent["key"], &sent["result"], &sent["isRepeat"]), (&json!(key), &json!("OK"), &json!(false)));
    assert_eq!(sent["chat"], format!("{ADA}@c.us"));
    assert!(sent["ack"].as_i64() >= Some(1), "{sent}");
    tab.ack(&key, 1).await;
    tab.ack(&key, 2).await;
    fake.person(ADA).reads(SHOP);
    tab.ack(&key, 3).await;
    let again = tab.ask("send", send(ADA, "Hello, Ada 👋", &key)).await.unwrap();
    assert_eq!((&again["ack"], &again["isRepeat"]), (&json!(3), &json!(true)));
    let arrived = fake.wait_sent(SHOP, 1).await;
    assert_eq!((&*arrived[0].to, &*arrived[0].text, arrived[0].attempts), (ADA, "Hello, Ada 👋", 1));
    assert_eq!(arrived.len(), 1);
    let own = tab.event("message", |message| message["fromMe"] == true).await;
    assert_eq!((&own["key"], &own["phone"]), (&json!(key), &json!(format!("{ADA}@c.us"))));
    assert_eq!(
        tab.ask("acks", json!({ "keys": [key, "3EB0FFFFFFFF"] })).await.unwrap(),
        json!([{ "key": key, "ack": 3 }])
    );
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn what_can_not_be_sent_says_why() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    for (behaviour, code) in [
        (Behaviour::NotOnWhatsApp, "not_on_whatsapp"),
        (Behaviour::LookupFails, "check_failed"),
        (Behaviour::NoLid, "no_lid"),
    ] {
        fake.behave(ADA, behaviour);
        let error = tab.ask("send", send(ADA, "Hello", &key(1))).await.unwrap_err();
        assert_eq!((&error["code"], &error["mayBeSent"]), (&json!(code), &json!(false)), "{error}");
    }
    assert_eq!(fake.sent(SHOP), []);
    fake.behave(ADA, Behaviour::Refuse);
    let refused = tab.ask("send", send(ADA, "Hello", &key(2))).await.unwrap();
    assert_eq!((&refused["ack"], &refused["result"]), (&json!(-1), &json!("ERROR_UNKNOWN")));
    tab.ack(&key(2), -1).await;
    fake.behave(BOB, Behaviour::LateAck);
    let call = tab.start("send", send(BOB, "Hello", &key(3))).await;
    fake.wait_sent(SHOP, 2).await;
    // The same key meanwhile is no second message.
    let meanwhile = tab.ask("send", send(BOB, "Hello", &key(3))).await.unwrap();
    assert_eq!((&meanwhile["ack"], &meanwhile["isRepeat"]), (&json!(0), &json!(true)));
    fake.release(BOB);
    assert_eq!(tab.reply(&call).await.unwrap()["result"], "OK");
    tab.ack(&key(3), 2).await;
    let error = tab.ask("send", send("1203630000000000@g.us", "Hello", &key(4))).await.unwrap_err();
    assert_eq!(error["code"], "not_in_group");
    let error = tab.ask("send", send("nobody", "Hello", &key(4))).await.unwrap_err();
    assert_eq!(error["code"], "bad_params");
    assert_eq!(fake.sent(SHOP).len(), 2);
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn people_write_type_and_are_read() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    let ada = fake.person(ADA).named("Ada");
    let said = ada.says(SHOP, "Is it open?");
    let heard = tab.event("message", |message| message["key"] == said).await;
    assert_eq!(
        (&heard["text"], &heard["name"], &heard["fromMe"]),
        (&json!("Is it open?"), &json!("Ada"), &json!(false))
    );
    assert_eq!((&heard["chat"], &heard["from"]), (&json!(format!("{ADA}@c.us")), &json!(format!("{ADA}@c.us"))));
    assert_eq!((&heard["author"], &heard["isCaughtUp"]), (&json!(null), &json!(false)));
    let answered = fake.phone_says(SHOP, ADA, "Until six");
    let own = tab.event("message", |message| message["key"] == answered).await;
    assert_eq!((&own["fromMe"], &own["phone"]), (&json!(true), &json!(format!("{ADA}@c.us"))));
    ada.says(SHOP, "Thanks");
    tab.event("message", |message| message["text"] == "Thanks").await;
    let chats = tab.ask("chats", json!({ "count": 5 })).await.unwrap();
    assert_eq!((&chats[0]["kind"], &chats[0]["name"], &chats[0]["unread"]), (&json!("user"), &json!("Ada"), &json!(1)));
    tab.ask("markRead", json!({ "chat": format!("{ADA}@c.us") })).await.unwrap();
    assert_eq!(fake.read(SHOP), [ADA]);
    tab.ask("typing", json!({ "to": format!("{ADA}@c.us"), "on": true })).await.unwrap();
    tab.ask("typing", json!({ "to": format!("{ADA}@c.us"), "on": false })).await.unwrap();
    let told: Vec<(String, bool)> = fake.composing(SHOP).into_iter().map(|one| (one.chat, one.on)).collect();
    assert_eq!(told, [(ADA.to_owned(), true), (ADA.to_owned(), false)]);
    assert!(ada.types(SHOP, true), "the page asked to be told");
    assert!(ada.types(SHOP, false));
    tab.event("typing", |typing| typing["on"] == true && typing["who"] == format!("{ADA}@c.us")).await;
    tab.event("typing", |typing| typing["on"] == false).await;
    let error = tab.ask("markRead", json!({ "chat": format!("{BOB}@c.us") })).await.unwrap_err();
    assert_eq!(error["code"], "chat_not_found");
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn a_page_that_was_away_catches_up() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    tab.ask("send", send(ADA, "One", &key(1))).await.unwrap();
    tab.ask("send", send(ADA, "Two", &key(2))).await.unwrap();
    fake.behave(BOB, Behaviour::NoAnswer);
    tab.start("send", send(BOB, "Lost?", &key(3))).await;
    fake.wait_sent(SHOP, 3).await;
    let profile = tab.kill();
    fake.person(ADA).reads(SHOP);
    for number in 0..25 {
        fake.person(ADA).says(SHOP, &format!("Away {number}"));
    }
    fake.person(BOB).says(SHOP, "And I");
    let mut tab = Tab::open_with(&fake, profile).await;
    tab.connected().await;
    assert!(fake.wait_stored(SHOP).await);
    // Some of it may have come while wa-js listened. In the next document nothing does.
    assert!(fake.reload(SHOP));
    tab.reloaded().await;
    tab.events.clear();
    tab.connected().await;
    let first = tab.ask("catchUp", json!({ "since": 0, "limit": 20 })).await.unwrap();
    assert_eq!(first, json!({ "count": 20, "hasMore": true }));
    let rest = tab.ask("catchUp", json!({ "since": 0, "limit": 100 })).await.unwrap();
    assert_eq!(rest["hasMore"], false);
    let messages: Vec<&Value> =
        tab.events.iter().filter(|event| event["kind"] == "message").map(|event| &event["data"]).collect();
    assert_eq!(messages.len(), 29, "{messages:#?}");
    let from_ada: Vec<&str> =
        messages.iter().filter_map(|message| message["text"].as_str()?.strip_prefix("Away ")).collect();
    assert_eq!(from_ada.len(), 25);
    // The first message is in the database alone by now, and was read meanwhile.
    assert_eq!(tab.ask("find", json!({ "key": key(1) })).await.unwrap(), json!(null));
    let there = json!({ "key": key(1), "chat": format!("{ADA}@c.us") });
    assert_eq!(tab.ask("find", there).await.unwrap()["ack"], 3);
    let repeated = json!({ "to": format!("{ADA}@c.us"), "text": "One", "key": key(1), "isRepeat": true });
    assert_eq!(tab.ask("send", repeated).await.unwrap()["isRepeat"], true);
    assert_eq!(tab.ask("find", json!({ "key": key(9), "chat": format!("{ADA}@c.us") })).await.unwrap(), json!(null));
    // What had no answer goes again, under its key.
    let attempts: Vec<u32> = fake.sent(SHOP).iter().map(|one| one.attempts).collect();
    assert!(attempts[..2] == [1, 1] && attempts[2] > 1, "{attempts:?}");
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn a_group_has_members_who_write_and_read() {
    let fake = FakeWeb::start().await.unwrap();
    fake.person(ADA).named("Ada");
    let group = fake.group("Friends", &[SHOP, ADA, BOB]);
    let mut tab = Tab::linked(&fake, SHOP).await;
    let sent = tab.ask("send", send(&group, "Hello all", &key(1))).await.unwrap();
    assert_eq!((&sent["chat"], &sent["result"]), (&json!(group), &json!("OK")));
    let arrived = fake.wait_sent(SHOP, 1).await;
    assert_eq!((&*arrived[0].to, arrived[0].participant.as_deref()), (&*group, Some(&*lid_of(SHOP))));
    tab.event("ack", |ack| ack["ack"] == 2 && ack["by"] == lid_of(ADA)).await;
    tab.event("ack", |ack| ack["ack"] == 2 && ack["by"].is_null()).await;
    let said = fake.person(ADA).says_in(&group, SHOP, "Hello");
    let heard = tab.event("message", |message| message["key"] == said).await;
    assert_eq!((&heard["chat"], &heard["chatName"], &heard["name"]), (&json!(group), &json!("Friends"), &json!("Ada")));
    assert_eq!((&heard["author"], &heard["phone"]), (&json!(lid_of(ADA)), &json!(format!("{ADA}@c.us"))));
    tab.ask("markRead", json!({ "chat": group })).await.unwrap();
    let is_told =
        tab.until("the subscription", |_| fake.person(ADA).types_in(&group, SHOP, true).then_some(true)).await;
    assert!(is_told);
    tab.event("typing", |typing| typing["chat"] == group && typing["who"] == lid_of(ADA)).await;
    fake.group("Friends", &[ADA, BOB]);
    tab.is_tidy(&fake);
    let mut number = 1;
    let error = loop {
        // The page hears of it in its own time.
        number += 1;
        if let Err(error) = tab.ask("send", send(&group, "Still there?", &key(number))).await {
            break error;
        }
    };
    assert_eq!(error["code"], "not_in_group");
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn an_account_that_was_moved_keeps_its_chats_under_lids() {
    let fake = FakeWeb::start().await.unwrap();
    fake.use_lids(true);
    let mut tab = Tab::linked(&fake, SHOP).await;
    let sent = tab.ask("send", send(ADA, "Hello", &key(1))).await.unwrap();
    assert_eq!(sent["chat"], lid_of(ADA));
    tab.ack(&key(1), 2).await;
    assert_eq!(fake.sent(SHOP)[0].to, ADA);
    let said = fake.person(ADA).says(SHOP, "Hi");
    let heard = tab.event("message", |message| message["key"] == said).await;
    assert_eq!((&heard["from"], &heard["phone"]), (&json!(lid_of(ADA)), &json!(format!("{ADA}@c.us"))));
    tab.ask("typing", json!({ "to": format!("{ADA}@c.us"), "on": true })).await.unwrap();
    assert_eq!(fake.composing(SHOP)[0].chat, ADA);
    assert!(fake.reload(SHOP));
    tab.reloaded().await;
    tab.connected().await;
    let found = tab.ask("find", json!({ "key": key(1), "chat": lid_of(ADA) })).await.unwrap();
    assert_eq!(found["chat"], lid_of(ADA));
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}
