//! WhatsApp accounts against a server and phones that check what is said to them, through the public
//! API alone.

mod baileys;
mod carrying;
mod coming;
mod conforming;
mod crash;
mod enclosed;
mod going;
mod groups;
mod leaving;
mod pairing;
mod trouble;

use std::io::Cursor;

use andante::clock::Clock;
use fake_whatsapp::{FakeWhatsApp, File};
use image::{ImageFormat, Rgb, RgbImage};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ANNA, CLINIC, Client, NOBODY, TestApp, eventually};

/// Another person.
const BORIS: &str = "77010000003";

async fn fake() -> FakeWhatsApp {
    let fake = FakeWhatsApp::start().await;
    for (number, lid, name) in
        [(CLINIC, "100000000000001", "Clinic"), (ANNA, "100000000000002", "Anna"), (BORIS, "100000000000003", "Boris")]
    {
        fake.add_phone(number, lid, name);
    }
    fake
}

/// Settings with which a server takes the fake for WhatsApp.
fn settings(fake: &FakeWhatsApp) -> [(&'static str, String); 2] {
    [
        ("ANDANTE_WHATSAPP_URL", fake.url().replace("ws://", "http://")),
        ("ANDANTE_WHATSAPP_VERSION", "2.3000.1035194821".to_owned()),
    ]
}

async fn start(fake: &FakeWhatsApp) -> TestApp {
    start_with(fake, &[], Clock::system()).await
}

async fn start_with(fake: &FakeWhatsApp, more: &[(&str, &str)], clock: Clock) -> TestApp {
    let settings = settings(fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    TestApp::on(&[&settings, more].concat(), clock).await
}

/// A WhatsApp account without limits; `more` changes what it is created with.
async fn account(client: &Client, more: Value) -> String {
    let mut account = json!({"name": "Clinic", "provider": "whatsapp", "useLimits": false});
    for (name, value) in more.as_object().into_iter().flatten() {
        account[name] = value.clone();
    }
    client.create(account).await
}

/// The code to scan, once there is one.
async fn code(client: &Client, id: &str) -> String {
    let path = format!("/api/accounts/{id}/qr");
    let code = async || {
        let shown = client.get(&path).await;
        (shown.status == 200).then(|| shown.body["code"].as_str().unwrap().to_owned())
    };
    eventually("a code is shown", 20, code).await
}

/// Pairs an account with the phone of this number: shows the code, and has it scanned.
async fn pair(client: &Client, fake: &FakeWhatsApp, id: &str, number: &str) -> Value {
    client.connect(id).await;
    fake.scan(number, &code(client, id).await).unwrap();
    client.status(id, "CONNECTED").await
}

/// An account that is paired with the clinic's phone.
async fn paired(client: &Client, fake: &FakeWhatsApp) -> String {
    let id = account(client, json!({})).await;
    pair(client, fake, &id, CLINIC).await;
    id
}

/// Sends a text: our id of the message.
async fn send(client: &Client, account: &str, to: &str, text: &str) -> String {
    client.send(account, to, text).await["messageId"].as_str().unwrap().to_owned()
}

/// A content that begins so, goes on with what is nowhere the same, and has so many bytes.
fn content(head: &[u8], length: usize) -> Vec<u8> {
    let rest = (head.len()..length).map(|at| (at * at / 7 + at) as u8);
    head.iter().copied().chain(rest).collect()
}

/// A picture of 40 by 30 pixels.
fn png() -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 5, y as u8 * 7, 90])).write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// Has a file kept: its id.
async fn keep(client: &Client, name: &str, content: &[u8]) -> String {
    let request = client.request(Method::POST, &format!("/api/media?fileName={name}"));
    let request = request.header("content-type", "application/octet-stream").body(content.to_vec());
    client.run(request).await.expect(201)["id"].as_str().unwrap().to_owned()
}

/// Sends a file that is kept: our id of the message.
async fn send_file(client: &Client, account: &str, to: &str, media: Value, text: &str) -> String {
    let mut body = json!({"accountId": account, "to": to, "media": media});
    if !text.is_empty() {
        body["message"] = json!(text);
    }
    client.post("/api/messages/send", body).await.expect(202)["messageId"].as_str().unwrap().to_owned()
}

/// The files that somebody received from others.
fn files(fake: &FakeWhatsApp, number: &str) -> Vec<File> {
    fake.inbox_of(number).into_iter().filter_map(|delivery| delivery.file).collect()
}

/// What people received from others, as texts.
fn received(fake: &FakeWhatsApp, number: &str) -> Vec<String> {
    fake.inbox_of(number).iter().filter_map(|delivery| Some(delivery.text()?.to_owned())).collect()
}

/// The messages of the account's chat with a number, newest first, as `(body, fromMe)`.
async fn chat(client: &Client, account: &str, number: &str) -> Vec<(String, bool)> {
    let path = format!("/api/whatsapp/sessions/{account}/chats/{number}@c.us/messages");
    let answer = client.get(&path).await;
    let messages = answer.body["data"].as_array().cloned().unwrap_or_default();
    let read = |message: &Value| Some((message["body"].as_str()?.to_owned(), message["fromMe"].as_bool()?));
    messages.iter().filter_map(read).collect()
}
