//! Files that people send: told at once, had when somebody asks.

use andante::gateway::{Enclosure, Letter};
use entity::message::Kind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Company, Postgres, TestApp, eventually, guarded, picture, ready_account};

const PERSON: &str = "996700123456@c.us";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a small picture";

fn write(app: &TestApp, account: &str, number: u32, enclosure: Enclosure) {
    app.app().simulator.stage(TestApp::id(account)).unwrap().write(Letter {
        chat: PERSON.to_owned(),
        chat_kind: entity::chat::Kind::Individual,
        chat_name: None,
        provider_message_id: format!("wamid.{number}"),
        is_own: false,
        sender: Some(PERSON.to_owned()),
        sender_name: None,
        text: String::new(),
        kind: Kind::Image,
        at: app.app().clock.now(),
        is_history: false,
        media: Some(enclosure),
    });
}

/// Sends a file and lets the other side have it, so that it can come back: its id there.
async fn known(client: &Client, account: &str, content: Vec<u8>) -> String {
    let id = client.uploaded("a.png", content).await;
    let body = json!({"accountId": account, "to": "77777777777", "media": {"id": id}});
    let sent = client.post("/api/messages/send", body).await.expect(202);
    client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    id
}

async fn messages(client: &Client, account: &str, count: usize) -> Vec<Value> {
    eventually("the messages are there", 20, async || {
        let answer = client.get(&format!("/api/accounts/{account}/chats/{PERSON}")).await;
        let data = answer.body["data"].as_array().cloned().unwrap_or_default();
        (data.len() == count).then_some(data)
    })
    .await
}

