//! Signing in and out, cookies, keys, staff; and what stands between them and the rest of the world.

use andante::clock::Clock;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Binary, Company, PASSWORD, Postgres, TestApp, guarded, login};

#[tokio::test(flavor = "multi_thread")]
async fn a_company_registers_and_its_admin_signs_in_and_out() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let me = company.admin.get("/api/auth/me").await.expect(200);
    assert_eq!(me["user"]["email"], "admin@clinic.example");
    assert_eq!((&me["user"]["role"], &me["company"]["name"]), (&json!("admin"), &json!("clinic")));
    // In any case, and with spaces around.
    let again = login(&app.client, " Admin@CLINIC.example ").await;
    let other = app.client.with_key(&again);
    other.get("/api/auth/me").await.expect(200);
    other.post("/api/auth/logout", json!({})).await.expect(200);
    other.get("/api/auth/me").await.refused(401, "unauthorized");
    company.admin.get("/api/auth/me").await.expect(200);
    let taken = json!({"companyName": "Other", "email": "ADMIN@clinic.example", "password": PASSWORD});
    app.client.post("/api/auth/register", taken).await.refused(409, "email_taken");
    for (email, password) in [("admin@clinic.example", "wrong horse"), ("nobody@clinic.example", PASSWORD)] {
        let body = json!({"email": email, "password": password});
        let said = app.client.post("/api/auth/login", body).await.refused(401, "unauthorized");
        assert_eq!(said["error"], "no user has this e-mail address and this password");
    }
    for (field, value) in [("email", "not an address"), ("password", "short"), ("companyName", "")] {
        let mut body = json!({"companyName": "C", "email": "a@b.example", "password": PASSWORD});
        body[field] = json!(value);
        let said = app.client.post("/api/auth/register", body).await.refused(400, "invalid_request");
        assert_eq!(said["details"][0]["field"], field);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_outlive_a_restart_and_ended_ones_do_not() {
    let mut app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let ended = login(&app.client, "admin@clinic.example").await;
    app.client.with_key(&ended).post("/api/auth/logout", json!({})).await.expect(200);
    app.stop().await;
    app.resume().await;
    app.client.with_key(&company.token).get("/api/auth/me").await.expect(200);
    app.client.with_key(&ended).get("/api/auth/me").await.refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_changes_and_old_tokens_last_their_time() {
    let clock = Clock::manual(Clock::system().now());
    let settings = [("ANDANTE_AUTH", "required"), ("ANDANTE_HTTP_RATE", "0"), ("ANDANTE_LOGIN_HOURS", "100")];
    let app = TestApp::on(&settings, clock.clone()).await;
    let company = Company::register(&app.client, "clinic").await;
    let kid = |token: &str| {
        use base64::Engine;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
    };
    clock.advance_to(clock.now() + TimeDelta::days(29));
    let old = login(&app.client, "admin@clinic.example").await;
    assert_eq!(kid(&old), kid(&company.token));
    clock.advance_to(clock.now() + TimeDelta::days(2));
    let new = login(&app.client, "admin@clinic.example").await;
    assert_ne!(kid(&new), kid(&old));
    for token in [&old, &new] {
        app.client.with_key(token).get("/api/auth/me").await.expect(200);
    }
    // A token whose words were changed is nobody's.
    let (head, rest) = old.split_once('.').unwrap();
    let (_, signature) = new.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}.{signature}", rest.split('.').next().unwrap());
    app.client.with_key(&forged).get("/api/auth/me").await.refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_signs_calls_from_our_own_pages_alone() {
    let app = guarded(&[("ANDANTE_CORS_ORIGINS", "https://crm.example")]).await;
    Company::register(&app.client, "clinic").await;
    let body = json!({"email": "admin@clinic.example", "password": PASSWORD});
    let answer = app.client.post("/api/auth/login", body).await;
    let set = answer.headers["Set-Cookie"].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    let ask = async |method: Method, origin: Option<&str>| {
        let request = app.client.request(method, "/api/accounts").header("Cookie", &cookie).json(&json!({"name": "A"}));
        let request = match origin {
            Some(origin) => request.header("Origin", origin),
            None => request,
        };
        app.client.run(request).await
    };
    ask(Method::GET, None).await.expect(200);
    ask(Method::POST, None).await.refused(403, "csrf");
    ask(Method::POST, Some("https://evil.example")).await.refused(403, "csrf");
    ask(Method::POST, Some("null")).await.refused(403, "csrf");
    ask(Method::POST, Some(&app.client.url)).await.expect(201);
    ask(Method::POST, Some("https://crm.example")).await.expect(201);
    let out = app.client.request(Method::POST, "/api/auth/logout").header("Cookie", &cookie);
    let answer = app.client.run(out.header("Origin", &app.client.url)).await;
    assert!(answer.headers["Set-Cookie"].to_str().unwrap().contains("Max-Age=0"));
    ask(Method::GET, None).await.refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_stored_as_a_digest_and_gone_when_removed() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let made = company.admin.post("/api/api-keys", json!({"name": "CRM", "scope": "send"})).await.expect(201);
    let key = made["key"].as_str().unwrap();
    let client = app.client.with_key(key);
    let me = client.get("/api/auth/me").await.expect(200);
    assert_eq!((&me["user"], &me["apiKey"]["scope"]), (&Value::Null, &json!("send")));
    let listed = company.admin.get("/api/api-keys").await.expect(200);
    assert!(listed["data"][0]["lastUsedAt"].is_string() && listed["data"][0].get("key").is_none(), "{listed}");
    let file = std::fs::read(app.app().config.data_dir.join("andante.db-wal")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(key) && !holds(PASSWORD), "a secret is in the database");
    let id = made["id"].as_str().unwrap();
    company.admin.delete(&format!("/api/api-keys/{id}")).await.expect(200);
    client.get("/api/auth/me").await.refused(401, "unauthorized");
    company.admin.delete(&format!("/api/api-keys/{id}")).await.refused(404, "api_key_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_is_changed_and_removed_and_that_ends_the_logins() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let anna = company.manager("anna").await;
    let address = format!("/api/managers/{}", anna.id);
    let changed = company.admin.put(&address, json!({"firstName": "Anya"})).await.expect(200);
    assert_eq!((&changed["data"]["firstName"], &changed["data"]["lastName"]), (&json!("Anya"), &json!("Ivanova")));
    assert_eq!(anna.client.get("/api/auth/me").await.expect(200)["user"]["firstName"], "Anya");
    let body = json!({"email": "admin@clinic.example"});
    company.admin.put(&address, body).await.refused(409, "email_taken");
    company.admin.put(&address, json!({"password": "another long one"})).await.expect(200);
    anna.client.get("/api/auth/me").await.refused(401, "unauthorized");
    let bob = company.manager("bob").await;
    company.admin.delete(&format!("/api/managers/{}", bob.id)).await.expect(200);
    bob.client.get("/api/auth/me").await.refused(401, "unauthorized");
    let left = company.admin.get("/api/managers").await.expect(200);
    assert_eq!(left["pagination"]["total"], 1);
    // An admin is nobody's manager.
    let me = company.admin.get("/api/auth/me").await.expect(200);
    let admin = format!("/api/managers/{}", me["user"]["id"].as_str().unwrap());
    company.admin.delete(&admin).await.refused(404, "manager_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_for_an_address_and_for_a_user() {
    let app = TestApp::with(&[("ANDANTE_AUTH", "required"), ("ANDANTE_LOGIN_RATE", "3")]).await;
    let body = json!({"email": "admin@clinic.example", "password": "a guess, and a bad one"});
    for _ in 0..3 {
        app.client.post("/api/auth/login", body.clone()).await.refused(401, "unauthorized");
    }
    let answer = app.client.post("/api/auth/login", body).await;
    assert!(answer.headers["Retry-After"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    answer.refused(429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_everybody_is_counted_alone() {
    let settings = [("ANDANTE_AUTH", "required"), ("ANDANTE_LOGIN_RATE", "2")];
    let guess = async |app: &TestApp, number: u32, from: &str| {
        let body = json!({"email": format!("user{number}@clinic.example"), "password": "a guess, and a bad one"});
        let request = app.client.request(Method::POST, "/api/auth/login").header("X-Forwarded-For", from);
        app.client.run(request.json(&body)).await.status.as_u16()
    };
    let behind = TestApp::with(&[settings.as_slice(), &[("ANDANTE_BEHIND_PROXY", "true")]].concat()).await;
    for number in 0..2 {
        assert_eq!(guess(&behind, number, "203.0.113.9, 198.51.100.7").await, 401);
    }
    assert_eq!(guess(&behind, 2, "203.0.113.9, 198.51.100.7").await, 429);
    assert_eq!(guess(&behind, 3, "203.0.113.9, 198.51.100.8").await, 401);
    // Some proxies name the port, too.
    assert_eq!(guess(&behind, 4, "203.0.113.9, 198.51.100.9:4711").await, 401);
    assert_eq!(guess(&behind, 5, "[2001:db8::1]:4711").await, 401);
    // Without one, what a caller writes into the header counts for nothing.
    let bare = TestApp::with(&settings).await;
    for (number, from) in ["192.0.2.1", "192.0.2.2", "192.0.2.3"].iter().enumerate() {
        let status = guess(&bare, number as u32, from).await;
        assert_eq!(status, if number < 2 { 401 } else { 429 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_can_be_closed_and_the_number_of_accounts_bounded() {
    let app = guarded(&[("ANDANTE_COMPANY_ACCOUNTS", "1"), ("ANDANTE_API_KEY", "a-key-of-the-operator")]).await;
    let operator = app.client.with_key("a-key-of-the-operator");
    operator.post("/api/whatsapp/sessions", json!({})).await.expect(201);
    operator.post("/api/whatsapp/sessions", json!({})).await.refused(409, "too_many_accounts");
    operator.post("/api/accounts", json!({"name": "Second"})).await.refused(409, "too_many_accounts");
    let closed = guarded(&[("ANDANTE_REGISTRATION", "false")]).await;
    let body = json!({"companyName": "C", "email": "a@b.example", "password": PASSWORD});
    closed.client.post("/api/auth/register", body).await.refused(403, "registration_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_the_first_admin() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let postgres = Postgres::database().await;
    let create = |email: &str, password: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_andante"));
        command.args(["user", "create", "--company", "Clinic", "--email", email]).env("DATABASE_URL", &postgres);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (succeeded, said) = create("admin@clinic.example", PASSWORD);
    assert!(succeeded && said.contains("Created the admin usr_"), "{said}");
    let (succeeded, said) = create("admin@clinic.example", PASSWORD);
    assert!(!succeeded && said.contains("e-mail address"), "{said}");
    let (succeeded, said) = create("second@clinic.example", "short");
    assert!(!succeeded && said.contains("8 to 200"), "{said}");
    let (succeeded, _) = create("second@clinic.example", PASSWORD);
    assert!(succeeded);
    let settings =
        [("DATABASE_URL", postgres.as_str()), ("ANDANTE_AUTH", "required"), ("ANDANTE_REGISTRATION", "false")];
    let binary = Binary::start(&settings);
    let (first, second) =
        (login(&binary.client, "admin@clinic.example").await, login(&binary.client, "second@clinic.example").await);
    let company =
        async |token: &str| binary.client.with_key(token).get("/api/auth/me").await.expect(200)["company"].clone();
    assert_eq!(company(&first).await, company(&second).await);
    assert_eq!(company(&first).await["name"], "Clinic");
}
