//! WhatsApp accounts in browsers, against the tests' fake page: what one costs while it is connected,
//! and how soon it is there after a start. The real page takes more: a lower bound.

use std::fs;

use fake_whatsapp_web::FakeWeb;
use serde_json::json;

use super::harness::{Binary, eventually};
use super::load::now;
use super::{Line, connected};

/// Kibibytes that all processes take together whose command line has this in it, as Linux shares what
/// several use among them.
fn taken_kib(word: &str) -> f64 {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let theirs = pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    });
    let pss = theirs.filter_map(|pid| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok()
    });
    pss.sum()
}

/// Pairs up to ten accounts.
pub(super) async fn accounts() -> Vec<Line> {
    let fake = FakeWeb::start().await.unwrap();
    let settings =
        [("ANDANTE_WHATSAPPWEB_URL", fake.url()), ("ANDANTE_BROWSER_SANDBOX", "false"), ("ANDANTE_BROWSER_MAX", "10")];
    let mut server = Binary::start(&settings);
    let (mut lines, mut all) = (Vec::new(), Vec::<String>::new());
    for count in [1, 5, 10] {
        while all.len() < count {
            let phone = format!("7701{:07}", all.len());
            let body = json!({"name": "Bench", "provider": "whatsappweb", "useLimits": false});
            let id = server.client.create(body).await;
            server.client.connect(&id).await;
            eventually("the code is scanned", 120, async || {
                let shown = server.client.get(&format!("/api/accounts/{id}/qr")).await;
                (shown.status == 200 && fake.scan(shown.body["code"].as_str()?, &phone, "Clinic")).then_some(())
            })
            .await;
            server.client.status(&id, "CONNECTED").await;
            all.push(id);
        }
        server.kill();
        let began = now();
        server.resume();
        connected(&server.client, count).await;
        let took = began.elapsed().as_secs_f64();
        let each = taken_kib("browsers/acc_") / count as f64 / 1024.0;
        lines.push(Line {
            what: format!("memory of a WhatsApp account in a browser, {count} of them"),
            figure: format!("{each:.0} MiB"),
            reference: format!("500 MiB; all in {took:.1} s"),
            ratio: each / 500.0,
            target: "1.0",
        });
    }
    lines
}
