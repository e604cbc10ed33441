//! Requests, read: bodies and queries.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::web;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::wrong::{TEXT_OR_NUMBER, wrong};
use crate::error::ApiError;

/// Bytes of a request's body: a text of 4,096 characters, escaped, and the rest with room to spare.
const BODY: usize = 256 * 1024;
/// Bytes from which on a body is read where nobody else waits for it.
pub(super) const LARGE: usize = 64 * 1024;

/// A body of JSON, read.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A body of JSON, read, whatever it says that it is: programs of old say nothing, or that it is a form.
/// What a browser sends unasked is refused before, by its origin.
#[derive(Debug)]
pub struct Untitled<T>(pub T);

/// A body of JSON that its handler reads.
#[derive(Debug)]
pub struct Unread(pub Bytes);

/// A body that may be absent, and then is the default.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

/// The query of an address, read.
#[derive(Debug)]
pub struct Query<T>(pub T);

type Reading<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl<T: DeserializeOwned + Send + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = bytes(request, payload, BODY);
        Box::pin(async { Ok(Self(read_apart(bytes.await?, |bytes| read(bytes)).await?)) })
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest for Untitled<T> {
    type Error = ApiError;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = any_bytes(request, payload, BODY);
        Box::pin(async { Ok(Self(read_apart(bytes.await?, |bytes| read(bytes)).await?)) })
    }
}

impl FromRequest for Unread {
    type Error = ApiError;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = bytes(request, payload, BODY);
        Box::pin(async { Ok(Self(bytes.await?)) })
    }
}

impl<T: DeserializeOwned + Default + Send + 'static> FromRequest for OptionalBody<T> {
    type Error = ApiError;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
        if !has_length && !headers.contains_key(TRANSFER_ENCODING) {
            return Box::pin(async { Ok(Self(T::default())) });
        }
        let body = Body::<T>::from_request(request, payload);
        Box::pin(async { Ok(Self(body.await?.0)) })
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let found = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs));
        std::future::ready(found.map(Self).map_err(|error| {
            let wrong = wrong(&error.path().to_string(), &error.inner().to_string());
            ApiError::Bad { code: "invalid_query", details: vec![wrong] }
        }))
    }
}

/// The body as it came, if it says that it is JSON and is not larger than `most` bytes.
pub(super) fn bytes(
    request: &HttpRequest,
    payload: &mut Payload,
    most: usize,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let is_json = kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json");
    let bytes = any_bytes(request, payload, most);
    async move {
        if is_json { bytes.await } else { Err(ApiError::Unsupported("the content type must be application/json")) }
    }
}

/// The body as it came, whatever it says that it is, if it is not larger than `most` bytes.
fn any_bytes(
    request: &HttpRequest,
    payload: &mut Payload,
    most: usize,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let is_too_large = length.and_then(|length| length.parse().ok()).is_some_and(|n: usize| n > most);
    let payload = web::Payload::from_request(request, payload).into_inner();
    async move {
        if is_too_large {
            return Err(ApiError::too_large(most));
        }
        let payload = payload.map_err(|_| unread())?;
        let bytes = payload.to_bytes_limited(most).await.map_err(|_| ApiError::too_large(most))?;
        bytes.map_err(|_| unread())
    }
}

fn unread() -> ApiError {
    ApiError::bad("invalid_json", "body", "did not arrive whole and in time")
}

/// Reads a body; a large one on no thread that answers others.
pub(super) async fn read_apart<T: Send + 'static>(
    bytes: Bytes,
    read: impl FnOnce(&[u8]) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if bytes.len() <= LARGE {
        return read(&bytes);
    }
    let read = web::block(move || read(&bytes)).await;
    read.map_err(|error| ApiError::Internal(error.into()))?
}

/// Reads JSON.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // A list would do for an object else, field by field.
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    if is_object && let Ok(found) = serde_json::from_slice(bytes) {
        return Ok(found);
    }
    // Once more and slower for who made a mistake, to tell where.
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| no_json(bytes, &error))?;
    if !is_object {
        return Err(ApiError::field("body", "must be an object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let said = error.inner().to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        ApiError::Bad { code: "invalid_request", details: vec![wrong(&error.path().to_string(), said)] }
    })
}

