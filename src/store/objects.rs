//! How objects are found and read: each object is verified, and a corrupt one is set aside.

use std::io::Read;
use std::path::Path;

use super::blobs::Blobs;
use super::error::{Error, Result};
use super::root::Store;
use crate::fsio;
use crate::hash::Digest;

impl Store {
    /// Whether an object is there, in any layer; its content is not looked at.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.objects.contains(digest) || self.lower.iter().any(|layer| layer.contains(digest))
    }

    /// Reads an object and verifies it; a corrupt one is set aside.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let layer = self.layer_to_read(digest)?;
        let mut bytes = Vec::new();
        let read = layer.open(digest).and_then(|mut file| {
            let read = file.read_to_end(&mut bytes);
            read.map_err(|error| fsio::Error::new("read", &layer.place(digest), error))
        });
        match read {
            Ok(_) if Digest::of(&bytes) == *digest => Ok(bytes),
            other => Err(self.unsound(layer, digest, other.err())?),
        }
    }

    /// Checks an object; a corrupt one is set aside.
    pub fn verify(&self, digest: &Digest) -> Result<()> {
        self.reader(digest)?.copy_to(&mut std::io::sink(), Path::new("nowhere")).map(drop)
    }

    /// Whether an object is in the store's own folder and sound; a corrupt one is set aside.
    pub(super) fn holds(&self, digest: &Digest) -> Result<bool> {
        let error = match fsio::blake3(&self.objects.file(digest)) {
            Ok(found) if Digest::from(found) == *digest => return Ok(true),
            other => self.unsound(&self.objects, digest, other.err())?,
        };
        match error {
            Error::Missing(_) | Error::Corrupt { .. } => Ok(false),
            error => Err(error),
        }
    }

    /// What to say of an object that did not read from a layer as what its name says.
    pub(super) fn unsound(&self, layer: &dyn Blobs, digest: &Digest, error: Option<fsio::Error>) -> Result<Error> {
        let own = layer.path(digest).is_some_and(|path| path == self.objects.file(digest));
        match error {
            Some(error) if error.is_absent() => Ok(Error::Missing(*digest)),
            Some(error) if !error.is_folder() => Ok(error.into()),
            Some(_) | None if own => self.quarantine(digest),
            Some(_) | None => Ok(Error::Corrupt { digest: *digest, aside: layer.place(digest) }),
        }
    }

    /// Sets an object aside and gives the error that says so. Where another process was quicker, it is missing.
    pub(super) fn quarantine(&self, digest: &Digest) -> Result<Error> {
        let aside = self.set_aside(&self.objects.file(digest), &format!("The stored object {digest}"))?;
        Ok(aside.map_or(Error::Missing(*digest), |aside| Error::Corrupt { digest: *digest, aside }))
    }
}

#[cfg(test)]
mod tests;
