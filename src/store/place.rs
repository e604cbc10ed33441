//! A SQLite file's place on the disk: what is made there is for its owner alone, and a file that
//! others can read is refused, since accounts' secrets and everybody's messages are in it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use sea_orm::DbErr;

/// What its owner alone may read and write.
const OWN: u32 = 0o600;

/// Where a file is, and which it was when it was opened first.
///
/// While another has its name, or none, it must not be used: what is written into a file without a
/// name is in none, and a connection that is opened meanwhile takes the log of the one for the other's
/// (SQLite deletes the log of an empty file).
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Device and number.
    id: (u64, u64),
}

impl Place {
    /// The place of the file at `path`.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let file = path.metadata().with_context(|| cannot_open(path))?;
        Ok(Self { path: path.to_owned(), id: (file.dev(), file.ino()) })
    }

    /// Fails while the file is not in its place.
    pub(super) fn check(&self) -> Result<(), DbErr> {
        match self.path.metadata() {
            Ok(file) if (file.dev(), file.ino()) == self.id => Ok(()),
            _ => Err(DbErr::Custom("the database's file was removed or replaced".to_owned())),
        }
    }
}

/// Makes the folder and the file at `path` unless they are there, and takes the lock that keeps
/// other processes off for as long as it is open. What SQLite makes beside it gets the file's mode.
pub(super) fn prepare(path: &Path, allow_readable: bool) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("can't create {}", folder.display()))?;
    }
    if !allow_readable {
        refuse_readable(path)?;
    }
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(OWN).open(path.with_extension("lock"));
    let lock = lock.with_context(|| format!("can't write beside {}", path.display()))?;
    if lock.metadata()?.mode() & 0o077 != 0 {
        // One of an earlier version. If it is somebody else's, it can stay as it is: it is empty.
        let _ = lock.set_permissions(Permissions::from_mode(OWN));
    }
    if lock.try_lock().is_err() {
        bail!("another process uses {}; one file serves one process (use PostgreSQL for more)", path.display());
    }
    // Also where a link leads that leads nowhere yet.
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(OWN).open(path);
    file.with_context(|| cannot_open(path))?;
    Ok(lock)
}

/// What is said of a file that can't be opened.
pub(super) fn cannot_open(path: &Path) -> String {
    format!("can't open {}", path.display())
}

/// Refuses a database whose files others may read, where the folder lets them through to it.
fn refuse_readable(path: &Path) -> anyhow::Result<()> {
    // SQLite goes where a link points to, and keeps its other files there.
    let Ok(path) = path.canonicalize() else { return Ok(()) };
    let mode = |path: &Path| path.metadata().map_or(0, |file| file.mode());
    if path.parent().is_none_or(|folder| mode(folder) & 0o011 == 0) {
        return Ok(());
    }
    let beside = |ending| PathBuf::from(format!("{}{ending}", path.display()));
    let files = [path.clone(), beside("-wal"), beside("-shm")];
    let readable: Vec<String> =
        files.iter().filter(|file| mode(file) & 0o044 != 0).map(|file| quoted(&file.display().to_string())).collect();
    ensure!(
        readable.is_empty(),
        "refusing to start: others on this machine can read the database, and with it secrets and messages. Run \
         `chmod 600 {}`, or, if they are meant to, set ANDANTE_ALLOW_READABLE=true",
        readable.join(" ")
    );
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@%".contains(&byte));
    if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("/srv/andante/andante.db-wal"), "/srv/andante/andante.db-wal");
        assert_eq!(quoted("/my data/it's.db"), "'/my data/it'\\''s.db'");
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone_and_what_others_can_read_is_refused() {
        let outer = tempfile::TempDir::new().unwrap();
        let folder = outer.path().canonicalize().unwrap().join("data");
        let file = folder.join("andante.db");
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        drop(prepare(&file, false).unwrap());
        assert_eq!([&folder, &file, &file.with_extension("lock")].map(|path| mode(path)), [0o700, 0o600, 0o600]);
        for (of_folder, of_file, is_refused) in [
            (0o755, 0o600, false),
            (0o700, 0o644, false),
            (0o750, 0o640, true),
            (0o711, 0o604, true),
            (0o755, 0o644, true),
        ] {
            set(&folder, of_folder);
            set(&file, of_file);
            let said = prepare(&file, false).err().map(|error| error.to_string());
            assert_eq!(said.is_some(), is_refused, "{of_folder:o} {of_file:o}");
            let command = format!("`chmod 600 {}`", file.display());
            assert!(said.is_none_or(|said| said.contains(&command)));
            assert!(prepare(&file, true).is_ok());
        }
        // A link that leads nowhere yet leads to a file of the owner's.
        let link = outer.path().join("link.db");
        std::os::unix::fs::symlink(outer.path().join("linked.db"), &link).unwrap();
        drop(prepare(&link, false).unwrap());
        assert_eq!(mode(&link), 0o600);
        // Nothing that was there is changed.
        assert_eq!([mode(&folder), mode(&file)], [0o755, 0o644]);
    }
}
