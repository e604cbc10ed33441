//! Lists of chats: what of them a query asks for, and a page of it.

use entity::chat::{Kind, Model};
use entity::ids::{AccountId, CompanyId};
use serde::Deserialize;

use super::list::{Listed, PageQuery, read_cursor};
use crate::app::App;
use crate::error::ApiError;
use crate::store::chats::ChatFilter;
use crate::store::list::Page;
use crate::view::{ChatView, LastMessage};

/// Which chats.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ChatQuery {
    /// Which page, from 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// How many, 50 unless said, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
    /// Goes on where a page ended, however far that is; instead of `page`.
    cursor: Option<String>,
    /// Whether groups and channels are listed, too.
    include_groups: Option<bool>,
    /// Whether statuses are listed, too.
    include_status: Option<bool>,
    /// One kind alone: `individual`, `group` or `status`; or `all`.
    chat_type: Option<String>,
    /// In the name, in the number, or at the beginning of words of a message.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Only those with something unread.
    unread: Option<bool>,
    /// Only those put away, or only the others.
    archived: Option<bool>,
}

impl ChatQuery {
    fn kinds(&self, with_groups: bool) -> Result<Vec<Kind>, ApiError> {
        let one = match self.chat_type.as_deref() {
            None => None,
            Some("all") => return Ok(Kind::ALL.to_vec()),
            Some(word) => Some(
                word.parse::<Kind>()
                    .map_err(|_| ApiError::field("chatType", "must be all, individual, group or status"))?,
            ),
        };
        if let Some(kind) = one {
            return Ok(vec![kind]);
        }
        let mut kinds = vec![Kind::Individual];
        if self.include_groups.unwrap_or(with_groups) {
            kinds.push(Kind::Group);
        }
        if self.include_status.unwrap_or(false) {
            kinds.push(Kind::Status);
        }
        Ok(kinds)
    }
}

/// A page of chats of the company, or of some of its accounts, the latest first.
pub(super) async fn page_of_chats(
    app: &App,
    company: CompanyId,
    accounts: Option<Vec<AccountId>>,
    query: &ChatQuery,
    with_groups: bool,
) -> Result<Listed<ChatView>, ApiError> {
    let part = PageQuery { page: query.page, limit: query.limit }.read()?;
    let search = query.search.clone().filter(|search| !search.trim().is_empty());
    if search.as_ref().is_some_and(|text| text.contains('\0') || text.chars().count() > 200) {
        return Err(ApiError::field("search", "must have at most 200 characters, and no NUL"));
    }
    let page = match &query.cursor {
        None => Page::Offset(part.offset),
        Some(cursor) => Page::After(read_cursor(cursor, |text| {
            let (at, id) = text.split_once('_')?;
            Some((at.parse().ok()?, id.parse().ok()?))
        })?),
    };
    let filter = ChatFilter {
        company,
        accounts,
        kinds: query.kinds(with_groups)?,
        search,
        is_unread: query.unread.unwrap_or(false),
        is_archived: query.archived,
    };
    let (rows, total) = app.store.list_chats(&filter, page, part.limit).await?;
    let next_cursor = part.next_cursor(&rows, |chat| format!("{}_{}", chat.active_at_ms, chat.id));
    let mut newest = app.store.newest_of(rows.iter().map(|chat| chat.id)).await?;
    let view = |row: Model| {
        let last_message = newest.remove(&row.id).map(LastMessage::from);
        ChatView { last_message, ..ChatView::from(row) }
    };
    Ok(part.list(rows.into_iter().map(view).collect(), total).going_on(next_cursor))
}
