//! How a simulated account is paired: one code after the other, until somebody scans.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::{Stage, locked};
use crate::clock::Clock;
use crate::gateway::{Code, GatewayEvent, Pairing, Reports};
use crate::store::account::Connected;

/// What a simulated account remembers of its pairing.
#[derive(Serialize, Deserialize)]
pub(super) struct Paired {
    pub(super) number: String,
}

/// The account is connected as `number`.
pub(super) fn connected(number: &str, at: DateTime<Utc>) -> GatewayEvent {
    GatewayEvent::Connected(Connected {
        phone_number: Some(number.to_owned()),
        display_name: Some(format!("Simulator {}", &number[number.len().saturating_sub(2)..])),
        pairing: serde_json::to_string(&Paired { number: number.to_owned() }).ok(),
        at,
    })
}

/// Shows one code after the other until somebody scans, or gives up.
pub(super) async fn pair(clock: Clock, config: Config, stage: Arc<Stage>, pairing: Pairing, reports: Reports) {
    let scan = async {
        match config.scan_after_ms {
            Some(after) => clock.timeout(Duration::from_millis(after), stage.scanned.notified()).await.unwrap_or(()),
            None => stage.scanned.notified().await,
        }
    };
    let show = async {
        for _ in 0..config.codes {
            let expires_at = clock.now() + Duration::from_millis(config.code_ms);
            reports.send(GatewayEvent::Code(draw_code(&pairing, expires_at))).await;
            clock.sleep_until(expires_at).await;
        }
    };
    tokio::select! {
        () = scan => {
            reports.send(GatewayEvent::Authenticating).await;
            clock.sleep(Duration::from_millis(config.scan_after_ms.unwrap_or(0).min(1_000))).await;
            let number = locked(&stage.number).clone();
            reports.send(connected(&number, clock.now())).await;
        }
        () = show => {
            let reason = "nobody scanned the code in time".to_owned();
            reports.send(GatewayEvent::LoggedOut { code: "pairing_expired", reason }).await;
        }
    }
}

fn draw_code(pairing: &Pairing, expires_at: DateTime<Utc>) -> Code {
    let mut rng = rand::rng();
    let is_typed = matches!(pairing, Pairing::Code(_));
    let letters = b"ABCDEFGHJKLMNPQRSTVWXYZ123456789";
    let mut draw =
        |n: usize| -> String { (0..n).map(|_| char::from(letters[rng.random_range(0..letters.len())])).collect() };
    let text =
        if is_typed { format!("{}-{}", draw(4), draw(4)) } else { format!("2@{},{},{}", draw(80), draw(43), draw(43)) };
    Code::new(text, is_typed, expires_at)
}
