//! What a program that manages instances feels.

use std::net::TcpListener;

use futures_util::{StreamExt, stream};
use serde_json::json;

use super::Line;
use super::harness::{Binary, Client, Company};
use super::load::{now, percentile};

/// Created at a time.
const TOGETHER: usize = 8;
const INSTANCES: usize = 100;

/// Milliseconds that each of a hundred creations took.
async fn create(admin: &Client, provider: &str) -> Vec<f64> {
    let each = stream::iter(0..INSTANCES).map(async |n| {
        let token = json!({"token": format!("{}:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", 100_000 + n)});
        let config = if provider == "telegram" { token } else { json!({}) };
        let body = json!({"user_id": "bench", "provider": provider, "type_instance": ["api"], "config": config});
        let began = now();
        admin.post("/api/v1/instances", body).await.expect(201);
        began.elapsed().as_secs_f64() * 1_000.0
    });
    each.buffer_unordered(TOGETHER).collect().await
}

/// Creating instances, with keys and ports of their own, of a messenger that never answers; beside the
/// same of one that does at once.
pub(super) async fn creation() -> Line {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        ("ANDANTE_AUTH", "required"),
        ("ANDANTE_HTTP_RATE", "0"),
        ("ANDANTE_INSTANCE_PORTS", "20000-20999"),
        ("ANDANTE_TELEGRAM_API_URL", &url),
    ];
    let server = Binary::start(&settings);
    let company = Company::register(&server.client, "bench").await;
    let answered = percentile(&mut create(&company.admin, "simulator").await, 0.99);
    let hanging = percentile(&mut create(&company.admin, "telegram").await, 0.99);
    Line {
        what: format!("{INSTANCES} instances created, {TOGETHER} at a time, the messenger hangs, p99"),
        figure: format!("{hanging:.1} ms"),
        reference: format!("it answers {answered:.1} ms"),
        ratio: hanging / answered,
        target: "100 ms",
    }
}
