//! Files that are sent, and files that come.

use std::fmt::Write as _;
use std::fs;

use fake_whatsapp_web::{Behaviour, FakeWeb, File, Sent, Uploading};
use reqwest::Method;
use serde_json::{Value, json};

use super::trouble::{browser, folder, kill};
use super::{ANNA, BROWSERS, CLINIC, Stage, settings};
use crate::harness::{Binary, Client, eventually};

/// A picture of one pixel, as WebP.
const DOT: &[u8] = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";
/// How a JPEG begins.
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";

/// Bytes that are never the same twice, after a beginning.
fn noise(head: &[u8], size: usize) -> Vec<u8> {
    let mut seed = 1_u64;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed.to_be_bytes()[0]
    });
    head.iter().copied().chain(noise).take(size).collect()
}

/// A picture of noise.
fn png() -> Vec<u8> {
    let mut content = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_raw(40, 30, noise(b"", 3_600))
        .unwrap()
        .write_to(&mut content, image::ImageFormat::Png)
        .unwrap();
    content.into_inner()
}

/// Uploads a file: its id.
async fn upload(client: &Client, name: &str, content: &[u8]) -> String {
    let request = client.request(Method::POST, &format!("/api/media?fileName={name}"));
    let request = request.header("content-type", "application/octet-stream").body(content.to_vec());
    let answer = client.run(request).await.expect(201);
    assert_eq!(answer["size"], content.len(), "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

/// Sends a file to Anna: our id of the message.
async fn send_file(client: &Client, account: &str, file: &str, kind: &str, caption: &str) -> String {
    let mut body = json!({"accountId": account, "to": ANNA, "media": {"id": file, "kind": kind}});
    if !caption.is_empty() {
        body["message"] = json!(caption);
    }
    client.post("/api/messages/send", body).await.expect(202)["messageId"].as_str().unwrap().to_owned()
}

impl Stage {
    /// The last message of Anna's chat that has a file, once it has come.
    async fn came(&self, account: &str) -> Value {
        let path = format!("/api/whatsapp/sessions/{account}/chats/{ANNA}@c.us/messages");
        eventually("it has come", 20, async || {
            let answer = self.client().get(&path).await;
            answer.body["data"].as_array()?.iter().find(|message| message["media"].is_object()).cloned()
        })
        .await
    }

    /// What an address answers: its status and its body.
    async fn bytes(&self, path: &str, range: Option<&str>) -> (u16, Vec<u8>) {
        let mut request = self.client().request(Method::GET, path);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }
}

/// A document that was sent once.
const ONCE: &str = r#"document "Look" 1; "#;

/// What was sent, in short.
fn told(sent: &[Sent]) -> String {
    sent.iter().fold(String::new(), |mut told, sent| {
        let file = sent.file.as_ref().unwrap();
        write!(told, "{} {:?} {}; ", file.kind, sent.text, sent.attempts).unwrap();
        told
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_arrives_as_it_is_with_its_caption() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let picture = png();
    let film = noise(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", 200_000);
    let song = noise(b"ID3\x03\0\0\0\0\0\0", 90_000);
    let mut voice = noise(b"OggS\0\x02", 28);
    voice.extend(noise(b"OpusHead", 20_000));
    let paper = noise(b"%PDF-1.4\n", 5_000_000);
    let kinds: [(&str, &str, &str, &[u8]); 6] = [
        ("image", "image", "image/png", &picture),
        ("video", "video", "video/mp4", &film),
        ("audio", "audio", "audio/mpeg", &song),
        ("voice", "ptt", "audio/ogg; codecs=opus", &voice),
        ("document", "document", "application/pdf", &paper),
        ("sticker", "sticker", "image/webp", DOT),
    ];
    for (number, (kind, arrives_as, mime_type, content)) in kinds.into_iter().enumerate() {
        let caption = if matches!(kind, "image" | "document") { "Look at this 👋" } else { "" };
        let file = upload(stage.client(), &format!("{kind}.x"), content).await;
        let message = send_file(stage.client(), &id, &file, kind, caption).await;
        let row = stage.client().reaches(&message, &["delivered"]).await;
        assert_eq!(row["media"]["kind"], kind, "{row}");
        let sent = stage.fake.wait_sent(CLINIC, number + 1).await.pop().unwrap();
        let file = sent.file.unwrap();
        assert_eq!((file.kind.as_str(), file.mime_type.as_str(), sent.text.as_str()), (arrives_as, mime_type, caption));
        assert!(file.content == content, "{file:?}");
        assert_eq!(file.name.as_deref(), (kind == "document").then_some("document.x"));
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_messages_with_one_file_hand_it_over_once() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let (picture, other) = (png(), noise(JPEG, 9_000));
    let file = upload(stage.client(), "a.png", &picture).await;
    for caption in ["one", "two", "three"] {
        let message = send_file(stage.client(), &id, &file, "image", caption).await;
        stage.client().reaches(&message, &["delivered"]).await;
    }
    assert_eq!(told(&stage.fake.sent(CLINIC)), r#"image "one" 1; image "two" 1; image "three" 1; "#);
    assert_eq!(stage.fake.files_given(CLINIC), 1);
    let other = upload(stage.client(), "b.jpg", &other).await;
    let message = send_file(stage.client(), &id, &other, "document", "four").await;
    stage.client().reaches(&message, &["delivered"]).await;
    assert_eq!(stage.fake.files_given(CLINIC), 2);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_page_or_whatsapp_does_not_take_is_refused_or_goes_later() {
    let stage = Stage::new().await;
    stage.fake.limit_files(50_000);
    let id = stage.paired().await;
    let large = upload(stage.client(), "a.jpg", &noise(JPEG, 60_000)).await;
    let message = send_file(stage.client(), &id, &large, "document", "").await;
    let refused = stage.client().reaches(&message, &["failed"]).await;
    assert_eq!(refused["lastError"]["code"], "refused", "{refused}");
    stage.fake.uploading(Uploading::Cut);
    let small = upload(stage.client(), "b.jpg", &noise(JPEG, 40_000)).await;
    let message = send_file(stage.client(), &id, &small, "document", "").await;
    eventually("it was tried", 20, async || {
        (stage.client().message(&message).await["attempts"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    assert_eq!(stage.fake.sent(CLINIC), []);
    stage.fake.uploading(Uploading::Normal);
    stage.client().reaches(&message, &["delivered"]).await;
    assert_eq!(told(&stage.fake.sent(CLINIC)), r#"document "" 1; "#);
    stage.end().await;
}

/// Waits until a message with a large file is delivered.
async fn arrives(client: &Client, message: &str) {
    let is_there = async || (client.message(message).await["status"] == "delivered").then_some(());
    eventually("it has arrived", 120, is_there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_loaded_anew_while_a_file_is_handed_over_is_handed_it_again() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let content = noise(JPEG, 30 << 20);
    let file = upload(stage.client(), "a.jpg", &content).await;
    let message = send_file(stage.client(), &id, &file, "document", "Look").await;
    eventually("it is on its way", 20, async || {
        (stage.client().message(&message).await["status"] == "sending").then_some(())
    })
    .await;
    assert!(stage.fake.reload(CLINIC));
    assert_eq!(stage.fake.files_given(CLINIC), 0, "it was handed over before the page was loaded anew");
    arrives(stage.client(), &message).await;
    assert_eq!(told(&stage.fake.sent(CLINIC)), ONCE);
    assert!(stage.fake.sent(CLINIC)[0].file.as_ref().unwrap().content == content);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_killed_while_a_file_is_handed_over_is_followed_by_one_that_sends_it() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let file = upload(stage.client(), "a.jpg", &noise(JPEG, 30 << 20)).await;
    let message = send_file(stage.client(), &id, &file, "document", "Look").await;
    eventually("it is on its way", 20, async || {
        (stage.client().message(&message).await["status"] == "sending").then_some(())
    })
    .await;
    kill([browser(&folder(&stage, &id)).0]);
    assert_eq!(stage.fake.files_given(CLINIC), 0, "it was handed over before the browser was killed");
    arrives(stage.client(), &message).await;
    assert_eq!(told(&stage.fake.sent(CLINIC)), ONCE);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_loaded_anew_while_it_uploads_or_waits_sends_once() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let file = upload(stage.client(), "a.jpg", &noise(JPEG, 80_000)).await;
    stage.fake.uploading(Uploading::Late);
    let message = send_file(stage.client(), &id, &file, "document", "Look").await;
    assert!(stage.fake.wait_uploads(1).await);
    assert!(stage.fake.reload(CLINIC));
    assert!(stage.fake.wait_online(CLINIC).await);
    stage.fake.uploading(Uploading::Normal);
    arrives(stage.client(), &message).await;
    assert_eq!(told(&stage.fake.sent(CLINIC)), ONCE);
    stage.fake.behave(ANNA, Behaviour::LateAck);
    let message = send_file(stage.client(), &id, &file, "document", "And this").await;
    stage.fake.wait_sent(CLINIC, 2).await;
    assert!(stage.fake.reload(CLINIC));
    assert!(stage.fake.wait_online(CLINIC).await);
    stage.fake.release(ANNA);
    stage.client().reaches(&message, &["delivered"]).await;
    assert_eq!(stage.fake.sent(CLINIC).len(), 2);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_killed_while_it_uploads_sends_nothing_twice() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let file = upload(stage.client(), "a.jpg", &noise(JPEG, 80_000)).await;
    stage.fake.uploading(Uploading::Late);
    let message = send_file(stage.client(), &id, &file, "document", "Look").await;
    assert!(stage.fake.wait_uploads(1).await);
    kill([browser(&folder(&stage, &id)).0]);
    // Nobody was there to say that it did not leave.
    stage.client().reaches(&message, &["uncertain"]).await;
    stage.fake.uploading(Uploading::Normal);
    stage.connected(&id).await;
    let after = send_file(stage.client(), &id, &file, "document", "after it").await;
    stage.client().reaches(&after, &["delivered"]).await;
    assert_eq!(told(&stage.fake.sent(CLINIC)), r#"document "after it" 1; "#);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_comes_with_its_thumbnail_and_is_fetched_when_somebody_asks() {
    let stage = Stage::with(&[("ANDANTE_MEDIA_EAGER", "false")]).await;
    let id = stage.paired().await;
    let content = noise(JPEG, 7_000_000);
    let mut picture = File::new("image", "image/jpeg", content.clone());
    (picture.thumbnail, picture.measures) = (Some(noise(JPEG, 2_000)), Some((1_600, 1_200)));
    stage.fake.person(ANNA).named("Anna").sends(CLINIC, &picture, "The wound");
    let came = stage.came(&id).await;
    let media = &came["media"];
    assert_eq!(
        (&came["body"], &media["kind"], &media["hasThumbnail"]),
        (&json!("The wound"), &json!("image"), &json!(true))
    );
    assert_eq!(
        (&media["size"], &media["width"], &media["height"]),
        (&json!(content.len()), &json!(1_600), &json!(1_200))
    );
    let path = format!("/api/media/{}", media["id"].as_str().unwrap());
    assert!(stage.bytes(&format!("{path}/thumbnail"), None).await == (200, noise(JPEG, 2_000)));
    assert!(stage.bytes(&path, None).await == (200, content.clone()));
    // By now it is kept here.
    stage.fake.forget_contents();
    assert!(stage.bytes(&path, Some("bytes=6000000-6000009")).await == (206, content[6_000_000..=6_000_009].to_vec()));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_is_a_voice_and_a_file_that_is_gone_is_gone() {
    let stage = Stage::with(&[("ANDANTE_MEDIA_EAGER", "false")]).await;
    let id = stage.paired().await;
    let mut voice = File::new("ptt", "audio/ogg; codecs=opus", noise(b"OggS", 9_000));
    voice.seconds = Some(4);
    stage.fake.person(ANNA).sends(CLINIC, &voice, "");
    let came = stage.came(&id).await;
    assert_eq!((&came["messageType"], &came["media"]["seconds"]), (&json!("voice"), &json!(4)), "{came}");
    stage.fake.forget_contents();
    let path = format!("/api/media/{}", came["media"]["id"].as_str().unwrap());
    stage.client().get(&path).await.refused(410, "media_gone");
    stage.end().await;
}

/// The most memory that a process had since this was asked last, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    // From now on it counts anew.
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_takes_little_of_the_servers_memory_on_its_way() {
    let _place = BROWSERS.acquire().await.unwrap();
    let fake = FakeWeb::start().await.unwrap();
    let settings = settings(&fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Binary::start(&settings);
    let client = &server.client;
    let id = client.create(json!({"name": "Clinic", "provider": "whatsappweb", "useLimits": false})).await;
    client.connect(&id).await;
    eventually("the account is connected", 60, async || {
        let shown = client.get(&format!("/api/accounts/{id}/qr")).await;
        if shown.status == 200 {
            fake.scan(shown.body["code"].as_str()?, CLINIC, "Clinic");
        }
        (client.account(&id).await["status"] == "CONNECTED").then_some(())
    })
    .await;
    let small = upload(client, "a.jpg", &noise(JPEG, 2_000_000)).await;
    let message = send_file(client, &id, &small, "document", "").await;
    client.reaches(&message, &["delivered"]).await;
    let content = noise(JPEG, 90 << 20);
    let large = upload(client, "b.jpg", &content).await;
    peak_memory(server.pid());
    let before = peak_memory(server.pid());
    let message = send_file(client, &id, &large, "document", "").await;
    arrives(client, &message).await;
    let more = peak_memory(server.pid()).saturating_sub(before);
    assert!(more < 10 << 20, "{more} bytes more");
    assert!(fake.sent(CLINIC)[1].file.as_ref().unwrap().content == content);
    fake.stop().await;
}
