//! A company with its people, in a server that asks for credentials.

use serde_json::{Value, json};

use super::{Client, TestApp};

/// What every user of the tests has.
pub const PASSWORD: &str = "correct horse battery";

/// A company, its admin signed in.
pub struct Company {
    /// Calls as the admin.
    pub admin: Client,
    /// The admin's token.
    pub token: String,
    /// The company's id.
    pub id: String,
    url: Client,
}

/// A manager, signed in.
pub struct Manager {
    pub client: Client,
    pub token: String,
    pub id: String,
}

impl Company {
    /// Registers a company.
    pub async fn register(client: &Client, name: &str) -> Self {
        let body = json!({"companyName": name, "email": format!("admin@{name}.example"), "password": PASSWORD,
                          "firstName": "Ivan", "lastName": "Petrov"});
        let said = client.post("/api/auth/register", body).await.expect(201);
        let token = said["token"].as_str().unwrap().to_owned();
        let id = said["company"]["id"].as_str().unwrap().to_owned();
        Self { admin: client.with_key(&token), token, id, url: client.clone() }
    }

    /// Makes a manager, and signs in.
    pub async fn manager(&self, name: &str) -> Manager {
        let email = format!("{name}@{}.example", self.id);
        let body = json!({"email": email, "password": PASSWORD, "firstName": name, "lastName": "Ivanova"});
        let id = self.admin.post("/api/managers", body).await.expect(201)["data"]["id"].as_str().unwrap().to_owned();
        let token = login(&self.url, &email).await;
        Manager { client: self.url.with_key(&token), token, id }
    }

    /// Lets a manager work with an account.
    pub async fn grant(&self, account: &str, manager: &Manager, permissions: &[&str]) -> Value {
        let body = json!({"managerId": manager.id, "permissions": permissions});
        self.admin.post(&format!("/api/whatsapp/sessions/{account}/managers"), body).await.expect(200)
    }

    /// Makes a key: the key itself.
    pub async fn key(&self, scope: &str) -> String {
        let body = json!({"name": scope, "scope": scope});
        self.admin.post("/api/api-keys", body).await.expect(201)["key"].as_str().unwrap().to_owned()
    }
}

/// Signs in: the token.
pub async fn login(client: &Client, email: &str) -> String {
    let said = client.post("/api/auth/login", json!({"email": email, "password": PASSWORD})).await.expect(200);
    said["token"].as_str().unwrap().to_owned()
}

/// A server that asks for credentials, without limits that tests would run into.
pub async fn guarded(more: &[(&str, &str)]) -> TestApp {
    let mut settings = vec![
        ("ANDANTE_AUTH", "required"),
        ("ANDANTE_HTTP_RATE", "0"),
        ("ANDANTE_LOGIN_RATE", "0"),
        ("ANDANTE_SOCKET_HANDSHAKES", "0"),
    ];
    settings.extend(more);
    TestApp::with(&settings).await
}
