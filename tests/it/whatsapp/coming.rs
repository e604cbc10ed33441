//! What comes in: each message once, acknowledged when it is a row.

use fake_whatsapp::conversation;
use serde_json::json;

use super::{ANNA, BORIS, CLINIC, account, chat, fake, pair, paired, send, settings, start, start_with};
use crate::harness::{Binary, Client, Postgres, Proxy, Socket, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_and_what_the_owner_writes_on_the_phone_is_in_the_chat() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let sent = send(&app.client, &id, ANNA, "first, from here").await;
    app.client.reaches(&sent, &["delivered"]).await;
    let question = fake.phone_send(ANNA, CLINIC, "second, from her").unwrap();
    eventually("her message is there", 20, async || (chat(&app.client, &id, ANNA).await.len() == 2).then_some(()))
        .await;
    fake.phone_send(CLINIC, ANNA, "third, from the phone").unwrap();
    eventually("the owner's is there", 20, async || (chat(&app.client, &id, ANNA).await.len() == 3).then_some(()))
        .await;
    let texts = chat(&app.client, &id, ANNA).await;
    let expected = [("third, from the phone", true), ("second, from her", false), ("first, from here", true)];
    assert_eq!(texts, expected.map(|(text, is_own)| (text.to_owned(), is_own)));
    let chats = app.client.get(&format!("/api/whatsapp/sessions/{id}/chats")).await.expect(200);
    let chats = chats["data"].as_array().unwrap();
    assert_eq!(chats.len(), 1, "one person is one chat: {chats:?}");
    assert_eq!((chats[0]["chatName"].as_str(), chats[0]["unreadCount"].as_u64()), (Some("Anna"), Some(1)));
    assert_eq!(chats[0]["lastMessageText"], "third, from the phone", "what came last is the last");
    // The phone hears that it was delivered, and read once somebody here has.
    fake.wait_for_receipt("a receipt of her message", |receipt| receipt.ids.contains(&question)).await;
    app.client.post(&format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/read"), json!({})).await.expect(200);
    fake.wait_for_receipt("that it was read", |receipt| receipt.kind == "read" && receipt.ids.contains(&question))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_acknowledged_once_it_is_a_row_and_comes_again_until_then() {
    let fake = fake().await;
    let mut app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let device = fake.devices(CLINIC)[0];
    app.stop().await;
    fake.wait_for_connections(CLINIC, 0).await;
    for n in 0..30 {
        fake.phone_send(ANNA, CLINIC, &format!("message {n}")).unwrap();
    }
    assert_eq!(fake.unacknowledged(CLINIC, device).len(), 30);
    app.resume().await;
    app.client.status(&id, "CONNECTED").await;
    fake.wait_for("all are acknowledged", |fake| fake.unacknowledged(CLINIC, device).is_empty().then_some(())).await;
    // What is acknowledged is there at once.
    let path = format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/messages?limit=200");
    let messages = app.client.get(&path).await.expect(200);
    assert_eq!(messages["pagination"]["total"], 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_is_one_chat_by_number_and_by_hidden_id() {
    let fake = fake().await;
    fake.set_lid_migrated(CLINIC, true);
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let sent = send(&app.client, &id, ANNA, "to her number").await;
    app.client.reaches(&sent, &["delivered"]).await;
    fake.phone_send(ANNA, CLINIC, "from her").unwrap();
    eventually("both are in one chat", 20, async || (chat(&app.client, &id, ANNA).await.len() == 2).then_some(()))
        .await;
    let chats = app.client.get(&format!("/api/whatsapp/sessions/{id}/chats")).await.expect(200);
    assert_eq!(chats["data"].as_array().unwrap().len(), 1, "{chats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phones_history_is_there_after_pairing_and_nothing_of_it_is_unread() {
    let fake = fake().await;
    let app = start(&fake).await;
    let past = [("H1", "an old question", false), ("H2", "an old answer", true)];
    fake.set_history(CLINIC, vec![conversation(BORIS, "Boris", 2, &past)]);
    let id = account(&app.client, json!({})).await;
    pair(&app.client, &fake, &id, CLINIC).await;
    eventually("the history is there", 20, async || (chat(&app.client, &id, BORIS).await.len() == 2).then_some(()))
        .await;
    let chats = app.client.get(&format!("/api/whatsapp/sessions/{id}/chats")).await.expect(200);
    assert_eq!(chats["data"][0]["unreadCount"], 0, "{chats}");
    assert_eq!(chats["data"][0]["chatName"], "Boris");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_while_the_database_is_away_is_there_once_it_is_back() {
    let fake = fake().await;
    let database = Postgres::database().await;
    let port = database.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port).await;
    let through_proxy = database.replace(&port.to_string(), &proxy.port.to_string());
    let app = start_with(&fake, &[("DATABASE_URL", &through_proxy)], andante::clock::Clock::system()).await;
    let id = paired(&app.client, &fake).await;
    let mut texts = Vec::new();
    for round in 0..3 {
        for number in 0..10 {
            if number == 3 {
                proxy.cut();
            }
            texts.push((format!("{round}-{number}"), false));
            fake.phone_send(if number % 2 == 0 { ANNA } else { BORIS }, CLINIC, &texts.last().unwrap().0).unwrap();
        }
        // By then it has come to the server, which can't write it.
        eventually("the database is missed", 20, async || {
            (app.client.get("/health").await.status == 503).then_some(())
        })
        .await;
        proxy.mend();
    }
    eventually("all of it is there", 60, async || {
        let (anna, boris) = tokio::join!(chat(&app.client, &id, ANNA), chat(&app.client, &id, BORIS));
        (anna.len() + boris.len() == texts.len()).then_some(())
    })
    .await;
    let order = |mut got: Vec<(String, bool)>, of: usize| {
        got.reverse();
        let sent = texts.iter().enumerate().filter(|(at, _)| at % 10 % 2 == of).map(|(_, text)| text.clone());
        assert_eq!(got, sent.collect::<Vec<_>>());
    };
    order(chat(&app.client, &id, ANNA).await, 0);
    order(chat(&app.client, &id, BORIS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_goes_on_where_it_was_when_the_process_is_killed() {
    const CHATS: usize = 40;
    const MESSAGES: usize = 200;
    let fake = fake().await;
    let past = |chat: usize| {
        let ids: Vec<String> = (0..MESSAGES).map(|n| format!("H{chat}-{n}")).collect();
        let messages: Vec<_> = ids.iter().map(|id| (id.as_str(), "long ago", false)).collect();
        conversation(&format!("770300000{chat:02}"), "Somebody", 0, &messages)
    };
    fake.set_history(CLINIC, (0..CHATS).map(past).collect());
    let settings = settings(&fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Binary::start(&settings);
    let id = account(&server.client, json!({})).await;
    pair(&server.client, &fake, &id, CLINIC).await;
    let chats = async |client: &Client| {
        let chats = client.get(&format!("/api/whatsapp/sessions/{id}/chats?limit=100")).await;
        chats.body["data"].as_array().map_or(0, Vec::len)
    };
    let client = server.client.clone();
    let there = eventually("some of it is there", 20, async || match chats(&client).await {
        0 => None,
        some => Some(some),
    })
    .await;
    assert!(there < CHATS, "it was too quick to be killed");
    server.kill();
    server.resume();
    let client = server.client.clone();
    let last = format!("770300000{:02}", CHATS - 1);
    eventually("the last of it is there", 60, async || (!chat(&client, &id, &last).await.is_empty()).then_some(()))
        .await;
    assert_eq!(chats(&client).await, CHATS);
    let messages = client.get("/api/whatsapp/stats").await.expect(200);
    assert_eq!(messages["data"]["messages"]["total"], CHATS * MESSAGES, "{messages}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_types_and_listeners_hear_it() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let mut socket = Socket::with_token(&app.client, "").await;
    for is_typing in [true, false] {
        fake.phone_typing(ANNA, CLINIC, is_typing);
        let heard = socket.event("typing-status").await;
        assert_eq!((heard["sessionId"].as_str(), heard["isTyping"].as_bool()), (Some(id.as_str()), Some(is_typing)));
        assert_eq!(heard["chatId"], format!("{ANNA}@c.us"));
    }
}
