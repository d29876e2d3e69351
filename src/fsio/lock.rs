//! Locks between processes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{Result, at};
use super::folders::create_dir_all;
use super::regular::open_as;

/// A lock, held until it is dropped or the process dies. A drop removes its file. After the process's death the file stays,
/// and is free.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Writes into the lock's file who holds it, for those who wait.
    pub fn sign(&self, who: &str) {
        // The lock is held all the same.
        let _ = self.file.set_len(0).and_then(|()| (&self.file).write_all(who.as_bytes()));
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held, so that nobody else's goes. A file that stays is free, which is all that counts.
        let _ = fs::remove_file(&self.path);
        // Closing is not enough: a process that another thread is just starting holds a copy for an instant.
        let _ = self.file.unlock();
    }
}

/// Takes the lock that is the file at `path`, making the file where it is missing; none if somebody holds it.
pub fn try_lock(path: &Path) -> Result<Option<Lock>> {
    if let Some(parent) = path.parent() {
        create_dir_all(parent)?;
    }
    loop {
        let file = open_as("open", path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
        match file.try_lock() {
            // Who held it may have removed the file: others would lock a new one.
            Ok(()) if !is_at(&file, path) => {}
            Ok(()) => return Ok(Some(Lock { file, path: path.to_owned() })),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return at("lock", path, Err(source)),
        }
    }
}

/// Whether somebody holds the lock that is the file at `path`. Nothing is made or changed.
pub fn is_locked(path: &Path) -> Result<bool> {
    let file = match open_as("open", path, OpenOptions::new().read(true)) {
        // What is no regular file is nobody's lock.
        Err(error) if error.is_absent() || error.is_folder() || error.is_irregular() => return Ok(false),
        opened => opened?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => at("lock", path, Err(source)),
    }
}

/// Whether `path` still names the open file.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let id = |found: io::Result<fs::Metadata>| found.map(|m| (m.dev(), m.ino())).ok();
    let there = id(fs::symlink_metadata(path));
    there.is_some() && id(file.metadata()) == there
}

/// Whether an error says that the file system knows no locks.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    let no_locks = rustix::io::Errno::NOLCK.raw_os_error();
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(no_locks)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_lock_is_held_once_and_freed_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks/a");
        assert!(!is_locked(&path).unwrap() && !path.exists());
        let held = try_lock(&path).unwrap();
        assert!(held.is_some() && try_lock(&path).unwrap().is_none() && is_locked(&path).unwrap());
        drop(held);
        assert!(!is_locked(&path).unwrap() && !path.exists());
        assert!(try_lock(&path).unwrap().is_some());
        // A pipe holds no lock, and nobody waits for who writes to it.
        assert!(std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
        assert!(!is_locked(&dir.path().join("pipe")).unwrap() && !is_locked(dir.path()).unwrap());
    }

    #[test]
    fn a_lock_whose_file_comes_and_goes_is_still_held_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, held, taken) = (dir.path().join("lock"), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while taken.load(Ordering::SeqCst) < 2000 {
                        let Some(lock) = try_lock(&path).unwrap() else { continue };
                        assert_eq!(held.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        held.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
