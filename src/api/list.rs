//! Lists: which part is asked for, and the frame it is answered in.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

const LIMIT: u64 = 50;
const MOST: u64 = 200;

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Listed<T> {
    /// The page.
    pub data: Vec<T>,
    /// Where it is.
    pub pagination: Pagination,
}

/// Where a page is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// How many there are in all.
    pub total: u64,
    /// Which page this is, from 1.
    pub page: u64,
    /// How many a page has.
    pub limit: u64,
    /// Give it back as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which part is asked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Which page, from 1.
    #[param(minimum = 1)]
    pub page: Option<u64>,
    /// How many, 50 unless said, at most 200.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u64>,
}

/// The part of a list that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    page: u64,
    /// How many at most.
    pub limit: u64,
    /// How many come before it.
    pub offset: u64,
}

impl PageQuery {
    /// The part that is asked for.
    pub fn read(&self) -> Result<Part, ApiError> {
        let page = self.page.unwrap_or(1);
        let limit = self.limit.unwrap_or(LIMIT);
        if page == 0 || page > 1_000_000_000 {
            return Err(ApiError::field("page", "must be from 1 to 1000000000"));
        }
        if limit == 0 || limit > MOST {
            return Err(ApiError::field("limit", "must be from 1 to 200"));
        }
        Ok(Part { page, limit, offset: (page - 1) * limit })
    }
}

impl Part {
    /// The part, as it was found among `total`.
    #[must_use]
    pub fn list<T>(self, data: Vec<T>, total: u64) -> Listed<T> {
        let Self { page, limit, .. } = self;
        Listed { data, pagination: Pagination { total, page, limit, next_cursor: None } }
    }

    /// Where to go on after these rows, if there may be more.
    pub fn next_cursor<T>(self, rows: &[T], cursor: impl FnOnce(&T) -> String) -> Option<String> {
        rows.last().filter(|_| rows.len() as u64 == self.limit).map(cursor)
    }
}

impl<T> Listed<T> {
    /// With where to go on.
    #[must_use]
    pub fn going_on(mut self, next_cursor: Option<String>) -> Self {
        self.pagination.next_cursor = next_cursor;
        self
    }
}

/// A cursor as it was given out.
pub fn read_cursor<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, ApiError> {
    read(text).ok_or_else(|| ApiError::field("cursor", "is not one of ours"))
}
