//! What the server keeps, asked as a page asks it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use fake_whatsapp_web::{Behaviour, FakeWeb, Page, lid_of};
use serde_json::{Value, json};

const SHOP: &str = "996555000001";
const ADA: &str = "996700000001";

async fn post(fake: &FakeWeb, what: &str, body: Value) -> Value {
    let answer = reqwest::Client::new().post(format!("{}page/{what}", fake.url())).json(&body).send().await.unwrap();
    answer.json().await.unwrap_or_default()
}

/// What a page hears that begins to listen, up to this many orders.
async fn heard(fake: &FakeWeb, count: usize) -> Vec<Value> {
    let mut answer = reqwest::get(format!("{}page/events?identity=p", fake.url())).await.unwrap();
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        text += std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap();
    }
    text.split("\n\n").filter_map(|order| serde_json::from_str(order.strip_prefix("data: ")?).ok()).collect()
}

async fn linked(fake: &FakeWeb) {
    post(fake, "ref", json!({ "identity": "p", "ref": "2@one" })).await;
    assert!(!fake.scan("https://wa.me/settings/linked_devices#2@two,a,b,c,1", SHOP, "Shop"));
    assert!(fake.scan("https://wa.me/settings/linked_devices#2@one,a,b,c,1", SHOP, "Shop"));
    assert!(!fake.scan("2@one,a,b,c", SHOP, "Shop"), "a code is good once");
}

#[tokio::test]
async fn what_a_page_did_not_acknowledge_comes_again() {
    let fake = FakeWeb::start().await.unwrap();
    linked(&fake).await;
    let first = fake.person(ADA).says(SHOP, "One");
    let second = fake.phone_says(SHOP, ADA, "Two");
    let orders = heard(&fake, 2).await;
    assert_eq!((&orders[0]["key"], &orders[1]["key"]), (&json!(first), &json!(second)));
    assert_eq!((&orders[0]["chat"], &orders[1]["fromMe"]), (&json!(format!("{ADA}@c.us")), &json!(true)));
    post(&fake, "got", json!({ "identity": "p", "seq": orders[0]["seq"] })).await;
    let orders = heard(&fake, 1).await;
    assert_eq!((orders.len(), &orders[0]["key"]), (1, &json!(second)));
    fake.stop().await;
}

#[tokio::test]
async fn a_key_that_comes_twice_is_one_message() {
    let fake = FakeWeb::start().await.unwrap();
    linked(&fake).await;
    let sent = json!({ "identity": "p", "key": "K", "to": lid_of(ADA), "text": "Hello" });
    post(&fake, "sent", sent.clone()).await;
    post(&fake, "sent", sent).await;
    let all = fake.sent(SHOP);
    assert_eq!((all.len(), &*all[0].to, all[0].attempts), (1, ADA, 2));
    fake.person(ADA).reads(SHOP);
    let acks: Vec<Value> = heard(&fake, 4).await.iter().map(|order| order["ack"].clone()).collect();
    assert_eq!(acks, [json!(1), json!(2), json!(1), json!(3)]);
    fake.stop().await;
}

#[tokio::test]
async fn people_are_there_or_not() {
    let fake = FakeWeb::start().await.unwrap();
    let user = json!({ "identity": "p", "user": format!("{ADA}@c.us") });
    assert_eq!(post(&fake, "exists", user.clone()).await["lid"], lid_of(ADA));
    fake.behave(ADA, Behaviour::NotOnWhatsApp);
    assert_eq!(post(&fake, "exists", user.clone()).await["exists"], false);
    fake.behave(ADA, Behaviour::LookupFails);
    assert_eq!(post(&fake, "exists", user).await, Value::Null);
    fake.stop().await;
}

#[tokio::test]
async fn what_there_is_not_is_recorded_and_a_silent_page_says_nothing() {
    let fake = FakeWeb::start().await.unwrap();
    reqwest::get(format!("{}collect?v=2", fake.url())).await.unwrap();
    post(&fake, "nonsense", json!({ "identity": "p" })).await;
    assert_eq!(fake.strays(), ["GET /collect", "POST /page/nonsense"]);
    let page = reqwest::get(fake.url()).await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("require-trusted-types-for"));
    fake.page(Page::Silent);
    let client = reqwest::Client::builder().timeout(Duration::from_millis(200)).build().unwrap();
    assert!(client.get(fake.url()).send().await.unwrap_err().is_timeout());
    fake.stop().await;
}

#[tokio::test]
async fn a_file_is_the_one_that_was_uploaded() {
    let fake = FakeWeb::start().await.unwrap();
    linked(&fake).await;
    // SHA-256 of "Hello".
    let hash = "GF+NsyJx/iX1Yab8k4suJkMG7DBO2lGAB9F2SCY4GWk=";
    let query = "identity=p&file=one&hash=GF%2BNsyJx%2FiX1Yab8k4suJkMG7DBO2lGAB9F2SCY4GWk%3D";
    let upload = reqwest::Client::new().post(format!("{}page/upload?{query}", fake.url())).body("Hello");
    let uploaded: Value = upload.send().await.unwrap().json().await.unwrap();
    let file = json!({ "type": "image", "mimetype": "image/png", "size": 5, "filehash": hash, "directPath": uploaded["path"] });
    let sent = json!({ "identity": "p", "key": "K", "to": lid_of(ADA), "text": "Look", "file": file });
    post(&fake, "sent", sent.clone()).await;
    let all = fake.sent(SHOP);
    assert_eq!((&*all[0].text, &*all[0].file.as_ref().unwrap().content), ("Look", &b"Hello"[..]));
    assert_eq!((fake.uploads(SHOP), fake.files_given(SHOP)), (1, 1));
    let mut other = sent;
    other["file"]["size"] = json!(6);
    post(&fake, "sent", other).await;
    assert_eq!(fake.violations(), ["a file is not the one that was uploaded"]);
    let path = uploaded["path"].as_str().unwrap().trim_start_matches('/').to_owned();
    fake.forget_contents();
    assert_eq!(reqwest::get(format!("{}{path}", fake.url())).await.unwrap().status(), 410);
    fake.stop().await;
}
