//! The browsers of this server: which programs they are, how many may run, and where each keeps what
//! its account is paired with.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use entity::ids::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::config::Config;

/// Browsers that start at the same time: each takes a core for a second or two.
const STARTING: usize = 2;
/// Pages in a row that may not be understood before a person has to look.
const TRIES: u32 = 3;
/// Bytes that one is expected to take: what WhatsApp's page takes for an account of an ordinary size.
const EXPECTED: u64 = 600 << 20;
/// Where Chromium is: on Debian what is in `PATH` is a script that adds arguments of its own.
const CHROMIUM: [&str; 4] = ["/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome"];
/// What is wrong with an account whose browser may not run yet, since as many do as may.
pub const FULL: &str = "browser_limit";
const DRIVER: &str = "chromedriver";
/// The file in an account's folder that is locked while a browser has it.
pub(super) const LOCK: &str = "lock";
/// What says there that the account was removed.
const REMOVED: &str = "removed";
/// What says there that the pairing ended, until it is gone.
pub(super) const ENDED: &str = "ended";
/// What notes there where the browser that was given it last puts what it needs for a moment.
pub(super) const NOTE: &str = "temporary";
/// How such a place is called.
pub(super) const TEMPORARY: &str = "andante-browser-";
/// What says there that the account is linked, before it has come in.
pub(super) const LINKED: &str = "linked";
/// The browser's profile in it.
pub(super) const PROFILE: &str = "profile";

/// The browsers of this server.
pub struct Browsers {
    browser: Option<PathBuf>,
    driver: Option<PathBuf>,
    /// The folder of their accounts' folders.
    folder: PathBuf,
    /// The page that they open.
    pub(super) page: String,
    /// The library by which it is worked; none: the one that is built in.
    pub(super) library: Option<PathBuf>,
    /// Bytes that one may take.
    pub(super) memory: u64,
    /// Whether they are in Chromium's sandbox.
    pub(super) is_sandboxed: bool,
    /// How many may run.
    pub(super) most: usize,
    places: Arc<Semaphore>,
    starting: Semaphore,
    /// How often in a row a page was not understood.
    riddles: Mutex<HashMap<AccountId, u32>>,
    /// Bytes that each took when it was last weighed.
    weights: Mutex<HashMap<AccountId, u64>>,
}

