//! What goes wrong, and what becomes of the account and its messages then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fake_whatsapp_web::{Behaviour, FakeWeb, Page};
use serde_json::json;

use super::{ANNA, BROWSERS, CLINIC, Stage, settings};
use crate::harness::{Binary, Tunnel, eventually};

/// Processes whose command line has this in it, that run: their ids and command lines.
fn processes(word: &str) -> Vec<(String, String)> {
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    all.filter_map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.contains(word) && pid.parse::<u32>().is_ok()).then_some((pid, line))
    })
    .collect()
}

/// All processes of the account's browser: also those that only their surroundings tell of.
fn all_of(folder: &Path) -> Vec<String> {
    let temporary = fs::read_to_string(folder.join("temporary")).unwrap_or_else(|_| "nowhere at all".to_owned());
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let theirs = all.filter(|pid| {
        let surroundings = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&surroundings).contains(&temporary)
    });
    let named = processes(&folder.display().to_string()).into_iter().map(|(pid, _)| pid);
    theirs.filter(|pid| pid.parse::<u32>().is_ok()).chain(named).collect()
}

pub(super) fn kill(pids: impl IntoIterator<Item = String>) {
    let pids: Vec<String> = pids.into_iter().collect();
    assert!(!pids.is_empty(), "there is nothing to kill");
    Command::new("kill").arg("-9").args(&pids).status().unwrap();
}

pub(super) fn folder(stage: &Stage, id: &str) -> PathBuf {
    stage.app.app().config.data_dir.join("browsers").join(id)
}

/// The browser of a folder: its main process, its renderers.
pub(super) fn browser(folder: &Path) -> (String, Vec<String>) {
    let all = processes(&folder.display().to_string());
    let main = all.iter().find(|(_, line)| !line.contains("--type=") && line.contains("--headless"));
    let renderers = all.iter().filter(|(_, line)| line.contains("--type=renderer"));
    (main.unwrap().0.clone(), renderers.map(|(pid, _)| pid.clone()).collect())
}

