//! An account's log: what happened to it, in words.

use andante::clock::Clock;
use andante::gateway::simulator::Fault;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Client, Company, TestApp, eventually, guarded, log_of, ready_account};

async fn lines(client: &Client, id: &str, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/api/v1/instances/{id}/logs{query}")).await.expect(200);
    assert_eq!((&answer["success"], &answer["instance_id"]), (&json!(true), &json!(id)));
    let lines = answer["logs"].as_array().unwrap();
    let times: Vec<&str> = lines.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "the newest last: {answer}");
    lines
        .iter()
        .map(|line| format!("{}: {}", line["level"].as_str().unwrap(), line["message"].as_str().unwrap()))
        .collect()
}

/// Waits until the log ends with a line that has these words.
async fn says(client: &Client, id: &str, words: &str) -> Vec<String> {
    eventually(&format!("the log says {words:?}"), 20, async || {
        let lines = lines(client, id, "?limit=500").await;
        lines.iter().any(|line| line.contains(words)).then_some(lines)
    })
    .await
}

fn are_in_order(lines: &[String], words: &[&str]) {
    let mut rest = lines.iter();
    for word in words {
        assert!(rest.any(|line| line.contains(word)), "{word:?} is not there, or not in its turn: {lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_an_accounts_life_in_words_without_a_text_or_a_number() {
    let app = TestApp::start().await;
    let client = &app.client;
    let config = json!({"scanAfterMs": 100, "latencyMs": [0, 0], "receiptsMs": [0, 0], "answerMs": [0, 0]});
    let id = ready_account(client, json!({"config": config})).await;
    let sent = client.send(&id, "77077079856", "a secret text").await;
    let message = sent["messageId"].as_str().unwrap();
    client.reaches(message, &["read"]).await;
    says(client, &id, "came in").await;
    app.app().simulator.stage(TestApp::id(&id)).unwrap().fail_next([Fault::Refuse, Fault::Drop]);
    client.send(&id, "77077079856", "a secret text").await;
    says(client, &id, "is not sent").await;
    client.send(&id, "77077079856", "a secret text").await;
    says(client, &id, "dropped").await;
    client.status(&id, "CONNECTED").await;
    client.pause(&id, true).await;
    client.delete(&format!("/api/accounts/{id}/queue")).await.expect(200);
    client.pause(&id, false).await;
    client.post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    let lines = says(client, &id, "logged out here").await;
    are_in_order(
        &lines,
        &[
            "info: the account is created (provider: simulator)",
            "info: it is to connect",
            "info: a code to pair it is shown",
            "info: the messenger lets it in",
            "info: paired",
            "info: connected",
            &format!("info: a message is sent (message: {message})"),
            "info: a message came in, and is stored (message: msg_",
            "warn: a message is not sent (message: msg_",
            "warn: the connection dropped (reason: ",
            "info: connected",
            "info: the queue is paused",
            "info: the queue is cleared",
            "info: the queue goes on",
            "info: logged out here",
        ],
    );
    let all = lines.join("\n");
    let number = client.account(&id).await["phoneNumber"].to_string();
    for secret in ["secret", "77077079856", number.trim_matches(['"', '+']), "\u{1b}"] {
        assert!(secret.is_empty() || !all.contains(secret), "{secret} is in the log: {all}");
    }
    let warnings = self::lines(client, &id, "?level=warn").await;
    assert!(!warnings.is_empty() && warnings.iter().all(|line| line.starts_with("warn")), "{warnings:?}");
    assert_eq!(self::lines(client, &id, "?limit=2").await, lines[lines.len() - 2..]);
    for query in ["?limit=0", "?limit=501"] {
        client.get(&format!("/api/v1/instances/{id}/logs{query}")).await.refused(400, "invalid_request");
    }
    client.get(&format!("/api/v1/instances/{id}/logs?level=loud")).await.refused(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_why_the_next_message_waits() {
    let clock = Clock::manual("2026-06-01T10:00:00Z".parse().unwrap());
    let app = TestApp::on(&[], clock.clone()).await;
    let limits =
        json!({"restAfter": 1, "restMs": [60_000, 60_000], "delayMs": [0, 0], "dailyLimitFrom": 2, "dailyLimitTo": 2});
    let config = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "answerMs": null});
    let id = app.client.create(json!({"name": "A", "limits": limits, "config": config})).await;
    app.client.connect(&id).await;
    let step = async |what: &str| {
        eventually(what, 20, async || {
            clock.advance_to(clock.now() + TimeDelta::seconds(1));
            let lines = lines(&app.client, &id, "").await;
            lines.iter().any(|line| line.contains(what)).then_some(())
        })
        .await;
    };
    step("connected").await;
    app.client.send_many(&id, 3).await;
    step("it rests (until: 2026-06-01T10:").await;
    step("the cap of the day is reached (until: 2026-06-02T00:0").await;
    let lines = lines(&app.client, &id, "").await;
    are_in_order(&lines, &["a message is sent", "it rests", "a message is sent", "the cap of the day is reached"]);
    // Also before the first message.
    let quiet = json!({"quietHours": ["00:00", "23:00"]});
    let other = app.client.create(json!({"name": "B", "limits": quiet, "config": config})).await;
    app.client.connect(&other).await;
    eventually("it says so", 20, async || {
        clock.advance_to(clock.now() + TimeDelta::seconds(1));
        let lines = self::lines(&app.client, &other, "").await;
        lines.iter().any(|line| line.contains("it is quiet hours (until: 2026-06-01T23:00:00Z)")).then_some(())
    })
    .await;
    app.client.put(&format!("/api/accounts/{other}"), json!({"limits": null})).await.expect(200);
    let lines = self::lines(&app.client, &other, "").await;
    assert!(lines.iter().any(|line| line.contains("it is changed (what: limits_changed, by: anyone)")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_see_an_account_reads_its_log() {
    let app = guarded(&[]).await;
    let (ours, theirs) = (Company::register(&app.client, "ours").await, Company::register(&app.client, "theirs").await);
    let id = ready_account(&ours.admin, json!({})).await;
    let path = format!("/api/v1/instances/{id}/logs");
    theirs.admin.get(&path).await.refused(404, "account_not_found");
    let manager = ours.manager("anna").await;
    manager.client.get(&path).await.refused(403, "no_access");
    ours.grant(&id, &manager, &["read"]).await;
    assert!(!lines(&manager.client, &id, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_own_log_tells_the_same_and_a_filter_turns_it_off() {
    for (filter, is_told) in [("info", true), ("info,account=warn", false)] {
        let (client, log) = log_of(&[("ANDANTE_LOG", filter)]).await;
        let config = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": null, "faults": ["fine", "refuse"]});
        let id = ready_account(&client, json!({"config": config})).await;
        for status in ["sent", "failed"] {
            let sent = client.send(&id, "77077079856", "a secret text").await;
            client.reaches(sent["messageId"].as_str().unwrap(), &[status]).await;
        }
        let kept = lines(&client, &id, "").await;
        assert!(kept.iter().any(|line| line.contains("a message is sent")), "{kept:?}");
        let log = log.stop().await;
        for step in ["the account is created", "paired", "connected", "a message is sent"] {
            let of_it = |line: &&str| line.contains(step) && line.contains(&format!("account.id={id}"));
            assert_eq!(log.lines().filter(of_it).count() > 0, is_told, "{filter}: {step}: {log}");
        }
        assert!(log.contains("a message is not sent"), "what went wrong is told all the same: {log}");
        assert!(!log.contains("secret") && !log.contains("77077079856"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_an_account_that_is_gone_is_gone() {
    let app = TestApp::start().await;
    let id = ready_account(&app.client, json!({})).await;
    app.client.delete(&format!("/api/accounts/{id}")).await.expect(200);
    app.client.get(&format!("/api/v1/instances/{id}/logs")).await.refused(404, "account_not_found");
    let kept = app.app().logs.of(TestApp::id(&id), andante::logs::Level::Info, 500);
    assert_eq!(kept.len(), 0, "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_messengers_words_bring_no_escapes_and_no_second_line() {
    let app = TestApp::start().await;
    let id = ready_account(&app.client, json!({"name": "\u{1b}[31mred\u{1b}[0m"})).await;
    let answer = app.client.get(&format!("/api/v1/instances/{id}/logs")).await.expect(200);
    let is_plain = |line: &Value| !line["message"].as_str().unwrap().chars().any(char::is_control);
    assert!(answer["logs"].as_array().unwrap().iter().all(is_plain), "{answer}");
}
