//! Files that are sent: what people receive is what was kept, each is uploaded once, and what goes wrong
//! with an upload sends nothing twice.

use std::collections::HashMap;

use fake_whatsapp::{File, FileKind};
use serde_json::{Value, json};

use super::{ANNA, BORIS, CLINIC, account, content, fake, files, keep, pair, paired, png, received, send, send_file};
use super::{settings, start};
use crate::harness::{Binary, eventually, never};

const OGG: &[u8] = b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";
const WEBP: &[u8] = b"RIFF\x24\0\0\0WEBPVP8L";
const PDF: &[u8] = b"%PDF-1.7\n";
const MP3: &[u8] = b"ID3\x04\0\0\0\0\0\0";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_each_kind_arrives_as_what_it_is() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let said = |caption: &str, file: File| File { caption: Some(caption.to_owned()), ..file };
    let picture = File { pixels: Some((40, 30)), ..File::new(FileKind::Image, "image/png", png()) };
    let film = File::new(FileKind::Video, "video/mp4", content(MP4, 300_000));
    let song = File::new(FileKind::Audio, "audio/mpeg", content(MP3, 100_000));
    let voice = File::new(FileKind::Voice, "audio/ogg; codecs=opus", content(OGG, 65_536));
    let bill = File {
        file_name: Some("bill.pdf".to_owned()),
        ..File::new(FileKind::Document, "application/pdf", content(PDF, 70_001))
    };
    let sticker = File::new(FileKind::Sticker, "image/webp", content(WEBP, 20_000));
    let cases = [
        ("image", "", picture.clone()),
        ("image", "The way to us 👋", said("The way to us 👋", picture)),
        ("video", "How it is done", said("How it is done", film)),
        ("audio", "", song),
        ("voice", "", voice),
        ("document", "", bill.clone()),
        ("document", "Your bill", said("Your bill", bill)),
    ];
    for (kind, text, expected) in cases {
        let name = expected.file_name.as_deref().unwrap_or("a%20file");
        let media = keep(&app.client, name, &expected.bytes).await;
        let message = send_file(&app.client, &id, ANNA, json!({"id": media, "kind": kind}), text).await;
        let row = app.client.reaches(&message, &["delivered"]).await;
        assert_eq!(row["media"]["kind"], kind, "{row}");
        let received = files(&fake, ANNA).pop().unwrap();
        assert_eq!(received, expected);
    }
    let media = keep(&app.client, "sticker.webp", &sticker.bytes).await;
    let message = send_file(&app.client, &id, ANNA, json!({"id": media, "kind": "sticker"}), "").await;
    app.client.reaches(&message, &["delivered"]).await;
    let received = files(&fake, ANNA).pop().unwrap();
    assert_eq!(File { pixels: None, ..received }, sticker);
    assert_eq!((fake.broken_files(), fake.undecryptable()), (vec![], vec![]));
    assert_eq!(fake.arrivals().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_for_many_is_uploaded_once_and_after_a_restart_not_again() {
    let fake = fake().await;
    let mut app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let picture = keep(&app.client, "map.png", &png()).await;
    let entry = |to: &str, kind: &str| json!({"to": to, "message": "map", "media": {"id": picture, "kind": kind}});
    let messages: Vec<Value> = [ANNA, BORIS, ANNA, BORIS].iter().map(|to| entry(to, "image")).collect();
    app.client.post("/api/messages/bulk", json!({"accountId": id, "messages": messages})).await.expect(202);
    fake.wait_for("all have arrived", |fake| (fake.arrivals().len() == 4).then_some(())).await;
    assert_eq!(fake.uploads().len(), 1);
    app.stop().await;
    app.resume().await;
    app.client.status(&id, "CONNECTED").await;
    let again = send_file(&app.client, &id, ANNA, json!({"id": picture}), "").await;
    app.client.reaches(&again, &["delivered"]).await;
    assert_eq!(fake.uploads().len(), 1, "what is known of an upload outlives the process");
    // As something else, it is another file to WhatsApp.
    let other = send_file(&app.client, &id, ANNA, json!({"id": picture, "kind": "document"}), "").await;
    app.client.reaches(&other, &["delivered"]).await;
    assert_eq!(fake.uploads().iter().map(|upload| upload.kind.as_str()).collect::<Vec<_>>(), ["image", "document"]);
    assert_eq!((files(&fake, ANNA).len(), files(&fake, BORIS).len(), fake.broken_files()), (4, 2, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_ends_soon_is_not_used_again() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let media = keep(&app.client, "map.png", &png()).await;
    fake.set_media_life(12 * 3_600);
    for uploads in 1..=2 {
        let message = send_file(&app.client, &id, ANNA, json!({"id": media}), "").await;
        app.client.reaches(&message, &["delivered"]).await;
        assert_eq!(fake.uploads().len(), uploads);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_an_upload_sends_nothing_and_what_passes_is_tried_again() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let media = keep(&app.client, "film.mp4", &content(MP4, 2_000_000)).await;
    // For good.
    fake.refuse_uploads(413, usize::MAX);
    let refused = send_file(&app.client, &id, ANNA, json!({"id": media}), "").await;
    assert_eq!(app.client.reaches(&refused, &["failed"]).await["lastError"]["code"], "media_refused");
    fake.refuse_uploads(413, 0);
    assert_eq!((fake.uploads_begun(), fake.arrivals().len()), (1, 0));
    // For now: an error, a line that breaks, a host that is away.
    let faults: [fn(&fake_whatsapp::FakeWhatsApp); 3] =
        [|fake| fake.refuse_uploads(500, 1), |fake| fake.cut_upload_after(500_000), |fake| fake.set_media_down(true)];
    for (number, fault) in faults.into_iter().enumerate() {
        fault(&fake);
        // Another file each time, so that none is there already.
        let media = keep(&app.client, "film.mp4", &content(MP4, 1_000_000 + number)).await;
        let message = send_file(&app.client, &id, ANNA, json!({"id": media}), &number.to_string()).await;
        let waits = eventually("it is told why it waits", 20, async || {
            let row = app.client.message(&message).await;
            (row["lastError"]["code"] == "later").then_some(row)
        })
        .await;
        let said = waits["lastError"]["message"].as_str().unwrap().to_owned();
        assert!(said.starts_with("WhatsApp's media host ") && !said.contains("error"), "{said}");
        fake.set_media_down(false);
        app.client.reaches(&message, &["delivered"]).await;
    }
    // A token that has ended is asked for anew at once.
    fake.expire_media_auth();
    let message = send_file(&app.client, &id, ANNA, json!({"id": media}), "3").await;
    let row = app.client.reaches(&message, &["delivered"]).await;
    assert_eq!(row["attempts"], 1, "{row}");
    let captions: Vec<_> = files(&fake, ANNA).into_iter().filter_map(|file| file.caption).collect();
    assert_eq!((captions, fake.broken_files()), (["0", "1", "2", "3"].map(str::to_owned).to_vec(), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_names_a_private_host_is_not_followed_there() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let media = keep(&app.client, "map.png", &png()).await;
    // Each of them is this machine, where the fake would take the file.
    fake.set_media_hosts(&["localhost", "127.0.0.2", "[::1]"]);
    let message = send_file(&app.client, &id, ANNA, json!({"id": media}), "").await;
    eventually("it waits", 20, async || {
        (app.client.message(&message).await["lastError"]["code"] == "later").then_some(())
    })
    .await;
    assert_eq!((fake.uploads_begun(), fake.arrivals().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_under_what_shows_none_is_refused_and_not_lost() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let media = keep(&app.client, "note.ogg", &content(OGG, 10_000)).await;
    let body = json!({"accountId": id, "to": ANNA, "media": {"id": media, "kind": "voice"}, "message": "listen"});
    app.client.post("/api/messages/send", body).await.refused(422, "caption_not_supported");
    assert_eq!((fake.uploads_begun(), fake.arrivals().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_in_the_middle_of_uploads_and_sends_sends_no_file_twice() {
    const MESSAGES: usize = 24;
    let fake = fake().await;
    let settings = settings(&fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Binary::start(&settings);
    let id = account(&server.client, json!({"limits": {"delayMs": [20, 40]}})).await;
    pair(&server.client, &fake, &id, CLINIC).await;
    let mut messages = Vec::new();
    for number in 0..MESSAGES {
        let media = keep(&server.client, "film.mp4", &content(MP4, 200_000 + number)).await;
        messages.push(json!({"to": ANNA, "message": number.to_string(), "media": {"id": media}}));
    }
    // In the middle of the first upload.
    fake.hold_uploads(true);
    let body = json!({"accountId": id, "messages": messages});
    let accepted = server.client.post("/api/messages/bulk", body).await.expect(202);
    fake.wait_for("an upload has begun", |fake| (fake.uploads_begun() == 1).then_some(())).await;
    server.kill();
    fake.hold_uploads(false);
    server.resume();
    // And wherever the others are.
    for enough in [MESSAGES / 4, MESSAGES / 2] {
        fake.wait_for("some have arrived", |fake| (fake.arrivals().len() >= enough).then_some(())).await;
        server.kill();
        server.resume();
    }
    let mut ends: HashMap<String, usize> = HashMap::new();
    for result in accepted["results"].as_array().unwrap() {
        let message = result["messageId"].as_str().unwrap();
        let row = server.client.reaches(message, &["delivered", "uncertain", "sent"]).await;
        *ends.entry(row["status"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for file in files(&fake, ANNA) {
        *times.entry(file.caption.unwrap()).or_default() += 1;
    }
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    let uncertain = ends.get("uncertain").copied().unwrap_or_default();
    // Of each kill one message at most is in flight.
    assert!(uncertain <= 3 && times.len() + uncertain >= MESSAGES, "{ends:?}, {} arrived", times.len());
    assert_eq!((fake.broken_files(), fake.undecryptable()), (vec![], vec![]));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_takes_little_memory_on_its_way_out_and_in() {
    const SIZE: usize = 16 << 20;
    // In kB.
    const MOST: usize = 10_000;
    let fake = fake().await;
    let settings = settings(&fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Binary::start(&settings);
    let id = account(&server.client, json!({})).await;
    pair(&server.client, &fake, &id, CLINIC).await;
    // The first is to warm up: what is made once and stays is nobody's file.
    let small = keep(&server.client, "a.pdf", &content(PDF, 300_000)).await;
    let message = send_file(&server.client, &id, ANNA, json!({"id": small}), "").await;
    server.client.reaches(&message, &["delivered"]).await;
    let bytes = content(PDF, SIZE);
    let large = keep(&server.client, "b.pdf", &bytes).await;
    let memory = |name: &str| -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    };
    let forget_peak = || std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
    let before = memory("VmRSS:");
    forget_peak();
    let message = send_file(&server.client, &id, ANNA, json!({"id": large}), "").await;
    eventually("it is delivered", 180, async || {
        (server.client.message(&message).await["status"] == "delivered").then_some(())
    })
    .await;
    let out = memory("VmHWM:").saturating_sub(before);
    assert!(files(&fake, ANNA).into_iter().any(|file| file.bytes == bytes));
    let before = memory("VmRSS:");
    forget_peak();
    fake.phone_send_file(ANNA, CLINIC, &File::new(FileKind::Document, "application/pdf", bytes.clone())).unwrap();
    let path = format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/messages");
    let media = eventually("it is in the chat", 60, async || {
        server.client.get(&path).await.body["data"][0]["media"]["id"].as_str().map(str::to_owned)
    })
    .await;
    let answer = server.client.request(reqwest::Method::GET, &format!("/api/media/{media}")).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == bytes);
    let into = memory("VmHWM:").saturating_sub(before);
    assert!(out < MOST && into < MOST, "{out} kB out, {into} kB in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_waits_keeps_no_text_from_others_accounts() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let media = keep(&app.client, "map.png", &png()).await;
    fake.hold_uploads(true);
    let file = send_file(&app.client, &id, ANNA, json!({"id": media}), "").await;
    fake.wait_for("the upload has begun", |fake| (fake.uploads_begun() == 1).then_some(())).await;
    let text = send(&app.client, &id, ANNA, "after it").await;
    never("it counts as sent", 1, async || app.client.message(&file).await["status"] != "sending").await;
    assert_eq!(app.client.message(&text).await["status"], "queued", "what comes after it waits for its turn");
    fake.hold_uploads(false);
    app.client.reaches(&text, &["delivered"]).await;
    assert_eq!((files(&fake, ANNA).len(), received(&fake, ANNA)), (1, vec!["after it".to_owned()]));
}
