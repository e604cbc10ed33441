//! `/api/media`: files that are to be sent, and those that came in.

use std::io;
use std::ops::Range;

use actix_multipart::{Multipart, MultipartError};
use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, Charset, ContentDisposition, DispositionParam, DispositionType, ETAG, ExtendedValue, Header,
    HeaderName, IF_NONE_MATCH, IF_RANGE,
};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use entity::ids::MediaId;
use entity::media::{Card, Model};
use futures_util::TryStreamExt;
use serde::Deserialize;

use super::json::id;
use super::read::Query;
use crate::app::App;
use crate::auth::{Caller, header};
use crate::content::{file_name, is_harmless};
use crate::error::ApiError;
use crate::media::{Given, NotHad, NotKept};

/// Parts of a form that may come before the file.
const PARTS: usize = 16;
/// Bytes of each of them.
const PART: usize = 4_096;
/// What a browser may do with a file by itself: nothing.
const POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// What a file is called, where its body does not say.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct NameQuery {
    /// Of a body that is the file itself.
    #[param(max_length = 255)]
    file_name: Option<String>,
}

/// What is in a file.
#[derive(Debug, utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct FileContent(#[expect(dead_code, reason = "for the contract alone")] Vec<u8>);

/// A form with a file in it.
#[derive(Debug, utoipa::ToSchema)]
pub struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    #[expect(dead_code, reason = "for the contract alone")]
    file: Vec<u8>,
}

/// Keeps a file that is to be sent: a form's part `file`, or the body itself. What it is, its content tells.
#[utoipa::path(post, path = "/api/media", tag = "messages", params(NameQuery),
    request_body(content(
        (FileForm = "multipart/form-data"),
        (FileContent = "application/octet-stream"),
    )),
    responses((status = 201, body = Card), ApiError))]
pub async fn create(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    query: Query<NameQuery>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    caller.check_any()?;
    let kind = header(request.headers(), CONTENT_TYPE.as_str()).unwrap_or_default();
    let is_form = kind.trim_start().to_ascii_lowercase().starts_with("multipart/");
    let named = query.0.file_name.as_deref().and_then(file_name);
    let (company, maker) = (caller.company, caller.maker());
    let row = if is_form {
        let mut form = Multipart::new(request.headers(), payload);
        let part = find_file(&mut form).await?;
        let named = part.content_disposition().and_then(ContentDisposition::get_filename).and_then(file_name).or(named);
        let given = Given { company, maker, file_name: named, size: None };
        app.media.keep(given, part.map_err(|_| cut())).await
    } else {
        let size = header(request.headers(), CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        let given = Given { company, maker, file_name: named, size };
        app.media.keep(given, payload.map_err(|_| cut())).await
    };
    let row = row.map_err(|error| ApiError::from(&error))?;
    Ok(HttpResponse::Created().json(row.card(row.kind)))
}

/// What is told of a body that breaks off.
fn cut() -> io::Error {
    io::Error::other("the body broke off")
}

/// The form's part `file`; a few others may come before it.
async fn find_file(form: &mut Multipart) -> Result<actix_multipart::Field, ApiError> {
    for _ in 0..PARTS {
        let Some(mut part) = form.try_next().await.map_err(|error| broken(&error))? else { break };
        if part.name() == Some("file") {
            return Ok(part);
        }
        let read = part.bytes(PART).await.map_err(|_| none())?;
        read.map_err(|error| broken(&error))?;
    }
    Err(none())
}

fn none() -> ApiError {
    ApiError::field("file", "is needed: the part of the form that is the file has that name, and comes first")
}

fn broken(_: &MultipartError) -> ApiError {
    ApiError::bad("invalid_media", "body", "is no form that can be read, or did not come whole")
}

impl From<&NotKept> for ApiError {
    fn from(error: &NotKept) -> Self {
        let bad = |message| Self::bad("invalid_media", "file", message);
        match error {
            NotKept::Empty => bad("must not be empty"),
            NotKept::Cut => bad("did not come whole and in time"),
            NotKept::TooLong(limit) => Self::TooLarge { what: "file", limit: *limit },
            NotKept::Full(limit) => full(*limit),
            NotKept::Busy => Self::Unavailable("too many files come in at a time; try again soon"),
            NotKept::Unwritten => Self::Unavailable("the file can't be kept now; try again"),
            NotKept::Store(_) => Self::unwritable(),
        }
    }
}

fn full(limit: u64) -> ApiError {
    let message = format!("the files of a company may have {limit} bytes; the oldest go by themselves");
    ApiError::Refused { code: "media_quota", field: "file", message }
}

impl From<NotHad> for ApiError {
    fn from(error: NotHad) -> Self {
        match error {
            NotHad::Gone => Self::Gone { code: "media_gone", message: "nobody has the file any more" },
            NotHad::Unfinished => Self::NotFound("media"),
            NotHad::NotReached => {
                let message =
                    "the file is at the messenger, which can't be asked now; try again once the account is connected";
                Self::Conflict { code: "media_not_reachable", message: message.to_owned() }
            }
            NotHad::TooLong(limit) => Self::TooLarge { what: "file", limit },
            NotHad::Full(limit) => full(limit),
            NotHad::Unread => Self::Unavailable("the file can't be read now; try again"),
            NotHad::Store(error) => error.into(),
        }
    }
}

/// The file, if the caller made it, or may read an account that has it.
pub(super) async fn find_readable(app: &App, caller: &Caller, row: Model) -> Result<Option<Model>, ApiError> {
    let Some(accounts) = caller.visible() else { return Ok(Some(row)) };
    let is_own = row.maker.is_some() && row.maker == caller.maker();
    let is_there = row.account_id.is_some_and(|account| accounts.contains(&account));
    let may = is_own || is_there || app.store.is_media_of(row.id, &accounts).await?;
    Ok(may.then_some(row))
}

async fn find(app: &App, caller: &Caller, text: &str) -> Result<Model, ApiError> {
    let id: MediaId = id(text, "media")?;
    let row = app.store.find_media(caller.company, id).await?.ok_or(ApiError::NotFound("media"))?;
    let message = "no account that has this file is granted to you for that";
    find_readable(app, caller, row).await?.ok_or(ApiError::Forbidden { code: "no_access", message })
}

/// The file itself, or the range of it that is asked for. One that came in is fetched from its messenger the
/// first time.
#[utoipa::path(get, path = "/api/media/{id}", tag = "messages", params(("id" = MediaId, Path)),
    responses((status = 200, body = FileContent, content_type = "*/*"), (status = 206, body = FileContent, content_type = "*/*"), (status = 304),
              (status = 416), ApiError))]