fn parent(pid: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_comes_back_from_each_kind_of_death_and_sends_nothing_twice() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let folder = folder(&stage, &id);
    for (round, what) in ["browser", "renderers", "driver", "watch"].iter().enumerate() {
        stage.fake.behave(ANNA, Behaviour::LateAck);
        let message = stage.send(&id, ANNA, what).await;
        stage.fake.wait_sent(CLINIC, round + 1).await;
        let (main, renderers) = browser(&folder);
        let driver = parent(&main);
        match *what {
            "browser" => kill([main.clone()]),
            "renderers" => kill(renderers),
            "driver" => kill([driver]),
            _ => kill([parent(&driver), driver]),
        }
        eventually("the account's log tells of it", 40, async || {
            let logs =
                stage.client().get(&format!("/api/v1/instances/{id}/logs?level=warn&limit=500")).await.expect(200);
            let drops =
                logs["logs"].as_array()?.iter().filter(|line| line["message"].as_str().unwrap().contains("dropped"));
            (drops.count() > round).then_some(())
        })
        .await;
        // It may have left: that is said, and it is not sent again.
        stage.client().reaches(&message, &["uncertain", "sent", "delivered"]).await;
        eventually("another browser has come", 40, async || {
            let all = processes(&format!("--user-data-dir={}", folder.display()));
            let mut mains = all.iter().filter(|(_, line)| !line.contains("--type=") && line.contains("--headless"));
            mains.any(|(pid, _)| *pid != main).then_some(())
        })
        .await;
        stage.connected(&id).await;
        stage.fake.release(ANNA);
    }
    let sent = stage.fake.sent(CLINIC);
    assert_eq!(
        sent.iter().map(|sent| sent.text.as_str()).collect::<Vec<_>>(),
        ["browser", "renderers", "driver", "watch"]
    );
    stage.end().await;
    eventually("nothing runs", 20, async || all_of(&folder).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_can_not_be_reached_leaves_nothing_running() {
    let stage = Stage::new().await;
    let id = stage.account().await;
    let Stage { app, fake, .. } = &stage;
    fake.clone().stop().await;
    app.client.connect(&id).await;
    eventually("it is told", 60, async || {
        let account = app.client.account(&id).await;
        (account["status"] == "CONNECTING" && account["lastError"]["code"] == "unreached").then_some(())
    })
    .await;
    let folder = folder(&stage, &id);
    app.client.post(&format!("/api/accounts/{id}/disconnect"), json!({})).await.expect(200);
    eventually("nothing runs", 20, async || all_of(&folder).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_page_hangs_is_logged_out_and_says_what_is_left_to_do() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let folder = folder(&stage, &id);
    assert!(stage.fake.hang(CLINIC));
    stage.client().post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    eventually("it is told", 40, async || {
        (stage.client().account(&id).await["lastError"]["code"] == "still_linked").then_some(())
    })
    .await;
    eventually("nothing runs, and nothing is kept", 40, async || {
        let kept = fs::read_dir(folder.join("profile")).map(Iterator::count).unwrap_or_default();
        (kept == 0 && all_of(&folder).is_empty()).then_some(())
    })
    .await;
    assert!(!folder.join("linked").exists());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_logged_out_or_removed_stays_so_though_the_server_stops_in_the_middle() {
    let mut stage = Stage::new().await;
    let id = stage.paired().await;
    let folder = folder(&stage, &id);
    assert!(stage.fake.hang(CLINIC));
    stage.client().post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    stage.app.stop().await;
    stage.app.resume().await;
    stage.client().connect(&id).await;
    assert_ne!(stage.code(&id, "").await, "", "it has to be paired again");
    stage.pair(&id).await;
    assert!(stage.fake.hang(CLINIC));
    stage.client().delete(&format!("/api/accounts/{id}")).await.expect(200);
    stage.app.stop().await;
    stage.app.resume().await;
    eventually("nothing is left of it", 30, async || (!folder.exists()).then_some(())).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_the_account_comes_in_keeps_the_pairing() {
    let mut stage = Stage::new().await;
    let id = stage.account().await;
    stage.client().connect(&id).await;
    eventually("the code is scanned", 40, async || {
        stage.fake.scan(&stage.code(&id, "").await, CLINIC, "Clinic").then_some(())
    })
    .await;
    eventually("it is noted", 20, async || folder(&stage, &id).join("linked").exists().then_some(())).await;
    stage.app.stop().await;
    stage.app.resume().await;
    stage.connected(&id).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_hangs_is_given_up() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let (main, _) = browser(&folder(&stage, &id));
    assert!(stage.fake.hang(CLINIC));
    eventually("the browser has ended", 40, async || {
        (!Path::new(&format!("/proc/{main}/cmdline")).exists()
            || fs::read(format!("/proc/{main}/cmdline")).is_ok_and(|line| line.is_empty()))
        .then_some(())
    })
    .await;
    stage.connected(&id).await;
    let message = stage.send(&id, ANNA, "after it").await;
    stage.client().reaches(&message, &["delivered"]).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_browser_and_the_next_one_goes_on() {
    let _place = BROWSERS.acquire().await.unwrap();
    let fake = FakeWeb::start().await.unwrap();
    let settings = settings(&fake);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Binary::start(&settings);
    let id = server.client.create(json!({"name": "Clinic", "provider": "whatsappweb", "useLimits": false})).await;
    server.client.connect(&id).await;
    eventually("the code is scanned", 40, async || {
        let shown = server.client.get(&format!("/api/accounts/{id}/qr")).await;
        (shown.status == 200 && fake.scan(shown.body["code"].as_str()?, CLINIC, "Clinic")).then_some(())
    })
    .await;
    let is_connected = async |server: &Binary| {
        eventually("the account is connected", 60, async || {
            (server.client.account(&id).await["status"] == "CONNECTED").then_some(())
        })
        .await;
    };
    is_connected(&server).await;
    server.kill();
    let word = format!("browsers/{id}/");
    eventually("nothing of it runs", 20, async || processes(&word).is_empty().then_some(())).await;
    server.resume();
    is_connected(&server).await;
    // Also where what watches over the browser dies with the server: its browser is found, and ended.
    let main = processes(&word).into_iter().find(|(_, line)| !line.contains("--type=") && line.contains("--headless"));
    let main = main.unwrap().0;
    let watch = parent(&parent(&main));
    kill([watch]);
    server.kill();
    assert!(Path::new(&format!("/proc/{main}")).exists());
    server.resume();
    is_connected(&server).await;
    assert!(processes(&word).iter().all(|(pid, _)| *pid != main), "two browsers have one profile");
    let message = server.client.send(&id, ANNA, "still here").await["messageId"].as_str().unwrap().to_owned();
    server.client.reaches(&message, &["delivered"]).await;
    assert_eq!(fake.sent(CLINIC).len(), 1);
    assert_eq!(fake.strays(), Vec::<String>::new());
    drop(server);
    eventually("nothing of it runs", 20, async || processes(&word).is_empty().then_some(())).await;
    fake.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_understood_is_an_alarm_with_a_picture_and_no_loop() {
    let stage = Stage::with(&[("ANDANTE_CONNECT_DEADLINE_SECONDS", "14")]).await;
    let id = stage.account().await;
    stage.fake.page(Page::Unsupported);
    stage.client().connect(&id).await;
    let failed = eventually("it is told", 120, async || {
        let account = stage.client().account(&id).await;
        (account["status"] == "FAILED").then_some(account)
    })
    .await;
    assert_eq!(failed["lastError"]["code"], "unsupported_page", "{failed}");
    let picture = fs::read(folder(&stage, &id).join("unsupported.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    stage.fake.page(Page::Normal);
    stage.pair(&id).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_over_the_limit_waits_and_says_so() {
    let stage = Stage::with(&[("ANDANTE_BROWSER_MAX", "1")]).await;
    let (one, two) = (stage.account().await, stage.account().await);
    stage.client().connect(&one).await;
    stage.code(&one, "").await;
    stage.client().connect(&two).await;
    eventually("it waits", 20, async || {
        let account = stage.client().account(&two).await;
        (account["status"] == "CONNECTING" && account["lastError"]["code"] == "browser_limit").then_some(())
    })
    .await;
    stage.client().post(&format!("/api/accounts/{one}/disconnect"), json!({})).await.expect(200);
    stage.code(&two, "").await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_takes_too_much_memory_is_started_anew_and_stays_paired() {
    let stage = Stage::with(&[("ANDANTE_BROWSER_MEMORY_MB", "20")]).await;
    let id = stage.paired().await;
    let (main, _) = browser(&folder(&stage, &id));
    eventually("another browser has come", 60, async || {
        let all = processes(&format!("--user-data-dir={}", folder(&stage, &id).display()));
        all.iter()
            .any(|(pid, line)| !line.contains("--type=") && line.contains("--headless") && *pid != main)
            .then_some(())
    })
    .await;
    let account = stage.connected(&id).await;
    assert_eq!(account["isPaired"], true);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_browser_such_an_account_is_refused_with_what_to_install() {
    let stage = Stage::with(&[("ANDANTE_BROWSER_PATH", "/nowhere/chromium")]).await;
    let refused = stage.client().post("/api/accounts", json!({"name": "A", "provider": "whatsappweb"})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.to_string().contains("apt-get install chromium"), "{}", refused.body);
    let offers = stage.client().get("/api/v1/multi-provider/active-providers").await.expect(200);
    let offers = offers["providers"].as_array().unwrap();
    let offer = offers.iter().find(|offer| offer["provider"] == "whatsappweb").unwrap();
    assert_eq!(offer["isEnabled"], false);
    assert!(offer["reason"].as_str().unwrap().contains("apt-get install chromium"), "{offer}");
    assert_eq!(stage.client().get("/health").await.expect(200)["checks"]["browser"], "missing");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_taken_over_elsewhere_waits_for_a_person() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    assert!(stage.fake.conflict(CLINIC));
    let account = stage.client().status(&id, "FAILED").await;
    assert_eq!((&account["lastError"]["code"], &account["isPaired"]), (&json!("replaced"), &json!(true)), "{account}");
    stage.client().connect(&id).await;
    stage.connected(&id).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_come_is_tried_again_and_again() {
    let stage = Stage::with(&[("ANDANTE_CONNECT_DEADLINE_SECONDS", "6")]).await;
    let id = stage.account().await;
    stage.fake.page(Page::Silent);
    stage.client().connect(&id).await;
    eventually("it is told", 40, async || {
        let account = stage.client().account(&id).await;
        (account["status"] == "CONNECTING" && account["lastError"]["code"] == "unreached").then_some(())
    })
    .await;
    stage.fake.page(Page::Normal);
    stage.pair(&id).await;
    assert_eq!(stage.client().account(&id).await["lastError"], json!(null));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_logged_out_while_nobody_is_there_leaves_nothing_behind() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    stage.client().post(&format!("/api/accounts/{id}/disconnect"), json!({})).await.expect(200);
    let profile = folder(&stage, &id).join("profile");
    eventually("the browser has ended", 20, async || {
        processes(&profile.display().to_string()).is_empty().then_some(())
    })
    .await;
    assert!(profile.join("Default").exists(), "a plain disconnect keeps the pairing");
    let out = stage.client().post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    assert_eq!(out["lastError"]["code"], "still_linked", "{out}");
    eventually("the profile is gone", 20, async || (!profile.exists()).then_some(())).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_connects_through_its_proxy_and_past_it_nowhere() {
    let stage = Stage::with(&[("ANDANTE_PRIVATE_PROXIES", "true")]).await;
    let tunnel = Tunnel::start().await;
    let port = stage.fake.url().trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
    for scheme in ["http", "socks5", "socks5h"] {
        let account = json!({"name": "Clinic", "provider": "whatsappweb", "useLimits": false,
                             "proxy": format!("{scheme}://127.0.0.1:{}", tunnel.port)});
        let id = stage.client().create(account).await;
        let before = tunnel.led_to(port);
        stage.client().connect(&id).await;
        stage.code(&id, "").await;
        assert!(tunnel.led_to(port) > before, "{scheme}");
        stage.client().delete(&format!("/api/accounts/{id}")).await.expect(200);
    }
    let secret = json!({"name": "A", "provider": "whatsappweb", "proxy": "http://user:secret@192.0.2.1:3128"});
    let refused = stage.client().post("/api/accounts", secret).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(refused.body["details"][0]["field"], "proxy");
    stage.end().await;
}
