//! People look after their own logins: a new password ends all others, `everywhere` ends them all.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Company, PASSWORD, Socket, TestApp, guarded, login, mark, ready_account};

const NEW: &str = "another horse, another battery";
const EMAIL: &str = "admin@clinic.example";

async fn me(client: &Client) -> Value {
    client.get("/api/auth/me").await.expect(200)["user"].clone()
}

async fn is_over(client: &Client) {
    client.get("/api/auth/me").await.refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_every_login_but_the_one_that_asked() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let account = ready_account(&company.admin, json!({})).await;
    let manager = company.manager("anna").await;
    let key = app.client.with_key(&company.key("all").await);
    let other = login(&app.client, EMAIL).await;
    let mut stays = Socket::with_token(&app.client, &company.token).await;
    let mut ends = Socket::with_token(&app.client, &other).await;
    let change = json!({"currentPassword": PASSWORD, "password": NEW});
    let changed = company.admin.put("/api/auth/me", change).await.expect(200);
    assert_eq!((&changed["success"], &changed["user"]["email"]), (&json!(true), &json!(EMAIL)));
    assert!(!changed.to_string().contains(NEW));
    ends.end().await;
    is_over(&app.client.with_key(&other)).await;
    me(&company.admin).await;
    mark(&app, &account, "still here");
    stays.event("typing-status").await;
    // The others are the others' own.
    me(&manager.client).await;
    key.get("/api/accounts").await.expect(200);
    let old = json!({"email": EMAIL, "password": PASSWORD});
    app.client.post("/api/auth/login", old).await.refused(401, "unauthorized");
    let new = app.client.post("/api/auth/login", json!({"email": EMAIL, "password": NEW})).await.expect(200);
    me(&app.client.with_key(new["token"].as_str().unwrap())).await;
    // The second time that holds as well.
    let change = json!({"currentPassword": NEW, "password": PASSWORD});
    company.admin.put("/api/auth/me", change).await.expect(200);
    is_over(&app.client.with_key(new["token"].as_str().unwrap())).await;
    me(&company.admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_that_asked_goes_on_after_a_restart() {
    let mut app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let other = login(&app.client, EMAIL).await;
    let change = json!({"currentPassword": PASSWORD, "password": NEW});
    company.admin.put("/api/auth/me", change).await.expect(200);
    app.stop().await;
    app.resume().await;
    me(&app.client.with_key(&company.token)).await;
    is_over(&app.client.with_key(&other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_changed_and_ends_nothing() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let manager = company.manager("anna").await;
    let other = login(&app.client, EMAIL).await;
    for client in [&company.admin, &manager.client] {
        let change = json!({"currentPassword": PASSWORD, "firstName": "Aida"});
        let user = client.put("/api/auth/me", change).await.expect(200)["user"].clone();
        assert_eq!(user["firstName"], "Aida");
        assert_eq!(me(client).await, user);
        assert!(user["lastName"].is_string(), "what is absent stays");
    }
    me(&app.client.with_key(&other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_person_who_knows_the_password_changes_it() {
    let app = guarded(&[("ANDANTE_API_KEY", "a-key-of-the-operator")]).await;
    let company = Company::register(&app.client, "clinic").await;
    let change = json!({"currentPassword": PASSWORD, "password": NEW});
    for key in [company.key("all").await, "a-key-of-the-operator".to_owned()] {
        app.client.with_key(&key).put("/api/auth/me", change.clone()).await.refused(403, "not_a_person");
    }
    let open = TestApp::start().await;
    open.client.put("/api/auth/me", change.clone()).await.refused(403, "not_a_person");
    app.client.put("/api/auth/me", change).await.refused(401, "unauthorized");
    let wrong = json!({"currentPassword": "a guess", "password": NEW});
    company.admin.put("/api/auth/me", wrong).await.refused(403, "wrong_password");
    for (body, field) in [
        (json!({"password": NEW}), "currentPassword"),
        (json!({"firstName": "Aida"}), "currentPassword"),
        (json!({"currentPassword": null, "password": NEW}), "currentPassword"),
        (json!({"currentPassword": PASSWORD, "password": "short"}), "password"),
        (json!({"currentPassword": PASSWORD, "password": 7}), "password"),
        (json!({"currentPassword": PASSWORD, "firstName": "  "}), "firstName"),
        (json!({"currentPassword": PASSWORD, "lastName": "n".repeat(101)}), "lastName"),
    ] {
        println!("{body}");
        let said = company.admin.put("/api/auth/me", body).await.refused(400, "invalid_request");
        assert_eq!(said["details"][0]["field"], field, "{said}");
    }
    assert_eq!(me(&company.admin).await["firstName"], "Ivan");
    login(&app.client, EMAIL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_the_own_password_are_attempts() {
    let settings = [("ANDANTE_AUTH", "required"), ("ANDANTE_BEHIND_PROXY", "true"), ("ANDANTE_LOGIN_RATE", "3")];
    let app = TestApp::with(&settings).await;
    let company = Company::register(&app.client.from("198.51.100.7"), "clinic").await;
    let here = company.admin.from("203.0.113.7");
    let guess = json!({"currentPassword": "a guess", "password": NEW});
    for _ in 0..3 {
        here.put("/api/auth/me", guess.clone()).await.refused(403, "wrong_password");
    }
    let refused = here.put("/api/auth/me", guess).await;
    assert!(refused.headers["Retry-After"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    refused.refused(429, "too_many_requests");
    let body = json!({"email": EMAIL, "password": PASSWORD});
    app.client.from("203.0.113.7").post("/api/auth/login", body).await.refused(429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_everywhere_ends_every_login_of_the_user() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    let manager = company.manager("anna").await;
    let key = app.client.with_key(&company.key("all").await);
    let others = [login(&app.client, EMAIL).await, login(&app.client, EMAIL).await];
    let mut sockets = Vec::new();
    for token in others.iter().chain([&company.token]) {
        sockets.push(Socket::with_token(&app.client, token).await);
    }
    let mut stays = Socket::with_token(&app.client, &manager.token).await;
    let everywhere = json!({"everywhere": true});
    company.admin.post("/api/auth/logout", everywhere.clone()).await.expect(200);
    for socket in &mut sockets {
        socket.end().await;
    }
    for token in others.iter().chain([&company.token]) {
        is_over(&app.client.with_key(token)).await;
    }
    me(&manager.client).await;
    let account = ready_account(&key, json!({})).await;
    let admin = app.client.with_key(&login(&app.client, EMAIL).await);
    me(&admin).await;
    let grant = json!({"managerId": manager.id, "permissions": ["read"]});
    admin.post(&format!("/api/whatsapp/sessions/{account}/managers"), grant).await.expect(200);
    mark(&app, &account, "still here");
    stays.event("typing-status").await;
    // A manager can, as well.
    let second = app.client.with_key(&login(&app.client, &format!("anna@{}.example", company.id)).await);
    manager.client.post("/api/auth/logout", everywhere).await.expect(200);
    stays.end().await;
    is_over(&second).await;
    me(&admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_logout_ends_one_login() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    for body in [Some(json!({})), Some(json!({"everywhere": false})), None] {
        let client = app.client.with_key(&login(&app.client, EMAIL).await);
        let request = client.request(Method::POST, "/api/auth/logout");
        client.run(if let Some(body) = &body { request.json(body) } else { request }).await.expect(200);
        is_over(&client).await;
        me(&company.admin).await;
    }
    let said = company.admin.post("/api/auth/logout", json!({"everywhere": "yes"})).await;
    assert_eq!(said.refused(400, "invalid_request")["details"][0]["field"], "everywhere");
    me(&company.admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_while_changing_a_password_stays_out() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    for round in 0..6 {
        let manager = company.manager(&format!("anna{round}")).await;
        let own = json!({"currentPassword": PASSWORD, "password": "the manager's own one"});
        let given = json!({"password": NEW});
        let path = format!("/api/managers/{}", manager.id);
        // A little later each time, so that either may be first: what the admin says is the last word.
        let given = async {
            for _ in 0..2 * round {
                me(&company.admin).await;
            }
            company.admin.put(&path, given).await.expect(200)
        };
        let (answer, changed) = tokio::join!(manager.client.put("/api/auth/me", own), given);
        assert!([200, 401, 409].contains(&answer.status.as_u16()), "{}", answer.body);
        let email = changed["data"]["email"].as_str().unwrap();
        let enter = async |password: &str| {
            let body = json!({"email": email, "password": password});
            app.client.post("/api/auth/login", body).await.status.as_u16()
        };
        assert_eq!((enter(NEW).await, enter("the manager's own one").await), (200, 401), "round {round}");
        is_over(&manager.client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everywhere_is_everywhere_whoever_changes_a_password_meanwhile() {
    let app = guarded(&[]).await;
    let company = Company::register(&app.client, "clinic").await;
    for round in 0..6 {
        let manager = company.manager(&format!("anna{round}")).await;
        let email = me(&manager.client).await["email"].as_str().unwrap().to_owned();
        let thief = app.client.with_key(&login(&app.client, &email).await);
        let change = json!({"currentPassword": PASSWORD, "password": NEW});
        let everywhere = async {
            for _ in 0..2 * round {
                me(&company.admin).await;
            }
            manager.client.post("/api/auth/logout", json!({"everywhere": true})).await
        };
        let (_, left) = tokio::join!(thief.put("/api/auth/me", change), everywhere);
        // The thief may have been faster, and then it is the other who is out.
        if left.status == 200 {
            is_over(&thief).await;
        }
        is_over(&manager.client).await;
    }
}