fn enclosure(source: &str) -> Enclosure {
    Enclosure {
        mime_type: Some("Image/JPEG; charset=x".to_owned()),
        size: Some(5_000),
        file_name: Some("..\\photo\u{202e}gpj.exe".to_owned()),
        width: Some(640),
        height: Some(480),
        seconds: None,
        thumbnail: Some(JPEG.to_vec()),
        source: source.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_told_with_its_thumbnail_and_had_when_asked_for() {
    let url = Postgres::database().await;
    for settings in [vec![], vec![("DATABASE_URL", url.as_str())]] {
        let app = TestApp::with(&settings).await;
        let account = ready_account(&app.client, json!({})).await;
        let content = picture(5_000);
        let source = known(&app.client, &account, content.clone()).await;
        write(&app, &account, 1, enclosure(&source));
        let message = messages(&app.client, &account, 1).await.remove(0);
        let media = &message["media"];
        let id = media["id"].as_str().unwrap();
        assert_eq!(
            media,
            &json!({"id": id, "kind": "image", "mimeType": "image/jpeg", "size": 5_000, "fileName": "photogpj.exe",
                    "width": 640, "height": 480, "hasThumbnail": true})
        );
        assert_eq!((&message["body"], &message["messageType"]), (&json!(""), &json!("image")));
        let chats = app.client.get(&format!("/api/accounts/{account}/chats?unread=true")).await.expect(200);
        assert_eq!(chats["data"][0]["lastMessage"]["messageType"], "image");
        let thumbnail = app.client.request(Method::GET, &format!("/api/media/{id}/thumbnail")).send().await.unwrap();
        assert_eq!(thumbnail.headers()["content-type"], "image/jpeg");
        assert_eq!(thumbnail.bytes().await.unwrap(), JPEG);
        // Many who ask are one fetch.
        let asked = futures_util::future::join_all((0..8).map(|_| app.client.file(id, None))).await;
        for got in asked {
            assert_eq!(got.status(), 200);
            assert!(got.bytes().await.unwrap() == content);
        }
        // It can be sent on, now that it is kept.
        let on = json!({"accountId": account, "to": "77777777777", "media": {"id": id}});
        app.client.post("/api/messages/send", on).await.expect(202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_not_be_had_says_why() {
    let mut app = TestApp::with(&[("ANDANTE_MEDIA_MAX_MB", "1")]).await;
    let account = ready_account(&app.client, json!({})).await;
    let source = known(&app.client, &account, picture(5_000)).await;
    write(&app, &account, 1, enclosure(&source));
    write(&app, &account, 2, Enclosure { size: Some(1 << 21), ..enclosure(&source) });
    write(&app, &account, 3, enclosure("nobody has it"));
    write(&app, &account, 4, Enclosure { thumbnail: Some(vec![b'<'; 100]), ..enclosure(&source) });
    let all = messages(&app.client, &account, 4).await;
    let address = |index: usize| format!("/api/media/{}", all[4 - index]["media"]["id"].as_str().unwrap());
    assert_eq!(all[0]["media"]["hasThumbnail"], Value::Null, "it is no JPEG");
    app.client.get(&format!("{}/thumbnail", address(4))).await.refused(404, "thumbnail_not_found");
    let on = json!({"accountId": account, "to": "77777777777", "media": {"id": all[3]["media"]["id"]}});
    app.client.post("/api/messages/send", on).await.refused(422, "media_not_kept");
    app.client.get(&address(2)).await.refused(413, "too_large");
    for _ in 0..2 {
        app.client.get(&address(3)).await.refused(410, "media_gone");
    }
    app.client.post(&format!("/api/accounts/{account}/disconnect"), json!({})).await.expect(200);
    app.client.get(&address(1)).await.refused(409, "media_not_reachable");
    app.stop().await;
    app.resume().await;
    app.client.get(&address(1)).await.refused(409, "media_not_reachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_setting_a_file_is_fetched_as_it_comes() {
    let app = TestApp::with(&[("ANDANTE_MEDIA_EAGER", "true")]).await;
    let account = ready_account(&app.client, json!({})).await;
    let content = picture(5_000);
    let source = known(&app.client, &account, content.clone()).await;
    write(&app, &account, 1, enclosure(&source));
    let id = messages(&app.client, &account, 1).await[0]["media"]["id"].as_str().unwrap().to_owned();
    let company = entity::ids::CompanyId::DEFAULT;
    eventually("it is kept", 20, async || {
        let row = app.app().store.find_media(company, id.parse().unwrap()).await.unwrap()?;
        row.stored_at_ms
    })
    .await;
    app.app().simulator.stage(TestApp::id(&account)).unwrap().lose_files();
    assert!(app.client.file(&id, None).await.bytes().await.unwrap() == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_is_for_who_reads_its_account() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    let other = company.admin.create(json!({"name": "Other"})).await;
    let source = known(&company.admin, &account, picture(5_000)).await;
    write(&app, &account, 1, enclosure(&source));
    let id = messages(&company.admin, &account, 1).await[0]["media"]["id"].as_str().unwrap().to_owned();
    let (anna, boris) = (company.manager("anna").await, company.manager("boris").await);
    company.grant(&account, &anna, &["read"]).await;
    company.grant(&other, &boris, &["read", "write"]).await;
    assert_eq!(anna.client.file(&id, None).await.status(), 200);
    for address in [format!("/api/media/{id}"), format!("/api/media/{id}/thumbnail")] {
        boris.client.get(&address).await.refused(403, "no_access");
    }
    company.admin.delete(&format!("/api/whatsapp/sessions/{account}/access/{}", anna.id)).await.expect(200);
    anna.client.get(&format!("/api/media/{id}")).await.refused(403, "no_access");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_goes_with_its_account() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let source = known(&app.client, &account, picture(5_000)).await;
    write(&app, &account, 1, enclosure(&source));
    let id = messages(&app.client, &account, 1).await[0]["media"]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.client.file(&id, None).await.status(), 200);
    app.client.delete(&format!("/api/accounts/{account}")).await.expect(200);
    eventually("it is gone", 20, async || {
        app.app().media.sweep(app.app().clock.now()).await.unwrap();
        (app.client.file(&id, None).await.status() == 410).then_some(())
    })
    .await;
    assert_eq!(app.client.file(&source, None).await.status(), 200, "what was uploaded is the company's");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_what_it_is_fetched_is_sealed_in_the_database() {
    let app = TestApp::with(&[("ANDANTE_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")]).await;
    let account = ready_account(&app.client, json!({})).await;
    write(&app, &account, 1, enclosure("by this secret it is fetched"));
    let content = picture(5_000);
    let source = known(&app.client, &account, content.clone()).await;
    write(&app, &account, 2, enclosure(&source));
    let all = messages(&app.client, &account, 2).await;
    let folder = std::fs::read_dir(&app.app().config.data_dir).unwrap().map(|entry| entry.unwrap().path());
    let database: Vec<u8> =
        folder.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect();
    let has = |words: &[u8]| database.windows(words.len()).any(|some| some == words);
    assert!(has(b"wamid.1") && !has(b"by this secret"));
    let got = app.client.file(all[0]["media"]["id"].as_str().unwrap(), None).await;
    assert!(got.bytes().await.unwrap() == content);
}
