//! What is told of a browser while it runs, and of what becomes of it.

use serde_json::json;

use super::Stage;
use crate::harness::eventually;

/// Bytes below which no browser with a page in it runs.
const LEAST: u64 = 50 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_takes_is_told_of_the_account_and_of_the_server_until_it_ends() {
    let stage = Stage::new().await;
    let id = stage.paired().await;
    let client = stage.client();
    let of_account = format!("/api/v1/instances/{id}/memory");
    let bytes = eventually("the browser is weighed", 40, async || {
        client.get(&of_account).await.expect(200)["browser_memory_bytes"].as_u64()
    })
    .await;
    assert!(bytes > LEAST, "{bytes}");
    let memory = client.get("/api/v1/resources/performance").await.expect(200)["memory"].clone();
    assert_eq!(memory["browsers"], 1, "{memory}");
    assert!(memory["browsers_bytes"].as_u64().unwrap() > LEAST, "{memory}");
    client.post(&format!("/api/v1/instances/{id}/stop"), json!({})).await.expect(200);
    eventually("the browser is gone", 20, async || {
        let memory = client.get("/api/v1/resources/performance").await.expect(200)["memory"].clone();
        (memory["browsers"] == 0 && memory["browsers_bytes"] == 0).then_some(())
    })
    .await;
    assert!(client.get(&of_account).await.expect(200)["browser_memory_bytes"].is_null());
    let logs = client.get(&format!("/api/v1/instances/{id}/logs?limit=500")).await.expect(200);
    for step in ["WhatsApp Web is open", "a code to pair it is shown", "paired", "connected", "disconnected"] {
        let is_told =
            logs["logs"].as_array().unwrap().iter().any(|line| line["message"].as_str().unwrap().contains(step));
        assert!(is_told, "{step}: {logs}");
    }
    stage.end().await;
}
