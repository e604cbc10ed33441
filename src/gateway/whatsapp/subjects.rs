//! What groups are called: WhatsApp is asked about each that somebody writes in, one after the other and
//! at most once a week.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use whatsapp_rust::Client;
use whatsapp_rust::wacore_binary::Jid;

use super::keys::Keys;
use crate::gateway::{GatewayEvent, Reports};

/// Groups that may wait to be asked about; one that finds no room is asked about at its next message.
pub(super) const WAITING: usize = 100;
/// The pause between two questions.
const PAUSE: Duration = Duration::from_secs(2);
/// Seconds for which an answer counts.
const FRESH: i64 = 7 * 24 * 3_600;
/// Groups of which it is remembered that they were asked about.
const MOST: usize = 10_000;

/// Asks about the groups that come, until the connection has ended.
pub(super) async fn run(mut come: Receiver<Jid>, client: Arc<Client>, reports: Reports, keys: Arc<Keys>) {
    let mut known: HashSet<Jid> = HashSet::new();
    let ask = async {
        while let Some(group) = come.recv().await {
            if known.len() >= MOST {
                known.clear();
            }
            if known.insert(group.clone()) && tell(&client, &reports, &keys, group).await {
                keys.clock.sleep(PAUSE).await;
            }
        }
    };
    keys.ended.run_until_cancelled(ask).await;
}

/// Tells what a group is called; answers whether WhatsApp was asked.
async fn tell(client: &Client, reports: &Reports, keys: &Keys, group: Jid) -> bool {
    let (chat, now) = (group.to_string(), keys.clock.now().timestamp());
    let asked = keys.find("subject", &chat).await;
    if asked.is_ok_and(|asked| asked.is_some_and(|asked| now - asked.number < FRESH)) {
        return false;
    }
    if let Ok(group) = client.groups().get_metadata(&group).await {
        reports.send(GatewayEvent::Names(vec![(chat.clone(), group.subject)])).await;
        if keys.put("subject", chat, [], now).await.is_err() {
            tracing::debug!(account.id = %keys.account, "a group is asked about once more at the next connection");
        }
    }
    true
}
