//! Objects as they are found and read: each is verified, and a corrupt one is set aside.

use std::path::PathBuf;

use super::error::{Error, Result};
use super::root::Store;
use crate::fsio;
use crate::hash::Digest;

impl Store {
    /// Where an object is, or would be.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("objects").join(&name[..2]).join(&name[2..])
    }

    /// Whether an object is there; its content is not looked at.
    pub fn contains(&self, digest: &Digest) -> bool {
        fsio::is_file(&self.object_path(digest))
    }

    /// Reads an object and verifies it; a corrupt one is set aside.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        match fsio::read(&self.object_path(digest)) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(bytes),
            other => Err(self.unsound(digest, other.err())?),
        }
    }

    /// Checks an object; a corrupt one is set aside.
    pub fn verify(&self, digest: &Digest) -> Result<()> {
        match fsio::blake3(&self.object_path(digest)) {
            Ok(found) if Digest::from(found) == *digest => Ok(()),
            other => Err(self.unsound(digest, other.err())?),
        }
    }

    /// Whether an object is there and sound; a corrupt one is set aside.
    pub(super) fn holds(&self, digest: &Digest) -> Result<bool> {
        match self.verify(digest) {
            Ok(()) => Ok(true),
            Err(Error::Missing(_) | Error::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What to say of an object that did not read as what its name says.
    pub(super) fn unsound(&self, digest: &Digest, error: Option<fsio::Error>) -> Result<Error> {
        match error {
            Some(error) if error.is_absent() => Ok(Error::Missing(*digest)),
            Some(error) if !error.is_folder() => Ok(error.into()),
            Some(_) | None => self.quarantine(digest),
        }
    }

    /// Sets an object aside and gives the error that says so.
    pub(super) fn quarantine(&self, digest: &Digest) -> Result<Error> {
        let aside = self.set_aside(&self.object_path(digest), &format!("The stored object {digest}"))?;
        Ok(Error::Corrupt { digest: *digest, aside })
    }
}

#[cfg(test)]
mod tests;
