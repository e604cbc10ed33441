//! An independent client as the other side of the conversation: npm `baileys`, whose handshake, codec
//! and encryption are its own.

use std::path::Path;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{ANNA, CLINIC, chat, content, fake, keep, paired, png, send, send_file, start};
use crate::harness::eventually;

struct Baileys {
    _child: Child,
    told: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Baileys {
    fn start(port: &str, root: &[u8]) -> Self {
        let root: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut child = Command::new("node")
            .args(["baileys.mjs", port, &root])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("make setup installs what it needs");
        let (told, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { _child: child, told, said: BufReader::new(said).lines() }
    }

    async fn tell(&mut self, line: &str) {
        self.told.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The rest of the next line that begins with the word; those before it are passed over.
    async fn says(&mut self, word: &str) -> String {
        let line = async {
            loop {
                let line = self.said.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended before {word}"));
                if let Some(rest) = line.strip_prefix(word) {
                    return rest.trim().to_owned();
                }
            }
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(40), line).await;
        in_time.unwrap_or_else(|_| panic!("it does not say {word}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_reads_what_is_sent_and_is_read_here() {
    let fake = fake().await;
    let app = start(&fake).await;
    let url = fake.url();
    let port = url.rsplit(':').next().unwrap().split('/').next().unwrap();
    let mut baileys = Baileys::start(port, &fake.root_key());
    let code = baileys.says("qr").await;
    fake.scan(ANNA, &code).unwrap();
    baileys.says("open").await;
    let id = paired(&app.client, &fake).await;
    let message = send(&app.client, &id, ANNA, "Your appointment is tomorrow 👋").await;
    let heard = baileys.says("message").await;
    assert!(heard.ends_with("Your appointment is tomorrow 👋"), "{heard}");
    app.client.reaches(&message, &["delivered"]).await;
    baileys.tell(&format!("send {CLINIC} Thank you, I will come")).await;
    let sent = baileys.says("sent").await;
    eventually("the answer is in the chat", 20, async || {
        chat(&app.client, &id, ANNA).await.contains(&("Thank you, I will come".to_owned(), false)).then_some(())
    })
    .await;
    // 3: delivered, in the protocol's own numbers.
    let status = baileys.says(&format!("status {sent}")).await;
    assert!(["3", "4"].contains(&status.as_str()), "{status}");
    baileys.tell("end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_opens_files_that_are_sent_and_its_own_are_opened_here() {
    let fake = fake().await;
    let app = start(&fake).await;
    let url = fake.url();
    let port = url.rsplit(':').next().unwrap().split('/').next().unwrap();
    let mut baileys = Baileys::start(port, &fake.root_key());
    let code = baileys.says("qr").await;
    fake.scan(ANNA, &code).unwrap();
    baileys.says("open").await;
    let id = paired(&app.client, &fake).await;
    let voice = content(b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01", 70_000);
    let document = content(b"%PDF-1.7\n", 100_000);
    for (kind, content, part, mime_type, caption) in [
        ("image", png(), "imageMessage", "image/png", "The way"),
        ("voice", voice, "audioMessage", "audio/ogg; codecs=opus", ""),
        ("document", document.clone(), "documentMessage", "application/pdf", "Your bill"),
    ] {
        let media = keep(&app.client, "file", &content).await;
        send_file(&app.client, &id, ANNA, json!({"id": media, "kind": kind}), caption).await;
        let hash: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(baileys.says("file").await, format!("{part} {hash} {mime_type} {caption}").trim_end());
    }
    baileys.tell(&format!("document {CLINIC} {}", STANDARD.encode(&document))).await;
    let path = format!("/api/whatsapp/sessions/{id}/chats/{ANNA}@c.us/messages");
    let media = eventually("its file is in the chat", 20, async || {
        let newest = app.client.get(&path).await.body["data"][0].clone();
        (newest["fromMe"] == false).then(|| newest["media"]["id"].as_str().map(str::to_owned))?
    })
    .await;
    let answer = app.client.request(reqwest::Method::GET, &format!("/api/media/{media}")).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == document);
    baileys.tell("end").await;
}
