//! The rows of files. What is in a file is not in the database, but which there are, and who needs them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, CompanyId, MediaId, MessageId};
use entity::media::{ActiveModel, Card, Column, Entity, Model};
use entity::message::Kind;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QuerySelect,
};

use super::state::{Entry, Keep, Which, place};
use super::{Seal, Store, StoreError, instant, ms, rows, update};

/// What gateways keep of files: by what those are fetched that came in …
const SOURCE: &str = "media_source";
/// … and what is known of those that were uploaded.
const UPLOAD: &str = "media_upload";
/// Files that are written by one statement.
const TOGETHER: usize = 100;
/// Ids that are asked for at a time.
const SOME: usize = 500;

/// What a messenger said of a file that was uploaded to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// In the gateway's own words. May be secret, and is sealed in its row.
    pub handle: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What is known of a file once its content is kept.
#[derive(Debug, Clone)]
pub struct Content {
    /// What it is sent as.
    pub kind: Kind,
    /// What is in it.
    pub mime_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// Width and height, of a picture.
    pub pixels: Option<(u32, u32)>,
    /// Since when it is kept.
    pub at: DateTime<Utc>,
}

/// A file that came with a message, and was not fetched yet.
#[derive(Debug, Clone)]
pub struct Came {
    /// Its row.
    pub row: Model,
    /// What its account's gateway fetches it by. Secret: sealed on its way in.
    pub source: Vec<u8>,
}

impl Came {
    /// As it is written.
    pub(super) fn sealed(self, seal: &Seal) -> Self {
        let Some(account) = self.row.account_id else { return self };
        let id = format!("{account}/{}", self.row.id);
        Self { source: seal.seal_bytes(place(SOURCE, &id), &self.source), ..self }
    }
}

fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Bytes of a company's files that are kept, or about to come.
const TAKEN: &str = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM media WHERE company_id = $1
                     AND gone_at_ms IS NULL AND (account_id IS NULL OR stored_at_ms IS NOT NULL)";

impl Store {
    /// Bytes of the company's files that are kept, or about to come.
    pub async fn media_bytes(&self, company: CompanyId) -> Result<u64, StoreError> {
        let row = self.reader.query_one_raw(self.sql(TAKEN, [company.into()])).await?;
        let taken: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(taken.unsigned_abs())
    }

    /// Notes a file whose content is about to come, as large as it may be. Answers false if all of its company
    /// would be more than `most` bytes then.
    pub async fn expect_media(&self, row: Model, most: u64) -> Result<bool, StoreError> {
        let (company, size) = (row.company_id, row.size);
        let row = row.into_active_model().reset_all();
        let taken = self.sql(TAKEN, [company.into()]);
        self.change(move |tx| {
            let (row, taken) = (row.clone(), taken.clone());
            Box::pin(async move {
                let taken: i64 = match tx.query_one_raw(taken).await? {
                    Some(row) => row.try_get_by_index(0)?,
                    None => 0,
                };
                if taken.saturating_add(size) > number(most) {
                    return Ok(false);
                }
                row.insert(tx).await.map(|_| true)
            })
        })
        .await
    }

    /// Notes that the content of a file is kept: the row as it is then, unless it is gone.
    pub async fn keep_media(&self, id: MediaId, content: Content) -> Result<Option<Model>, StoreError> {
        let pixels = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
        self.change(move |tx| {
            let content = content.clone();
            Box::pin(async move {
                let mut row = ActiveModel { id: Set(id), ..Default::default() };
                row.kind = Set(content.kind);
                row.mime_type = Set(content.mime_type);
                row.size = Set(number(content.size));
                row.sha256 = Set(Some(content.sha256));
                row.stored_at_ms = Set(Some(ms(content.at)));
                if let Some((width, height)) = content.pixels {
                    row.width = Set(Some(pixels(width)));
                    row.height = Set(Some(pixels(height)));
                }
                update(tx, row).await
            })
        })
        .await
    }

    /// Forgets a file whose content did not come.
    pub async fn drop_media(&self, id: MediaId) -> Result<(), StoreError> {
        self.write(self.sql("DELETE FROM media WHERE id = $1 AND stored_at_ms IS NULL", [id.into()])).await.map(drop)
    }

    /// Notes that nobody has the content of a file any more.
    pub async fn lose_media(&self, ids: &[MediaId], now: DateTime<Utc>) -> Result<(), StoreError> {
        let sql = "UPDATE media SET gone_at_ms = $1, thumbnail = NULL WHERE id = $2";
        let source = "DELETE FROM gateway_state WHERE kind = $1 AND key = $2
                      AND account_id = (SELECT account_id FROM media WHERE id = $2)";
        let lose = ids.iter().flat_map(|id| {
            [self.sql(sql, [ms(now).into(), (*id).into()]), self.sql(source, [SOURCE.into(), (*id).into()])]
        });
        self.write_all(lose.collect()).await
    }

    /// A file of the company.
    pub async fn find_media(&self, company: CompanyId, id: MediaId) -> Result<Option<Model>, StoreError> {
        let of_company = Entity::find_by_id(id).filter(Column::CompanyId.eq(company));
        Ok(of_company.one(&self.reader).await?)
    }

