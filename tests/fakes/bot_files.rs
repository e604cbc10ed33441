//! Files at the Bot API's server: uploaded by forms, sent again by their `file_id`, and downloaded.

use std::collections::BTreeMap;
use std::sync::Mutex;

use actix_multipart::Multipart;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};

use super::{Seen, deliver, error};

/// A file that came with a message.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The parameter it came as: `photo`, `document`, …
    pub field: &'static str,
    pub content: Bytes,
    pub file_name: String,
    pub mime_type: String,
    /// Whether it was uploaded for this message.
    pub is_upload: bool,
}

/// All files the server has, by their `file_id`.
#[derive(Default)]
pub(super) struct Files {
    all: BTreeMap<String, Sent>,
    count: usize,
    pub(super) uploads: usize,
}

impl Files {
    /// A file that somebody has; what is told of it.
    pub(super) fn add(&mut self, field: &str, content: &[u8], more: Value) -> Value {
        let field = FIELDS.iter().map(|(_, field)| *field).find(|known| *known == field).unwrap();
        let (file_name, mime_type) = (String::new(), String::new());
        let sent = Sent { field, content: Bytes::copy_from_slice(content), file_name, mime_type, is_upload: false };
        let id = self.keep(sent);
        self.told(&id, more)
    }

    pub(super) fn forget(&mut self) {
        self.all.clear();
    }

    fn keep(&mut self, sent: Sent) -> String {
        self.count += 1;
        let id = format!("AgAC{}-{}", sent.field, self.count);
        self.all.insert(id.clone(), sent);
        id
    }

    /// A file as messages show it: a picture in several sizes, the largest last.
    fn told(&self, id: &str, more: Value) -> Value {
        let sent = &self.all[id];
        let mut told = json!({"file_id": id, "file_unique_id": format!("u{id}"), "file_size": sent.content.len()});
        let duration = match sent.field {
            "video" | "audio" | "voice" => json!({"duration": 7}),
            _ => json!({}),
        };
        let sides = match sent.field {
            "photo" | "video" => json!({"width": 320, "height": 200}),
            "sticker" => {
                json!({"width": 512, "height": 512, "type": "regular", "is_animated": false, "is_video": false})
            }
            _ => json!({}),
        };
        for more in [duration, sides, more] {
            told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        match sent.field {
            "photo" => {
                let small = json!({"file_id": format!("{id}s"), "file_unique_id": "s", "width": 90, "height": 60, "file_size": 900});
                json!([small, told])
            }
            _ => told,
        }
    }
}

const FIELDS: [(&str, &str); 6] = [
    ("sendPhoto", "photo"),
    ("sendVideo", "video"),
    ("sendAudio", "audio"),
    ("sendVoice", "voice"),
    ("sendSticker", "sticker"),
    ("sendDocument", "document"),
];

/// The parameter of the file in a method that sends one.
pub(super) fn field_of(method: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(name, _)| *name == method).map(|(_, field)| *field)
}

