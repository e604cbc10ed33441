//! The contents of files: in a folder of the data directory, or in a bucket of a server that speaks S3.
//!
//! Nothing is ever whole in memory: what is kept comes and goes chunk by chunk. A content is there
//! once all of it is durable, or not at all. Which there are, the database knows.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use entity::ids::MediaId;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    ClientOptions, GetOptions, GetRange, GetResult, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt,
    PutPayload, RetryConfig,
};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

/// Bytes, chunk by chunk.
pub type Bytestream = BoxStream<'static, io::Result<Bytes>>;

/// Bytes that are written at a time to a folder …
const TO_FOLDER: usize = 256 * 1024;
/// … that are read from one at a time …
const FROM_FOLDER: usize = 128 * 1024;
/// … and that are written to a bucket: S3 takes no smaller part but the last.
const TO_BUCKET: usize = 5 << 20;
/// Bytes of the beginning by which one tells what a content is: pictures say their size within.
const HEAD: usize = 64 * 1024;
/// How long a bucket's server may take for one request, and for all tries of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bucket of a server that speaks S3.
#[derive(Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What all names in it start with; may be empty.
    pub prefix: String,
    /// Where the server is; none: Amazon's.
    pub endpoint: Option<String>,
    /// The server's region.
    pub region: String,
    /// Whose the key is.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

/// Where contents are.
pub struct Blobs {
    objects: Arc<dyn ObjectStore>,
    /// Bytes that are written at a time.
    part: usize,
}

/// A content that is kept.
#[derive(Debug)]
pub struct Blob {
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// Its beginning.
    pub head: Vec<u8>,
}

/// Why a content is not kept.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// It is longer than it may be.
    #[error("longer than {0} bytes")]
    TooLong(u64),
    /// It did not come whole.
    #[error("it did not come whole: {0}")]
    Cut(#[source] io::Error),
    /// It can't be written now.
    #[error("it can't be written: {0}")]
    Unwritten(#[source] object_store::Error),
}

/// Why a content can't be read.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// It is not there.
    #[error("it is not there")]
    Gone,
    /// Not now.
    #[error("it can't be read: {0}")]
    Unread(#[source] object_store::Error),
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blobs")
    }
}

impl Blobs {
    /// Those in a folder, which is made, and readable to nobody else, if need be.
    pub fn in_folder(folder: &FilePath) -> anyhow::Result<Self> {
        make_private(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
        clear_up(folder).with_context(|| format!("can't look through the folder {}", folder.display()))?;
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { objects: Arc::new(objects), part: TO_FOLDER })
    }

    /// Those in a bucket. Whether it can be reached shows with the first content.
    pub fn in_bucket(bucket: &Bucket) -> anyhow::Result<Self> {
        ensure!(!bucket.name.is_empty(), "a bucket has a name");
        let is_plain = bucket.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_access_key_id(&bucket.access_key)
            .with_secret_access_key(&bucket.secret_key)
            .with_client_options(ClientOptions::new().with_timeout(PATIENCE).with_allow_http(is_plain))
            .with_retry(RetryConfig { max_retries: 3, retry_timeout: PATIENCE, ..RetryConfig::default() });
        if let Some(endpoint) = &bucket.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let objects = PrefixStore::new(builder.build()?, bucket.prefix.as_str());
        Ok(Self { objects: Arc::new(objects), part: TO_BUCKET })
    }

