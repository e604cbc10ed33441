//! How often somebody may try passwords, make managers and change passwords: by address, by user,
//! by company; and what is told of other companies' users meanwhile.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Company, PASSWORD, TestApp};

const WRONG: &str = "a guess, and a bad one";

/// A server behind a proxy with so many attempts a minute.
async fn limited(rate: &str) -> TestApp {
    TestApp::with(&[
        ("ANDANTE_AUTH", "required"),
        ("ANDANTE_BEHIND_PROXY", "true"),
        ("ANDANTE_HTTP_RATE", "0"),
        ("ANDANTE_LOGIN_RATE", rate),
    ])
    .await
}

async fn login(client: &Client, from: &str, email: &str, password: &str) -> Answer {
    client.from(from).post("/api/auth/login", json!({"email": email, "password": password})).await
}

fn manager(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "firstName": "Anna", "lastName": "Ivanova"})
}

#[track_caller]
fn waits(answer: Answer) {
    let after: u64 = answer.headers["Retry-After"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    answer.refused(429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_has_one_limit_and_its_neighbour_another() {
    let app = limited("3").await;
    for number in 1..=3 {
        let from = format!("2001:db8:1:2:{number}::{number}");
        login(&app.client, &from, &format!("user{number}@b.example"), WRONG).await.refused(401, "unauthorized");
    }
    waits(login(&app.client, "2001:db8:1:2:ffff::1", "user4@b.example", WRONG).await);
    login(&app.client, "2001:db8:1:3::1", "user5@b.example", WRONG).await.refused(401, "unauthorized");
    for (number, from) in ["203.0.113.7", "::ffff:203.0.113.7", "::ffff:cb00:7107"].iter().enumerate() {
        login(&app.client, from, &format!("mapped{number}@b.example"), WRONG).await.refused(401, "unauthorized");
    }
    waits(login(&app.client, "203.0.113.7", "mapped4@b.example", WRONG).await);
    login(&app.client, "::ffff:203.0.113.8", "mapped5@b.example", WRONG).await.refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_at_one_address_locks_nobody_out_at_another() {
    let app = limited("5").await;
    Company::register(&app.client, "clinic").await;
    let mut refused = 0;
    for _ in 0..10 {
        let answer = login(&app.client, "203.0.113.7", "admin@clinic.example", WRONG).await;
        refused += u32::from(answer.status == 429);
    }
    assert!(refused >= 4, "only {refused} of 10 guesses were refused");
    login(&app.client, "198.51.100.7", "admin@clinic.example", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_everywhere_are_slowed_in_the_end() {
    let app = limited("1").await;
    Company::register(&app.client.from("192.0.2.1"), "clinic").await;
    let guess = async |number: u32| {
        login(&app.client, &format!("203.0.113.{number}"), "Admin@Clinic.example ", WRONG).await.status.as_u16()
    };
    for number in 0..9 {
        assert_eq!(guess(number).await, 401, "{number}");
    }
    let mut late = Vec::new();
    for number in 9..40 {
        late.push(guess(number).await);
    }
    assert!(late.contains(&429), "forty guesses within a minute, and none is too many");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_managers_makes_attempts_of_the_address() {
    let app = limited("3").await;
    let (here, there) = ("203.0.113.7", "198.51.100.7");
    let company = Company::register(&app.client.from(there), "clinic").await;
    for number in 0..3 {
        let email = format!("manager{number}@clinic.example");
        company.admin.from(here).post("/api/managers", manager(&email)).await.expect(201);
    }
    waits(company.admin.from(here).post("/api/managers", manager("more@clinic.example")).await);
    waits(login(&app.client, here, "manager0@clinic.example", PASSWORD).await);
    login(&app.client, there, "manager0@clinic.example", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_hashes_so_many_passwords_and_starves_nobody_s_login() {
    let app = limited("3").await;
    let ours = Company::register(&app.client.from("192.0.2.1"), "ours").await;
    let theirs = Company::register(&app.client.from("192.0.2.2"), "theirs").await;
    let mut last = String::new();
    for number in 0..3 {
        let admin = ours.admin.from(&format!("203.0.113.{number}"));
        let made = admin.post("/api/managers", manager(&format!("m{number}@ours.example"))).await.expect(201);
        made["data"]["id"].as_str().unwrap().clone_into(&mut last);
    }
    let admin = ours.admin.from("203.0.113.100");
    waits(admin.post("/api/managers", manager("m4@ours.example")).await);
    let address = format!("/api/managers/{last}");
    let admin = ours.admin.from("203.0.113.101");
    waits(admin.put(&address, json!({"password": "another long one"})).await);
    // What needs no hash goes on, and so do other companies and everybody's logins.
    admin.put(&address, json!({"firstName": "Anya"})).await.expect(200);
    theirs.admin.from("203.0.113.102").post("/api/managers", manager("m@theirs.example")).await.expect(201);
    login(&app.client, "203.0.113.103", "m0@ours.example", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_said_before_anything_is_hashed() {
    let app = limited("2").await;
    let company = Company::register(&app.client.from("192.0.2.1"), "clinic").await;
    for number in 0..6 {
        let admin = company.admin.from(&format!("203.0.113.{number}"));
        admin.post("/api/managers", manager("ADMIN@clinic.example")).await.refused(409, "email_taken");
    }
    let admin = company.admin.from("203.0.113.100");
    admin.post("/api/managers", manager("anna@clinic.example")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_the_users_of_other_companies() {
    let app = limited("0").await;
    let first = Company::register(&app.client, "first").await;
    let second = Company::register(&app.client, "second").await;
    let free = second.admin.post("/api/managers", manager("nobody@elsewhere.example")).await.expect(201);
    first.admin.post("/api/managers", manager("anna@elsewhere.example")).await.expect(201);
    let mut theirs = manager("Anna@elsewhere.example");
    theirs["password"] = json!("another long one");
    let made = second.admin.post("/api/managers", theirs.clone()).await.expect(201);
    let keys = |said: &Value| said["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&made), keys(&free));
    second.admin.post("/api/managers", theirs).await.refused(409, "email_taken");
    let body = json!({"companyName": "Third", "email": "anna@elsewhere.example", "password": PASSWORD});
    app.client.post("/api/auth/register", body).await.refused(409, "email_taken");
    // Each password opens the company it is of.
    let company = async |password: &str, id: Option<&str>| {
        let mut body = json!({"email": "anna@elsewhere.example", "password": password});
        if let Some(id) = id {
            body["companyId"] = json!(id);
        }
        let answer = app.client.post("/api/auth/login", body).await;
        (answer.status.as_u16(), answer.body["company"]["id"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(company(PASSWORD, None).await, (200, first.id.clone()));
    assert_eq!(company("another long one", None).await, (200, second.id.clone()));
    assert_eq!(company(PASSWORD, Some(&second.id)).await.0, 401);
    assert_eq!(company(WRONG, None).await.0, 401);
    // With one password for both, the oldest opens, unless the company is said.
    let address = format!("/api/managers/{}", made["data"]["id"].as_str().unwrap());
    second.admin.put(&address, json!({"password": PASSWORD})).await.expect(200);
    assert_eq!(company(PASSWORD, None).await, (200, first.id.clone()));
    assert_eq!(company(PASSWORD, Some(&second.id)).await, (200, second.id.clone()));
    // Nor does a change of address tell anything.
    let other = format!("/api/managers/{}", free["data"]["id"].as_str().unwrap());
    second.admin.put(&other, json!({"email": "admin@first.example"})).await.expect(200);
    second.admin.put(&other, json!({"email": "anna@elsewhere.example"})).await.refused(409, "email_taken");
}
