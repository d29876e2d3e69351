//! How bytes and files become objects.

use std::path::Path;

use super::blobs::Blobs;
use super::error::Result;
use super::root::Store;
use crate::fsio;
use crate::hash::Digest;

impl Store {
    /// Stores `bytes`. An object that is there already is verified, and replaced if it is corrupt.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        self.lease_written(&digest)?;
        if !self.holds(&digest)? {
            let place = self.objects.file(&digest);
            let mut temporary = self.temporary(&place)?;
            temporary.add(bytes)?;
            self.make_way(&place)?;
            self.objects.put(&digest, temporary)?;
        }
        Ok(digest)
    }

    /// Stores the regular file at `path` and takes it away from there: it is moved where that takes it from nobody else,
    /// and copied where it has other names (hard links) or lies on another file system. Returns the size too.
    ///
    /// # Errors
    /// A symbolic link and whatever else is no regular file is refused.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let (file, alone) = fsio::open_own(path)?;
        let stored = if alone {
            let (digest, bytes) = (Digest::from(fsio::hash(&file, path)?), fsio::stat(path)?.bytes);
            self.lease_written(&digest)?;
            if !self.holds(&digest)? {
                fsio::sync_file(&file, path)?;
                self.make_way(&self.objects.file(&digest))?;
                match self.objects.adopt(&digest, path) {
                    Err(error) if error.is_other_disk() => drop(self.copy_in(path)?),
                    result => result?,
                }
            }
            (digest, bytes)
        } else {
            self.copy_in(path)?
        };
        fsio::remove_file(path)?;
        Ok(stored)
    }

    /// Stores a copy of a file. The digest is that of the copy, which nobody else writes to.
    fn copy_in(&self, path: &Path) -> Result<(Digest, u64)> {
        let mut temporary = self.temporary(path)?;
        temporary.fill(path)?;
        let (digest, bytes) = (Digest::from(fsio::blake3(temporary.path())?), fsio::stat(temporary.path())?.bytes);
        self.lease_written(&digest)?;
        if !self.holds(&digest)? {
            self.make_way(&self.objects.file(&digest))?;
            self.objects.put(&digest, temporary)?;
        }
        Ok((digest, bytes))
    }
}
