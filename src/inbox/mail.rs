//! Messages that were not sent through here, and how far those that were got: rows first, then
//! events. What a messenger reports twice is one row and one event.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ChatId, MediaId, MessageId};
use entity::media;
use entity::message::{Kind, Origin, Status};

use super::Inbox;
use crate::account::clean;
use crate::clock::seq_of;
use crate::content::file_name;
use crate::gateway::reports::Slip;
use crate::gateway::{Enclosure, Letter, Mail};
use crate::logs::step;
use crate::realtime::Event;
use crate::store::StoreError;
use crate::store::account::Account;
use crate::store::file::NewChat;
use crate::store::media::Came;
use crate::store::message::{Moved, Receipt};
use crate::store::report::{Filed, Report};
use crate::view::{ChatMessageView, ChatView, Timestamp};

/// How long a messenger may take to be told that something was read.
const TOLD: Duration = Duration::from_secs(10);
/// Characters that are kept of an id, an address or a name …
const NAME: usize = 100;
/// … and of a text: more than any messenger takes.
const TEXT: usize = 100_000;
/// Bytes of what a file is fetched by.
const SOURCE: usize = 8 * 1024;
/// Bytes of a small picture.
const THUMBNAIL: usize = 32 * 1024;

/// One gateway's messages on their way to the rows.
struct Bundle {
    reports: Vec<Report>,
    positions: Vec<(AccountId, i64)>,
    slip: Slip,
}

impl Inbox {
    /// Files what came, in one commit; then tells who reported it, and the world.
    pub(super) async fn file(&self, mail: Vec<(AccountId, Mail, Slip)>) {
        let mut bundles = Vec::with_capacity(mail.len());
        for (id, mail, slip) in mail {
            let (mut reports, mut positions) = (Vec::new(), Vec::new());
            // Of an account that was removed meanwhile nothing is kept.
            if let Some(account) = self.accounts.insist(|| self.store.account(id)).await {
                positions.extend(mail.position.map(|position| (id, position)));
                reports.extend(mail.messages.into_iter().map(|letter| self.report_of(&account, letter)));
            }
            bundles.push(Bundle { reports, positions, slip });
        }
        if bundles.is_empty() {
            return;
        }
        let all: Vec<Report> = bundles.iter().flat_map(|bundle| bundle.reports.iter().cloned()).collect();
        let positions: Vec<_> = bundles.iter().flat_map(|bundle| bundle.positions.iter().copied()).collect();
        if self.write(&all, &positions).await {
            bundles.into_iter().for_each(|bundle| bundle.slip.done());
            return;
        }
        for bundle in bundles {
            let mut is_whole = true;
            for report in bundle.reports {
                // What can't be written in the messenger's words is a message all the same.
                is_whole &=
                    self.write(std::slice::from_ref(&report), &[]).await || self.write(&[report.bare()], &[]).await;
            }
            // Nothing is told to be written that is not: the messenger keeps it, and says it again.
            if is_whole && self.write(&[], &bundle.positions).await {
                bundle.slip.done();
            }
        }
    }

    /// Writes and publishes, as soon as the database can be reached; answers false if it refuses.
    async fn write(&self, reports: &[Report], positions: &[(AccountId, i64)]) -> bool {
        loop {
            match self.store.report(reports.to_vec(), positions.to_vec()).await {
                Ok(filed) => {
                    filed.into_iter().for_each(|filed| self.publish(filed));
                    return true;
                }
                Err(error @ StoreError::Broken(_)) => {
                    tracing::error!(%error, "what came in was refused");
                    return false;
                }
                Err(error) => self.accounts.wait(&error).await,
            }
        }
    }

    fn report_of(&self, account: &Account, letter: Letter) -> Report {
        let (now, id) = (self.clock.now(), MessageId::new(self.clock.next_seq(), self.store.node()));
        let name = |text| clean(text, NAME);
        Report {
            id,
            // One from long ago stands before everything that came since.
            seq: if letter.is_history { seq_of(letter.at) } else { id.seq() },
            chat: NewChat {
                company: account.company_id,
                account: account.id,
                address: name(letter.chat),
                kind: letter.chat_kind,
                name: letter.chat_name.map(name),
                at: now,
            },
            provider_message_id: name(letter.provider_message_id),
            origin: if letter.is_own { Origin::Own } else { Origin::Received },
            sender: letter.sender.map(name),
            sender_name: letter.sender_name.map(name),
            text: clean(letter.text, TEXT),
            kind: letter.kind,
            media: letter.media.and_then(|enclosure| came(account, letter.kind, enclosure, now)),
            at: letter.at,
            is_history: letter.is_history,
            day: self.clock.day_of(letter.at),
        }
    }

