//! A small disk of its own, to be filled to the last byte. Mounting needs root, or `sudo` without a
//! password.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A disk in memory; it is unmounted with the test.
pub struct Disk {
    folder: TempDir,
}

fn as_root(arguments: &[&str]) -> bool {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let sudo: &[&str] = if is_root { &[] } else { &["sudo", "-n"] };
    let words = [sudo, arguments].concat();
    Command::new(words[0]).args(&words[1..]).status().is_ok_and(|status| status.success())
}

impl Disk {
    /// One of so many mebibytes.
    pub fn of(mebibytes: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let options = format!("size={mebibytes}m,mode=0777");
        let path = folder.path().display().to_string();
        assert!(as_root(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs", &path]), "mounting needs root or sudo");
        Self { folder }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut filler = File::options().append(true).create(true).open(self.path().join("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: who still has a file open there is about to go as well.
        as_root(&["umount", "-l", &self.path().display().to_string()]);
    }
}
