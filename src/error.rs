//! The only place where an error becomes an HTTP status. Every answer that is not a success has
//! the same shape, whoever noticed: a handler, an extractor, or the router.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use entity::ids::AccountId;
use serde::Serialize;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

use crate::pacing::policy::BadLimit;
use crate::queue::Unavailable;
use crate::store::StoreError;

/// The body of every error.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// Always false.
    #[schema(example = false)]
    pub success: bool,
    /// A sentence for a person.
    pub error: String,
    /// A stable word for a program.
    #[schema(example = "account_not_found")]
    pub code: String,
    /// Which fields, if it is about fields; or what there is to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// What an error is about.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Details {
    /// Fields.
    Fields(Vec<Detail>),
    /// Accounts to choose from.
    Accounts(Vec<Choice>),
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// The field, as the API spells it.
    pub field: String,
    /// A sentence.
    pub message: String,
}

/// An account that the caller may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// Its id.
    pub account_id: AccountId,
    /// What people call it.
    pub name: String,
}

/// Why a request is not answered with a success.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the request can't be read, or fields of it can't be.
    #[error("{}", .details.iter().map(|d| format!("{} {}", d.field, d.message)).collect::<Vec<_>>().join("; "))]
    Bad {
        /// A stable word.
        code: &'static str,
        /// What is wrong, field by field.
        details: Vec<Detail>,
    },
    /// 400: the caller has to choose.
    #[error("{message}")]
    Choice {
        /// A stable word.
        code: &'static str,
        /// A sentence.
        message: &'static str,
        /// What there is to choose from.
        choices: Vec<Choice>,
    },
    /// 401.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: known, and not allowed.
    #[error("{message}")]
    Forbidden {
        /// A stable word.
        code: &'static str,
        /// A sentence.
        message: &'static str,
    },
    /// 404.
    #[error("{}", not_found(.0))]
    NotFound(&'static str),
    /// 405.
    #[error("this address does not know that method")]
    Method,
    /// 409: the request and the present state exclude each other.
    #[error("{message}")]
    Conflict {
        /// A stable word.
        code: &'static str,
        /// A sentence.
        message: String,
    },
    /// 413.
    #[error("the {what} is larger than {limit} bytes")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// 410: it was there.
    #[error("{message}")]
    Gone {
        /// A stable word.
        code: &'static str,
        /// A sentence.
        message: &'static str,
    },
    /// 415.
    #[error("{0}")]
    Unsupported(&'static str),
    /// 422: understood, and refused.
    #[error("{message}")]
    Refused {
        /// A stable word.
        code: &'static str,
        /// The field it is about.
        field: &'static str,
        /// A sentence.
        message: String,
    },
    /// 429.
    #[error("too many requests; wait {} s", .after.as_secs())]
    TooMany {
        /// How long to wait.
        after: Duration,
    },
    /// 503: try again.
    #[error("{0}")]
    Unavailable(&'static str),
    /// 500.
    #[error("something went wrong here; the request id helps to find it")]
    Internal(anyhow::Error),
}

fn not_found(what: &str) -> String {
    match what {
        "address" => "this server has nothing at this address; what it has is listed at /openapi.json".to_owned(),
        what => format!("there is no such {what}"),
    }
}

impl ApiError {
    /// A request that can't be read, and the part of it that can't.
    pub fn bad(code: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Bad { code, details: vec![Detail { field: field.into(), message: message.into() }] }
    }

    /// The error about one field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::bad("invalid_request", field, message)
    }

    /// The error of a request of more than `limit` bytes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::TooLarge { what: "request", limit: limit as u64 }
    }

    /// The database can't be written now. What was asked for may be in it, if it left in the middle.
    #[must_use]
    pub fn unwritable() -> Self {
        Self::Unavailable("the database can't be reached; try again, and send under the same Idempotency-Key")
    }

    /// The stable word.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Bad { code, .. }
            | Self::Choice { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Conflict { code, .. }
            | Self::Gone { code, .. }
            | Self::Refused { code, .. } => (*code).to_owned(),
            Self::Unauthorized(_) => "unauthorized".to_owned(),
            Self::NotFound(what) => format!("{}_not_found", what.replace(' ', "_")),
            Self::Method => "method_not_allowed".to_owned(),
            Self::TooLarge { .. } => "too_large".to_owned(),
            Self::Unsupported(_) => "unsupported_media_type".to_owned(),
            Self::TooMany { .. } => "too_many_requests".to_owned(),
            Self::Unavailable(_) => "unavailable".to_owned(),
            Self::Internal(_) => "internal".to_owned(),
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        let details = match self {
            Self::Bad { details, .. } => Some(Details::Fields(details.clone())),
            Self::Choice { choices, .. } => Some(Details::Accounts(choices.clone())),
            Self::Refused { field, message, .. } => {
                Some(Details::Fields(vec![Detail { field: (*field).to_owned(), message: message.clone() }]))
            }
            _ => None,
        };
        ErrorBody { success: false, error: self.to_string(), code: self.code(), details }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Bad { .. } | Self::Choice { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Gone { .. } => StatusCode::GONE,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Internal(cause) = self {
            tracing::error!(error = format!("{cause:#}"), "a request failed");
        }
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::TooMany { after } => response.insert_header((RETRY_AFTER, after.as_secs().max(1))),
            Self::Unavailable(_) => response.insert_header((RETRY_AFTER, 2)),
            Self::Unauthorized(_) => response.insert_header(("WWW-Authenticate", "Bearer")),
            _ => &mut response,
        };
        response.insert_header(ContentType::json()).json(self.body())
    }
}

/// What the contract says of errors, the same for every address.
impl utoipa::IntoResponses for ApiError {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
        let error = ResponseBuilder::new().content("application/json", body).build();
        ["4XX", "5XX"].map(|status| (status.to_owned(), error.clone().into())).into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Down(cause) => {
                tracing::error!(%cause, "the database does not answer");
                Self::unwritable()
            }
            StoreError::Broken(_) => Self::Internal(error.into()),
        }
    }
}

impl From<Unavailable> for ApiError {
    fn from(error: Unavailable) -> Self {
        tracing::error!(%error, "the queue does not answer");
        Self::Unavailable("the queue can't be reached; try again")
    }
}

impl From<BadLimit> for ApiError {
    fn from(error: BadLimit) -> Self {
        Self::field(error.field, error.why)
    }
}
