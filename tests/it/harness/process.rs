//! The real binary where something about the process itself is out of the ordinary.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Client;

fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andante"));
    command
        .env("ANDANTE_BIND", "127.0.0.1:0")
        .env("ANDANTE_DEFAULT_PROVIDER", "simulator")
        .envs(settings.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Waits until a server says where it listens; who calls it.
async fn serves(child: &mut Child) -> Client {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = loop {
        let line = lines.next_line().await.unwrap().expect("it says where it listens");
        if let Some(url) = line.strip_prefix("Andante listens on ") {
            break url.to_owned();
        }
    };
    // Standard output is read on, so that only the log has nowhere to go.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Client::new(&url)
}

/// A server whose standard error nobody reads any more; it is killed with the test.
pub struct Unheard {
    /// Calls it.
    pub client: Client,
    _child: Child,
}

impl Unheard {
    /// Starts it, and stops listening to it once it serves.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let mut child = command(settings).spawn().unwrap();
        let client = serves(&mut child).await;
        drop(child.stderr.take());
        Self { client, _child: child }
    }
}

/// What a server writes on standard error, from its start on.
pub struct Written {
    child: Child,
    reading: tokio::task::JoinHandle<String>,
}

impl Written {
    /// Stops the server: all that it wrote.
    pub async fn stop(self) -> String {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
        self.reading.await.unwrap()
    }
}

/// Starts a server: who calls it, and what it writes.
pub async fn log_of(settings: &[(&str, &str)]) -> (Client, Written) {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let mut child = command(&[&[("ANDANTE_DATA_DIR", &*data)], settings].concat()).spawn().unwrap();
    let client = serves(&mut child).await;
    let mut stderr = child.stderr.take().unwrap();
    let reading = tokio::spawn(async move {
        let _folder = folder;
        let mut said = String::new();
        stderr.read_to_string(&mut said).await.unwrap();
        said
    });
    (client, Written { child, reading })
}

/// Starts a server that should refuse to, within `seconds`: what it says on standard error.
pub async fn refusal(settings: &[(&str, &str)], seconds: u64) -> String {
    let mut child = command(settings).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let ending = async {
        let mut said = String::new();
        stderr.read_to_string(&mut said).await.unwrap();
        (child.wait().await.unwrap(), said)
    };
    let (status, said) = tokio::time::timeout(Duration::from_secs(seconds), ending)
        .await
        .unwrap_or_else(|_| panic!("it runs, and should have refused to start within {seconds} s"));
    assert!(!status.success(), "it ended as if all were well: {said}");
    said
}