    /// Those of the files that the company has.
    pub async fn find_all_media(
        &self,
        company: CompanyId,
        ids: &[MediaId],
    ) -> Result<HashMap<MediaId, Model>, StoreError> {
        let mut found = HashMap::new();
        for some in ids.chunks(SOME) {
            let of_company = Entity::find().filter(Column::CompanyId.eq(company));
            let rows = of_company.filter(Column::Id.is_in(some.iter().copied())).all(&self.reader).await?;
            found.extend(rows.into_iter().map(|row| (row.id, row)));
        }
        Ok(found)
    }

    /// Whether a message of one of these accounts has the file.
    pub async fn is_media_of(&self, id: MediaId, accounts: &[AccountId]) -> Result<bool, StoreError> {
        let of_accounts = entity::message::Entity::find()
            .filter(entity::message::Column::MediaId.eq(id))
            .filter(entity::message::Column::AccountId.is_in(accounts.iter().copied()));
        let found: Option<MessageId> = of_accounts
            .select_only()
            .column(entity::message::Column::Id)
            .limit(1)
            .into_tuple()
            .one(&self.reader)
            .await?;
        Ok(found.is_some())
    }

    /// Some files that nothing needs any more: older than `before` with no message that is still to be
    /// sent, or of which the content did not come since `came_before`.
    pub async fn old_media(
        &self,
        before: DateTime<Utc>,
        came_before: DateTime<Utc>,
        most: u64,
    ) -> Result<Vec<Model>, StoreError> {
        let sql = format!(
            "SELECT * FROM media WHERE gone_at_ms IS NULL AND created_at_ms < $1
             AND (created_at_ms < $2 OR stored_at_ms IS NULL AND account_id IS NULL)
             AND NOT EXISTS (SELECT 1 FROM message WHERE message.media_id = media.id
                             AND message.status IN ('queued', 'sending'))
             ORDER BY created_at_ms LIMIT {most}"
        );
        let values = [ms(came_before).into(), ms(before).into()];
        Ok(Entity::find().from_raw_sql(self.sql(sql, values)).all(&self.reader).await?)
    }

    /// By what the account's gateway fetches a file that came in.
    pub async fn media_source(&self, account: AccountId, id: MediaId) -> Result<Option<String>, StoreError> {
        let mut found = self.entries(account, SOURCE, Which::Keys(vec![id.to_string()])).await?;
        Ok(found.pop().and_then(|entry| String::from_utf8(entry.value).ok()))
    }

    /// What is known of the file's upload as `kind` by the account.
    pub async fn find_upload(
        &self,
        account: AccountId,
        media: MediaId,
        kind: Kind,
    ) -> Result<Option<Upload>, StoreError> {
        let mut found = self.entries(account, UPLOAD, Which::Keys(vec![upload_key(media, kind)])).await?;
        let read =
            |entry: Entry| Some(Upload { handle: String::from_utf8(entry.value).ok()?, at: instant(entry.number) });
        Ok(found.pop().and_then(read))
    }

    /// Keeps what is known of an upload, in place of an earlier one, as long as the account has that epoch.
    /// What was kept before `forgotten` goes.
    pub async fn keep_upload(
        &self,
        account: AccountId,
        epoch: i64,
        (media, kind): (MediaId, Kind),
        upload: Upload,
        forgotten: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (value, number) = (upload.handle.into_bytes(), ms(upload.at));
        self.keep(account, epoch, UPLOAD, Keep::Remove(Which::Below(ms(forgotten)))).await?;
        let entry = Entry { key: upload_key(media, kind), value, number };
        self.keep(account, epoch, UPLOAD, Keep::Put(vec![entry])).await.map(drop)
    }
}

fn upload_key(media: MediaId, kind: Kind) -> String {
    format!("{media}/{kind}")
}

/// Writes to the few messages that have one which file goes with them.
pub(super) async fn attach(
    tx: &DatabaseTransaction,
    messages: impl Iterator<Item = (MessageId, &Card)>,
) -> Result<(), DbErr> {
    let values =
        messages.map(|(message, card)| [message.into(), card.id.into(), card.kind.into(), card.column().into()]);
    let sql = "WITH o (id, media_id, kind, media) AS ({rows})
               UPDATE message SET media_id = o.media_id, kind = o.kind, media = o.media FROM o WHERE message.id = o.id";
    rows::execute(tx, sql, values.collect()).await
}

/// Notes files that came with messages.
pub(super) async fn came(tx: &DatabaseTransaction, files: Vec<&Came>) -> Result<(), DbErr> {
    for some in files.chunks(TOGETHER) {
        let rows = some.iter().map(|came| came.row.clone().into_active_model().reset_all());
        Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    let mut sources = Vec::with_capacity(files.len());
    for Came { row, source } in files {
        let key = row.id.to_string();
        sources.push([
            row.account_id.into(),
            SOURCE.into(),
            key.into(),
            source.as_slice().into(),
            row.created_at_ms.into(),
        ]);
    }
    let sql = "INSERT INTO gateway_state (account_id, kind, key, value, number)
               SELECT * FROM ({rows}) AS o WHERE column1 IS NOT NULL";
    rows::execute(tx, sql, sources).await
}
