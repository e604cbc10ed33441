//! WhatsApp accounts against the tests' fake, which runs in this program: what one costs while it is
//! connected, how fast they are linked, and what a message costs. Without TLS, and without people who
//! write: a lower bound.

use std::fs;

use fake_whatsapp::FakeWhatsApp;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::harness::{Binary, Client, eventually};
use super::load::now;
use super::{Line, TEXT, connected, resident_kib, sent};

/// Messages that are sent to measure what one costs.
const SENT: usize = 500;

/// The clock ticks that the process has spent, as milliseconds: Linux counts a hundred a second.
fn spent_ms(server: &Binary) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10.0
}

async fn link(client: &Client, fake: &FakeWhatsApp, number: usize) -> String {
    let phone = format!("7701{number:07}");
    fake.add_phone(&phone, &format!("1000000{number:08}"), "Clinic");
    let body: Value =
        json!({"name": "Bench", "provider": "whatsapp", "useLimits": false, "limits": {"delayMs": [0, 0]}});
    let id = client.create(body).await;
    client.connect(&id).await;
    let path = format!("/api/accounts/{id}/qr");
    let code = async || {
        let shown = client.get(&path).await;
        (shown.status == 200).then(|| shown.body["code"].as_str().unwrap().to_owned())
    };
    fake.scan(&phone, &eventually("a code is shown", 60, code).await).unwrap();
    client.status(&id, "CONNECTED").await;
    id
}

/// Links up to 500 accounts, and sends.
pub(super) async fn accounts() -> Vec<Line> {
    let fake = FakeWhatsApp::start().await;
    let url = fake.url().replace("ws://", "http://");
    let settings = [("ANDANTE_WHATSAPP_URL", url.as_str()), ("ANDANTE_WHATSAPP_VERSION", "2.3000.1035194821")];
    let mut server = Binary::start(&settings);
    let empty = resident_kib(&server);
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    let line = |what: String, figure: String, reference: String, ratio: f64, target: &'static str| Line {
        what,
        figure,
        reference,
        ratio,
        target,
    };
    for count in [1, 100, 500] {
        let (began, before) = (now(), all.len());
        let more: Vec<String> =
            stream::iter(before..count).map(|n| link(&server.client, &fake, n)).buffer_unordered(8).collect().await;
        all.extend(more);
        let rate = (count - before) as f64 / began.elapsed().as_secs_f64();
        // As after a start: what linking itself took is given back.
        server.kill();
        server.resume();
        connected(&server.client, count).await;
        let each = (resident_kib(&server) - empty) / count as f64 / 1024.0;
        lines.push(line(
            format!("memory a connected WhatsApp account, {count} of them"),
            format!("{each:.2} MiB"),
            format!("0.5 MiB; linked {rate:.1}/s"),
            each / 0.5,
            "1.0",
        ));
    }
    fake.add_phone("77029999999", "200000099999999", "Anna");
    let (began, spent, before) = (now(), spent_ms(&server), sent(&server.client).await);
    let messages: Vec<Value> = (0..SENT).map(|_| json!({"to": "77029999999", "message": TEXT})).collect();
    server.client.post("/api/messages/bulk", json!({"accountId": all[0], "messages": messages})).await.expect(202);
    let all_sent = async || (sent(&server.client).await - before >= SENT as f64).then_some(());
    eventually("all are sent", 120, all_sent).await;
    let took = began.elapsed().as_secs_f64() * 1_000.0 / SENT as f64;
    let cpu = (spent_ms(&server) - spent) / SENT as f64;
    let plain = super::load::gets(&format!("{}/health/live", server.client.url), 1).await;
    lines.push(line(
        "a WhatsApp message of one account, one after the other".to_owned(),
        format!("{took:.2} ms"),
        format!("{cpu:.2} ms CPU; GET {plain:.0}/s"),
        took * plain / 1_000.0,
        "-",
    ));
    lines
}
