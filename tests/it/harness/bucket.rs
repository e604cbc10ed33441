//! A server that speaks S3, checks signatures and keeps objects in a folder.

use std::net::TcpListener;
use std::path::PathBuf;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The id of its key, and the key.
const KEY: [&str; 2] = ["clinic", "a secret of the clinic's"];

/// The server, with one bucket.
pub struct Bucket {
    address: std::net::SocketAddr,
    folder: TempDir,
    stop: CancellationToken,
}

impl Bucket {
    /// Starts one with an empty bucket.
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut bucket = Self { address: listener.local_addr().unwrap(), folder, stop: CancellationToken::new() };
        bucket.listen(listener);
        bucket
    }

    fn listen(&mut self, listener: TcpListener) {
        let mut builder = S3ServiceBuilder::new(FileSystem::new(self.folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY[0], KEY[1]));
        let service = builder.build();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        self.stop = CancellationToken::new();
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(serve(listener, service, self.stop.clone())));
    }

    /// Goes away, and cuts who is connected.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Comes back where it was.
    pub fn resume(&mut self) {
        self.listen(TcpListener::bind(self.address).unwrap());
    }

    /// The settings of a server that keeps its files here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ANDANTE_MEDIA_URL", "s3://files/of/andante/".to_owned()),
            ("ANDANTE_MEDIA_ENDPOINT", format!("http://{}", self.address)),
            ("ANDANTE_MEDIA_ACCESS_KEY", KEY[0].to_owned()),
            ("ANDANTE_MEDIA_SECRET_KEY", KEY[1].to_owned()),
        ]
    }

    /// The folder of what starts with the settings' prefix.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("files/of/andante")
    }
}

async fn serve(listener: tokio::net::TcpListener, service: S3Service, stop: CancellationToken) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(connection));
    }
}