/// Sends a file: one that is uploaded in a form, or one that is known by its id.
pub(super) async fn send_file(
    seen: &Mutex<Seen>,
    token: &str,
    method: &str,
    request: &HttpRequest,
    body: &Bytes,
) -> HttpResponse {
    let complain = |why: &str| {
        seen.lock().unwrap().refused.push(why.to_owned());
        error(400, &format!("Bad Request: {why}"), Value::Null)
    };
    let field = field_of(method).unwrap();
    let kind = request.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (fields, uploaded) = if kind.starts_with("multipart/form-data") {
        match read_form(request, body, field).await {
            Some(read) => read,
            None => return complain("the form can't be read"),
        }
    } else {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => (fields, None),
            _ => return complain("can't parse the JSON object"),
        }
    };
    let known = if field == "sticker" { &[field, "chat_id"][..] } else { &[field, "chat_id", "caption"] };
    if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return complain(&format!("field {unknown} is not expected"));
    }
    let Some(chat) = fields.get("chat_id").and_then(Value::as_str) else { return complain("chat_id is needed") };
    let caption = fields.get("caption").and_then(Value::as_str).unwrap_or_default();
    if fields.contains_key("caption") && caption.is_empty() || caption.chars().count() > 1_024 {
        return complain("a caption has 1 to 1024 characters");
    }
    let (sent, id) = match (uploaded, fields.get(field).and_then(Value::as_str)) {
        (Some(sent), None) => {
            let most = if field == "photo" { 10 << 20 } else { 50 << 20 };
            if sent.content.is_empty() || sent.content.len() > most {
                return complain("the file is empty or too large");
            }
            if field == "photo" && !is_picture(&sent.content) {
                return error(400, "Bad Request: IMAGE_PROCESS_FAILED", Value::Null);
            }
            if sent.file_name.is_empty() || sent.mime_type.is_empty() {
                return complain("a file has a name and a type");
            }
            let mut seen = seen.lock().unwrap();
            seen.files.uploads += 1;
            let id = seen.files.keep(sent.clone());
            (sent, id)
        }
        (None, Some(id)) => match seen.lock().unwrap().files.all.get(id) {
            Some(known) if known.field == field => (Sent { is_upload: false, ..known.clone() }, id.to_owned()),
            _ => {
                let description = "Bad Request: wrong file identifier/HTTP URL specified";
                return error(400, description, Value::Null);
            }
        },
        _ => return complain("a file, or its id, is needed"),
    };
    let told = seen.lock().unwrap().files.told(&id, json!({}));
    deliver(seen, token, chat, caption.to_owned(), Some((sent, told))).await
}

fn is_picture(content: &[u8]) -> bool {
    content.starts_with(b"\x89PNG") || content.starts_with(b"\xff\xd8\xff") || content.get(8..12) == Some(b"WEBP")
}

/// The texts of a form, and the file that it uploads.
async fn read_form(
    request: &HttpRequest,
    body: &Bytes,
    field: &'static str,
) -> Option<(Map<String, Value>, Option<Sent>)> {
    let body = body.clone();
    let mut form = Multipart::new(request.headers(), stream::once(async { Ok(body) }).boxed_local());
    let (mut fields, mut file) = (Map::new(), None);
    while let Some(mut part) = form.try_next().await.ok()? {
        let name = part.name()?.to_owned();
        let file_name = part.content_disposition().and_then(|d| d.get_filename()).map(str::to_owned);
        let mime_type = part.content_type().map(ToString::to_string).unwrap_or_default();
        let content = part.bytes(64 << 20).await.ok()?.ok()?;
        match file_name {
            Some(file_name) if name == field => {
                file = Some(Sent { field, content, file_name, mime_type, is_upload: true });
            }
            Some(_) => return None,
            None => drop(fields.insert(name, json!(String::from_utf8(content.to_vec()).ok()?))),
        }
    }
    Some((fields, file))
}

/// Tells where a file can be downloaded.
pub(super) fn get_file(seen: &Mutex<Seen>, body: &Bytes) -> HttpResponse {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let id = asked["file_id"].as_str().unwrap_or_default();
    match seen.lock().unwrap().files.all.get(id) {
        None => error(400, "Bad Request: wrong file_id or the file is temporarily unavailable", Value::Null),
        Some(sent) if sent.content.len() > 20 << 20 => error(400, "Bad Request: file is too big", Value::Null),
        Some(sent) => {
            let file = json!({"file_id": id, "file_unique_id": format!("u{id}"), "file_size": sent.content.len(),
                              "file_path": format!("files/{id}")});
            HttpResponse::Ok().json(json!({"ok": true, "result": file}))
        }
    }
}

pub(super) async fn download(seen: Data<Mutex<Seen>>, path: Path<(String, String)>) -> HttpResponse {
    let id = path.1.strip_prefix("files/").unwrap_or_default();
    match seen.lock().unwrap().files.all.get(id) {
        Some(sent) => HttpResponse::Ok().body(sent.content.clone()),
        None => error(404, "Not Found", Value::Null),
    }
}
