//! How a page is linked and unlinked, and what happens to it in between.

use fake_whatsapp_web::{FakeWeb, Page};
use serde_json::json;

use crate::tab::Tab;

const SHOP: &str = "996555000001";

#[tokio::test]
async fn a_scanned_page_is_connected() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::open(&fake).await;
    let first = tab.qr().await;
    assert!(first.starts_with("https://wa.me/settings/linked_devices#2@"), "{first}");
    assert_eq!(tab.ask("send", send("3EB0000000000000000001")).await.unwrap_err()["code"], "not_connected");
    fake.rotate();
    let second =
        tab.until("another QR", |tab| Some(tab.state["qr"].as_str()?.to_owned()).filter(|qr| *qr != first)).await;
    assert!(!fake.scan(&first, SHOP, "Shop"), "the first one is over");
    fake.refuse_new_devices(true);
    assert!(!fake.scan(&second, SHOP, "Shop"));
    fake.refuse_new_devices(false);
    assert!(fake.scan(&second, SHOP, "Shop"));
    tab.connected().await;
    assert_eq!(tab.state["me"], format!("{SHOP}@c.us"));
    assert_eq!(tab.state["lid"], fake_whatsapp_web::lid_of(SHOP));
    assert_eq!(tab.state["name"], "Shop");
    assert_eq!(tab.state["qr"], json!(null));
    assert!(fake.wait_online(SHOP).await);
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn a_code_links_and_an_idle_page_draws_again() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::open(&fake).await;
    tab.qr().await;
    fake.idle();
    tab.event("qr_idle", |_| true).await;
    tab.until("no QR", |tab| tab.state["qr"].is_null().then_some(())).await;
    tab.ask("refreshQr", json!({})).await.unwrap();
    tab.qr().await;
    let code = tab.ask("linkCode", json!({ "phone": SHOP })).await.unwrap();
    let told = tab.event("link_code", |_| true).await;
    assert_eq!(told["code"], code);
    assert!(!fake.enter_code("OTHER", SHOP, "Shop"));
    assert!(fake.enter_code(code.as_str().unwrap(), SHOP, "Shop"));
    tab.connected().await;
    tab.is_tidy(&fake);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn the_phone_unlinks_a_page_and_the_page_itself() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    fake.logout(SHOP);
    let reason = tab.event("logout", |_| true).await;
    assert_eq!(reason["reason"], "unknown_companion");
    let qr = tab.qr().await;
    assert!(tab.state["href"].as_str().unwrap().contains("post_logout=1"));
    assert!(fake.scan(&qr, SHOP, "Shop"));
    tab.connected().await;
    tab.ask("logout", json!({})).await.unwrap();
    tab.event("logout", |_| true).await;
    assert!(fake.wait_unlinked(SHOP).await);
    let qr = tab.qr().await;
    assert!(fake.scan(&qr, SHOP, "Shop"));
    tab.connected().await;
    tab.is_tidy(&fake);
    // Unlinked while it is away.
    let profile = tab.close().await;
    fake.logout(SHOP);
    let mut tab = Tab::open_with(&fake, profile).await;
    tab.qr().await;
    assert_eq!(tab.state["isAuthenticated"], false);
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn a_page_tells_what_disturbs_it() {
    let fake = FakeWeb::start().await.unwrap();
    let mut tab = Tab::linked(&fake, SHOP).await;
    assert!(fake.needs_update(SHOP));
    tab.event("needs_update", |_| true).await;
    assert!(fake.offline(SHOP));
    tab.until("offline", |tab| (tab.state["info"] == "OFFLINE").then_some(())).await;
    assert_eq!(tab.ask("send", send("3EB0000000000000000002")).await.unwrap_err()["code"], "not_connected");
    assert!(fake.conflict(SHOP));
    tab.event("mode", |mode| mode["mode"] == "CONFLICT").await;
    assert!(fake.reload(SHOP));
    tab.reloaded().await;
    tab.connected().await;
    assert_eq!(fake.sent(SHOP), []);
    fake.page(Page::Unsupported);
    assert!(fake.reload(SHOP));
    tab.until("the other page", |tab| (tab.state["page"].is_null() && tab.state["isInjected"] == false).then_some(()))
        .await;
    assert_eq!(tab.state["waJs"], "4.6.0");
    tab.close().await;
    fake.stop().await;
}

#[tokio::test]
async fn a_page_in_an_endless_loop_dies_with_its_group() {
    let fake = FakeWeb::start().await.unwrap();
    let tab = Tab::linked(&fake, SHOP).await;
    assert!(fake.hang(SHOP));
    let profile = tab.kill();
    let mut tab = Tab::open_with(&fake, profile).await;
    tab.connected().await;
    tab.close().await;
    fake.stop().await;
}

fn send(key: &str) -> serde_json::Value {
    json!({ "to": "996700000001@c.us", "text": "Hello", "key": key })
}
