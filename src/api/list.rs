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

impl PageQuery {
    /// The page, the limit and the offset.
    pub fn read(&self) -> Result<(u64, u64, u64), ApiError> {
        let page = self.page.unwrap_or(1);
        let limit = self.limit.unwrap_or(LIMIT);
        if page == 0 || page > 1_000_000_000 {
            return Err(ApiError::field("page", "must be from 1 to 1000000000"));
        }
        if limit == 0 || limit > MOST {
            return Err(ApiError::field("limit", "must be from 1 to 200"));
        }
        Ok((page, limit, (page - 1) * limit))
    }
}
