//! The pairing page: what a person sees, from the first code to "connected".

use std::path::Path;

use serde_json::json;
use thirtyfour::prelude::*;

use crate::bot_api;
use crate::browser::Browser;
use crate::harness::{TestApp, eventually};

/// The code on screen, read from the pixels as a phone's camera would.
fn read_screen(path: &Path) -> Option<String> {
    let picture = image::open(path).unwrap().to_luma8();
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    prepared.detect_grids().first().and_then(|grid| Some(grid.decode().ok()?.1))
}

async fn code_of(app: &TestApp, account: &str) -> Option<String> {
    let answer = app.client.get(&format!("/api/accounts/{account}/qr")).await;
    answer.body["code"].as_str().filter(|_| answer.status == 200).map(str::to_owned)
}

async fn unpaired(app: &TestApp, config: serde_json::Value) -> (String, String) {
    let id = app.client.create(json!({"name": "Клиника «Ак-Бата», регистратура", "config": config})).await;
    let url = format!("{}/qr/{id}", app.client.url);
    (id, url)
}

/// The screen shows the code that the API gives, both asked until they are of the same moment.
async fn shows_the_code(browser: &Browser, app: &TestApp, account: &str, name: &str) -> String {
    eventually("the code on screen is the API's", 20, async || {
        let before = code_of(app, account).await?;
        let seen = read_screen(&browser.screenshot(name).await)?;
        (seen == before).then_some(seen)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_the_page_pairs_the_account_without_a_reload() {
    let app = TestApp::start().await;
    let (account, url) = unpaired(&app, json!({"scanAfterMs": null, "codeMs": 4000, "codes": 20})).await;
    let browser = Browser::open("ru", 1000, false).await;
    browser.driver.goto(&url).await.unwrap();
    browser.driver.execute("window.sameDocument = true", vec![]).await.unwrap();
    browser.sees("Ждём сканирования").await;
    browser.sees("Клиника «Ак-Бата»").await;
    let first = shows_the_code(&browser, &app, &account, "waiting").await;
    browser.sees("Новый код через").await;
    browser.is_tidy().await;
    // The code renews itself on screen.
    let second = eventually("the next code is on screen", 20, async || {
        let seen = read_screen(&browser.screenshot("renewed").await)?;
        (seen != first).then_some(seen)
    })
    .await;
    assert_ne!(first, second);
    app.app().simulator.stage(TestApp::id(&account)).unwrap().scan();
    browser.sees("Подключено").await;
    let number = app.client.account(&account).await["phoneNumber"].as_str().unwrap().to_owned();
    // Whoever has the link need not know the rest.
    browser.sees(&format!("…{}", &number[number.len() - 2..])).await;
    let shown = browser.driver.source().await.unwrap();
    assert!(!shown.contains(&number[1..]), "the page has the number");
    browser.screenshot("connected").await;
    browser.is_tidy().await;
    // Switched off, and logged out: each is said, with whom to ask, and nothing to press.
    for (body, said) in [(json!({}), "Выключено"), (json!({"logout": true}), "Выполнен выход")] {
        app.client.post(&format!("/api/accounts/{account}/disconnect"), body).await.expect(200);
        browser.sees(said).await;
        browser.sees("Попросите того, кто прислал ссылку").await;
        let again = browser.driver.find(By::Id("again")).await.unwrap();
        assert!(!again.is_displayed().await.unwrap(), "{said}: there is a button that does nothing");
        browser.screenshot("off").await;
        browser.is_tidy().await;
    }
    let same = browser.driver.execute("return window.sameDocument === true", vec![]).await.unwrap();
    assert_eq!(same.json(), &json!(true), "the page was reloaded");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_in_the_dark_switches_the_language_by_keyboard() {
    let app = TestApp::start().await;
    let (account, url) = unpaired(&app, json!({"scanAfterMs": null})).await;
    let browser = Browser::open("ky", 360, true).await;
    browser.driver.goto(&url).await.unwrap();
    browser.sees("Скандоону күтүп жатабыз").await;
    shows_the_code(&browser, &app, &account, "phone-dark").await;
    browser.is_tidy().await;
    let label = browser.driver.find(By::Id("picture")).await.unwrap().attr("alt").await.unwrap();
    assert_eq!(label.as_deref(), Some("Телефон менен скандоо үчүн QR-код"));
    let status = browser.driver.find(By::Id("status")).await.unwrap();
    assert_eq!(status.attr("aria-live").await.unwrap().as_deref(), Some("polite"));
    // The third of the three buttons, reached and pressed without a pointer.
    for _ in 0..3 {
        browser.driver.action_chain().send_keys(Key::Tab).perform().await.unwrap();
    }
    browser.driver.action_chain().send_keys(Key::Enter).perform().await.unwrap();
    browser.sees("Waiting to be scanned").await;
    browser.screenshot("phone").await;
    let language = browser.driver.execute("return document.documentElement.lang", vec![]).await.unwrap();
    assert_eq!(language.json(), &json!("en"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_an_expired_and_an_unknown_account_each_say_what_to_do() {
    let app = TestApp::start().await;
    let browser = Browser::open("en", 360, false).await;

    let (_, url) = unpaired(&app, json!({"scanAfterMs": null, "codeMs": 2500, "codes": 1})).await;
    browser.driver.goto(&url).await.unwrap();
    browser.sees("The code has run out").await;
    browser.screenshot("expired").await;
    browser.driver.find(By::Id("again")).await.unwrap().click().await.unwrap();
    browser.sees("Waiting to be scanned").await;

    // A bot whose token Telegram does not know.
    let api = bot_api::BotApi::start();
    let app = TestApp::with(&[("ANDANTE_TELEGRAM_API_URL", &api.url)]).await;
    api.revoke(&bot_api::token(7));
    let config = json!({"token": bot_api::token(7)});
    let bot = app.client.create(json!({"name": "Bot", "provider": "telegram", "config": config})).await;
    browser.driver.goto(format!("{}/qr/{bot}", app.client.url)).await.unwrap();
    browser.sees("Telegram does not accept the bot token").await;
    browser.sees("Try again").await;
    browser.screenshot("failed").await;

    browser.driver.goto(format!("{}/qr/acc_nobody", app.client.url)).await.unwrap();
    browser.sees("This link leads nowhere").await;
    browser.screenshot("unknown").await;
    browser.is_tidy().await;
    browser.close().await;
}
