//! Files in and out: kept whole, found out by their content, given to who may have them, let go.

use std::io;
use std::path::Path;

use andante::clock::Clock;
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use reqwest::header::HeaderMap;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Binary, Company, TestApp, eventually, guarded, picture, ready_account};

fn said<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Files below a folder.
fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_back_as_it_was_given_whole_or_in_part() {
    let app = TestApp::start().await;
    let content = picture(300_000);
    let told = app.client.upload("my picture.png", content.clone()).await;
    assert_eq!(
        told,
        json!({"id": told["id"], "kind": "image", "mimeType": "image/png", "size": 300_000, "fileName": "my picture.png",
               "width": 2, "height": 3})
    );
    let raw = app.client.request(Method::POST, "/api/media?fileName=%D1%81%D1%87%D1%91%D1%82.pdf");
    let raw = app.client.run(raw.header("Content-Type", "image/png").body("%PDF-1.7\n%")).await.expect(201);
    assert_eq!(
        (&raw["kind"], &raw["mimeType"], &raw["fileName"]),
        (&json!("document"), &json!("application/pdf"), &json!("счёт.pdf"))
    );
    let id = told["id"].as_str().unwrap();
    let whole = app.client.file(id, None).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(said(whole.headers(), "content-type"), "image/png");
    assert_eq!(said(whole.headers(), "content-length"), "300000");
    assert_eq!(said(whole.headers(), "content-disposition"), "inline; filename*=UTF-8''my%20picture.png");
    let tag = said(whole.headers(), "etag").to_owned();
    assert!(whole.bytes().await.unwrap() == content);
    for (range, part) in [("bytes=0-7", 0..8), ("bytes=299990-", 299_990..300_000), ("bytes=-5", 299_995..300_000)] {
        let some = app.client.file(id, Some(range)).await;
        assert_eq!(some.status(), 206, "{range}");
        let told = format!("bytes {}-{}/300000", part.start, part.end - 1);
        assert_eq!(said(some.headers(), "content-range"), told);
        assert!(some.bytes().await.unwrap() == content[part], "{range}");
    }
    let beyond = app.client.file(id, Some("bytes=300000-")).await;
    assert_eq!((beyond.status().as_u16(), said(beyond.headers(), "content-range")), (416, "bytes */300000"));
    let again = app.client.request(Method::GET, &format!("/api/media/{id}")).header("If-None-Match", &tag);
    assert_eq!(app.client.run(again).await.status, 304);
    let changed = app.client.request(Method::GET, &format!("/api/media/{id}")).header("Range", "bytes=0-7");
    assert_eq!(app.client.run(changed.header("If-Range", "\"another\"")).await.status, 200);
    app.client.get(&format!("/api/media/{id}/thumbnail")).await.refused(404, "thumbnail_not_found");
    app.client.get("/api/media/med_1").await.refused(404, "media_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_do_harm_in_a_browser_is_saved_and_never_shown() {
    let app = TestApp::start().await;
    for (name, content, found) in [
        ("harmless.png", &b"<!DOCTYPE html><script>alert(1)</script>"[..], "text/html"),
        ("picture.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text/plain"),
        ("picture.png", b"<?xml version='1.0'?><svg onload='alert(1)'/>", "text/xml"),
        ("bill.pdf", b"%PDF-1.7\n", "application/pdf"),
        ("../../../etc/cron.d/job", b"* * * * * root sh", "text/plain"),
    ] {
        let told = app.client.upload(name, content.to_vec()).await;
        assert_eq!((&told["mimeType"], &told["kind"]), (&json!(found), &json!("document")), "{name}");
        assert!(!told["fileName"].as_str().unwrap().contains('/'), "{told}");
        let got = app.client.file(told["id"].as_str().unwrap(), None).await;
        let headers = got.headers();
        assert!(said(headers, "content-disposition").starts_with("attachment; filename*=UTF-8''"), "{headers:?}");
        assert_eq!(said(headers, "content-security-policy"), "default-src 'none'; sandbox; frame-ancestors 'none'");
        assert_eq!(said(headers, "x-content-type-options"), "nosniff");
        assert_eq!(said(headers, "cross-origin-resource-policy"), "same-origin");
        assert_eq!(said(headers, "cache-control"), "private, no-cache");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_or_too_much_is_refused_and_leaves_nothing() {
    let app = TestApp::with(&[("ANDANTE_MEDIA_MAX_MB", "1"), ("ANDANTE_MEDIA_COMPANY_MB", "2")]).await;
    let media = app.app().config.data_dir.join("media");
    let post = || app.client.request(Method::POST, "/api/media");
    let form = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
    app.client.try_upload("empty", Vec::new()).await.refused(400, "invalid_media");
    app.client.run(post()).await.refused(400, "invalid_media");
    for body in [
        "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b--\r\n".to_owned(),
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"\r\nX: {}\r\n\r\nx\r\n--b--\r\n",
            "x".repeat(100_000)
        ),
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\ncut off".to_owned(),
        "no form".to_owned(),
        format!("--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n{}\r\n--b--\r\n", "x".repeat(100_000)),
    ] {
        let answer = app.client.run(post().header("Content-Type", form("b")).body(body.clone())).await;
        let said = answer.expect(400);
        assert!(["invalid_media", "invalid_request"].contains(&said["code"].as_str().unwrap()), "{said}");
    }
    app.client.run(post().header("Content-Type", "multipart/form-data").body("x")).await.refused(400, "invalid_media");
    // Told by its length before any of it is read, or while it is.
    let mut raw = tokio::net::TcpStream::connect(app.client.url.trim_start_matches("http://")).await.unwrap();
    raw.write_all(b"POST /api/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10737418240\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    raw.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let endless = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from(vec![0; 65_536]))).take(17);
    let refused = app.client.run(post().body(Body::wrap_stream(endless))).await.refused(413, "too_large");
    assert!(refused["error"].as_str().unwrap().contains("1048576"), "{refused}");
    assert_eq!(files(&media), 0);
    // Nothing of all that counts; two files of a megabyte do.
    for _ in 0..2 {
        app.client.upload("a", picture(1 << 20)).await;
    }
    app.client.try_upload("a", picture(1)).await.refused(422, "media_quota");
    assert_eq!(files(&media), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_leaves_nothing() {
    let app = TestApp::start().await;
    let media = app.app().config.data_dir.join("media");
    let mut raw = tokio::net::TcpStream::connect(app.client.url.trim_start_matches("http://")).await.unwrap();
    let head = "POST /api/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n";
    raw.write_all(&[head.as_bytes(), &vec![b'x'; 2_000_000]].concat()).await.unwrap();
    eventually("its beginning is written", 20, async || (files(&media) == 1).then_some(())).await;
    drop(raw);
    eventually("and is gone", 20, async || (files(&media) == 0).then_some(())).await;
    let company = entity::ids::CompanyId::DEFAULT;
    let is_none = async || (app.app().store.media_bytes(company).await.unwrap() == 0).then_some(());
    eventually("so is its row", 20, is_none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_within_an_upload_starts_without_its_rest() {
    let mut server = Binary::start(&[]);
    let media = server.folder().join("media");
    let mut raw = tokio::net::TcpStream::connect(server.client.url.trim_start_matches("http://")).await.unwrap();
    let head = "POST /api/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n";
    raw.write_all(&[head.as_bytes(), &vec![b'x'; 2_000_000]].concat()).await.unwrap();
    eventually("its beginning is written", 20, async || (files(&media) == 1).then_some(())).await;
    server.kill();
    assert_eq!(files(&media), 1, "a kill cleans up nothing");
    server.resume();
    assert_eq!(files(&media), 0);
    server.client.upload("a.png", picture(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_100_mb_costs_less_than_10_of_memory() {
    const SIZE: usize = 100 << 20;
    let server = Binary::start(&[("ANDANTE_MEDIA_MAX_MB", "200")]);
    let account = ready_account(&server.client, json!({})).await;
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1_024
    };
    // In, out to a messenger, and out to a caller.
    let carry = async |size: usize| {
        let chunks = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[7; 65_536]))).take(size / 65_536);
        let post = server.client.request(Method::POST, "/api/media").body(Body::wrap_stream(chunks));
        let told = server.client.run(post).await.expect(201);
        assert_eq!(told["size"], size);
        let id = told["id"].as_str().unwrap();
        let send = json!({"accountId": account, "to": "77777777777", "media": {"id": id}});
        let sent = server.client.post("/api/messages/send", send).await.expect(202);
        let sent = sent["messageId"].as_str().unwrap();
        let is_sent = async || (server.client.message(sent).await["status"] == "sent").then_some(());
        eventually("it is sent", 180, is_sent).await;
        let mut content = server.client.file(id, None).await.bytes_stream();
        let mut read = 0;
        while let Some(chunk) = content.next().await {
            read += chunk.unwrap().len();
        }
        assert_eq!(read, size);
    };
    // What a small one takes, such as code that is read for the first time, is not the large one's.
    carry(1 << 20).await;
    let before = memory();
    carry(SIZE).await;
    let took = memory() - before;
    assert!(took < 10, "{took} MB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_for_who_made_it_and_for_who_reads_an_account_that_has_it() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let (open, hidden) =
        (ready_account(&company.admin, json!({})).await, company.admin.create(json!({"name": "H"})).await);
    let (anna, boris) = (company.manager("anna").await, company.manager("boris").await);
    company.grant(&open, &anna, &["read", "write"]).await;
    company.grant(&hidden, &boris, &["read", "write"]).await;
    let id = anna.client.uploaded("a.png", picture(100)).await;
    assert_eq!(anna.client.file(&id, None).await.status(), 200);
    assert_eq!(company.admin.file(&id, None).await.status(), 200);
    boris.client.get(&format!("/api/media/{id}")).await.refused(403, "no_access");
    let body = |account: &str| json!({"accountId": account, "to": "77777777777", "media": {"id": id}});
    boris.client.post("/api/messages/send", body(&hidden)).await.refused(404, "media_not_found");
    // Once a message of an account has it, who reads the account does.
    company.admin.post("/api/messages/send", body(&hidden)).await.expect(202);
    assert_eq!(boris.client.file(&id, None).await.status(), 200);
    boris.client.post("/api/messages/send", body(&hidden)).await.expect(202);
    // Another company knows nothing of it.
    let theirs = Company::register(&app.client, "other").await;
    theirs.admin.get(&format!("/api/media/{id}")).await.refused(404, "media_not_found");
    let own = ready_account(&theirs.admin, json!({})).await;
    theirs.admin.post("/api/messages/send", body(&own)).await.refused(404, "media_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_go_once_no_message_needs_them() {
    let clock = Clock::manual(Clock::system().now());
    let app = TestApp::on(&[("ANDANTE_MEDIA_DAYS", "30")], clock.clone()).await;
    let account = app.client.create(json!({"name": "waits"})).await;
    let media = app.app().config.data_dir.join("media");
    let (old, needed) = (app.client.uploaded("a", picture(100)).await, app.client.uploaded("b", picture(200)).await);
    let body = |id: &str| json!({"accountId": account, "to": "77777777777", "media": {"id": id}});
    let waits = app.client.post("/api/messages/send", body(&needed)).await.expect(202);
    let sweep = async || app.app().media.sweep(clock.now()).await.unwrap();
    clock.advance_to(clock.now() + TimeDelta::days(30) - TimeDelta::minutes(1));
    sweep().await;
    assert_eq!(files(&media), 2);
    // From its day on nothing new gets it, and an hour later it goes.
    clock.advance_to(clock.now() + TimeDelta::minutes(2));
    app.client.post("/api/messages/send", body(&old)).await.refused(422, "media_gone");
    sweep().await;
    assert_eq!(files(&media), 2);
    clock.advance_to(clock.now() + TimeDelta::hours(1));
    sweep().await;
    assert_eq!(files(&media), 1);
    app.client.get(&format!("/api/media/{old}")).await.refused(410, "media_gone");
    assert_eq!(app.client.file(&needed, None).await.status(), 200);
    let waits = waits["messageId"].as_str().unwrap();
    app.client.delete(&format!("/api/messages/{waits}")).await.expect(200);
    sweep().await;
    assert_eq!(files(&media), 0);
    let message = app.client.message(waits).await;
    assert_eq!(
        (&message["media"]["id"], &message["media"]["size"]),
        (&json!(needed), &json!(200)),
        "what it was is told"
    );
    assert_eq!(message["status"], Value::from("cancelled"));
}
