//! The pages' files, inside the binary: read, linked and compressed once, at the start. All of them are
//! under an address that changes with any of them, so that a browser may keep each for ever.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// The files.
#[derive(RustEmbed)]
#[folder = "static/"]
struct Embedded;

/// Nothing from elsewhere, nothing inline, in nobody's frame, and no text that becomes a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
/// How long a browser keeps a file whose address changes with it: a year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The module that all pages begin with.
const FIRST: &str = "app.js";

/// What is served as it is.
pub struct Files {
    /// Changes with any file.
    version: String,
    all: HashMap<String, File>,
}

struct File {
    kind: &'static str,
    plain: Bytes,
    /// Shorter, where it is.
    gzip: Option<Bytes>,
}

impl File {
    fn new(name: &str, plain: Bytes) -> Self {
        let kind = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("json") => "application/json",
            Some("svg") => "image/svg+xml",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        };
        let gzip = gzip(&plain).filter(|gzip| gzip.len() < plain.len());
        Self { kind, plain, gzip }
    }
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).ok()?;
    Some(encoder.finish().ok()?.into())
}

impl Files {
    /// The files of a server that needs no credentials, or does; and where strangers may register, or not.
    pub(super) fn new(is_open: bool, may_register: bool) -> Self {
        let mut plain: HashMap<String, Bytes> = HashMap::new();
        let names: BTreeSet<String> = Embedded::iter().map(|name| name.into_owned()).collect();
        let mut hash = Sha256::new();
        for name in names {
            let Some(file) = Embedded::get(&name) else { continue };
            hash.update(&name);
            hash.update(file.metadata.sha256_hash());
            plain.insert(name, file.data.into_owned().into());
        }
        let version: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let at = format!("/static/~{version}");
        let preload: Vec<String> = linked(&plain, FIRST)
            .into_iter()
            .map(|name| format!("<link rel=\"modulepreload\" href=\"{at}/{name}\">"))
            .collect();
        for (name, text) in &mut plain {
            if name.ends_with(".html") {
                let filled = String::from_utf8_lossy(text)
                    .replace("{static}", &at)
                    .replace("{auth}", if is_open { "open" } else { "guarded" })
                    .replace("{registration}", if may_register { "true" } else { "false" })
                    .replace("{preload}", &preload.join("\n  "));
                *text = filled.into();
            }
        }
        let all = plain.into_iter().map(|(name, plain)| (name.clone(), File::new(&name, plain))).collect();
        Self { version, all }
    }

    /// A page, which is asked for anew each time.
    pub(super) fn page(&self, request: &HttpRequest, status: StatusCode, name: &str) -> HttpResponse {
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        match self.all.get(name) {
            Some(page) => answer(request, response, page),
            None => HttpResponse::from_error(ApiError::NotFound("address")),
        }
    }

    fn find(&self, name: &str) -> Result<&File, ApiError> {
        self.all.get(name).filter(|_| !name.ends_with(".html")).ok_or(ApiError::NotFound("address"))
    }
}

/// The modules that this one needs, itself first.
fn linked(files: &HashMap<String, Bytes>, first: &str) -> Vec<String> {
    let mut found = vec![first.to_owned()];
    let mut next = 0;
    while let Some(name) = found.get(next).cloned() {
        next += 1;
        let text = files.get(&name).map(|file| String::from_utf8_lossy(file)).unwrap_or_default();
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let named = text.split("from \"").chain(text.split("from\"")).skip(1).filter_map(|rest| rest.split('"').next());
        for path in named.filter(|path| path.starts_with('.')) {
            let name = join(folder, path);
            if files.contains_key(&name) && !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// A path as a module in `folder` names it.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The headers of everything that a page is made of.
pub(super) fn guarded(mut response: HttpResponseBuilder, content_type: &str) -> HttpResponseBuilder {
    response
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"));
    response
}

fn answer(request: &HttpRequest, response: HttpResponseBuilder, file: &File) -> HttpResponse {
    let mut response = guarded(response, file.kind);
    response.insert_header((VARY, "Accept-Encoding"));
    let takes = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let takes_gzip = takes.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let is_refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        !is_refused && (name.trim().eq_ignore_ascii_case("gzip") || name.trim() == "*")
    });
    match &file.gzip {
        Some(gzip) if takes_gzip => {
            response.insert_header((CONTENT_ENCODING, "gzip"));
            response.body(gzip.clone())
        }
        _ => response.body(file.plain.clone()),
    }
}

/// A file of this version; of another there is none.
pub async fn versioned(
    request: HttpRequest,
    files: Data<Files>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let file = files.find(&name)?;
    if version != files.version {
        return Err(ApiError::NotFound("address"));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, FOR_EVER));
    Ok(answer(&request, response, file))
}

/// A file by its name alone: kept, but asked for again each time, so that a new version shows at once.
pub async fn named(request: HttpRequest, files: Data<Files>, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let file = files.find(&name)?;
    // Weak: the same, compressed or not.
    let tag = format!("W/\"{}\"", files.version);
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-cache")).insert_header((ETAG, tag.as_str()));
    response.insert_header((VARY, "Accept-Encoding"));
    let seen = request.headers().get(IF_NONE_MATCH).and_then(|seen| seen.to_str().ok()).unwrap_or_default();
    if seen.split(',').any(|seen| seen.trim() == "*" || tag.ends_with(seen.trim()) && !seen.trim().is_empty()) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    Ok(answer(&request, response, file))
}

/// The shell of all pages for people who are signed in: its address says which is to be shown.
pub async fn shell(request: HttpRequest, files: Data<Files>) -> HttpResponse {
    files.page(&request, StatusCode::OK, "index.html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_brings_along_what_it_imports_and_that_what_it_does() {
        let files = [
            ("app.js", "import { a } from \"./lib/a.js\";\nimport(\"./pages/late.js\")"),
            ("lib/a.js", "import {b} from\"../parts/b.js\";import c from \"./gone.js\""),
            ("parts/b.js", "import { a } from \"../lib/a.js\""),
            ("pages/late.js", ""),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), Bytes::from(text))).into();
        assert_eq!(linked(&files, "app.js"), ["app.js", "lib/a.js", "parts/b.js"]);
    }
}