pub async fn show(
    caller: Caller,
    app: Data<App>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (row, media) = (find(&app, &caller, &path).await?, app.media.clone());
    // What is being fetched comes to its end, also when nobody waits for it any more.
    let ready = app.tasks.spawn(async move { media.ready(row).await });
    let broken = |error| ApiError::Internal(anyhow::Error::new(error).context("a file was not fetched"));
    let row = ready.await.map_err(broken)??;
    let size = row.size.unsigned_abs();
    let tag = format!("\"{}\"", row.sha256.as_deref().unwrap_or_default());
    let said = |name: &HeaderName| header(request.headers(), name.as_str());
    if said(&IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    // A part of another file would be of no use.
    let is_same = said(&IF_RANGE).is_none_or(|known| known == tag);
    let range = match range_of(&request, size).filter(|_| is_same) {
        Some(Some(range)) => Some(range),
        None => None,
        Some(None) => {
            let all = format!("bytes */{size}");
            return Ok(HttpResponse::RangeNotSatisfiable().insert_header((CONTENT_RANGE, all)).finish());
        }
    };
    let content = app.media.open(&row, range.clone()).await?;
    let mut response = HttpResponse::build(if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
    response
        .insert_header((CONTENT_TYPE, row.mime_type.as_str()))
        .insert_header((CONTENT_DISPOSITION, disposition(&row)))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((ETAG, tag));
    guarded(&mut response);
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    if let Some(range) = range {
        response.insert_header((CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1)));
    }
    Ok(response.body(SizedStream::new(length, content)))
}

/// A small picture of the file.
#[utoipa::path(get, path = "/api/media/{id}/thumbnail", tag = "messages", params(("id" = MediaId, Path)),
    responses((status = 200, body = FileContent, content_type = "image/jpeg"), ApiError))]
pub async fn thumbnail(caller: Caller, app: Data<App>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let row = find(&app, &caller, &path).await?;
    let picture = row.thumbnail.ok_or(ApiError::NotFound("thumbnail"))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "image/jpeg"));
    guarded(&mut response);
    Ok(response.body(picture))
}

/// A file is shown, or kept by whoever asks, and nothing else: not run, not framed, not lent to other pages. It
/// is asked for anew each time, since rights change.
fn guarded(response: &mut actix_web::HttpResponseBuilder) {
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((HeaderName::from_static("cross-origin-resource-policy"), "same-origin"));
}

/// Whether it is shown or saved, and as what.
fn disposition(row: &Model) -> ContentDisposition {
    let disposition = if is_harmless(&row.mime_type) { DispositionType::Inline } else { DispositionType::Attachment };
    let named = |name: &String| {
        let (charset, language_tag, value) = (Charset::Ext("UTF-8".to_owned()), None, name.as_bytes().to_vec());
        DispositionParam::FilenameExt(ExtendedValue { charset, language_tag, value })
    };
    ContentDisposition { disposition, parameters: row.file_name.iter().map(named).collect() }
}

/// The one range that is asked for, if one is: none within, if there are not so many bytes.
fn range_of(request: &HttpRequest, size: u64) -> Option<Option<Range<u64>>> {
    use actix_web::http::header::Range as Asked;
    let Ok(Asked::Bytes(specs)) = Asked::parse(request) else { return None };
    let [spec] = specs.as_slice() else { return None };
    Some(spec.to_satisfiable_range(size).map(|(first, last)| first..last + 1))
}