    fn publish(&self, filed: Filed) {
        let Filed { report, chat } = filed;
        if report.is_history {
            return;
        }
        let is_received = report.origin == Origin::Received;
        let file = report.media.map(|came| came.row);
        let message = ChatMessageView {
            id: report.id,
            message_id: report.provider_message_id,
            chat_id: Some(chat.id),
            from_me: !is_received,
            from_number: report.sender,
            from_name: report.sender_name,
            body: report.text,
            media: file.as_ref().map(|row| row.card(report.kind)),
            message_type: report.kind,
            timestamp: Timestamp(report.at),
            is_read: false,
            status: if is_received { Status::Delivered } else { Status::Sent }.as_str().to_owned(),
            last_error: None,
            estimated_send_at: None,
            manager_id: None,
            created_at: Timestamp(report.chat.at),
        };
        let (company, account) = (chat.company_id, chat.account_id);
        if is_received {
            step!(info, account, "a message came in, and is stored", message.id = %message.id);
        } else {
            step!(info, account, "a message was sent elsewhere, and is stored", message.id = %message.id);
        }
        self.bus.publish(company, account, Event::MessageFiled { chat: ChatView::entered_by(chat, &message), message });
        if let (Some(files), Some(row)) = (&self.files, file) {
            // Without room, it is fetched when somebody asks for it.
            let _ = files.try_send(row);
        }
    }

    /// Moves messages on as receipts say.
    pub(super) async fn receive(&self, receipts: Vec<(AccountId, Vec<Receipt>, Slip)>) {
        if receipts.is_empty() {
            return;
        }
        let all: Vec<Receipt> = receipts.iter().flat_map(|(_, receipts, _)| receipts.iter().copied()).collect();
        for Moved { receipt, chat } in self.accounts.insist(|| self.store.receive(all.clone())).await {
            let Some(account) = self.accounts.insist(|| self.store.account(receipt.account)).await else { continue };
            let event = Event::moved(receipt.message, chat, receipt.status, receipt.at);
            self.bus.publish(account.company_id, account.id, event);
        }
        receipts.into_iter().for_each(|(_, _, slip)| slip.done());
    }

    /// Gives chats the names that the messenger has for them.
    pub(super) async fn name(&self, account: &Account, names: Vec<(String, String)>) {
        let names: Vec<_> = names.into_iter().map(|(chat, name)| (clean(chat, NAME), clean(name, NAME))).collect();
        for chat in self.accounts.insist(|| self.store.name_chats(account.id, &names)).await {
            self.bus.publish(account.company_id, account.id, Event::ChatChanged { chat: chat.into() });
        }
    }

    /// Notes that somebody here has read the chat, and tells the messenger. Answers whether the chat
    /// was there.
    pub async fn read_chat(&self, account: &Account, chat: ChatId) -> Result<bool, StoreError> {
        let Some((chat, messages)) = self.store.read_chat(chat, self.clock.now()).await? else { return Ok(false) };
        if messages.is_empty() {
            return Ok(true);
        }
        if let Some(gateway) = self.sessions.gateway(account.id) {
            // Told or not, it is read here.
            let _ = self.clock.timeout(TOLD, gateway.mark_read(&chat.address, &messages)).await;
        }
        self.bus.publish(account.company_id, account.id, Event::ChatChanged { chat: chat.into() });
        Ok(true)
    }
}

/// A file that came, as its row. What a messenger says of it is cut to what a row keeps; by what it is fetched
/// can't be.
fn came(account: &Account, kind: Kind, enclosure: Enclosure, now: DateTime<Utc>) -> Option<Came> {
    if enclosure.source.len() > SOURCE {
        return None;
    }
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let mime_type = enclosure.mime_type.as_deref().and_then(|said| said.split(';').next());
    let mime_type = mime_type.map(|said| said.trim().to_lowercase()).filter(|said| is_type(said));
    let row = media::Model {
        id: MediaId::new(now, &mut rand::rng()),
        company_id: account.company_id,
        account_id: Some(account.id),
        maker: None,
        kind,
        mime_type: mime_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        size: enclosure.size.map_or(0, |size| i64::try_from(size).unwrap_or(i64::MAX)),
        sha256: None,
        file_name: enclosure.file_name.and_then(|name| file_name(&name)),
        width: enclosure.width.map(number),
        height: enclosure.height.map(number),
        seconds: enclosure.seconds.map(number),
        thumbnail: enclosure.thumbnail.filter(|picture| is_thumbnail(picture)),
        created_at_ms: now.timestamp_millis(),
        stored_at_ms: None,
        gone_at_ms: None,
    };
    Some(Came { row, source: enclosure.source.into_bytes() })
}

/// Whether it is a MIME type: two words with a slash between.
fn is_type(said: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_'))
    };
    said.len() <= NAME && said.split_once('/').is_some_and(|(kind, rest)| is_word(kind) && is_word(rest))
}

/// Whether it is a small JPEG.
fn is_thumbnail(picture: &[u8]) -> bool {
    picture.len() <= THUMBNAIL && picture.starts_with(&[0xff, 0xd8, 0xff])
}