impl Browsers {
    /// Those of the settings; none runs yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let most = config.browser_max.unwrap_or_else(most);
        Self {
            browser: config.browser_path.clone(),
            driver: config.browser_driver_path.clone(),
            folder: config.data_dir.join("browsers"),
            page: config.whatsappweb_url.clone(),
            library: config.wajs_path.clone(),
            memory: config.browser_memory,
            is_sandboxed: config.browser_sandbox,
            most,
            places: Arc::new(Semaphore::new(most)),
            starting: Semaphore::new(STARTING),
            riddles: Mutex::default(),
            weights: Mutex::default(),
        }
    }

    /// Notes how many bytes the account's browser takes; none: it has ended.
    pub(super) fn weighs(&self, account: AccountId, bytes: Option<u64>) {
        let mut weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        match bytes {
            Some(bytes) => weights.insert(account, bytes),
            None => weights.remove(&account),
        };
    }

    /// Bytes of memory that the account's browser took when it was last weighed, each page that several
    /// processes use counted once (PSS).
    #[must_use]
    pub fn memory_of(&self, account: AccountId) -> Option<u64> {
        self.weights.lock().unwrap_or_else(PoisonError::into_inner).get(&account).copied()
    }

    /// How many browsers run, and what they take in all.
    #[must_use]
    pub fn memory(&self) -> (usize, u64) {
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        (self.most - self.places.available_permits(), weights.values().sum())
    }

    /// The programs: the browser and its driver.
    pub(super) fn programs(&self) -> Option<(PathBuf, PathBuf)> {
        let find = |path: &Path| which::which(path).ok();
        let browser = match &self.browser {
            Some(path) => find(path),
            None => CHROMIUM.iter().find_map(|name| find(Path::new(name))),
        };
        let driver = find(self.driver.as_deref().unwrap_or_else(|| Path::new(DRIVER)));
        browser.zip(driver)
    }

    /// What has to be done before an account can be in a browser here: a sentence, or nothing.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if !cfg!(target_os = "linux") {
            return Some("browsers are worked on Linux alone".to_owned());
        }
        let said = "Chromium and ChromeDriver are not both here: install them (on Debian, `apt-get install chromium \
                    chromium-driver`), or name them by ANDANTE_BROWSER_PATH and ANDANTE_BROWSER_DRIVER_PATH";
        self.programs().is_none().then(|| said.to_owned()).or_else(|| self.refuses_root().map(str::to_owned))
    }

    /// Why no browser runs as the user that this process is, if none does.
    #[cfg(target_os = "linux")]
    pub(super) fn refuses_root(&self) -> Option<&'static str> {
        let said = "Chromium does not run as root in its sandbox: run Andante as another user, or set \
                    ANDANTE_BROWSER_SANDBOX=false";
        (self.is_sandboxed && rustix::process::geteuid().is_root()).then_some(said)
    }

    #[cfg(not(target_os = "linux"))]
    fn refuses_root(&self) -> Option<&'static str> {
        None
    }

    /// A place for one more; none if as many run as may.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// A turn to start one.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.starting.acquire().await.ok()
    }

    /// The account's page was not understood; answers whether that was so too often.
    pub(super) fn is_puzzled(&self, account: AccountId) -> bool {
        let mut riddles = self.riddles.lock().unwrap_or_else(PoisonError::into_inner);
        let times = riddles.entry(account).or_default();
        *times += 1;
        let is_too_often = *times >= TRIES;
        if is_too_often {
            riddles.remove(&account);
        }
        is_too_often
    }

    /// It was.
    pub(super) fn understood(&self, account: AccountId) {
        self.riddles.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    /// The account's folder.
    pub(super) fn folder(&self, account: AccountId) -> PathBuf {
        self.folder.join(account.to_string())
    }

    /// The account is logged out: what it was paired with is worth nothing from here on, also to a server that
    /// is started before it is gone. A browser that is open forgets it itself.
    pub(super) fn log_out(&self, account: AccountId, is_open: bool) {
        let folder = self.folder(account);
        // What was not linked has no such mark, and what has no folder has nothing to forget.
        let _ = fs::remove_file(folder.join(LINKED));
        let _ = fs::write(folder.join(ENDED), []);
        if !is_open {
            self.unpair(account);
        }
    }

    /// Forgets what an account was paired with, once a browser that has it has ended; unless another one
    /// has been given it by then, which began with nothing.
    fn unpair(&self, account: AccountId) {
        let folder = self.folder(account);
        let Ok(lock) = File::open(folder.join(LOCK)) else { return };
        let given = fs::read(folder.join(NOTE)).ok();
        tokio::task::spawn_blocking(move || {
            if lock.lock().is_ok() && fs::read(folder.join(NOTE)).ok() == given {
                wipe(&folder.join(PROFILE), account);
                let _ = fs::remove_file(folder.join(ENDED));
            }
        });
    }

    /// Forgets an account that was removed, once its browser has ended.
    pub fn forget(&self, account: AccountId) {
        let folder = self.folder(account);
        self.understood(account);
        // Where the server is killed before that is done, the next one does it.
        if folder.exists() && fs::write(folder.join(REMOVED), []).is_ok() {
            tokio::task::spawn_blocking(move || {
                let lock = File::open(folder.join(LOCK));
                // It is freed with the file, whatever becomes of this.
                let _held = lock.and_then(|lock| lock.lock().map(|()| lock));
                // The mark goes last.
                wipe(&folder.join(PROFILE), account);
                wipe(&folder, account);
            });
        }
    }

    /// Forgets the accounts that were removed, and the pairings that ended, by a server that stopped before it
    /// got to that.
    pub fn sweep(&self) {
        let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for folder in folders {
            let Some(account) = folder.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if folder.path().join(REMOVED).exists() {
                self.forget(account);
            } else if folder.path().join(ENDED).exists() {
                self.unpair(account);
            }
        }
    }
}

/// Removes what an account is paired with.
pub(super) fn wipe(folder: &Path, account: AccountId) {
    forget_temporary(folder);
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(account.id = %account, %error, "the folder of an account that is gone is left");
    }
}

/// Removes what a browser needed for a moment that was killed with its server.
pub(super) fn forget_temporary(folder: &Path) {
    if let Ok(left) = fs::read_to_string(folder.join(NOTE)).map(PathBuf::from)
        && left.parent() == Some(std::env::temp_dir().as_path())
        && left.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY))
    {
        // What is not there need not be removed.
        let _ = fs::remove_dir_all(left);
    }
}

/// As many as the memory has room for that is free now.
fn most() -> usize {
    #[cfg(target_os = "linux")]
    let free = procfs::Current::current().ok().and_then(|memory: procfs::Meminfo| memory.mem_available);
    #[cfg(not(target_os = "linux"))]
    let free: Option<u64> = None;
    // A container may have less than its machine.
    let own = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let free = free.into_iter().chain(own).min().unwrap_or_default();
    usize::try_from(free / EXPECTED).unwrap_or(usize::MAX).max(1)
}
