//! Files that come: told of at once, with what is seen small; fetched when somebody asks, and handed out
//! only if they are what the message said.

use fake_whatsapp::{File, FileKind, MessageField, Spoil, conversation};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ANNA, BORIS, CLINIC, account, content, fake, pair, paired, png, start};
use crate::harness::{Client, eventually};

/// A file's content: the status and the bytes, as far as they came.
async fn get(client: &Client, path: &str) -> (u16, Vec<u8>) {
    let answer = client.request(Method::GET, path).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.bytes().await.map(|bytes| bytes.to_vec()).unwrap_or_default())
}

/// The newest message of a chat, once it has a file.
async fn newest(client: &Client, account: &str, number: &str) -> Value {
    let path = format!("/api/whatsapp/sessions/{account}/chats/{number}@c.us/messages");
    eventually("a file is in the chat", 20, async || {
        let newest = client.get(&path).await.body["data"][0].clone();
        newest["media"].is_object().then_some(newest)
    })
    .await
}

fn picture() -> File {
    File {
        caption: Some("Is this the right door?".to_owned()),
        pixels: Some((40, 30)),
        thumbnail: Some(content(&[0xff, 0xd8, 0xff, 0xe0], 700)),
        ..File::new(FileKind::Image, "image/png", png())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_picture_is_in_the_chat_at_once_and_its_content_when_asked_for() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let picture = picture();
    fake.phone_send_file(ANNA, CLINIC, &picture).unwrap();
    let message = newest(&app.client, &id, ANNA).await;
    assert_eq!(
        (message["body"].as_str(), message["messageType"].as_str()),
        (picture.caption.as_deref(), Some("image"))
    );
    let media = &message["media"];
    let told = (media["mimeType"].as_str(), media["size"].as_u64(), media["width"].as_u64(), media["height"].as_u64());
    assert_eq!(told, (Some("image/png"), Some(picture.bytes.len() as u64), Some(40), Some(30)));
    assert_eq!(media["hasThumbnail"], true);
    let path = format!("/api/media/{}", media["id"].as_str().unwrap());
    assert_eq!(get(&app.client, &format!("{path}/thumbnail")).await, (200, picture.thumbnail.clone().unwrap()));
    assert_eq!(fake.downloads(), 0, "nothing is fetched that nobody asked for");
    for _ in 0..2 {
        assert_eq!(get(&app.client, &path).await, (200, picture.bytes.to_vec()));
    }
    assert_eq!(fake.downloads(), 1, "what was fetched is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_people_send_is_told_as_what_it_is() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let voice =
        File { seconds: Some(7), ..File::new(FileKind::Voice, "audio/ogg; codecs=opus", content(b"OggS", 90_000)) };
    let paper = File {
        file_name: Some("passport.pdf".to_owned()),
        caption: Some("my passport".to_owned()),
        ..File::new(FileKind::Document, "application/pdf", content(b"%PDF-1.4", 200_000))
    };
    let film = File {
        seconds: Some(3),
        pixels: Some((320, 240)),
        ..File::new(FileKind::Video, "video/mp4", content(b"", 64))
    };
    let sticker = File::new(FileKind::Sticker, "image/webp", content(b"RIFF", 63));
    for (kind, file) in [("voice", voice), ("document", paper), ("video", film), ("sticker", sticker)] {
        fake.phone_send_file(ANNA, CLINIC, &file).unwrap();
        let message = eventually("it is in the chat", 20, async || {
            let newest = newest(&app.client, &id, ANNA).await;
            (newest["messageType"] == kind).then_some(newest)
        })
        .await;
        let media = &message["media"];
        assert_eq!(
            (media["kind"].as_str(), message["body"].as_str()),
            (Some(kind), Some(file.caption.as_deref().unwrap_or("")))
        );
        assert_eq!(
            (media["fileName"].as_str(), media["size"].as_u64()),
            (file.file_name.as_deref(), Some(file.bytes.len() as u64))
        );
        assert_eq!(media["seconds"].as_u64(), file.seconds.map(u64::from));
        let path = format!("/api/media/{}", media["id"].as_str().unwrap());
        assert_eq!(get(&app.client, &path).await, (200, file.bytes.to_vec()), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_sends_on_the_phone_and_what_a_history_has_comes_with_its_file() {
    let fake = fake().await;
    let app = start(&fake).await;
    let mut past = conversation(BORIS, "Boris", 0, &[("H1", "replaced below", false)]);
    let old = past.messages[0].message.as_option_mut().unwrap();
    old.message = MessageField::some(fake.file_message(&picture()));
    fake.set_history(CLINIC, vec![past]);
    let id = account(&app.client, json!({})).await;
    pair(&app.client, &fake, &id, CLINIC).await;
    let message = newest(&app.client, &id, BORIS).await;
    let path = format!("/api/media/{}", message["media"]["id"].as_str().unwrap());
    assert_eq!(get(&app.client, &path).await, (200, picture().bytes.to_vec()));
    fake.phone_send_file(CLINIC, ANNA, &picture()).unwrap();
    let message = newest(&app.client, &id, ANNA).await;
    assert_eq!(message["fromMe"], true);
    let path = format!("/api/media/{}", message["media"]["id"].as_str().unwrap());
    assert_eq!(get(&app.client, &path).await, (200, picture().bytes.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_the_message_says_is_not_handed_out() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    let file = File::new(FileKind::Document, "application/pdf", content(b"%PDF-1.4", 500_000));
    fake.phone_send_file(ANNA, CLINIC, &file).unwrap();
    let message = newest(&app.client, &id, ANNA).await;
    let path = format!("/api/media/{}", message["media"]["id"].as_str().unwrap());
    for spoil in [Spoil::Flipped, Spoil::Longer(16), Spoil::Longer(1 << 20), Spoil::Cut] {
        fake.spoil_downloads(Some(spoil));
        let answer = app.client.get(&path).await;
        assert_eq!(answer.body["code"], "media_not_reachable", "{spoil:?}");
    }
    fake.spoil_downloads(None);
    fake.set_media_down(true);
    assert_eq!(app.client.get(&path).await.body["code"], "media_not_reachable");
    fake.set_media_down(false);
    assert_eq!(get(&app.client, &path).await, (200, file.bytes.to_vec()), "and nothing of it was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_whatsapp_keeps_no_more_is_gone() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    // The second one's path ends at once, and is told to have ended.
    for (status, life, code) in
        [(404, 3_600, "media_gone"), (403, 0, "media_gone"), (403, 3_600, "media_not_reachable")]
    {
        fake.set_media_life(life);
        let file = File { caption: Some(format!("{status} {life}")), ..picture() };
        fake.phone_send_file(ANNA, CLINIC, &file).unwrap();
        let message = eventually("it is in the chat", 20, async || {
            let newest = newest(&app.client, &id, ANNA).await;
            (newest["body"].as_str() == file.caption.as_deref()).then_some(newest)
        })
        .await;
        let path = format!("/api/media/{}", message["media"]["id"].as_str().unwrap());
        fake.refuse_downloads(Some(status));
        assert_eq!(app.client.get(&path).await.body["code"], code, "{status} {life}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_file_does_not_choose_the_host_that_is_asked_for_it() {
    let fake = fake().await;
    let app = start(&fake).await;
    let id = paired(&app.client, &fake).await;
    for path in
        ["@localhost/v/file", ".localhost/v/file", "//localhost/v/file", "http://localhost/v/file", "\\\\localhost"]
    {
        let mut message = fake.file_message(&picture());
        let image = message.image_message.as_option_mut().unwrap();
        image.direct_path = Some(path.to_owned());
        image.static_url = Some("http://localhost/v/file".to_owned());
        fake.phone_send_message(ANNA, CLINIC, &message).unwrap();
        let message = newest(&app.client, &id, ANNA).await;
        let path = format!("/api/media/{}", message["media"]["id"].as_str().unwrap());
        let said = app.client.get(&path).await.body["code"].clone();
        assert!(["media_gone", "media_not_reachable"].contains(&said.as_str().unwrap()), "{path}: {said}");
    }
}
