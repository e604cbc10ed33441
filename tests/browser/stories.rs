//! What people do with the pages, from the first look to the last message.

use andante::gateway::Letter;
use serde_json::json;
use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::harness::{Binary, Company, PASSWORD, TestApp, eventually, free_port, free_ports, guarded, ready_account};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_sees_an_account_connect_and_a_message_leave_without_typing_a_command() {
    let app = TestApp::start().await;
    let browser = Browser::open("en", 1440, false).await;
    browser.driver.goto(&app.client.url).await.unwrap();
    browser.sees("Try without a phone").await;
    browser.clicks("Try without a phone").await;
    let account = eventually("an account is connected", 30, async || {
        let accounts = app.client.get("/api/accounts").await.body;
        let account = &accounts["data"][0];
        (account["status"] == "CONNECTED").then(|| account["id"].as_str().unwrap().to_owned())
    })
    .await;
    browser.sees("Connected").await;
    browser.driver.goto(format!("{}/chats", app.client.url)).await.unwrap();
    browser.types("input[name=phone]", "+996 700 000 055").await;
    browser.types("textarea[name=text]", "Your appointment is tomorrow at 9:30").await;
    // The keyboard alone sends it.
    let field = browser.driver.find(By::Css("textarea[name=text]")).await.unwrap();
    field.send_keys(Key::Control + Key::Enter).await.unwrap();
    browser.sees("Message accepted").await;
    eventually("the fields are cleared", 20, async || {
        let empty = "return document.querySelector('input[name=phone]').value + document.querySelector('textarea[name=text]').value === ''";
        (browser.asks(empty).await == json!(true)).then_some(())
    })
    .await;
    browser.clicks("Open chat").await;
    browser.sees("Your appointment is tomorrow at 9:30").await;
    browser.sees("read").await;
    let path = browser.asks("return location.pathname").await;
    assert!(path.as_str().unwrap().starts_with(&format!("/chats/{account}/")), "{path}");
    // The chat is in the address: a reload shows it again.
    browser.driver.refresh().await.unwrap();
    browser.sees("Your appointment is tomorrow at 9:30").await;
    browser.screenshot("newcomer").await;
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_while_a_message_is_sent_has_it_once_when_it_is_back() {
    // It is back where it was.
    let bind = format!("127.0.0.1:{}", free_port());
    let mut server = Binary::start(&[("ANDANTE_BIND", &bind)]);
    let id = ready_account(&server.client, json!({})).await;
    server
        .client
        .post(&format!("/api/whatsapp/sessions/{id}/chats/996700000055@c.us/messages"), json!({"message": "before"}))
        .await
        .expect(202);
    let browser = Browser::open("en", 1440, false).await;
    browser.driver.goto(format!("{}/chats/{id}/996700000055@c.us", server.client.url)).await.unwrap();
    browser.sees("before").await;
    server.kill();
    let composer = "main textarea:not([name=text])";
    browser.types(composer, "written in the dark").await;
    browser.driver.find(By::Css(composer)).await.unwrap().send_keys(Key::Enter + "").await.unwrap();
    browser.sees("written in the dark").await;
    server.resume();
    let messages = format!("/api/whatsapp/sessions/{id}/chats/996700000055@c.us/messages");
    let written = async || {
        let messages = server.client.get(&messages).await.body;
        let all = messages["data"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|message| message["body"] == "written in the dark").count()
    };
    eventually("it has arrived", 60, async || (written().await > 0).then_some(())).await;
    // Also after a reload, which looks at what was not sent yet.
    browser.driver.refresh().await.unwrap();
    browser.sees("written in the dark").await;
    eventually("it has left", 30, async || {
        let shown = browser.asks("return document.body.innerText").await;
        shown.as_str()?.contains("sent").then_some(())
    })
    .await;
    assert_eq!(written().await, 1);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_sees_what_is_granted_and_no_more_and_an_admin_everything() {
    let app = guarded(&[]).await;
    let clinic = Company::register(&app.client, "clinic").await;
    let granted = ready_account(&clinic.admin, json!({"name": "Front desk"})).await;
    ready_account(&clinic.admin, json!({"name": "Directors only"})).await;
    let anna =
        json!({"email": "anna@clinic.example", "password": PASSWORD, "firstName": "Anna", "lastName": "Ivanova"});
    let anna = clinic.admin.post("/api/managers", anna).await.expect(201)["data"]["id"].as_str().unwrap().to_owned();
    let grant = json!({"managerId": anna, "permissions": ["read"]});
    clinic.admin.post(&format!("/api/whatsapp/sessions/{granted}/managers"), grant).await.expect(200);
    let sent = clinic.admin.send(&granted, "996700000055", "for the desk").await;
    clinic.admin.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    let browser = Browser::open("en", 1440, false).await;
    browser.driver.goto(format!("{}/chats", app.client.url)).await.unwrap();
    // Who is not signed in is asked to, and comes to where they wanted.
    browser.types("input[name=email]", "anna@clinic.example").await;
    browser.types("input[name=password]", "not this one").await;
    browser.clicks("Sign in").await;
    browser.sees("E-mail or password is wrong").await;
    let field = browser.driver.find(By::Css("input[name=password]")).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(PASSWORD).await.unwrap();
    browser.clicks("Sign in").await;
    browser.sees("for the desk").await;
    let kept = browser.asks("return JSON.stringify([{...localStorage}, {...sessionStorage}]) + document.cookie").await;
    assert!(!kept.as_str().unwrap().contains("eyJ"), "the page keeps a token: {kept}");
    browser.driver.goto(format!("{}/", app.client.url)).await.unwrap();
    browser.sees("Front desk").await;
    let shown = browser.driver.find(By::Tag("body")).await.unwrap().text().await.unwrap();
    assert!(!shown.contains("Directors only") && !shown.contains("Team"), "{shown}");
    browser.screenshot("manager").await;
    browser.driver.goto(format!("{}/team", app.client.url)).await.unwrap();
    browser.sees("You may not see this").await;
    assert_eq!(browser.asks("return document.querySelectorAll('h1').length").await, json!(1));
    // What is taken back is gone from the open page.
    browser.driver.goto(format!("{}/chats", app.client.url)).await.unwrap();
    browser.sees("for the desk").await;
    clinic.admin.delete(&format!("/api/whatsapp/sessions/{granted}/managers/{anna}")).await.expect(200);
    eventually("the list is empty", 20, async || {
        let shown = browser.driver.find(By::Tag("body")).await.ok()?.text().await.ok()?;
        (!shown.contains("for the desk")).then_some(())
    })
    .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_it_is_notified_of_what_comes_while_nobody_looks() {
    let app = TestApp::start().await;
    let receipts = json!({"config": {"scanAfterMs": 0, "latencyMs": [0, 0], "receiptsMs": [0, 0], "answerMs": null}});
    let id = ready_account(&app.client, receipts).await;
    let send = format!("/api/whatsapp/sessions/{id}/chats/996700000055@c.us/messages");
    app.client.post(&send, json!({"message": "See you at nine"})).await.expect(202);
    let browser = Browser::open("en", 1440, false).await;
    browser.driver.goto(format!("{}/chats", app.client.url)).await.unwrap();
    // A list says at the first look how far what was sent last got.
    browser.sees("See you at nine").await;
    eventually("the row says so", 20, async || {
        browser.driver.refresh().await.unwrap();
        browser.sees("See you at nine").await;
        let said = browser.asks("return document.querySelector('.chats-last').textContent").await;
        said.as_str().unwrap().starts_with("read:").then_some(())
    })
    .await;
    // The browser's own is not seen in a test: what is asked of it is.
    let stub = "window.shown = [];
        window.Notification = class {
            static permission = 'default';
            static async requestPermission() { return (window.Notification.permission = 'granted'); }
            constructor(title, { body, tag }) { this.title = title; this.body = body; this.tag = tag; window.shown.push(this); }
            close() { this.isClosed = true; }
        };
        document.hasFocus = () => window.isLookedAt ?? false;";
    browser.asks(stub).await;
    let comes = |text: &str| {
        let stage = app.app().simulator.stage(TestApp::id(&id)).unwrap();
        stage.write(Letter {
            chat: "996700000055@c.us".to_owned(),
            chat_kind: entity::chat::Kind::Individual,
            chat_name: Some("Aizada".to_owned()),
            provider_message_id: format!("in-{text}"),
            is_own: false,
            sender: None,
            sender_name: None,
            text: text.to_owned(),
            kind: entity::message::Kind::Text,
            at: app.app().clock.now(),
            is_history: false,
            media: None,
        });
    };
    comes("before anybody asked");
    browser.sees("before anybody asked").await;
    assert_eq!(browser.asks("return window.shown.length").await, json!(0));
    browser
        .driver
        .find(By::Css("button[aria-label='Account, kind, notifications']"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    browser.clicks("Notify me of new messages").await;
    eventually("they are on", 10, async || {
        (browser.asks("return localStorage.getItem('andante.notify')").await == json!("on")).then_some(())
    })
    .await;
    comes("while away");
    eventually("one is shown", 10, async || {
        (browser.asks("return window.shown.length").await == json!(1)).then_some(())
    })
    .await;
    let shown = browser.asks("const { title, body } = window.shown[0]; return { title, body }").await;
    assert_eq!(shown, json!({"title": "Aizada", "body": "while away"}));
    // It leads there; who looks is not told.
    browser.asks("window.shown[0].onclick(); window.isLookedAt = true").await;
    eventually("its chat is open", 10, async || {
        let path = browser.asks("return location.pathname").await;
        path.as_str().unwrap().starts_with(&format!("/chats/{id}/")).then_some(())
    })
    .await;
    comes("while looking");
    browser.sees("while looking").await;
    assert_eq!(browser.asks("return window.shown.length").await, json!(1));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_and_resumed_from_a_phone() {
    let app = TestApp::start().await;
    let id = ready_account(&app.client, json!({"name": "Front desk"})).await;
    let browser = Browser::open("en", 360, true).await;
    browser.driver.goto(&app.client.url).await.unwrap();
    browser.sees("Front desk").await;
    let is_paused = async || app.client.account(&id).await["queue"]["isPaused"] == true;
    browser.clicks("Pause").await;
    eventually("the queue is paused", 20, async || is_paused().await.then_some(())).await;
    browser.sees("Paused").await;
    // Somebody else resumes it: the page shows that, too.
    app.client.post(&format!("/api/accounts/{id}/queue/resume"), json!({})).await.expect(200);
    browser.clicks("Pause").await;
    eventually("the queue is paused again", 20, async || is_paused().await.then_some(())).await;
    browser.clicks("Resume").await;
    eventually("the queue goes on", 20, async || (!is_paused().await).then_some(())).await;
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_a_hostile_name_is_shown_harmlessly() {
    let app = TestApp::start().await;
    let name = "<img src=x onerror=alert(1)>\u{202e}\"'&{{7*7}}";
    let id = ready_account(&app.client, json!({"name": name})).await;
    let text = "<script>document.title='taken'</script><b>bold</b>";
    let sent = app.client.send(&id, "996700000055", text).await;
    app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    let browser = Browser::open("en", 1440, false).await;
    for page in
        ["/".to_owned(), format!("/accounts/{id}"), format!("/chats/{id}/996700000055@c.us"), "/messages".to_owned()]
    {
        browser.driver.goto(format!("{}{page}", app.client.url)).await.unwrap();
        browser
            .sees(if page.contains("chats") || page.contains("messages") { "<b>bold</b>" } else { "<img src=x" })
            .await;
        browser.is_tidy().await;
        assert_ne!(browser.asks("return document.title").await, "taken");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_files_are_gone_after_an_upgrade_loads_itself_anew_once() {
    let app = TestApp::start().await;
    let browser = Browser::open("en", 1440, false).await;
    let cdp = browser.driver.cdp();
    browser.driver.goto(&app.client.url).await.unwrap();
    browser.sees("Try without a phone").await;
    browser.asks("window.sameDocument = true; sessionStorage.setItem('loads', 0)").await;
    let count = "sessionStorage.setItem('loads', Number(sessionStorage.getItem('loads') ?? 0) + 1)";
    cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": count })).await.unwrap();
    // The module is not there under the address that the open page has for it, nor under the next.
    cdp.send_raw("Network.enable", json!({})).await.unwrap();
    cdp.send_raw("Network.setBlockedURLs", json!({"urls": ["*/pages/messages.js"]})).await.unwrap();
    browser.clicks("Journal").await;
    browser.sees("Retry").await;
    assert_eq!(browser.asks("return window.sameDocument === undefined").await, json!(true), "it was not loaded anew");
    assert_eq!(browser.asks("return sessionStorage.getItem('loads')").await, json!("1"), "it was loaded over and over");
    assert_eq!(browser.asks("return location.pathname").await, json!("/messages"));
    cdp.send_raw("Network.setBlockedURLs", json!({"urls": []})).await.unwrap();
    browser.driver.refresh().await.unwrap();
    browser.sees("No messages yet").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_goes_to_a_page_of_ours_and_who_signs_out_leaves_nothing_behind() {
    let app = guarded(&[]).await;
    let register = json!({"companyName": "clinic", "email": "admin@clinic.example", "password": PASSWORD});
    let token = app.client.post("/api/auth/register", register).await.expect(201)["token"].as_str().unwrap().to_owned();
    let id = ready_account(&app.client.with_key(&token), json!({"name": "Front desk"})).await;
    let browser = Browser::open("en", 1440, false).await;
    // A browser drops the tab from this address, and would go to another server.
    for (next, path) in
        [("/%09/example.org", "/"), ("/%5Cexample.org", "/"), ("//example.org", "/"), ("/messages", "/messages")]
    {
        browser.driver.goto(format!("{}/login?next={next}", app.client.url)).await.unwrap();
        browser.types("input[name=email]", "admin@clinic.example").await;
        browser.types("input[name=password]", PASSWORD).await;
        browser.clicks("Sign in").await;
        browser.sees("Journal").await;
        assert_eq!(browser.asks("return location.href").await, json!(format!("{}{path}", app.client.url)), "{next}");
        browser.driver.goto(format!("{}/chats/{id}/996700000055@c.us", app.client.url)).await.unwrap();
        browser.types("input[name=phone]", "+996 700 000 055").await;
        browser.types("textarea[name=text]", "half a secret").await;
        eventually("it is kept", 20, async || {
            let kept = browser.asks("return JSON.stringify({...sessionStorage})").await;
            kept.as_str()?.contains("half a secret").then_some(())
        })
        .await;
        browser.driver.goto(format!("{}/", app.client.url)).await.unwrap();
        browser.sees("Front desk").await;
        browser.clicks("admin@clinic.example").await;
        browser.clicks("Sign out").await;
        browser.sees("Password").await;
        let kept = browser.asks("return JSON.stringify([{...localStorage}, {...sessionStorage}])").await;
        assert!(!kept.as_str().unwrap().contains("half a secret"), "{kept}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_conversation_is_read_back_page_by_page_and_rests_where_it_is_left() {
    const MESSAGES: i64 = 700;
    let app = TestApp::start().await;
    let id = ready_account(&app.client, json!({"name": "Front desk"})).await;
    let stage = app.app().simulator.stage(TestApp::id(&id)).unwrap();
    let letter = |chat: &str, number: i64| Letter {
        chat: format!("{chat}@c.us"),
        chat_kind: entity::chat::Kind::Individual,
        chat_name: None,
        provider_message_id: format!("{chat}-{number}"),
        is_own: false,
        sender: None,
        sender_name: None,
        text: format!("word {number} of {chat}"),
        kind: entity::message::Kind::Text,
        at: app.app().clock.now() - chrono::TimeDelta::minutes(MESSAGES - number),
        is_history: true,
        media: None,
    };
    stage.write(letter("996700000077", 7));
    let messages = format!("/api/whatsapp/sessions/{id}/chats/996700000055@c.us/messages");
    for number in 0..MESSAGES {
        stage.write(letter("996700000055", number));
        if number % 100 == 99 {
            eventually("they are there", 30, async || {
                (app.client.get(&messages).await.body["pagination"]["total"] == number + 1).then_some(())
            })
            .await;
        }
    }
    let browser = Browser::open("en", 1440, false).await;
    browser.driver.goto(format!("{}/chats/{id}/996700000055@c.us", app.client.url)).await.unwrap();
    browser.sees("word 699 of 996700000055").await;
    let fetched = "return performance.getEntriesByType('resource').filter(one => /messages\\?/.test(one.name)).length";
    let rests = async || {
        let (mut last, mut same) = (json!(null), 0);
        eventually("nothing more is fetched", 30, async || {
            let now = browser.asks(fetched).await;
            same = if now == last { same + 1 } else { 0 };
            last = now;
            (same > 30).then_some(())
        })
        .await;
        last.as_u64().unwrap()
    };
    let before = rests().await;
    browser.asks("document.querySelector('.chats-scroll').scrollTop = 0").await;
    let after = rests().await;
    assert!((before + 1..=before + 3).contains(&after), "at the top {before} fetches became {after}");
    let top = browser.asks("return document.querySelector('.chats-scroll').scrollTop").await;
    assert!(top.as_f64().unwrap() > 100.0, "what was read has not moved away: {top}");
    // Back to another chat, which the page has to ask for.
    let other = format!(
        "history.pushState(null, '', '/chats/{id}/996700000077@c.us'); dispatchEvent(new PopStateEvent('popstate'))"
    );
    browser.asks(&other).await;
    browser.sees("word 7 of 996700000077").await;
    assert_eq!(browser.asks("return !!document.querySelector('.chats-composer textarea')").await, json!(true));
    browser.is_tidy().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reads_what_happened_who_did_what_and_how_the_server_bears_it() {
    let range = free_ports(3);
    let app = TestApp::with(&[("ANDANTE_INSTANCE_PORTS", &range)]).await;
    let id = ready_account(&app.client, json!({"name": "Front desk"})).await;
    let sent = app.client.send(&id, "996700000055", "for the desk").await;
    app.client.reaches(sent["messageId"].as_str().unwrap(), &["sent"]).await;
    let browser = Browser::open("en", 1440, false).await;
    browser.driver.goto(format!("{}/accounts/{id}", app.client.url)).await.unwrap();
    browser.clicks("Log").await;
    browser.sees("the account is created (provider: simulator)").await;
    browser.sees("a message is sent").await;
    browser.sees("somebody at this machine").await;
    // What happens meanwhile comes by itself.
    app.client.pause(&id, true).await;
    browser.sees("the queue is paused").await;
    browser.sees("Queue paused").await;
    app.app().simulator.stage(TestApp::id(&id)).unwrap().cut();
    browser.sees("the connection dropped").await;
    browser.screenshot("log").await;
    let lines = "return [...document.querySelectorAll('.log-line')].map((line) => line.innerText)";
    let field = browser.driver.find(By::Css("input[type=search]")).await.unwrap();
    field.send_keys("PAUSED").await.unwrap();
    eventually("only what is sought is there", 20, async || {
        let found = browser.asks(lines).await;
        (found.as_array()?.len() == 1 && found[0].as_str()?.contains("the queue is paused")).then_some(())
    })
    .await;
    field.send_keys(Key::Control + "a").await.unwrap();
    field.send_keys(Key::Backspace).await.unwrap();
    browser.driver.find(By::Css(".log-bar option[value=warn]")).await.unwrap().click().await.unwrap();
    eventually("only warnings are there", 20, async || {
        let found = browser.asks(lines).await;
        let found = found.as_array()?;
        (!found.is_empty() && found.iter().all(|line| line.as_str().unwrap().contains("Warning"))).then_some(())
    })
    .await;
    browser.driver.goto(format!("{}/system", app.client.url)).await.unwrap();
    browser.sees(&range).await;
    let figures = app.client.get("/api/v1/resources/ports").await.expect(200);
    assert_eq!(figures["used"], 1);
    browser.sees("sent in the last minute").await;
    browser.sees("0 browsers").await;
    let cards = "return document.querySelector('.system-cards').innerText";
    eventually("the figures have come", 20, async || {
        let cards = browser.asks(cards).await;
        (cards.as_str()?.contains(" MB") && cards.as_str()?.contains(" of ")).then_some(())
    })
    .await;
    browser.is_tidy().await;
    browser.close().await;
}
