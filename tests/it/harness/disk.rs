//! A small disk that can be filled: a tmpfs of the test's own. It is unmounted when the test
//! process ends, however that ends: a shell holds a pipe to it, as with the services.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::services::is_root;

/// The file that takes what is left.
const BALLAST: &str = "ballast";

/// The disk.
pub struct Disk {
    folder: TempDir,
    mounted: Option<Child>,
}

impl Disk {
    /// One of so many mebibytes.
    pub fn of(mebibytes: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let (path, sudo) = (folder.path().display(), if is_root() { "" } else { "sudo " });
        let mount = format!("{sudo}mount -t tmpfs -o size={mebibytes}m,mode=1777 tmpfs {path}");
        assert!(Command::new("sh").arg("-c").arg(&mount).status().unwrap().success(), "{mount}");
        let unmount = format!("read -r _; {sudo}umount -l {path}");
        let guard = Command::new("sh").arg("-c").arg(unmount).stdin(Stdio::piped()).spawn().expect("sh runs");
        Self { folder, mounted: Some(guard) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut ballast = File::options().append(true).create(true).open(self.path().join(BALLAST)).unwrap();
        let full = io::copy(&mut io::repeat(0), &mut ballast).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.path().join(BALLAST)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(mut guard) = self.mounted.take() {
            drop(guard.stdin.take());
            guard.wait().unwrap();
        }
    }
}