    /// Keeps a content of `most` bytes at most. Durable on return; what fails leaves nothing.
    pub async fn put(
        &self,
        id: MediaId,
        most: u64,
        content: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<Blob, PutError> {
        let mut upload = self.objects.put_multipart(&path(id)).await.map_err(PutError::Unwritten)?;
        let poured = pour(&mut *upload, self.part, most, content).await;
        let done = match poured {
            Ok(blob) => upload.complete().await.map(|_| blob).map_err(PutError::Unwritten),
            Err(error) => Err(error),
        };
        if done.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, "a part of a file that did not come whole is left");
        }
        done
    }

    /// A content, or so much of it.
    pub async fn get(&self, id: MediaId, range: Option<Range<u64>>) -> Result<Bytestream, GetError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.objects.get_opts(&path(id), options).await {
            Ok(GetResult { payload: GetResultPayload::File(file, _), range, .. }) => Ok(read(file, range)),
            Ok(found) => Ok(found.into_stream().map_err(io::Error::other).boxed()),
            Err(object_store::Error::NotFound { .. }) => Err(GetError::Gone),
            Err(error) => Err(GetError::Unread(error)),
        }
    }

    /// Forgets a content, if it is there.
    pub async fn delete(&self, id: MediaId) -> Result<(), object_store::Error> {
        match self.objects.delete(&path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Writes part after part, the next only once the one before is written.
async fn pour(
    upload: &mut dyn MultipartUpload,
    part: usize,
    most: u64,
    mut content: impl Stream<Item = io::Result<Bytes>> + Unpin,
) -> Result<Blob, PutError> {
    let (mut size, mut digest, mut head) = (0_u64, Sha256::new(), Vec::new());
    let mut waiting = Vec::with_capacity(part);
    while let Some(chunk) = content.next().await {
        let chunk = chunk.map_err(PutError::Cut)?;
        size += chunk.len() as u64;
        if size > most {
            return Err(PutError::TooLong(most));
        }
        digest.update(&chunk);
        head.extend_from_slice(&chunk[..chunk.len().min(HEAD - head.len())]);
        let mut rest = &chunk[..];
        while waiting.len() + rest.len() >= part {
            let (some, more) = rest.split_at(part - waiting.len());
            waiting.extend_from_slice(some);
            let full = std::mem::replace(&mut waiting, Vec::with_capacity(part));
            upload.put_part(PutPayload::from(full)).await.map_err(PutError::Unwritten)?;
            rest = more;
        }
        waiting.extend_from_slice(rest);
    }
    if !waiting.is_empty() {
        upload.put_part(PutPayload::from(waiting)).await.map_err(PutError::Unwritten)?;
    }
    let sha256 = format!("{:x}", digest.finalize());
    Ok(Blob { size, sha256, head })
}

/// A part of a file, in chunks that are worth a thread's while.
fn read(file: File, range: Range<u64>) -> Bytestream {
    let chunks = stream::try_unfold((file, range), async |(mut file, range)| {
        if range.is_empty() {
            return Ok(None);
        }
        let read = spawn_blocking(move || {
            let most = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(FROM_FOLDER);
            let mut chunk = vec![0; most];
            file.seek(SeekFrom::Start(range.start))?;
            file.read_exact(&mut chunk)?;
            let next = range.start + most as u64;
            Ok((Bytes::from(chunk), (file, next..range.end)))
        });
        read.await.unwrap_or_else(|error| Err(io::Error::other(error))).map(Some)
    });
    chunks.boxed()
}

/// Spread over folders by the last digits, which are random.
fn path(id: MediaId) -> Path {
    let name = id.to_string();
    let folder = &name[name.len() - 2..];
    Path::from_iter([folder, name.as_str()])
}

/// Removes what is left of contents that did not come whole since the process was killed: a name of ours
/// with something behind it.
fn clear_up(folder: &FilePath) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            clear_up(&path)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains('#')) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make_private(folder: &FilePath) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &FilePath) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn id() -> MediaId {
        MediaId::new(chrono::DateTime::UNIX_EPOCH, &mut StdRng::seed_from_u64(7))
    }

    fn chunks(sizes: &[usize]) -> impl Stream<Item = io::Result<Bytes>> + Unpin {
        let chunks: Vec<_> = sizes.iter().map(|size| Ok(Bytes::from(vec![b'x'; *size]))).collect();
        stream::iter(chunks)
    }

    fn files(folder: &FilePath) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }

    #[tokio::test]
    async fn what_is_kept_is_read_whole_or_in_part_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let blob = blobs.put(id(), 4 << 20, chunks(&[0, 1, TO_FOLDER, (4 << 20) - TO_FOLDER - 1])).await.unwrap();
        assert_eq!((blob.size, blob.head.len()), (4 << 20, HEAD));
        assert_eq!(blob.sha256, "baa7a6d36ffa957552df230235c2d51d735f28d49c58a5f3438a3a973a25a37d");
        let all: Vec<Bytes> = blobs.get(id(), None).await.unwrap().try_collect().await.unwrap();
        assert_eq!(all.iter().map(Bytes::len).sum::<usize>(), 4 << 20);
        let some: Vec<Bytes> = blobs.get(id(), Some(7..10)).await.unwrap().try_collect().await.unwrap();
        assert_eq!(some.concat(), b"xxx");
        blobs.delete(id()).await.unwrap();
        blobs.delete(id()).await.unwrap();
        assert!(matches!(blobs.get(id(), None).await, Err(GetError::Gone)));
    }

    #[tokio::test]
    async fn what_is_too_long_or_cut_off_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let put = blobs.put(id(), 9, chunks(&[5, 5])).await;
        assert!(matches!(put, Err(PutError::TooLong(9))));
        let cut = stream::iter([Ok(Bytes::from_static(b"half")), Err(io::Error::other("hung up"))]);
        assert!(matches!(blobs.put(id(), 9, cut).await, Err(PutError::Cut(_))));
        assert!(matches!(blobs.get(id(), None).await, Err(GetError::Gone)));
        assert_eq!(files(folder.path()), 0);
    }
}
