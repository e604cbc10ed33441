//! What the table's lines are measured with: wrk, rounds in turn, since a machine has better and worse
//! moments, and what is made of the figures.

use tempfile::NamedTempFile;
use tokio::process::Command;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
pub(super) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(&mut values.into_iter().collect::<Vec<_>>(), 0.5)
}

/// The value that so large a part of them does not exceed.
pub(super) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = ((values.len() - 1) as f64 * part).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the values")]
    let index = index as usize;
    values[index]
}

/// Three rounds of both in turn: the median of each, and that of their ratios.
pub(super) async fn in_turn(mut ours: impl AsyncFnMut() -> f64, mut others: impl AsyncFnMut() -> f64) -> [f64; 3] {
    let mut rounds = Vec::new();
    for _ in 0..3 {
        rounds.push((ours().await, others().await));
    }
    [
        median(rounds.iter().map(|(ours, _)| *ours)),
        median(rounds.iter().map(|(_, others)| *others)),
        median(rounds.iter().map(|(ours, others)| ours / others)),
    ]
}

/// Requests a second that wrk gets answered, over so many connections.
pub(super) async fn gets(url: &str, connections: u32) -> f64 {
    wrk(Command::new("wrk").arg(url), connections).await
}

/// Messages a second that wrk gets accepted, one to each account in turn.
pub(super) async fn posts(url: &str, connections: u32, accounts: &[String]) -> f64 {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), accounts.join("\n") + "\n").unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/accept.lua");
    wrk(Command::new("wrk").args(["-s", script, url]).env("ACCOUNTS", file.path()), connections).await
}

async fn wrk(command: &mut Command, connections: u32) -> f64 {
    let command = command.args(["-t1", "-d6s"]).arg(format!("-c{connections}"));
    let output = command.output().await.expect("wrk is missing: apt-get install wrk");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}");
    text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")).unwrap().trim().parse().unwrap()
}
