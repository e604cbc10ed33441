//! Files and templates, as people send and see them.

use std::io::Write as _;

use andante::gateway::{Enclosure, Letter};
use entity::message::Kind;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::harness::{Client, Company, PASSWORD, TestApp, eventually, guarded, ready_account};

const CHAT: &str = "996700000055@c.us";
const COMPOSER: &str = ".chats-composer textarea";
const FILE: &str = ".chats-composer input[type=file]";

/// A picture: a PNG of one colour.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..height {
        pixels.write_all(&[0]).unwrap();
        pixels.write_all(&[200, 90, 60].repeat(width as usize)).unwrap();
    }
    let mut head = [width.to_be_bytes(), height.to_be_bytes()].concat();
    head.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", head), (b"IDAT", pixels.finish().unwrap()), (b"IEND", Vec::new())] {
        let mut sum = flate2::Crc::new();
        sum.update(name);
        sum.update(&data);
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend(name);
        file.extend(data);
        file.extend(sum.sum().to_be_bytes());
    }
    file
}

/// A sound: so many seconds of silence.
fn wav(seconds: u32) -> Vec<u8> {
    const RATE: u32 = 8_000;
    let size = RATE * seconds;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + size).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(RATE.to_le_bytes());
    file.extend(RATE.to_le_bytes());
    file.extend(b"\x01\0\x08\0data");
    file.extend(size.to_le_bytes());
    file.resize(44 + size as usize, 128);
    file
}

/// Uploads a file: its id.
pub(crate) async fn uploaded(client: &Client, name: &str, content: Vec<u8>) -> String {
    let path = format!("/api/media?fileName={name}");
    let request = client.request(Method::POST, &path).header("Content-Type", "application/octet-stream").body(content);
    client.run(request).await.expect(201)["id"].as_str().unwrap().to_owned()
}

fn messages(account: &str) -> String {
    format!("/api/whatsapp/sessions/{account}/chats/{CHAT}/messages")
}

/// A server with an account whose chat is open in a browser; nobody answers there.
async fn chatting(width: u32) -> (TestApp, String, Browser) {
    let app = TestApp::start().await;
    let silent = json!({"config": {"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": [0, 0], "answerMs": null}});
    let id = ready_account(&app.client, silent).await;
    app.client.post(&messages(&id), json!({"message": "Good morning"})).await.expect(202);
    let browser = Browser::open("en", width, false).await;
    browser.driver.goto(format!("{}/chats/{id}/{CHAT}", app.client.url)).await.unwrap();
    browser.sees("Good morning").await;
    eventually("files can be attached", 20, async || {
        (browser
            .asks(
                "return !!document.querySelector('.chats-write button[aria-label=\"Attach a file\"]:not(.is-unknown)')",
            )
            .await
            == json!(true))
        .then_some(())
    })
    .await;
    (app, id, browser)
}

async fn chooses(browser: &Browser, folder: &TempDir, name: &str, content: &[u8]) {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    browser.driver.find(By::Css(FILE)).await.unwrap().send_keys(path.to_str().unwrap()).await.unwrap();
    browser.sees(name).await;
}

/// The first message of the chat with this in its `what`, once it is there.
async fn said(app: &TestApp, account: &str, what: &str, value: &str) -> Value {
    eventually(&format!("the chat has {what} {value:?}"), 20, async || {
        let messages = app.client.get(&messages(account)).await.body;
        messages["data"].as_array()?.iter().find(|message| message[what] == value).cloned()
    })
    .await
}

async fn is_true(browser: &Browser, what: &str, script: &str) {
    eventually(what, 20, async || (browser.asks(script).await == json!(true)).then_some(())).await;
}

async fn is_uploaded(browser: &Browser) {
    is_true(browser, "it is uploaded", "return !!document.querySelector('.attached-progress.good')").await;
}

