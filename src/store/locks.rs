//! Locks in the store: on action keys, and on other names.

use std::path::PathBuf;

use super::error::Result;
use super::root::Store;
use crate::fsio::{self, Lock};
use crate::hash::Digest;

impl Store {
    /// Takes the lock on an action key; none if another process, or another part of this one, holds it.
    pub fn lock(&self, key: &Digest) -> Result<Option<Lock>> {
        self.take_lock(&key.to_string())
    }

    /// Takes the lock with this name.
    pub(super) fn take_lock(&self, name: &str) -> Result<Option<Lock>> {
        let path = self.lock_path(name);
        self.make_way(&path)?;
        Ok(fsio::try_lock(&path)?)
    }

    /// Whether somebody holds the lock on an action key.
    pub fn is_locked(&self, key: &Digest) -> Result<bool> {
        Ok(fsio::is_locked(&self.lock_path(&key.to_string()))?)
    }

    pub(super) fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_freed_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of(b"key");
        let held = store.lock(&key).unwrap();
        assert!(held.is_some());
        assert!(store.lock(&key).unwrap().is_none());
        drop(held);
        assert!(store.lock(&key).unwrap().is_some());
    }
}
