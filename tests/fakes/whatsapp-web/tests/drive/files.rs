//! Files out of a page and into it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fake_whatsapp_web::{FakeWeb, File, Uploading};
use serde_json::{Value, json};

use crate::tab::Tab;

const SHOP: &str = "996555000001";
const ADA: &str = "996700000001";
const PIECE: usize = 512 << 10;

/// A picture of one pixel.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

fn key(number: u32) -> String {
    format!("3EB0{number:018}")
}

fn send(number: u32, text: &str, name: &str, kind: &str) -> Value {
    let file = json!({ "name": name, "as": kind });
    json!({ "to": format!("{ADA}@c.us"), "text": text, "key": key(number), "file": file, "isRepeat": true })
}

/// Hands a file over to the page, as the gateway does.
async fn hand_over(tab: &mut Tab, name: &str, title: &str, mime_type: &str, content: &[u8]) {
    for (number, piece) in content.chunks(PIECE).enumerate() {
        let piece = json!({
            "file": name, "title": title, "mimeType": mime_type, "size": content.len(), "offset": number * PIECE,
            "piece": BASE64.encode(piece),
        });
        tab.ask("putFile", piece).await.unwrap();
    }
}

#[tokio::test]
async fn each_kind_goes_out_as_it_is_with_its_caption() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    let dot = BASE64.decode(DOT).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(3_000_000).collect();
    let kinds: [(&str, &str, &str, &str, &[u8]); 6] = [
        ("image", "image", "", "image/png", &dot),
        ("sticker", "sticker", "", "image/png", &dot),
        ("video", "video", "", "video/mp4", b"a film"),
        ("audio", "audio", "", "audio/mpeg", b"a song"),
        ("voice", "ptt", "", "audio/ogg; codecs=opus", b"a voice"),
        ("document", "document", "large.bin", "application/octet-stream", &large),
    ];
    for (number, (kind, arrives_as, title, mime_type, content)) in (1..).zip(kinds) {
        hand_over(&mut tab, kind, title, mime_type, content).await;
        let caption = if kind == "image" { "Look 👋" } else { "" };
        let sent = tab.ask("send", send(number, caption, kind, kind)).await.unwrap();
        assert_eq!(sent["result"], "OK", "{kind}: {sent}");
        let arrived = fake.sent(SHOP).pop().unwrap();
        let file = arrived.file.unwrap();
        assert_eq!((file.kind.as_str(), file.mime_type.as_str()), (arrives_as, mime_type));
        assert!(file.content == content, "{kind}: {file:?}");
        assert_eq!(file.name.as_deref(), Some(title).filter(|title| !title.is_empty()));
        assert_eq!(arrived.text, caption, "{kind}");
        assert_eq!(file.measures, (file.mime_type == "image/png").then_some((1, 1)));
    }
    assert_eq!(fake.uploads(SHOP), 5, "the sticker is the picture");
    tab.ack(&key(1), 2).await;
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn what_the_page_or_the_server_does_not_take_has_not_left_and_goes_later() {
    let fake = FakeWeb::start().await.unwrap();
    fake.limit_files(10);
    let mut tab = Tab::linked(&fake, SHOP).await;
    hand_over(&mut tab, "large", "", "audio/mpeg", b"too long for it").await;
    let error = tab.ask("send", send(1, "", "large", "audio")).await.unwrap_err();
    assert_eq!((&error["code"], &error["mayBeSent"]), (&json!("file_too_large"), &json!(false)));
    hand_over(&mut tab, "broken", "", "image/png", b"no picture").await;
    let error = tab.ask("send", send(2, "", "broken", "image")).await.unwrap_err();
    assert_eq!((&error["code"], &error["mayBeSent"]), (&json!("error"), &json!(false)), "{error}");
    hand_over(&mut tab, "small", "", "audio/mpeg", b"a song").await;
    for (number, uploading) in (3..).zip([Uploading::Refuse, Uploading::Cut]) {
        fake.uploading(uploading);
        let sent = tab.ask("send", send(number, "", "small", "audio")).await.unwrap();
        assert_eq!((&sent["result"], &sent["ack"]), (&json!("ERROR_UPLOAD"), &json!(-1)), "{uploading:?}");
        assert_eq!(fake.sent(SHOP), []);
        assert_eq!(tab.ask("find", json!({ "key": key(number) })).await.unwrap()["result"], "ERROR_UPLOAD");
    }
    fake.uploading(Uploading::Normal);
    // Under the same keys, the one from this document and the other from the next.
    assert_eq!(tab.ask("send", send(3, "", "small", "audio")).await.unwrap()["result"], "OK");
    assert!(fake.reload(SHOP));
    tab.reloaded().await;
    tab.connected().await;
    assert_eq!(tab.ask("send", send(4, "", "small", "audio")).await.unwrap_err()["code"], "no_file");
    hand_over(&mut tab, "small", "", "audio/mpeg", b"a song").await;
    assert_eq!(tab.ask("send", send(4, "", "small", "audio")).await.unwrap()["result"], "OK");
    let sent = fake.sent(SHOP);
    assert_eq!(sent.iter().map(|sent| (&*sent.key, sent.attempts)).collect::<Vec<_>>(), [(&*key(3), 1), (&*key(4), 1)]);
    assert_eq!((fake.uploads(SHOP), fake.files_given(SHOP)), (2, 2), "each page was given it once");
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn a_page_that_is_loaded_anew_while_it_uploads_has_sent_nothing() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    fake.uploading(Uploading::Late);
    hand_over(&mut tab, "song", "", "audio/mpeg", b"a song").await;
    tab.start("send", send(1, "", "song", "audio")).await;
    assert!(fake.wait_uploads(1).await);
    assert!(fake.reload(SHOP));
    tab.reloaded().await;
    tab.connected().await;
    fake.uploading(Uploading::Normal);
    let there = json!({ "key": key(1), "chat": format!("{ADA}@c.us") });
    let found = tab.ask("find", there).await.unwrap();
    assert_eq!((&found["ack"], &found["result"]), (&json!(-1), &json!("ERROR_UPLOAD")), "{found}");
    hand_over(&mut tab, "song", "", "audio/mpeg", b"a song").await;
    assert_eq!(tab.ask("send", send(1, "", "song", "audio")).await.unwrap()["result"], "OK");
    let sent = fake.sent(SHOP);
    assert_eq!((sent.len(), sent[0].attempts), (1, 1));
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn a_file_that_comes_is_told_at_once_and_fetched_later() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let thumbnail = vec![0xff, 0xd8, 0xff, 0xe0, 1, 2, 3];
    let mut picture = File::new("image", "image/jpeg", content.clone());
    (picture.thumbnail, picture.measures) = (Some(thumbnail.clone()), Some((640, 480)));
    let said = fake.person(ADA).sends(SHOP, &picture, "Look");
    let heard = tab.event("message", |message| message["key"] == said).await;
    let expected = json!({
        "id": format!("false_{ADA}@c.us_{said}"), "mimeType": "image/jpeg", "size": content.len(), "name": null,
        "width": 640, "height": 480, "seconds": null, "thumbnail": BASE64.encode(&thumbnail),
    });
    assert_eq!((&heard["text"], &heard["file"]), (&json!("Look"), &expected));
    let mut voice = File::new("ptt", "audio/ogg; codecs=opus", *b"a voice");
    voice.seconds = Some(3);
    let voice = fake.person(ADA).sends(SHOP, &voice, "");
    let heard = tab.event("message", |message| message["key"] == voice).await;
    assert_eq!((&heard["type"], &heard["file"]["seconds"], &heard["text"]), (&json!("ptt"), &json!(3), &json!(null)));
    // In the next document the first is in the database alone.
    assert!(fake.reload(SHOP));
    tab.reloaded().await;
    tab.connected().await;
    let fetched = tab.ask("fetchFile", json!({ "id": expected["id"] })).await.unwrap();
    assert_eq!(fetched["size"], content.len());
    let mut read = Vec::new();
    while read.len() < content.len() {
        let next = json!({ "number": fetched["number"], "offset": read.len() });
        let piece = tab.ask("readFile", next).await.unwrap();
        read.extend(BASE64.decode(piece.as_str().unwrap()).unwrap());
    }
    assert!(read == content);
    fake.forget_contents();
    let gone = json!({ "id": heard["file"]["id"] });
    assert_eq!(tab.ask("fetchFile", gone).await.unwrap_err()["code"], "gone");
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}
