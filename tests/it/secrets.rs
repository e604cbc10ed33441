//! What local users and thieves of a disk find: nothing. Modes of files, the refusal to start on a
//! database that others can read, and what is encrypted in it under a key.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bot_api::token;
use crate::harness::{Binary, Company, Postgres, TestApp, ready_account};

const PROXY_PASSWORD: &str = "a-proxys-own-password";

/// A key of 32 bytes, each of them `byte`.
pub fn key_of(byte: u8) -> String {
    base64::engine::general_purpose::STANDARD.encode([byte; 32])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A folder in a place that everybody may enter, and the path of data to be in it.
fn place() -> (TempDir, PathBuf, String) {
    let folder = TempDir::new().unwrap();
    set_mode(folder.path(), 0o755);
    let data = folder.path().join("data");
    let name = data.display().to_string();
    (folder, data, name)
}

/// A bot with a proxy that asks for a password, a paired account, and a login: the account's number.
pub async fn keep_secrets(app: &TestApp) -> (Company, String) {
    let company = Company::register(&app.client, "clinic").await;
    let proxy = format!("http://clinic:{PROXY_PASSWORD}@1.1.1.1:3128");
    let bot = json!({"name": "Bot", "provider": "telegram", "config": {"token": token(1)}, "proxy": proxy});
    company.admin.create(bot).await;
    let paired = ready_account(&company.admin, json!({})).await;
    let pairing = company.admin.account(&paired).await["phoneNumber"].as_str().unwrap()[1..].to_owned();
    (company, pairing)
}

fn guarded<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("ANDANTE_AUTH", "required"), ("ANDANTE_HTTP_RATE", "0"), ("ANDANTE_LOGIN_RATE", "0")], more].concat()
}

