//! Files for tests, and the calls that give and take them.

use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::Value;

use super::{Answer, Client};

/// A PNG of 2 × 3 pixels, as far as anybody looks, and so many bytes.
pub fn picture(size: usize) -> Vec<u8> {
    let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\x06\0\0\0";
    let mut picture = head.to_vec();
    picture.resize(size.max(head.len()), b'p');
    picture
}

impl Client {
    /// Uploads a file by a form: the answer.
    pub async fn try_upload(&self, name: &str, content: Vec<u8>) -> Answer {
        let part = Part::bytes(content).file_name(name.to_owned());
        self.run(self.request(Method::POST, "/api/media").multipart(Form::new().part("file", part))).await
    }

    /// Uploads a file: what is told of it.
    pub async fn upload(&self, name: &str, content: Vec<u8>) -> Value {
        self.try_upload(name, content).await.expect(201)
    }

    /// A file's id.
    pub async fn uploaded(&self, name: &str, content: Vec<u8>) -> String {
        self.upload(name, content).await["id"].as_str().unwrap().to_owned()
    }

    /// Asks for a file, or the range of it.
    pub async fn file(&self, id: &str, range: Option<&str>) -> Response {
        let request = self.request(Method::GET, &format!("/api/media/{id}"));
        let request = match range {
            Some(range) => request.header("Range", range),
            None => request,
        };
        request.send().await.unwrap()
    }
}
