//! Every 400 is a sentence for a person and a field for a program, in the API's own words: no type,
//! no parser and no library speaks to a client.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Company, TestApp, guarded, ready_account};

/// What only parsers and libraries say.
const FOREIGN: &[&str] = &[
    "struct",
    "line 1",
    "column",
    "expected",
    "invalid digit",
    "missing field",
    "length is",
    "invalid type",
    "serde",
    "garde",
    "invalid value",
    "unknown field",
    "unknown variant",
    "duplicate field",
    "invalid length",
    "deserialize",
    "u64",
    "i64",
    "option<",
    "vec<",
    "trailing",
    "premature",
    "is lower than",
    "is greater than",
    "variant",
];

/// What is wrong with an answer, if anything.
fn fault(answer: &Answer, code: &str, field: &str) -> Option<String> {
    let body = &answer.body;
    let said = body.to_string().to_lowercase();
    let details = body["details"].as_array().cloned().unwrap_or_default();
    // `limits.delayMs` may be told more precisely, as `limits.delayMs[0]`.
    let is_there = |found: &str| {
        found == field || found.strip_prefix(field).is_some_and(|rest| rest.starts_with('.') || rest.starts_with('['))
    };
    let has_field = details.iter().any(|detail| detail["field"].as_str().is_some_and(is_there));
    let is_told = |detail: &Value| detail["message"].as_str().is_some_and(|message| message.len() >= 5);
    if answer.status != 400 || body["code"] != code || body["success"] != false {
        return Some(format!("{} {}", answer.status, body["code"]));
    }
    if !has_field {
        return Some("the field is not named".to_owned());
    }
    if !details.iter().all(is_told) || body["error"].as_str().is_none_or(|sentence| sentence.len() <= 10) {
        return Some("it is not said what is wrong".to_owned());
    }
    FOREIGN.iter().find(|word| said.contains(**word)).map(|word| format!("{word:?} is a foreign word"))
}

/// Asks all, and tells all that was answered badly.
pub struct Asked {
    client: Client,
    faults: Vec<String>,
}

impl Asked {
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), faults: Vec::new() }
    }

    async fn raw(&mut self, method: &str, path: &str, body: impl Into<Vec<u8>>, code: &str, field: &str) {
        let body = body.into();
        let request = self.client.request(method.parse().unwrap(), path).header("Content-Type", "application/json");
        let answer = self.client.run(request.body(body.clone())).await;
        self.note(&answer, &format!("{method} {path} {}", String::from_utf8_lossy(&body)), code, field);
    }

    pub async fn body(&mut self, method: &str, path: &str, bodies: Vec<(Value, &str)>) {
        for (body, field) in bodies {
            self.raw(method, path, body.to_string(), "invalid_request", field).await;
        }
    }

    fn note(&mut self, answer: &Answer, asked: &str, code: &str, field: &str) {
        if let Some(fault) = fault(answer, code, field) {
            let asked: String = asked.chars().take(300).collect();
            self.faults.push(format!("{asked}\n    {field}: {fault}\n    {}", answer.body));
        }
    }

    pub fn end(self) {
        assert!(self.faults.is_empty(), "{} answers:\n{}", self.faults.len(), self.faults.join("\n"));
    }
}

/// `good` with a field that is something else.
pub fn with(good: &Value, field: &str, value: Value) -> Value {
    let mut body = good.clone();
    body[field] = value;
    body
}

/// `good` with each of the fields absent, null, and of a type that no field has.
pub fn spoilt<'a>(good: &Value, needed: &[&'a str], optional: &[&'a str]) -> Vec<(Value, &'a str)> {
    let mut all = vec![(json!([]), "body"), (json!("text"), "body"), (json!(7), "body"), (json!([1, 2, 3]), "body")];
    for field in needed {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(*field);
        all.extend([(without, *field), (with(good, field, Value::Null), *field)]);
    }
    for field in needed.iter().chain(optional) {
        all.push((with(good, field, json!({"a": [1]})), *field));
    }
    all
}

