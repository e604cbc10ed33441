//! Where an account's browser keeps what it is paired with: a folder that nobody else reads, used by
//! one browser at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use entity::ids::AccountId;
use tempfile::{Builder, TempDir};

use super::group::Group;
use crate::clock::Clock;
use crate::gateway::browsers::{ENDED, LINKED, LOCK, NOTE, PROFILE, TEMPORARY, forget_temporary, wipe};

/// The pause before a folder that is in use is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// What Chromium leaves in a profile that is open: who has it, and how to reach them.
const OPEN: [&str; 3] = ["SingletonLock", "SingletonCookie", "SingletonSocket"];

/// An account's folder, while it is ours.
pub(super) struct Profile {
    account: AccountId,
    folder: PathBuf,
    /// Where the browser puts what it needs for a moment: not in here, since the path of a socket has to be short.
    temporary: TempDir,
    _lock: File,
}

impl Profile {
    /// Takes the folder, which is made if there is none; waits while another browser of this account ends.
    pub(super) async fn take(folder: PathBuf, account: AccountId, clock: &Clock) -> anyhow::Result<Self> {
        let (parent, own) = (folder.parent().map(PathBuf::from), folder.clone());
        let make = move || {
            let mut private = DirBuilder::new();
            private.recursive(true).mode(0o700);
            for folder in parent.iter().chain([&own, &own.join(PROFILE)]) {
                private.create(folder)?;
                fs::set_permissions(folder, Permissions::from_mode(0o700))?;
            }
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(own.join(LOCK))
        };
        let file = tokio::task::spawn_blocking(make).await?.context("the account's folder can't be made")?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => clock.sleep(AGAIN).await,
                Err(TryLockError::Error(error)) => return Err(error).context("the account's folder can't be locked"),
            }
        }
        clear_up(&folder, account, clock).await?;
        let temporary = Builder::new().prefix(TEMPORARY).permissions(Permissions::from_mode(0o700)).tempdir();
        let temporary = temporary.context("no temporary folder can be made")?;
        fs::write(folder.join(NOTE), temporary.path().to_string_lossy().as_bytes())?;
        Ok(Self { account, folder, temporary, _lock: file })
    }

    /// The browser's profile.
    pub(super) fn profile(&self) -> PathBuf {
        self.folder.join(PROFILE)
    }

    /// Where the browser puts what it needs for a moment.
    pub(super) fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Where a picture is kept of a page that was not understood.
    pub(super) fn picture(&self) -> PathBuf {
        self.folder.join("unsupported.png")
    }

    /// The account may be linked from here on, whether we hear of it or not.
    pub(super) fn note_linked(&self) {
        if let Err(error) = fs::write(self.folder.join(LINKED), []) {
            tracing::warn!(account.id = %self.account, %error, "a pairing may be lost by a restart before it is complete");
        }
    }

    /// Whether it may be.
    pub(super) fn is_linked(&self) -> bool {
        self.folder.join(LINKED).exists()
    }

    /// Forgets the pairing.
    pub(super) async fn clear(&self) -> anyhow::Result<()> {
        remove(fs::remove_file(self.folder.join(LINKED)))?;
        let (folder, account) = (self.profile(), self.account);
        tokio::task::spawn_blocking(move || wipe(&folder, account)).await?;
        remove(fs::remove_file(self.folder.join(ENDED)))?;
        DirBuilder::new().recursive(true).mode(0o700).create(self.profile()).context("no new profile can be made")
    }
}

/// Ends a browser that was left with the folder by a server that was killed, and removes its traces.
async fn clear_up(folder: &Path, account: AccountId, clock: &Clock) -> anyhow::Result<()> {
    let profile = folder.join(PROFILE);
    if let Some(left) = owner(&profile) {
        tracing::warn!(account.id = %account, "a browser that was left with the account's folder is ended");
        left.end(clock).await;
        if owner(&profile).is_some() {
            bail!("a browser that was left with the account's folder does not end");
        }
    }
    // Who had it is gone, also where the machine is called otherwise by now: the lock is ours.
    for name in OPEN {
        remove(fs::remove_file(profile.join(name)))?;
    }
    forget_temporary(folder);
    Ok(())
}

fn remove(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The group of the process that has the profile open, if one has.
fn owner(profile: &Path) -> Option<Group> {
    let link = fs::read_link(profile.join(OPEN[0])).ok()?;
    let pid = link.to_str()?.rsplit_once('-')?.1.parse().ok()?;
    let process = procfs::process::Process::new(pid).ok()?;
    let named = format!("--user-data-dir={}", profile.display());
    let is_it = process.cmdline().ok()?.contains(&named);
    is_it.then(|| process.stat().ok().and_then(|stat| Group::of(stat.pgrp))).flatten()
}