/// Everything that is in the folder's files.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let files = fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file());
    files.flat_map(|entry| fs::read(entry.path()).unwrap()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The values of a column of every row.
async fn column(url: &str, table: &str, column: &str) -> Vec<String> {
    let database = Database::connect(url).await.unwrap();
    let query = format!("SELECT CAST({column} AS TEXT) FROM {table} WHERE {column} IS NOT NULL ORDER BY id");
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), query)).await.unwrap();
    database.close().await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_look_into_the_data_folder() {
    let (_folder, data, name) = place();
    let app = TestApp::with(&[("ANDANTE_DATA_DIR", &name)]).await;
    ready_account(&app.client, json!({})).await;
    assert_eq!(mode(&data), 0o700);
    let files: Vec<PathBuf> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let own = if file.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&file), own, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_others_can_read_stops_the_start_unless_it_may_be() {
    let (_folder, data, name) = place();
    let mut app = TestApp::with(&[("ANDANTE_DATA_DIR", &name)]).await;
    app.stop().await;
    let file = data.join("andante.db");
    let settings = [("ANDANTE_BIND", "127.0.0.1:0"), ("ANDANTE_DATA_DIR", name.as_str())];
    for others in [0o644, 0o640, 0o604] {
        set_mode(&data, 0o755);
        set_mode(&file, others);
        let said = crate::harness::refusal(&settings, 20).await;
        assert!(said.contains("chmod") && said.contains(&file.display().to_string()), "{others:o}: {said}");
        assert!(said.contains("ANDANTE_ALLOW_READABLE"), "{said}");
        assert_eq!(mode(&file), others, "it is left as it is");
    }
    let settings = [settings.as_slice(), &[("ANDANTE_ALLOW_READABLE", "true")]].concat();
    Binary::start(&settings).client.get("/health").await.expect(200);
    // Behind a folder that lets nobody through, its own mode does not matter.
    set_mode(&data, 0o700);
    set_mode(&file, 0o644);
    Binary::start(&settings[..2]).client.get("/health").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_key_the_files_hold_no_secret() {
    for key in ["", &key_of(1)] {
        let (_folder, data, name) = place();
        let more = [("ANDANTE_DATA_DIR", name.as_str()), ("ANDANTE_SECRET_KEY", key)];
        let settings = guarded(if key.is_empty() { &more[..1] } else { &more });
        let mut app = TestApp::with(&settings).await;
        let (company, _) = keep_secrets(&app).await;
        company.admin.get("/api/auth/me").await.expect(200);
        for moment in ["while it runs", "once it stopped"] {
            let bytes = bytes_in(&data);
            for secret in [token(1).as_str(), PROXY_PASSWORD, "{\"number\":"] {
                assert_eq!(holds(&bytes, secret), key.is_empty(), "{secret} {moment}, with the key {key:?}");
            }
            if moment == "while it runs" {
                app.stop().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_with_a_key_encrypts_what_is_there_and_all_goes_on() {
    let (_folder, data, name) = place();
    let mut app = TestApp::with(&guarded(&[("ANDANTE_DATA_DIR", &name)])).await;
    let (company, number) = keep_secrets(&app).await;
    app.stop().await;
    let signing = column(&format!("sqlite://{}", data.join("andante.db").display()), "signing_key", "secret").await;
    assert!(holds(&bytes_in(&data), &token(1)) && holds(&bytes_in(&data), &signing[0]), "the search finds them");
    app.set("ANDANTE_SECRET_KEY", &key_of(1));
    app.resume().await;
    let admin = app.client.with_key(&company.token);
    admin.get("/api/auth/me").await.expect(200);
    let listed = admin.get("/api/accounts").await.expect(200);
    let paired = listed["data"][1]["id"].as_str().unwrap();
    let connected = admin.status(paired, "CONNECTED").await;
    assert_eq!(connected["phoneNumber"], format!("+{number}"), "it needs no new pairing");
    let new = ready_account(&admin, json!({})).await;
    app.stop().await;
    for secret in [token(1).as_str(), PROXY_PASSWORD, "{\"number\":", signing[0].as_str()] {
        assert!(!holds(&bytes_in(&data), secret), "{secret} is still there");
    }
    // A process that was killed before it had cleared that away leaves it to the next.
    let database = Database::connect(format!("sqlite://{}", data.join("andante.db").display())).await.unwrap();
    for sql in [
        "CREATE TABLE left_over (text TEXT)",
        "INSERT INTO left_over VALUES ('what was there before')",
        "DROP TABLE left_over",
        "UPDATE seal SET is_clear = FALSE",
    ] {
        database.execute_unprepared(sql).await.unwrap();
    }
    database.close().await.unwrap();
    assert!(holds(&bytes_in(&data), "what was there before"), "the search finds it");
    app.resume().await;
    app.client.with_key(&company.token).status(&new, "CONNECTED").await;
    app.stop().await;
    assert!(!holds(&bytes_in(&data), "what was there before"), "it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_key_no_row_of_postgresql_holds_a_secret() {
    let url = Postgres::database().await;
    let app = TestApp::with(&guarded(&[("DATABASE_URL", &url), ("ANDANTE_SECRET_KEY", &key_of(1))])).await;
    keep_secrets(&app).await;
    let mut seen = 0;
    for (table, name) in
        [("account", "config"), ("account", "proxy"), ("account", "pairing"), ("signing_key", "secret")]
    {
        let values = column(&url, table, name).await;
        seen += values.len();
        for value in &values {
            for secret in [token(1).as_str(), PROXY_PASSWORD, "number", "scanAfterMs"] {
                assert!(!value.contains(secret), "{table}.{name}: {value}");
            }
        }
        // Bound to their place: no two are alike, though what is in them may be.
        let distinct: std::collections::HashSet<&String> = values.iter().collect();
        assert_eq!(distinct.len(), values.len(), "{table}.{name}");
    }
    assert!(seen >= 5, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_moved_to_another_row_is_worth_nothing() {
    let (_folder, data, name) = place();
    let settings = guarded(&[("ANDANTE_DATA_DIR", &name)]);
    let mut app = TestApp::with(&settings).await;
    let company = Company::register(&app.client, "clinic").await;
    let from = ready_account(&company.admin, json!({})).await;
    let to = ready_account(&company.admin, json!({})).await;
    app.stop().await;
    app.set("ANDANTE_SECRET_KEY", &key_of(1));
    app.resume().await;
    app.stop().await;
    let database = Database::connect(format!("sqlite://{}", data.join("andante.db").display())).await.unwrap();
    let moved =
        format!("UPDATE account SET pairing = (SELECT pairing FROM account WHERE id = '{from}') WHERE id = '{to}'");
    database.execute_unprepared(&moved).await.unwrap();
    database.close().await.unwrap();
    // Whether the start is refused or the account is not connected by it: it is nobody else's number.
    let mut all = settings.clone();
    let key = key_of(1);
    all.extend([("ANDANTE_SECRET_KEY", key.as_str()), ("ANDANTE_BIND", "127.0.0.1:0")]);
    let number = |account: Value| account["phoneNumber"].clone();
    let Some(server) = started(&all) else { return };
    let admin = server.client.with_key(&company.token);
    let own = number(admin.account(&from).await);
    admin.status(&from, "CONNECTED").await;
    crate::harness::never("it connects as another", 2, async || number(admin.account(&to).await) == own).await;
}

/// The server, unless it refuses to start.
fn started(settings: &[(&str, &str)]) -> Option<Binary> {
    let (refused, _) = Binary::run(settings, &["migrate"]);
    refused.then(|| Binary::start(settings))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_or_wrong_or_missing_is_told_and_changes_nothing() {
    let (_folder, data, name) = place();
    let (right, wrong) = (key_of(1), key_of(2));
    let mut app = TestApp::with(&guarded(&[("ANDANTE_DATA_DIR", &name), ("ANDANTE_SECRET_KEY", &right)])).await;
    let (company, _) = keep_secrets(&app).await;
    app.stop().await;
    let file = data.join("andante.db");
    let before = fs::read(&file).unwrap();
    let hex = "ab".repeat(32);
    let (short, long) = (key_of(1)[4..].to_owned(), format!("AAAA{}", key_of(1)));
    let settings = guarded(&[("ANDANTE_BIND", "127.0.0.1:0"), ("ANDANTE_DATA_DIR", &name)]);
    let mut sentences = Vec::new();
    for key in ["", &wrong, "nonsense", &short, &long, &hex, "it is no base64: at all, is it?"] {
        let mut all = settings.clone();
        if !key.is_empty() {
            all.push(("ANDANTE_SECRET_KEY", key));
        }
        let create = ["user", "create", "--email", "new@clinic.example", "--company", "clinic"];
        for arguments in [&[][..], &["migrate"], &create] {
            let (succeeded, said) = Binary::run_with(&all, arguments, "correct horse battery\n");
            assert!(!succeeded && said.contains("ANDANTE_SECRET_KEY"), "{key:?} {arguments:?}: {said}");
            assert!(!said.contains("panicked") && (key.is_empty() || !said.contains(key)), "{said}");
            if arguments.is_empty() {
                sentences.push(said);
            }
        }
    }
    assert_ne!(sentences[0], sentences[1], "a missing key and a wrong one are told apart");
    assert!(sentences[2].contains("base64"), "{}", sentences[2]);
    assert!(fs::read(&file).unwrap() == before, "something was written");
    app.resume().await;
    app.client.with_key(&company.token).get("/api/auth/me").await.expect(200);
}
