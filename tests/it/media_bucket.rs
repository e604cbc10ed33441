//! Files in a bucket of a server that speaks S3: as in a folder, also while that server is away.

use andante::clock::Clock;
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{Bucket, TestApp, eventually, picture, ready_account};

async fn start(bucket: &Bucket, clock: Clock) -> TestApp {
    let settings = bucket.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    TestApp::on(&settings, clock).await
}

fn names(bucket: &Bucket) -> Vec<String> {
    let Ok(folders) = std::fs::read_dir(bucket.folder()) else { return Vec::new() };
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_given_sent_and_let_go_there() {
    let bucket = Bucket::start();
    let clock = Clock::manual(Clock::system().now());
    let app = start(&bucket, clock.clone()).await;
    // Of more than one part, and of less than one.
    let large = picture((11 << 20) + 7);
    let id = app.client.uploaded("large.png", large.clone()).await;
    let small = app.client.uploaded("small.png", picture(1_000)).await;
    let mut kept = names(&bucket);
    kept.sort();
    let mut ids = vec![id.clone(), small];
    ids.sort();
    assert_eq!(kept, ids);
    assert!(!app.app().config.data_dir.join("media").exists());
    assert!(app.client.file(&id, None).await.bytes().await.unwrap() == large);
    let part = app.client.file(&id, Some("bytes=5242870-5242890")).await;
    assert_eq!(part.status(), 206);
    assert!(part.bytes().await.unwrap() == large[5_242_870..=5_242_890]);
    app.client.try_upload("none", Vec::new()).await.refused(400, "invalid_media");
    clock.advance_to(clock.now() + TimeDelta::days(91));
    app.app().media.sweep(clock.now()).await.unwrap();
    assert_eq!(names(&bucket), [""; 0]);
    app.client.get(&format!("/api/media/{id}")).await.refused(410, "media_gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_a_bucket_that_is_away() {
    let mut bucket = Bucket::start();
    let app = start(&bucket, Clock::system()).await;
    let account = ready_account(&app.client, json!({})).await;
    let id = app.client.uploaded("a.png", picture(5_000)).await;
    bucket.stop();
    let refused = app.client.try_upload("b.png", picture(5_000)).await.refused(503, "unavailable");
    assert!(!refused.to_string().contains("127.0.0.1"), "{refused}");
    app.client.get(&format!("/api/media/{id}")).await.refused(503, "unavailable");
    let body = json!({"accountId": account, "to": "77777777777", "media": {"id": id}});
    let sent = app.client.post("/api/messages/send", body).await.expect(202);
    let sent = sent["messageId"].as_str().unwrap();
    eventually("it was tried in vain", 60, async || {
        let message = app.client.message(sent).await;
        (message["attempts"].as_i64()? >= 1 && message["status"] == "queued").then_some(())
    })
    .await;
    bucket.resume();
    app.client.reaches(sent, &["sent"]).await;
}