pub async fn company() -> (TestApp, Company, String) {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    (app, company, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_said_to_be_none() {
    let (_app, company, account) = company().await;
    let mut asked = Asked::new(&company.admin);
    let change = format!("/api/accounts/{account}");
    for (method, path) in [
        ("POST", "/api/accounts"),
        ("PUT", change.as_str()),
        ("POST", "/api/messages/send"),
        ("POST", "/api/messages/bulk"),
        ("POST", "/api/auth/login"),
        ("POST", "/api/whatsapp/send"),
        ("POST", "/api/managers"),
    ] {
        for body in [
            &b""[..],
            b"{",
            b"{\"name\": \"A\",}",
            b"{'name': 'A'}",
            b"\xff\xfe",
            b"nonsense",
            b"{\"name\": \"a\x01\"}",
        ] {
            asked.raw(method, path, body, "invalid_json", "body").await;
        }
    }
    asked.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_message_is_said_in_plain_words() {
    let (_app, company, account) = company().await;
    let mut asked = Asked::new(&company.admin);
    let send = json!({"accountId": account, "to": "77777777777", "message": "m"});
    let fields = ["priority", "sendAt", "expiresAt", "idempotencyKey", "reference", "template"];
    let mut bodies = spoilt(&send, &["accountId", "to", "message"], &fields);
    for (field, value) in [
        ("accountId", json!(7)),
        ("to", json!("")),
        ("to", json!("7".repeat(200))),
        ("message", json!("")),
        ("message", json!("  \n")),
        ("message", json!("я".repeat(4_097))),
        ("message", json!(7)),
        ("priority", json!(10)),
        ("priority", json!(-1)),
        ("priority", json!("high")),
        ("priority", json!(1.5)),
        ("priority", json!(300)),
        ("sendAt", json!("tomorrow")),
        ("sendAt", json!(7)),
        ("expiresAt", json!("2001-01-01T00:00:00Z")),
        ("idempotencyKey", json!("")),
        ("reference", json!("r".repeat(201))),
        ("reference", json!(7)),
    ] {
        bodies.push((with(&send, field, value), field));
    }
    bodies.push((with(&send, "template", json!("both")), "message"));
    let filled = json!({"accountId": account, "to": "77777777777", "template": "{{name}}"});
    bodies.push((with(&filled, "template", json!("{{name")), "template"));
    bodies.push((with(&filled, "variables", json!("x")), "variables"));
    bodies.push((with(&filled, "variables", json!([])), "variables"));
    asked.body("POST", "/api/messages/send", bodies).await;
    let form = json!({"accountId": account, "phone": "77777777777", "message": "m"});
    asked.body("POST", "/api/whatsapp/send", spoilt(&form, &["phone", "message"], &["accountId"])).await;
    for chat in [format!("accounts/{account}/chats"), format!("whatsapp/sessions/{account}/chats")] {
        let last = if chat.starts_with("accounts") { "" } else { "/messages" };
        let path = format!("/api/{chat}/77777777777{last}");
        asked.body("POST", &path, spoilt(&json!({"message": "m"}), &["message"], &["type"])).await;
        asked.body("POST", &path, vec![(json!({"message": " "}), "message")]).await;
    }
    let bulk = json!({"accountId": account, "messages": [{"to": "77777777777", "message": "m"}]});
    let mut bodies = spoilt(&bulk, &["accountId", "messages"], &[]);
    bodies.extend([
        (with(&bulk, "messages", json!([])), "messages"),
        (with(&bulk, "messages", json!("all")), "messages"),
    ]);
    asked.body("POST", "/api/messages/bulk", bodies).await;
    let long = company.admin.request(Method::POST, "/api/messages/send").header("Idempotency-Key", "k".repeat(201));
    let answer = company.admin.run(long.json(&send)).await;
    asked.note(&answer, "a long Idempotency-Key", "invalid_request", "Idempotency-Key");
    // Entries of a bulk are refused singly, in the same words.
    let entries = [
        (json!({"message": "m"}), "to"),
        (json!({"to": {}, "message": "m"}), "to"),
        (json!({"to": "77777777777", "message": 7}), "message"),
        (json!({"to": "77777777777", "message": ""}), "message"),
        (json!({"to": "77777777777", "message": "m", "priority": "high"}), "priority"),
        (json!({"to": "77777777777", "message": "m", "sendAt": "tomorrow"}), "sendAt"),
    ];
    let messages: Vec<&Value> = entries.iter().map(|(entry, _)| entry).collect();
    let body = json!({"accountId": account, "messages": messages});
    let answered = company.admin.post("/api/messages/bulk", body).await;
    for (number, (entry, field)) in entries.iter().enumerate() {
        let said = answered.body["results"][number].clone();
        let answer = Answer { status: reqwest::StatusCode::BAD_REQUEST, headers: answered.headers.clone(), body: said };
        asked.note(&answer, &format!("in a bulk: {entry}"), "invalid_request", field);
    }
    asked.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_query_is_said_in_plain_words() {
    let (_app, company, account) = company().await;
    let mut asked = Asked::new(&company.admin);
    let chats = format!("/api/whatsapp/sessions/{account}/chats");
    let own = format!("/api/accounts/{account}/chats");
    for path in
        ["/api/accounts", "/api/messages", "/api/managers", "/api/api-keys", "/api/whatsapp/sessions", &chats, &own]
    {
        for (query, field, code) in [
            ("page=x", "page", "invalid_query"),
            ("limit=-1", "limit", "invalid_query"),
            ("limit=1.5", "limit", "invalid_query"),
            ("limit=99999999999999999999", "limit", "invalid_query"),
            ("page=1&page=2", "page", "invalid_query"),
            ("page=0", "page", "invalid_request"),
            ("limit=0", "limit", "invalid_request"),
            ("limit=201", "limit", "invalid_request"),
        ] {
            let asked_for = format!("{path}?{query}");
            let answer = company.admin.get(&asked_for).await;
            asked.note(&answer, &asked_for, code, field);
        }
    }
    for (path, query, field, code) in [
        ("/api/messages", "from=yesterday", "from", "invalid_query"),
        ("/api/messages", "to=7", "to", "invalid_query"),
        ("/api/messages", "status=lost", "status", "invalid_request"),
        ("/api/messages", "cursor=x", "cursor", "invalid_request"),
        (&chats, "includeGroups=maybe", "includeGroups", "invalid_query"),
        (&chats, "includeStatus=7", "includeStatus", "invalid_query"),
        (&chats, "cursor=x", "cursor", "invalid_request"),
        (&format!("/api/accounts/{account}/qr"), "format=gif", "format", "invalid_query"),
    ] {
        let asked_for = format!("{path}?{query}");
        let answer = company.admin.get(&asked_for).await;
        asked.note(&answer, &asked_for, code, field);
    }
    asked.end();
}