fn no_json(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(<[u8]>::len).sum();
    ApiError::bad("invalid_json", "body", format!("is not JSON: look at byte {}", before + error.column()))
}

/// An object, and not the list that would do for it, field by field.
pub(super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(Object(PhantomData))
}

/// The same where `null` is told from absent: `Some(None)` from `None`.
pub(super) fn present_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    object(deserializer).map(Some)
}

/// A number as people write it: a text, or a number of JSON's.
pub(super) fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Either;
    impl Visitor<'_> for Either {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(TEXT_OR_NUMBER)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<String, E> {
            Err(E::invalid_type(Unexpected::Float(number), &self))
        }
    }
    deserializer.deserialize_any(Either)
}

/// The same, where it may be absent or null.
pub(super) fn maybe_text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Either(#[serde(deserialize_with = "text_or_number")] String);
    Ok(Option::<Either>::deserialize(deserializer)?.map(|either| either.0))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::pacing::Limits;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    struct Asked {
        name: String,
        use_limits: Option<bool>,
        #[serde(default, deserialize_with = "object")]
        limits: Option<Limits>,
        at: Option<DateTime<Utc>>,
        #[serde(default, deserialize_with = "maybe_text_or_number")]
        to: Option<String>,
        list: Option<Vec<u8>>,
    }

    fn said(json: &str) -> (String, String) {
        let ApiError::Bad { code, details } = read::<Asked>(json.as_bytes()).unwrap_err() else { panic!("not a 400") };
        assert_eq!(code, if details[0].message.contains("JSON") { "invalid_json" } else { "invalid_request" });
        (details[0].field.clone(), details[0].message.clone())
    }

    #[test]
    fn what_is_wrong_is_said_of_its_field_in_our_words() {
        for (json, field, message) in [
            ("{}", "name", "is needed"),
            ("[]", "body", "must be an object"),
            ("7", "body", "must be an object"),
            (r#"{"name": null}"#, "name", "must be a text"),
            (r#"{"name": "A", "useLimits": "no"}"#, "useLimits", "must be true or false"),
            (r#"{"name": "A", "limits": 3}"#, "limits", "must be an object"),
            (
                r#"{"name": "A", "limits": {"perMinute": -1}}"#,
                "limits.perMinute",
                "must be a whole number from 0 to 4294967295",
            ),
            (r#"{"name": "A", "limits": {"delayMs": [1]}}"#, "limits.delayMs", "must be a list of two"),
            (r#"{"name": "A", "limits": {"delayMs": [1, 2, 3]}}"#, "limits.delayMs", "must be a shorter list"),
            (r#"{"name": "A", "limits": [1]}"#, "limits", "must be an object"),
            (r#"{"name": "A", "at": "tomorrow"}"#, "at", "must be a time such as 2025-12-01T10:00:00Z"),
            (r#"{"name": "A", "at": 7}"#, "at", "must be a time such as 2025-12-01T10:00:00Z"),
            (r#"{"name": "A", "to": true}"#, "to", "must be a text or a whole number"),
            (r#"{"name": "A", "list": [1, 300]}"#, "list[1]", "must be a whole number from 0 to 255"),
            ("{\n\"name\" 7}", "body", "is not JSON: look at byte 10"),
            (r#"{"name": "A"} {}"#, "body", "is not JSON: look at byte 15"),
        ] {
            assert_eq!(said(json), (field.to_owned(), message.to_owned()), "{json}");
        }
        let (field, message) = said(r#"{"name": "A", "limits": {"a`, expected `c": 1}}"#);
        assert_eq!(field, "limits.a`, expected `c");
        assert!(message.contains("; known are perMinute, dailyLimitFrom"), "{message}");
        let (field, message) = said(r#"{"name": "A", "limits": {"perMinut": 1}}"#);
        assert_eq!(field, "limits.perMinut");
        assert!(message.starts_with("is not known here; known are perMinute, dailyLimitFrom"), "{message}");
        let read: Asked = read(br#"{"name": "A", "to": 996700123456}"#).unwrap();
        assert_eq!(read.to.as_deref(), Some("996700123456"));
    }
}
