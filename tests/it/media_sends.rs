//! Messages with files: in every dialect, once for each key, and only as their messenger takes them.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use entity::message::Kind;
use futures_util::stream;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Binary, TestApp, eventually, picture, ready_account};

/// A web server with files, which counts who asks.
struct Web {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Web {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let data = Data::from(asked.clone());
        let server = HttpServer::new(move || {
            let picture = async |asked: Data<AtomicUsize>| {
                asked.fetch_add(1, Ordering::Relaxed);
                HttpResponse::Ok().content_type("text/html").body(picture(5_000))
            };
            let leads = |to: &'static str| {
                web::to(move || async move { HttpResponse::Found().insert_header(("Location", to)).finish() })
            };
            let endless = async || {
                HttpResponse::Ok()
                    .streaming(stream::repeat_with(|| Ok::<_, actix_web::Error>(Bytes::from(vec![0; 65_536]))))
            };
            App::new()
                .app_data(data.clone())
                .route("/a/pic%20ture.png", web::get().to(picture))
                .route("/a/pic ture.png", web::get().to(picture))
                .route("/pictures/{n}", web::get().to(picture))
                .route("/led", leads("/pictures/1"))
                .route("/round", leads("/round"))
                .route("/away", leads("file:///etc/passwd"))
                .route("/endless", web::get().to(endless))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        tokio::spawn(server);
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The address of a file that ends before its end.
async fn cut_off() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.png", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1_024];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_sending_takes_a_file() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({})).await;
    let mut arrivals = app.app().simulator.watch();
    let id = app.client.uploaded("a.png", picture(5_000)).await;
    let media = json!({ "id": id });
    for (address, body, status) in [
        ("/api/messages/send".to_owned(), json!({"accountId": account, "to": "77777777777", "media": media}), 202),
        (
            "/api/messages/bulk".to_owned(),
            json!({"accountId": account, "messages": [{"to": "77777777777", "message": "m", "media": media}]}),
            202,
        ),
        (format!("/api/accounts/{account}/chats/77777777777"), json!({"media": media}), 202),
        ("/api/whatsapp/send".to_owned(), json!({"phone": "77777777777", "media": media, "message": "m"}), 202),
        (
            format!("/api/whatsapp/sessions/{account}/chats/77777777777/messages"),
            json!({"media": media, "type": "document"}),
            202,
        ),
        (format!("/api/whatsapp/sessions/{account}/chats/77777777777/send"), json!({"media": media}), 202),
        (format!("/instances/{account}/api/v1/simulator/send"), json!({"chatId": "77777777777", "media": media}), 200),
        (
            format!("/api/v1/multi-provider/instances/simulator/{account}/send-message"),
            json!({"chat_id": "77777777777", "media": {"id": id, "file_name": "x"}, "message": "m"}),
            200,
        ),
    ] {
        let answer = app.client.post(&address, body).await;
        assert_eq!(answer.status, status, "{address}: {}", answer.body);
        let arrived = arrivals.recv().await.unwrap();
        let kind = if address.ends_with("/messages") { Kind::Document } else { Kind::Image };
        assert_eq!(arrived.file, Some((kind, 5_000)), "{address}");
        let message = app.client.reaches(&arrived.message.to_string(), &["sent"]).await;
        assert_eq!((&message["media"]["id"], &message["media"]["kind"]), (&json!(id), &json!(kind)), "{address}");
    }
    let chat = eventually("all are in the chat", 20, async || {
        let chat = app.client.get(&format!("/api/accounts/{account}/chats/77777777777")).await.expect(200);
        (chat["data"].as_array().unwrap().len() == 8).then_some(chat)
    })
    .await;
    assert!(chat["data"].as_array().unwrap().iter().all(|message| message["media"]["id"] == json!(id)), "{chat}");
    // Without a file a text is needed, as ever.
    app.client.post("/api/whatsapp/send", json!({"phone": "77777777777"})).await.refused(400, "invalid_request");
    let neither = json!({"accountId": account, "to": "77777777777", "media": null});
    app.client.post("/api/messages/send", neither).await.refused(400, "invalid_request");
    let typed = json!({"message": "m", "type": "image"});
    app.client
        .post(&format!("/api/accounts/{account}/chats/77777777777"), typed)
        .await
        .refused(422, "type_not_supported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_only_as_what_it_is_and_no_larger_than_its_messenger_takes() {
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let offers = app.client.get("/api/v1/multi-provider/active-providers").await.expect(200);
    let simulator = offers["providers"].as_array().unwrap().iter().find(|one| one["provider"] == "simulator").unwrap();
    assert_eq!(simulator["media"], json!(["image", "video", "audio", "voice", "document", "sticker"]));
    let most = simulator["mediaLimits"]["image"].as_u64().unwrap();
    let large = app.client.uploaded("large.png", picture(usize::try_from(most).unwrap() + 1)).await;
    let html = app.client.uploaded("page.png", b"<!DOCTYPE html>".to_vec()).await;
    let post = async |media: Value| {
        let body = json!({"accountId": account, "to": "77777777777", "media": media});
        app.client.post("/api/messages/send", body).await
    };
    let refused = post(json!({"id": large})).await.refused(413, "too_large");
    assert!(refused["error"].as_str().unwrap().contains(&most.to_string()), "{refused}");
    post(json!({"id": large, "kind": "document"})).await.expect(202);
    for kind in ["image", "video", "voice", "sticker", "text", "location"] {
        let refused = post(json!({"id": html, "kind": kind})).await.refused(422, "media_not_supported");
        assert_eq!(refused["details"][0]["field"], "media");
    }
    post(json!({"id": html})).await.expect(202);
    post(json!({"id": html, "kind": "picture"})).await.refused(400, "invalid_request");
    post(json!({"id": "med_01jdzn2v3k8q4w6x9y0a2b4c6d"})).await.refused(404, "media_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_one_message_and_another_file_another_request() {
    let web = Web::start();
    let app = TestApp::with(&[("ANDANTE_PRIVATE_MEDIA", "true")]).await;
    let account = app.client.create(json!({"name": "A"})).await;
    let (one, two) = (app.client.uploaded("a", picture(9)).await, app.client.uploaded("b", picture(9)).await);
    let post = async |key: &str, media: Value| {
        let body = json!({"accountId": account, "to": "77777777777", "media": media, "idempotencyKey": key});
        app.client.post("/api/messages/send", body).await
    };
    let first = post("a", json!({"id": one})).await.expect(202);
    assert_eq!(post("a", json!({"id": one})).await.expect(202)["messageId"], first["messageId"]);
    post("a", json!({"id": two})).await.refused(409, "idempotency_key_taken");
    post("a", json!({"id": one, "kind": "document"})).await.refused(409, "idempotency_key_taken");
    // One at an address is fetched once for its key, in a bulk as well.
    let url = json!({"url": format!("{}/a/pic%20ture.png", web.url)});
    let first = post("b", url.clone()).await.expect(202);
    assert_eq!(post("b", url.clone()).await.expect(202)["messageId"], first["messageId"]);
    assert_eq!(web.asked(), 1);
    let message = app.client.message(first["messageId"].as_str().unwrap()).await;
    assert_eq!(
        (&message["media"]["fileName"], &message["media"]["mimeType"]),
        (&json!("pic ture.png"), &json!("image/png"))
    );
    let messages = vec![json!({"to": "77777777777", "media": url}); 3];
    let body = json!({"accountId": account, "messages": messages});
    for _ in 0..2 {
        let request = app.client.request(Method::POST, "/api/messages/bulk").header("Idempotency-Key", "c").json(&body);
        assert_eq!(app.client.run(request).await.expect(202)["accepted"], 3);
        assert_eq!(web.asked(), 2, "once for all three, and for both requests");
    }
    assert_eq!(app.client.queue(&account).await["queueLength"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_fetched_whole_from_where_it_leads_or_not_at_all() {
    let web = Web::start();
    let app = TestApp::with(&[("ANDANTE_PRIVATE_MEDIA", "true"), ("ANDANTE_MEDIA_MAX_MB", "1")]).await;
    let account = app.client.create(json!({"name": "A"})).await;
    let post = async |url: String| {
        let body = json!({"accountId": account, "to": "77777777777", "media": {"url": url, "fileName": "b/c.png"}});
        app.client.post("/api/messages/send", body).await
    };
    let sent = post(format!("{}/led", web.url)).await.expect(202);
    assert_eq!(app.client.message(sent["messageId"].as_str().unwrap()).await["media"]["fileName"], "c.png");
    for (path, why) in [("/missing", "answers 404"), ("/round", "can't be followed"), ("/away", "answers 302")] {
        let refused = post(format!("{}{path}", web.url)).await.refused(422, "media_unreachable");
        assert!(refused["error"].as_str().unwrap().contains(why), "{path}: {refused}");
    }
    post(format!("{}/endless", web.url)).await.refused(413, "too_large");
    let refused = post(cut_off().await).await.refused(422, "media_unreachable");
    assert!(refused["error"].as_str().unwrap().contains("broke off"), "{refused}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    post(format!("http://{nobody}/a.png")).await.refused(422, "media_unreachable");
    // A bulk names a few addresses, and what is too much is refused alone.
    let messages: Vec<Value> =
        (0..25).map(|n| json!({"to": "77777777777", "media": {"url": format!("{}/pictures/{n}", web.url)}})).collect();
    let body = json!({"accountId": account, "messages": messages});
    let answer = app.client.post("/api/messages/bulk", body).await.expect(202);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(20), &json!(5)));
    assert_eq!(answer["results"][24]["code"], "too_many_urls");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_leads_into_the_operator_s_network() {
    let web = Web::start();
    let app = TestApp::start().await;
    let account = app.client.create(json!({"name": "A"})).await;
    let port = web.url.rsplit(':').next().unwrap();
    for url in [
        format!("{}/pictures/1", web.url),
        format!("http://localhost:{port}/pictures/1"),
        format!("http://127.1:{port}/pictures/1"),
        format!("http://0x7f000001:{port}/pictures/1"),
        format!("http://2130706433:{port}/pictures/1"),
        format!("http://[::1]:{port}/pictures/1"),
        format!("http://[::ffff:127.0.0.1]:{port}/pictures/1"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://user:secret@127.0.0.1:{port}/pictures/1"),
        "file:///etc/passwd".to_owned(),
        "ftp://example.org/a".to_owned(),
        "data:image/png;base64,AAAA".to_owned(),
        "no address".to_owned(),
    ] {
        let body = json!({"accountId": account, "to": "77777777777", "media": {"url": url}});
        let refused = app.client.post("/api/messages/send", body).await.refused(422, "media_unreachable");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
    assert_eq!(web.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_of_1_000_has_one_file() {
    let app = TestApp::start().await;
    let account = ready_account(&app.client, json!({"limits": {"delayMs": [0, 0]}})).await;
    let mut arrivals = app.app().simulator.watch();
    let id = app.client.uploaded("a.png", picture(5_000)).await;
    let messages = vec![json!({"to": "77777777777", "media": {"id": id}, "message": "see"}); 1_000];
    let body = json!({"accountId": account, "messages": messages});
    assert_eq!(app.client.post("/api/messages/bulk", body).await.expect(202)["accepted"], 1_000);
    for _ in 0..1_000 {
        assert_eq!(arrivals.recv().await.unwrap().file, Some((Kind::Image, 5_000)));
    }
    let kept = app.app().store.media_bytes(entity::ids::CompanyId::DEFAULT).await.unwrap();
    assert_eq!(kept, 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_file_is_gone_fails_and_holds_up_nobody() {
    let mut server = Binary::start(&[]);
    let account = ready_account(&server.client, json!({})).await;
    server.client.pause(&account, true).await;
    let id = server.client.uploaded("a.png", picture(5_000)).await;
    let body = json!({"accountId": account, "to": "77777777777", "media": {"id": id}});
    let sent = server.client.post("/api/messages/send", body).await.expect(202);
    let after = server.client.send(&account, "77777777777", "after it").await;
    server.kill();
    std::fs::remove_dir_all(server.folder().join("media")).unwrap();
    server.resume();
    server.client.pause(&account, false).await;
    let failed = server.client.reaches(sent["messageId"].as_str().unwrap(), &["failed", "sent"]).await;
    assert_eq!((&failed["status"], &failed["lastError"]["code"]), (&json!("failed"), &json!("media_gone")));
    server.client.reaches(after["messageId"].as_str().unwrap(), &["sent"]).await;
}
