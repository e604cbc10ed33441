//! A Socket.IO client that polls, as plain as the protocol allows.

use serde_json::{Value, json};

use super::TestApp;

/// A client that polls.
pub struct Poll {
    http: reqwest::Client,
    pub url: String,
    pub sid: String,
}

impl Poll {
    pub async fn open(app: &TestApp) -> Self {
        let http = reqwest::Client::new();
        let url = format!("{}/socket.io/?EIO=4&transport=polling", app.client.url);
        let said = http.get(&url).send().await.unwrap().text().await.unwrap();
        let opened: Value = serde_json::from_str(&said[1..]).unwrap();
        let sid = opened["sid"].as_str().unwrap().to_owned();
        Self { http, url: format!("{url}&sid={sid}"), sid }
    }

    /// One that is let in with a token or key.
    pub async fn enter(app: &TestApp, token: &str) -> Self {
        let poll = Self::open(app).await;
        poll.say(&format!("40{}", json!({ "token": token }))).await;
        poll.hear("40{").await;
        poll
    }

    pub async fn say(&self, text: &str) {
        let answer = self.http.post(&self.url).body(text.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// Polls once: the status.
    pub async fn ask(&self) -> u16 {
        self.http.get(&self.url).send().await.unwrap().status().as_u16()
    }

    /// Polls until something starts so; pings are answered.
    pub async fn hear(&self, start: &str) -> String {
        loop {
            let text = self.http.get(&self.url).send().await.unwrap().text().await.unwrap();
            for packet in text.split('\x1e') {
                if packet.starts_with(start) {
                    return packet.to_owned();
                }
                if packet == "2" {
                    self.say("3").await;
                }
            }
        }
    }
}
