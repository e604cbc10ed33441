//! `/api/whatsapp`: accounts as sessions, for front ends in which a company's people work.

pub mod access;
pub mod chats;
pub mod send;
pub mod sessions;
pub mod stats;

use serde::Serialize;

use super::list::{Listed, Pagination};

/// An answer of this view.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Wrapped<T> {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// The answer.
    data: T,
}

impl<T> Wrapped<T> {
    fn new(data: T) -> Self {
        Self { success: true, data }
    }
}

/// A page of a list of this view.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WrappedPage<T> {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// The page.
    data: Vec<T>,
    /// Where it is.
    pagination: Pagination,
}

impl<T> From<Listed<T>> for WrappedPage<T> {
    fn from(listed: Listed<T>) -> Self {
        Self { success: true, data: listed.data, pagination: listed.pagination }
    }
}
