//! How many messages and chats each account has: counted together with what comes in, so that a list
//! says how many there are in it however long it is.

use std::collections::BTreeMap;

use entity::chat::Kind;
use entity::ids::{AccountId, CompanyId};
use entity::message::Status;
use sea_orm::{DatabaseTransaction, DbErr};

use super::rows;

/// What there is more of, by account.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<AccountId, More>);

struct More {
    company: CompanyId,
    listed: i64,
    filed: i64,
    /// Messages that left, by how far they got.
    left: [i64; 3],
    /// Chats, by their kind.
    chats: [i64; 3],
}

/// The column that counts messages in a status, of those that most are in for good. Only what is filed is
/// counted so.
pub(super) fn status_column(status: Status) -> Option<&'static str> {
    Some(["sent_messages", "delivered_messages", "read_messages"][left(status)?])
}

fn left(status: Status) -> Option<usize> {
    match status {
        Status::Sent => Some(0),
        Status::Delivered => Some(1),
        Status::Read => Some(2),
        _ => None,
    }
}

/// The column that counts chats of a kind.
pub(super) const fn column(kind: Kind) -> &'static str {
    match kind {
        Kind::Individual => "individual_chats",
        Kind::Group => "group_chats",
        Kind::Status => "status_chats",
    }
}

impl Tally {
    fn of(&mut self, company: CompanyId, account: AccountId) -> &mut More {
        self.0.entry(account).or_insert(More { company, listed: 0, filed: 0, left: [0; 3], chats: [0; 3] })
    }

    /// A message that was accepted is in the lists of its account now.
    pub(super) fn listed(&mut self, company: CompanyId, account: AccountId) {
        self.of(company, account).listed += 1;
    }

    /// A message is in its chat now.
    pub(super) fn filed(&mut self, company: CompanyId, account: AccountId) {
        self.of(company, account).filed += 1;
    }

    /// A message that is filed has come to a status, from another if it was filed already.
    pub(super) fn moved(&mut self, company: CompanyId, account: AccountId, from: Option<Status>, to: Status) {
        let counts = &mut self.of(company, account).left;
        if let Some(before) = from.and_then(left) {
            counts[before] -= 1;
        }
        if let Some(now) = left(to) {
            counts[now] += 1;
        }
    }

    /// A chat was opened.
    pub(super) fn opened(&mut self, company: CompanyId, account: AccountId, kind: Kind) {
        let kind = match kind {
            Kind::Individual => 0,
            Kind::Group => 1,
            Kind::Status => 2,
        };
        self.of(company, account).chats[kind] += 1;
    }

    /// Adds it to what was there, in the transaction that writes what it counts.
    pub(super) async fn add(self, tx: &DatabaseTransaction) -> Result<(), DbErr> {
        let values = self.0.into_iter().map(|(account, more)| {
            let [individual, group, status] = more.chats.map(Into::into);
            let [sent, delivered, read] = more.left.map(Into::into);
            let (listed, filed) = (more.listed.into(), more.filed.into());
            [account.into(), more.company.into(), listed, filed, sent, delivered, read, individual, group, status]
        });
        let sql = "INSERT INTO tally (account_id, company_id, listed_messages, filed_messages, sent_messages,
                                      delivered_messages, read_messages, individual_chats, group_chats, status_chats)
                   SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL
                   ON CONFLICT (account_id) DO UPDATE SET
                       listed_messages = tally.listed_messages + excluded.listed_messages,
                       filed_messages = tally.filed_messages + excluded.filed_messages,
                       sent_messages = tally.sent_messages + excluded.sent_messages,
                       delivered_messages = tally.delivered_messages + excluded.delivered_messages,
                       read_messages = tally.read_messages + excluded.read_messages,
                       individual_chats = tally.individual_chats + excluded.individual_chats,
                       group_chats = tally.group_chats + excluded.group_chats,
                       status_chats = tally.status_chats + excluded.status_chats";
        rows::execute(tx, sql, values.collect()).await
    }
}
