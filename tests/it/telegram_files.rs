//! Files to and from a Telegram bot, against a Bot API server that checks them.

use entity::message::Kind;
use serde_json::{Value, json};

use crate::bot_api::{BotApi, Next, token};
use crate::harness::{TestApp, eventually, picture};

struct Case {
    api: BotApi,
    app: TestApp,
    account: String,
}

impl Case {
    async fn start() -> Self {
        let api = BotApi::start();
        let app = TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &api.url)]).await;
        let config = json!({"token": token(1)});
        let account = json!({"name": "Bot", "provider": "telegram", "useLimits": false, "config": config});
        let account = app.client.create(account).await;
        app.client.connect(&account).await;
        app.client.status(&account, "CONNECTED").await;
        Self { api, app, account }
    }

    async fn send(&self, to: &str, media: &Value, text: Option<&str>) -> String {
        let body = json!({"accountId": self.account, "to": to, "media": media, "message": text});
        let sent = self.app.client.post("/api/messages/send", body).await.expect(202);
        sent["messageId"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_goes_by_its_method_whole_and_with_its_caption() {
    let case = Case::start().await;
    let ogg = [&b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead"[..], &[7; 3_000]].concat();
    let mp4 = [&b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"[..], &[7; 3_000]].concat();
    let webp = [&b"RIFF\x24\0\0\0WEBPVP8 "[..], &[7; 300]].concat();
    let large = picture(3 << 20);
    for (number, (name, content, kind, field)) in [
        ("a.png", picture(5_000), Kind::Image, "photo"),
        ("a.mp4", mp4, Kind::Video, "video"),
        ("a.ogg", ogg.clone(), Kind::Audio, "audio"),
        ("v.ogg", ogg, Kind::Voice, "voice"),
        ("s.webp", webp, Kind::Sticker, "sticker"),
        ("счёт.pdf", b"%PDF-1.7\n".to_vec(), Kind::Document, "document"),
        ("large.png", large, Kind::Document, "document"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = case.app.client.uploaded(name, content.clone()).await;
        // Stickers have no caption.
        let text = if kind == Kind::Sticker { String::new() } else { format!("caption {number}") };
        let media = json!({"id": id, "kind": kind});
        let sent = case.send(&format!("4{number}"), &media, Some(text.as_str()).filter(|text| !text.is_empty())).await;
        let sent = case.app.client.reaches(&sent, &["sent", "failed", "uncertain"]).await;
        assert_eq!((&sent["status"], &sent["media"]["kind"]), (&json!("sent"), &json!(kind)), "{name}: {sent}");
        let taken = case.api.taken().pop().unwrap();
        let file = taken.file.unwrap();
        assert_eq!((file.field, file.file_name.as_str(), taken.text), (field, name, text));
        assert!(file.content == content && file.is_upload, "{name}");
    }
    // Nothing need be written under it.
    let id = case.app.client.uploaded("b.png", picture(100)).await;
    let sent = case.send("49", &json!({ "id": id }), None).await;
    case.app.client.reaches(&sent, &["sent"]).await;
    assert_eq!(case.api.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_telegram_would_not_take_is_refused_before() {
    let case = Case::start().await;
    let large = case.app.client.uploaded("large.png", picture((10 << 20) + 1)).await;
    let body =
        |media: Value, text: &str| json!({"accountId": case.account, "to": "42", "media": media, "message": text});
    let post = async |media: Value, text: &str| case.app.client.post("/api/messages/send", body(media, text)).await;
    let refused = post(json!({ "id": large }), "m").await.refused(413, "too_large");
    assert!(refused["error"].as_str().unwrap().contains("10485760"), "{refused}");
    post(json!({"id": large, "kind": "document"}), &"я".repeat(1_025)).await.refused(422, "caption_too_long");
    post(json!({"id": large, "kind": "voice"}), "m").await.refused(422, "media_not_supported");
    let webp = case.app.client.uploaded("s.webp", b"RIFF\x24\0\0\0WEBPVP8 ".to_vec()).await;
    post(json!({"id": webp, "kind": "sticker"}), "m").await.refused(422, "caption_not_supported");
    post(json!({"id": large, "kind": "text"}), "m").await.refused(422, "media_not_supported");
    post(json!({"id": large, "kind": "document"}), &"я".repeat(1_024)).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_uploaded_once_also_over_a_restart_and_again_when_telegram_has_lost_it() {
    let mut case = Case::start().await;
    let id = case.app.client.uploaded("a.png", picture(5_000)).await;
    let media = json!({ "id": id });
    for to in ["41", "42", "43"] {
        let sent = case.send(to, &media, Some("m")).await;
        case.app.client.reaches(&sent, &["sent"]).await;
    }
    assert_eq!((case.api.uploads(), case.api.count()), (1, 3));
    case.app.stop().await;
    case.app.resume().await;
    case.app.client.status(&case.account, "CONNECTED").await;
    let sent = case.send("44", &media, None).await;
    case.app.client.reaches(&sent, &["sent"]).await;
    assert_eq!(case.api.uploads(), 1);
    // As a document it is another file to Telegram.
    let sent = case.send("45", &json!({"id": id, "kind": "document"}), None).await;
    case.app.client.reaches(&sent, &["sent"]).await;
    assert_eq!(case.api.uploads(), 2);
    case.api.forget_files();
    for to in ["46", "47"] {
        let sent = case.send(to, &media, None).await;
        case.app.client.reaches(&sent, &["sent"]).await;
    }
    assert_eq!((case.api.uploads(), case.api.count()), (3, 7));
    assert_eq!(case.api.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_an_upload_ends_is_what_it_means_for_a_text() {
    let case = Case::start().await;
    let id = case.app.client.uploaded("a.png", picture(5_000)).await;
    case.api.script("42", [Next::TooMany(1)]);
    let sent = case.send("42", &json!({ "id": id }), None).await;
    let sent = case.app.client.reaches(&sent, &["sent"]).await;
    assert_eq!(sent["attempts"], 1);
    case.api.script("51", [Next::Garble]);
    let sent = case.send("51", &json!({ "id": id }), None).await;
    let uncertain = case.app.client.reaches(&sent, &["uncertain", "sent", "failed"]).await;
    assert_eq!(uncertain["status"], "uncertain");
    let sent = case.send("403", &json!({ "id": id }), None).await;
    let failed = case.app.client.reaches(&sent, &["failed"]).await;
    assert!(failed["lastError"]["message"].as_str().unwrap().contains("blocked"), "{failed}");
    // What Telegram can't read as a picture is no picture.
    let broken = case.app.client.uploaded("b.webp", [&b"RIFF\x24\0\0\0WEBPVP8 "[..], &[7; 100]].concat()).await;
    let sent = case.send("43", &json!({ "id": broken, "kind": "sticker" }), None).await;
    case.app.client.reaches(&sent, &["sent"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_send_is_told_at_once_and_fetched_when_somebody_asks() {
    let mut case = Case::start().await;
    let chat = format!("/api/accounts/{}/chats/77", case.account);
    let content = picture(40_000);
    case.api.send_file(&token(1), 77, "photo", &content, json!({}));
    let voice = [&b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead"[..], &[7; 300]].concat();
    case.api.send_file(&token(1), 77, "voice", &voice, json!({"mime_type": "audio/ogg"}));
    let more = json!({"file_name": "../план.pdf", "mime_type": "application/pdf"});
    case.api.send_file(&token(1), 77, "document", b"%PDF-1.7\n", more);
    let messages = eventually("three messages", 20, async || {
        let answer = case.app.client.get(&chat).await;
        (answer.status == 200 && answer.body["pagination"]["total"] == 3).then_some(answer.body["data"].clone())
    })
    .await;
    let [document, voice_note, photo] = messages.as_array().unwrap().as_slice() else { panic!("{messages}") };
    assert_eq!((&photo["messageType"], &photo["media"]["size"]), (&json!("image"), &json!(40_000)));
    assert_eq!((&photo["media"]["width"], &photo["media"]["mimeType"]), (&json!(320), &json!("image/jpeg")));
    assert_eq!((&voice_note["messageType"], &voice_note["media"]["seconds"]), (&json!("voice"), &json!(7)));
    assert_eq!(document["media"]["fileName"], "план.pdf");
    let file = |message: &Value| message["media"]["id"].as_str().unwrap().to_owned();
    let got = case.app.client.file(&file(photo), None).await;
    assert_eq!(got.headers()["content-type"], "image/png", "as its content says");
    assert!(got.bytes().await.unwrap() == content);
    // Also by a server that starts with the bot disconnected.
    case.app.client.post(&format!("/api/accounts/{}/disconnect", case.account), json!({})).await.expect(200);
    case.app.stop().await;
    case.app.resume().await;
    case.app.client.get(&format!("/api/media/{}", file(voice_note))).await.refused(409, "media_not_reachable");
    case.app.client.connect(&case.account).await;
    case.app.client.status(&case.account, "CONNECTED").await;
    let part = case.app.client.file(&file(voice_note), Some("bytes=0-3")).await;
    assert_eq!((part.status().as_u16(), part.bytes().await.unwrap().as_ref()), (206, &b"OggS"[..]));
    // What Telegram does not give may come later, it says; what was fetched stays.
    case.api.forget_files();
    case.app.client.get(&format!("/api/media/{}", file(document))).await.refused(409, "media_not_reachable");
    assert_eq!(case.app.client.file(&file(photo), None).await.status(), 200);
    assert_eq!(case.api.complaints(), [""; 0]);
}
