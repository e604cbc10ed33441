//! How an account gets in, stays in and gets out.

use serde_json::json;

use super::{ANNA, CLINIC, Stage};
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_paired_by_a_code_that_changes_and_stays_so_over_a_restart() {
    let mut stage = Stage::new().await;
    let id = stage.account().await;
    stage.client().connect(&id).await;
    let first = stage.code(&id, "").await;
    assert!(first.contains(','), "{first}");
    stage.fake.rotate();
    let second = stage.code(&id, &first).await;
    assert!(!stage.fake.scan(&first, CLINIC, "Clinic"), "a code that was replaced");
    assert!(stage.fake.scan(&second, CLINIC, "Clinic"));
    let account = stage.connected(&id).await;
    assert_eq!((&account["phoneNumber"], &account["displayName"]), (&json!(format!("+{CLINIC}")), &json!("Clinic")));
    stage.app.stop().await;
    stage.app.resume().await;
    stage.connected(&id).await;
    let message = stage.send(&id, ANNA, "after the restart").await;
    stage.client().reaches(&message, &["delivered"]).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_paired_by_a_code_that_is_typed() {
    let stage = Stage::new().await;
    let id = stage.account().await;
    stage
        .client()
        .post(&format!("/api/accounts/{id}/connect"), json!({"method": "code", "phoneNumber": CLINIC}))
        .await
        .expect(200);
    let code = stage.code(&id, "").await;
    assert!(code.len() == 9 && code.as_bytes()[4] == b'-', "{code}");
    assert!(stage.fake.enter_code(&code.replace('-', ""), CLINIC, "Clinic"));
    stage.connected(&id).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nobody_scans_expires_and_a_new_one_can_be_had() {
    let stage = Stage::new().await;
    let id = stage.account().await;
    stage.client().connect(&id).await;
    stage.code(&id, "").await;
    stage.fake.idle();
    let account = stage.client().status(&id, "DISCONNECTED").await;
    assert_eq!(account["lastError"]["code"], "pairing_expired", "{account}");
    stage.pair(&id).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_removed_on_the_phone_is_logged_out() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    stage.fake.logout(CLINIC);
    let account = stage.client().status(&id, "DISCONNECTED").await;
    assert_eq!(
        (&account["lastError"]["code"], &account["isPaired"]),
        (&json!("logged_out"), &json!(false)),
        "{account}"
    );
    // Nothing of it is left: the next code is scanned as the first one was.
    stage.pair(&id).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_logged_out_here_is_unlinked_there() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    stage.client().post(&format!("/api/accounts/{id}/disconnect"), json!({"logout": true})).await.expect(200);
    assert!(stage.fake.wait_unlinked(CLINIC).await);
    let account = stage.client().status(&id, "DISCONNECTED").await;
    assert_eq!((&account["lastError"], &account["isPaired"]), (&json!(null), &json!(false)), "{account}");
    // Its folder goes with the account.
    stage.client().delete(&format!("/api/accounts/{id}")).await.expect(200);
    let folder = stage.app.app().config.data_dir.join("browsers").join(&id);
    eventually("the folder is gone", 20, async || (!folder.exists()).then_some(())).await;
    stage.end().await;
}