/// Somebody sends a file that the messenger has.
fn comes(app: &TestApp, account: &str, kind: Kind, enclosure: Enclosure) {
    app.app().simulator.stage(TestApp::id(account)).unwrap().write(Letter {
        chat: CHAT.to_owned(),
        chat_kind: entity::chat::Kind::Individual,
        chat_name: Some("Aizada".to_owned()),
        provider_message_id: format!("in_{:032x}", rand::random::<u128>()),
        is_own: false,
        sender: None,
        sender_name: None,
        text: String::new(),
        kind,
        at: app.app().clock.now(),
        is_history: false,
        media: Some(enclosure),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_chosen_sent_with_a_caption_and_looked_at() {
    let (app, id, browser) = chatting(1440).await;
    let folder = TempDir::new().unwrap();
    for (name, caption) in [("plan.png", "The plan of the floor"), ("door.png", "And the door")] {
        chooses(&browser, &folder, name, &png(900, 600)).await;
        is_uploaded(&browser).await;
        browser.types(COMPOSER, caption).await;
        browser.driver.find(By::Css(COMPOSER)).await.unwrap().send_keys(Key::Enter + "").await.unwrap();
        let sent = said(&app, &id, "body", caption).await;
        assert_eq!(sent["messageType"], "image");
        assert_eq!((&sent["media"]["fileName"], &sent["media"]["width"]), (&json!(name), &json!(900)));
        is_true(&browser, "nothing is attached any more", "return !document.querySelector('.attached')").await;
    }
    let drawn = "return [...document.querySelectorAll('.media-full')].filter(one => one.complete && one.naturalWidth).length === 2";
    is_true(&browser, "the pictures are there", drawn).await;
    // Their room was kept.
    browser.driver.refresh().await.unwrap();
    is_true(&browser, "the pictures are there again", drawn).await;
    let shift = browser.asks("return window.shift").await.as_f64().unwrap();
    assert!(shift < 0.01, "it moved by itself: {shift}");
    // By the keyboard alone: opened, gone through, closed, and back.
    browser.asks("document.querySelector('button.media-picture').focus()").await;
    let press = async |key: Key| browser.driver.action_chain().send_keys(key).perform().await.unwrap();
    press(Key::Enter).await;
    browser.sees("1 of 2").await;
    press(Key::Right).await;
    browser.sees("2 of 2").await;
    browser.sees("And the door").await;
    browser.screenshot("viewer").await;
    press(Key::Escape).await;
    let back =
        "return !document.querySelector('dialog[open]') && document.activeElement.matches('button.media-picture')";
    is_true(&browser, "the focus is back", back).await;
    // On a phone it fits, too.
    browser.look(360, true).await;
    browser.driver.refresh().await.unwrap();
    is_true(&browser, "the pictures are there", drawn).await;
    browser.clicks("Picture: open").await;
    browser.clicks("Enlarge").await;
    is_true(
        &browser,
        "it is larger than the screen",
        "const frame = document.querySelector('.viewer-frame'); return frame.scrollWidth > frame.clientWidth",
    )
    .await;
    browser.screenshot("viewer-phone").await;
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_goes_as_a_file_to_a_number_and_lists_say_what_it_is() {
    let (app, id, browser) = chatting(1440).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("result.png");
    std::fs::write(&path, png(300, 200)).unwrap();
    browser.types("input[name=phone]", "+996 700 000 055").await;
    let field = browser.driver.find(By::Css(".chats-card input[type=file]")).await.unwrap();
    field.send_keys(path.to_str().unwrap()).await.unwrap();
    is_uploaded(&browser).await;
    browser.clicks("Send as a file").await;
    // A file needs no text.
    let field = browser.driver.find(By::Css("textarea[name=text]")).await.unwrap();
    field.send_keys(Key::Control + Key::Enter).await.unwrap();
    browser.sees("Message accepted").await;
    let sent = said(&app, &id, "messageType", "document").await;
    assert_eq!((&sent["body"], &sent["media"]["fileName"]), (&json!(""), &json!("result.png")));
    is_true(
        &browser,
        "the list says so",
        "return document.querySelector('.chats-last').textContent.includes('Document')",
    )
    .await;
    browser.driver.goto(format!("{}/messages", app.client.url)).await.unwrap();
    browser.sees("Document: result.png").await;
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_can_be_cancelled_and_what_was_written_stays() {
    let (app, id, browser) = chatting(1440).await;
    let cdp = browser.driver.cdp();
    cdp.send_raw("Network.enable", json!({})).await.unwrap();
    let slow = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 40_000});
    cdp.send_raw("Network.emulateNetworkConditions", slow).await.unwrap();
    let folder = TempDir::new().unwrap();
    browser.types(COMPOSER, "without it").await;
    chooses(&browser, &folder, "film.bin", &vec![7; 4 << 20]).await;
    browser.sees("uploading").await;
    // It does not leave before it is whole.
    browser.driver.find(By::Css(COMPOSER)).await.unwrap().send_keys(Key::Enter + "").await.unwrap();
    let send = "return document.querySelector('.chats-composer [type=submit]').getAttribute('aria-disabled')";
    assert_eq!(browser.asks(send).await, json!("true"));
    browser.clicks("Cancel the upload").await;
    is_true(&browser, "nothing is attached", "return !document.querySelector('.attached')").await;
    let fast = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    cdp.send_raw("Network.emulateNetworkConditions", fast).await.unwrap();
    assert_eq!(browser.asks(&format!("return document.querySelector('{COMPOSER}').value")).await, json!("without it"));
    browser.driver.find(By::Css(COMPOSER)).await.unwrap().send_keys(Key::Enter + "").await.unwrap();
    let sent = said(&app, &id, "body", "without it").await;
    assert_eq!((&sent["messageType"], &sent["media"]), (&json!("text"), &Value::Null));
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_or_dropped_is_attached_and_what_is_too_large_says_so() {
    let (_app, _, browser) = chatting(360).await;
    // No clipboard and no other window is at hand: the events are as a browser makes them.
    let with = |name: &str, size: u64| {
        format!(
            "const data = new DataTransfer(); data.items.add(new File([new Uint8Array({size})], '{name}', {{ type: 'application/zip' }}));"
        )
    };
    let paste = "document.querySelector('.chats-composer textarea').dispatchEvent(
        new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));";
    browser.asks(&(with("pasted.zip", 5_000) + paste)).await;
    browser.sees("pasted.zip").await;
    is_uploaded(&browser).await;
    let drop = "document.querySelector('.chats-messages').dispatchEvent(
        new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));";
    browser.asks(&(with("dropped.zip", 101 << 20) + drop)).await;
    browser.sees("dropped.zip").await;
    browser.sees("at most 100 MB").await;
    let send = "return document.querySelector('.chats-composer [type=submit]').title";
    assert!(browser.asks(send).await.as_str().unwrap().contains("100 MB"));
    browser.clicks("Remove the file").await;
    is_true(&browser, "nothing is attached", "return !document.querySelector('.attached')").await;
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_note_is_heard_where_it_stands_and_what_can_not_be_had_says_so() {
    let (app, id, browser) = chatting(1440).await;
    let sound = uploaded(&app.client, "talk.wav", wav(20)).await;
    let picture = uploaded(&app.client, "plan.png", png(600, 400)).await;
    for (media, kind) in [(&sound, "audio"), (&picture, "image")] {
        let sent = app.client.post(&messages(&id), json!({"media": {"id": media, "kind": kind}})).await.expect(202);
        app.client.reaches(sent["data"]["id"].as_str().unwrap(), &["read"]).await;
    }
    let voice = Enclosure { seconds: Some(20), source: sound.clone(), ..Enclosure::default() };
    comes(&app, &id, Kind::Voice, voice);
    browser.sees("Voice message").await;
    let bubble = browser.driver.find(By::Css(".has-voice .media-start")).await.unwrap();
    bubble.click().await.unwrap();
    is_true(&browser, "it is heard", "return Number(document.querySelector('.has-voice input').value) > 0").await;
    assert_eq!(bubble.attr("aria-label").await.unwrap().unwrap(), "Pause");
    bubble.click().await.unwrap();
    eventually("it pauses", 10, async || (bubble.attr("aria-label").await.ok()?? == "Play").then_some(())).await;
    browser.is_tidy().await;
    // What nobody has looked at yet is at the messenger, which can't be asked while the account is off.
    browser.driver.goto("about:blank").await.unwrap();
    let size = Enclosure { width: Some(600), height: Some(400), source: picture.clone(), ..Enclosure::default() };
    comes(&app, &id, Kind::Image, size.clone());
    eventually("it has come", 20, async || {
        let all = app.client.get(&messages(&id)).await.body;
        all["data"].as_array()?.iter().any(|one| one["messageType"] == "image" && one["fromMe"] == false).then_some(())
    })
    .await;
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({})).await.expect(200);
    browser.driver.goto(format!("{}/chats/{id}/{CHAT}", app.client.url)).await.unwrap();
    browser.sees("can't be fetched now").await;
    app.client.connect(&id).await;
    app.client.status(&id, "CONNECTED").await;
    browser.clicks("Try again").await;
    let drawn =
        "return document.querySelectorAll('.media-full').length === 2 && !document.querySelector('.media-missing')";
    is_true(&browser, "it is there", drawn).await;
    app.app().simulator.stage(TestApp::id(&id)).unwrap().lose_files();
    comes(&app, &id, Kind::Image, size);
    browser.sees("This file is gone").await;
    let nothing_to_try = "return !document.querySelector('.media-missing button')";
    is_true(&browser, "nothing is offered that can't help", nothing_to_try).await;
    browser.screenshot("gone").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_makes_a_template_and_its_places_are_filled_before_it_is_sent() {
    let (app, id, browser) = chatting(1440).await;
    browser.clicks("Templates").await;
    browser.sees("No templates yet").await;
    browser.clicks("New template").await;
    browser.types("dialog input[name=name]", "Reminder").await;
    browser.types("dialog textarea[name=text]", "Hello {{name}}, see you at {{time}}.").await;
    browser.clicks("Save").await;
    browser.sees("“Reminder” is saved").await;
    // A name is there once.
    browser.clicks("New template").await;
    browser.types("dialog input[name=name]", "Reminder").await;
    browser.types("dialog textarea[name=text]", "Another").await;
    browser.clicks("Save").await;
    browser.sees("There is a template with this name already").await;
    browser.clicks("Cancel").await;
    let row = browser.driver.find(By::Css(".template-row")).await.unwrap();
    row.click().await.unwrap();
    browser.types("#place-0", "Aida").await;
    browser.types("#place-1", "9:30").await;
    browser.sees("Hello Aida, see you at 9:30.").await;
    browser.screenshot("template").await;
    browser.clicks("Put into the message").await;
    let there = format!(
        "const field = document.querySelector('{COMPOSER}'); return field.value === 'Hello Aida, see you at 9:30.' && document.activeElement === field"
    );
    is_true(&browser, "the text is in the field", &there).await;
    browser.driver.find(By::Css(COMPOSER)).await.unwrap().send_keys(" Bring your card." + Key::Enter).await.unwrap();
    said(&app, &id, "body", "Hello Aida, see you at 9:30. Bring your card.").await;
    browser.clicks("Templates").await;
    browser.clicks("What to do with “Reminder”").await;
    browser.clicks("Delete").await;
    browser.sees("Delete the template “Reminder”?").await;
    browser.clicks("Delete").await;
    browser.sees("No templates yet").await;
    assert_eq!(app.client.get("/api/templates").await.expect(200)["pagination"]["total"], 0);
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_takes_templates_and_changes_none() {
    let app = guarded(&[]).await;
    let clinic = Company::register(&app.client, "clinic").await;
    let desk = ready_account(&clinic.admin, json!({"name": "Front desk"})).await;
    clinic.admin.post("/api/templates", json!({"name": "Address", "text": "12 Main street"})).await.expect(201);
    let anna =
        json!({"email": "anna@clinic.example", "password": PASSWORD, "firstName": "Anna", "lastName": "Ivanova"});
    let anna = clinic.admin.post("/api/managers", anna).await.expect(201)["data"]["id"].as_str().unwrap().to_owned();
    let grant = json!({"managerId": anna, "permissions": ["read", "write"]});
    clinic.admin.post(&format!("/api/whatsapp/sessions/{desk}/managers"), grant).await.expect(200);
    let browser = Browser::open("en", 360, true).await;
    browser.driver.goto(format!("{}/chats", app.client.url)).await.unwrap();
    browser.types("input[name=email]", "anna@clinic.example").await;
    browser.types("input[name=password]", PASSWORD).await;
    browser.clicks("Sign in").await;
    browser.sees("Send a message to a number").await;
    browser.clicks("Templates").await;
    browser.sees("12 Main street").await;
    let buttons = "return [...document.querySelectorAll('dialog[open] button')].map(one => one.getAttribute('aria-label') ?? one.textContent)";
    let buttons = browser.asks(buttons).await;
    assert_eq!(buttons.as_array().unwrap().len(), 2, "closing and the template alone: {buttons}");
    browser.clicks("Address12 Main street").await;
    is_true(
        &browser,
        "it is in the field",
        "return document.querySelector('textarea[name=text]').value === '12 Main street'",
    )
    .await;
    browser.is_tidy().await;
    browser.close().await;
}
