//! How bytes and files become objects.

use std::path::Path;

use super::error::{Error, Result};
use super::root::Store;
use crate::fsio;
use crate::hash::Digest;

impl Store {
    /// Stores `bytes`. An object that is there already is verified, and replaced if it is corrupt.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.holds(&digest)? {
            let place = self.object_path(&digest);
            let mut temporary = self.temporary(&place)?;
            temporary.add(bytes)?;
            temporary.set_readonly()?;
            self.make_way(&place)?;
            temporary.place(&place)?;
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
            if !self.holds(&digest)? {
                fsio::sync_file(&file, path)?;
                match self.adopt(path, &digest) {
                    Err(Error::Io(error)) if error.is_other_disk() => drop(self.copy_in(path)?),
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
        if !self.holds(&digest)? {
            let place = self.object_path(&digest);
            temporary.set_readonly()?;
            self.make_way(&place)?;
            temporary.place(&place)?;
        }
        Ok((digest, bytes))
    }

    /// Moves a synced file to its place as an object.
    fn adopt(&self, temporary: &Path, digest: &Digest) -> Result<()> {
        let place = self.object_path(digest);
        fsio::set_readonly(temporary)?;
        self.make_way(&place)?;
        Ok(fsio::rename(temporary, &place)?)
    }
}
