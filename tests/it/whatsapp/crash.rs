//! `kill -9` in the middle of sends: every accepted message ends once, and nobody receives one twice.

use std::collections::HashMap;

use fake_whatsapp::Cut;
use serde_json::{Value, json};

use super::{ANNA, CLINIC, account, chat, fake, pair, received, send, settings};
use crate::harness::{Binary, Postgres, Redis, eventually};

const PEOPLE: usize = 10;
const MESSAGES: usize = 60;
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_receives_a_message_twice_however_often_the_process_is_killed() {
    let fake = fake().await;
    let people: Vec<String> = (0..PEOPLE).map(|n| format!("770200000{n:02}")).collect();
    for (n, number) in people.iter().enumerate() {
        fake.add_phone(number, &format!("2000000000000{n:02}"), "Somebody");
    }
    let settings = settings(&fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Binary::start(&settings);
    let id = account(&server.client, json!({"limits": {"delayMs": [20, 40]}})).await;
    pair(&server.client, &fake, &id, CLINIC).await;
    let messages: Vec<Value> =
        (0..MESSAGES).map(|n| json!({"to": people[n % PEOPLE], "message": format!("text {n}")})).collect();
    let body = json!({"accountId": id, "messages": messages});
    let accepted = server.client.post("/api/messages/bulk", body).await.expect(202);
    let ids: Vec<String> =
        accepted["results"].as_array().unwrap().iter().map(|r| r["messageId"].as_str().unwrap().to_owned()).collect();
    for kill in 1..=KILLS {
        let enough = kill * MESSAGES / (KILLS + 2);
        fake.wait_for("some have arrived", |fake| (fake.arrivals().len() >= enough).then_some(())).await;
        if kill % 2 == 0 {
            // The server breaks in the middle of a message as well, before or after it is passed on.
            fake.drop_after_message(CLINIC, if kill % 4 == 0 { Cut::BeforeRouting } else { Cut::AfterRouting });
            let before = fake.arrivals().len();
            fake.wait_for("one was cut off", |fake| (fake.arrivals().len() > before).then_some(())).await;
        }
        server.kill();
        server.resume();
    }
    let mut ends: HashMap<String, usize> = HashMap::new();
    for message in &ids {
        let row = eventually("every message ends", 90, async || {
            let row = server.client.message(message).await;
            matches!(row["status"].as_str()?, "delivered" | "uncertain" | "sent").then_some(row)
        })
        .await;
        *ends.entry(row["status"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for delivery in fake.inbox().into_iter().filter(|delivery| delivery.to != delivery.from) {
        *times.entry(delivery.text().unwrap().to_owned()).or_default() += 1;
    }
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    let uncertain = ends.get("uncertain").copied().unwrap_or_default();
    // Of each kill and each cut one message at most is in flight.
    assert!(uncertain <= KILLS + KILLS / 2, "{ends:?}");
    assert!(times.len() + uncertain >= MESSAGES, "{ends:?}, {} arrived", times.len());
    assert_eq!(fake.undecryptable(), []);
    assert_eq!(fake.devices(CLINIC).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_takes_an_account_over_and_goes_on_decrypting() {
    let fake = fake().await;
    let (database, redis) = (Postgres::database().await, Redis::start().await);
    let [url, version] = settings(&fake);
    let redis_url = redis.url();
    let settings = [
        (url.0, url.1.as_str()),
        (version.0, version.1.as_str()),
        ("DATABASE_URL", &database),
        ("REDIS_URL", &redis_url),
    ];
    let mut first = Binary::start(&settings);
    let id = account(&first.client, json!({})).await;
    pair(&first.client, &fake, &id, CLINIC).await;
    let sent = async |server: &Binary, text: &str| {
        let message = send(&server.client, &id, ANNA, text).await;
        server.client.reaches(&message, &["delivered"]).await;
    };
    sent(&first, "one").await;
    fake.phone_send(ANNA, CLINIC, "to the first").unwrap();
    // A server that starts takes what should be connected, so it starts only now.
    let second = Binary::start(&settings);
    // While the first is alive: WhatsApp lets it go, and it does not fight for the account.
    second.client.connect(&id).await;
    second.client.status(&id, "CONNECTED").await;
    sent(&second, "two").await;
    eventually("the first has let go", 20, async || {
        (first.client.metric("andante_sessions{status=\"CONNECTED\"}").await == 0.0).then_some(())
    })
    .await;
    let now = second.client.account(&id).await;
    assert_eq!((now["status"].as_str(), now["lastError"].as_str()), (Some("CONNECTED"), None), "{now}");
    // And after it has died in the middle of everything.
    first.client.connect(&id).await;
    first.client.status(&id, "CONNECTED").await;
    sent(&first, "three").await;
    first.kill();
    fake.phone_send(ANNA, CLINIC, "to nobody yet").unwrap();
    second.client.connect(&id).await;
    second.client.status(&id, "CONNECTED").await;
    sent(&second, "four").await;
    eventually("what she wrote is there", 20, async || {
        let texts = chat(&second.client, &id, ANNA).await;
        ["to the first", "to nobody yet"].iter().all(|text| texts.contains(&((*text).to_owned(), false))).then_some(())
    })
    .await;
    assert_eq!(received(&fake, ANNA), ["one", "two", "three", "four"]);
    assert_eq!((fake.undecryptable(), fake.devices(CLINIC).len()), (vec![], 1));
}
