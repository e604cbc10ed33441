//! How requests are read and times are written, the same everywhere.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::{JsonPayloadError, QueryPayloadError};
use actix_web::web::{self, JsonConfig, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{FromRequest, HttpRequest};
use entity::ids::NotAnId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;
pub use crate::realtime::view::Timestamp;

/// Bytes of a request's body: a text of 4,096 characters, escaped, and the rest with room to spare.
const BODY: usize = 256 * 1024;
/// Bytes of a bulk request's body.
pub const BULK_BODY: usize = 32 * 1024 * 1024;

/// Errors of actix's own extractors, in our shape.
pub fn limits(table: &mut ServiceConfig) {
    table
        .app_data(body_limit(BODY))
        .app_data(QueryConfig::default().error_handler(|error, _| {
            let message = match &error {
                QueryPayloadError::Deserialize(why) => why.to_string(),
                _ => "the query can't be read".to_owned(),
            };
            ApiError::Bad { code: "invalid_query", message }.into()
        }))
        .app_data(PathConfig::default().error_handler(|_, _| ApiError::NotFound("address").into()));
}

/// A limit on the body of a request.
fn body_limit(limit: usize) -> JsonConfig {
    JsonConfig::default().limit(limit).error_handler(|error, _| read_error(error).into())
}

/// Why a body could not be read.
#[must_use]
pub fn read_error(error: JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::ContentType => ApiError::Unsupported("the content type must be application/json"),
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            ApiError::TooLarge { limit }
        }
        JsonPayloadError::Deserialize(why) if why.is_data() => {
            ApiError::Bad { code: "invalid_request", message: format!("the request is not as expected: {why}") }
        }
        JsonPayloadError::Deserialize(why) => {
            ApiError::Bad { code: "invalid_json", message: format!("the request is not JSON: {why}") }
        }
        _ => ApiError::Bad { code: "invalid_json", message: "the request could not be read".to_owned() },
    }
}

/// A body that may be absent, and then is the default.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJson<T> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let has_length = request.headers().get("content-length").is_some_and(|length| length.as_bytes() != b"0");
        if !has_length && !request.headers().contains_key("transfer-encoding") {
            return Box::pin(async { Ok(Self(T::default())) });
        }
        let json = web::Json::<T>::from_request(request, payload);
        Box::pin(async { Ok(Self(json.await?.into_inner())) })
    }
}

/// An id from an address: one that can't be is nobody's, so it is not found.
pub fn id<T: std::str::FromStr<Err = NotAnId>>(text: &str, what: &'static str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound(what))
}

/// A field that tells `null` from absent: `Some(None)` from `None`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// garde's check that a text holds no NUL, which PostgreSQL can't store.
pub fn no_nul(text: &str, (): &()) -> garde::Result {
    if text.contains('\0') { Err(garde::Error::new("must not contain a NUL character")) } else { Ok(()) }
}

/// Turns what garde found into our shape.
pub fn check<T: garde::Validate<Context = ()>>(value: &T) -> Result<(), ApiError> {
    value.validate().map_err(|report| {
        let detail = |(path, error): &(garde::Path, garde::Error)| crate::error::Detail {
            field: camel_case(&path.to_string()),
            message: error.message().to_owned(),
        };
        ApiError::Fields(report.iter().map(detail).collect())
    })
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + &head.to_ascii_uppercase() + tail
    })
}
