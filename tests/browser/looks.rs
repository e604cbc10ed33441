//! How the pages look and what they weigh: each in three languages, two themes and two widths, without
//! anything that a person with other eyes or hands could not use, and within its budget.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harness::{TestApp, eventually};
use crate::media::{png, uploaded};

/// An open server with accounts in every state, a few chats, a failed message and one that waits.
async fn furnished() -> (TestApp, String) {
    let app = TestApp::start().await;
    let quick = json!({"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": [0, 0], "answerMs": [0, 0]});
    let account = async |more: Value| {
        let mut account = json!({"name": "Регистратура", "provider": "simulator", "useLimits": false, "config": quick});
        for (name, value) in more.as_object().unwrap() {
            account[name] = value.clone();
        }
        app.client.create(account).await
    };
    let busy = account(json!({})).await;
    app.client.connect(&busy).await;
    app.client.status(&busy, "CONNECTED").await;
    for number in 0..6 {
        let sent =
            app.client.send(&busy, &format!("99670000000{number}"), "Здравствуйте! Ваш приём завтра в 9:30.").await;
        app.client.reaches(sent["messageId"].as_str().unwrap(), &["delivered", "read"]).await;
    }
    let chat = format!("/api/whatsapp/sessions/{busy}/chats/996700000001@c.us/messages");
    for (name, content) in [("plan.png", png(900, 600)), ("bill.pdf", b"%PDF-1.7\n".to_vec())] {
        let media = uploaded(&app.client, name, content).await;
        app.client.post(&chat, json!({"media": {"id": media}})).await.expect(202);
    }
    let scanned = account(json!({"name": "Филиал", "config": {"scanAfterMs": null}})).await;
    app.client.connect(&scanned).await;
    let off = account(json!({"name": "Очень длинное имя аккаунта, которое никуда не помещается целиком"})).await;
    app.client.send(&off, "996700000009", "ждёт").await;
    let paused = account(json!({"name": "Пауза"})).await;
    app.client.connect(&paused).await;
    app.client.post(&format!("/api/accounts/{paused}/queue/pause"), json!({})).await.expect(200);
    app.client.send(&paused, "996700000008", "тоже ждёт").await;
    eventually("people have answered", 20, async || {
        let chats = app.client.get("/api/whatsapp/chats").await.body;
        (chats["pagination"]["total"].as_u64()? >= 6).then_some(())
    })
    .await;
    (app, busy)
}

/// What axe-core finds against WCAG 2.2 AA, as sentences.
async fn complaints(browser: &Browser, axe: &str) -> Vec<String> {
    browser.driver.execute(axe, vec![]).await.unwrap();
    let run = "const done = arguments[arguments.length - 1];
        axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
            .then(found => done(found.violations.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 200)).join(' | ')}`)));";
    let found = browser.driver.execute_async(run, vec![]).await.unwrap();
    found.json().as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_tidy_in_each_language_theme_and_width_and_usable_by_everybody() {
    let (app, account) = furnished().await;
    let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(axe).expect("axe-core is missing: make clients");
    let pages = [
        ("accounts", "/".to_owned()),
        ("account", format!("/accounts/{account}")),
        ("queue", format!("/accounts/{account}/queue")),
        ("settings", format!("/accounts/{account}/settings")),
        ("log", format!("/accounts/{account}/log")),
        ("chats", "/chats".to_owned()),
        ("chat", format!("/chats/{account}/996700000001@c.us")),
        ("journal", "/messages".to_owned()),
        ("team", "/team".to_owned()),
        ("developers", "/developers".to_owned()),
        ("system", "/system".to_owned()),
    ];
    let browser = Browser::open("ru", 1440, false).await;
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (language, is_dark, width) in [
        ("ru", false, 1440),
        ("ky", true, 1440),
        ("en", false, 360),
        ("ru", true, 360),
        ("ky", false, 360),
        ("en", true, 1440),
    ] {
        browser.look(width, is_dark).await;
        for (name, path) in &pages {
            let address = format!("{}{path}", app.client.url);
            browser.driver.goto(&address).await.unwrap();
            let say = format!("localStorage.setItem('andante.language', '{language}')");
            if browser.asks("return document.documentElement.lang").await != language {
                browser.driver.execute(say, vec![]).await.unwrap();
                browser.driver.goto(&address).await.unwrap();
            }
            let full = format!("{name} in {language}, {width} px, {}", if is_dark { "dark" } else { "light" });
            eventually(&format!("{full} is there"), 30, async || {
                let is_there = "return document.documentElement.lang === arguments[0] && !!document.querySelector('main h1, main h2') \
                    && !document.querySelector('.bone, [aria-busy=true]')";
                let there = browser.driver.execute(is_there, vec![json!(language)]).await.ok()?;
                (there.json() == &json!(true)).then_some(())
            })
            .await;
            browser.is_tidy().await;
            browser.screenshot(&format!("{name}-{language}-{width}-{}", if is_dark { "dark" } else { "light" })).await;
            let shift = browser.asks("return window.shift").await.as_f64().unwrap();
            let mut found = complaints(&browser, &axe).await;
            if shift > 0.01 {
                found.push(format!("it moved by itself: {shift}"));
            }
            if !found.is_empty() {
                wrong.insert(full, found);
            }
        }
    }
    browser.close().await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Bytes that came over the wire, and how many files.
async fn weight(browser: &Browser, address: &str) -> (u64, u64) {
    browser.driver.goto(address).await.unwrap();
    let all = "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
        const files = all.filter(one => !/\\/api\\/|socket\\.io\\/|\\/events|\\/state|\\/start|code\\.svg/.test(one.name));
        return { bytes: files.reduce((sum, one) => sum + one.transferSize, 0), files: files.length, last: all.length }";
    // Until nothing more comes.
    let (mut last, mut same) = (json!(null), 0);
    eventually("all of it has come", 30, async || {
        let now = browser.asks(all).await;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same > 20).then_some(())
    })
    .await;
    (last["bytes"].as_u64().unwrap(), last["files"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_and_the_pairing_page_keep_to_their_budgets() {
    let (app, _) = furnished().await;
    let browser = Browser::open("en", 1440, false).await;
    let (bytes, files) = weight(&browser, &format!("{}/", app.client.url)).await;
    assert!(bytes <= 100_000, "the first page weighs {bytes} bytes");
    assert!(files <= 30, "the first page is {files} files");
    // Again, from the browser's own cache.
    browser.driver.goto("about:blank").await.unwrap();
    let (again, _) = weight(&browser, &format!("{}/", app.client.url)).await;
    assert!(again < 5_000, "the first page weighs {again} bytes the second time");
    let id = app.client.create(json!({"name": "Front desk", "config": {"scanAfterMs": null}})).await;
    let (bytes, _) = weight(&browser, &format!("{}/qr/{id}", app.client.url)).await;
    assert!(bytes <= 20_000, "the pairing page weighs {bytes} bytes");
    browser.close().await;
}
