//! Reads objects of any size in parts, and verifies them on the way.

use std::io::{self, Read, Write};
use std::path::Path;

use super::blobs::Blobs;
use super::error::Result;
use super::root::Store;
use crate::fsio;
use crate::hash::Digest;

/// How much is read at once, in bytes.
const BLOCK: usize = 1 << 18;

/// An object that is being read. What was read is sound only once [`Reader::finish`] says so.
pub struct Reader<'a> {
    store: &'a Store,
    digest: Digest,
    layer: &'a dyn Blobs,
    file: Box<dyn Read + Send>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Store {
    /// Opens an object to read it in parts.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn reader(&self, digest: &Digest) -> Result<Reader<'_>> {
        let layer = self.layer_to_read(digest)?;
        match layer.open(digest) {
            Ok(file) => {
                Ok(Reader { store: self, digest: *digest, layer, file, hasher: blake3::Hasher::new(), bytes: 0 })
            }
            Err(error) => Err(self.unsound(layer, digest, Some(error))?),
        }
    }

    /// The size of an object in bytes.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn size(&self, digest: &Digest) -> Result<u64> {
        let layer = self.layer_with(digest);
        match layer.size(digest) {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.unsound(layer, digest, Some(error))?),
        }
    }
}

impl Reader<'_> {
    /// Writes the object to `sink`, which is the file at `target`, and gives its size in bytes.
    ///
    /// # Errors
    /// As [`Reader::finish`], and where reading or writing fails; then the sink holds what must not be used.
    pub fn copy_to(mut self, sink: &mut dyn Write, target: &Path) -> Result<u64> {
        let mut buffer = vec![0; BLOCK];
        loop {
            let read = self
                .read(&mut buffer)
                .map_err(|error| fsio::Error::new("read", &self.layer.place(&self.digest), error))?;
            if read == 0 {
                return self.finish();
            }
            sink.write_all(&buffer[..read]).map_err(|error| fsio::Error::new("write", target, error))?;
        }
    }

    /// Verifies what was read, and gives its size in bytes.
    ///
    /// # Errors
    /// Where it is not what the object's name says; the object is set aside.
    pub fn finish(self) -> Result<u64> {
        match Digest::from(self.hasher.finalize()) == self.digest {
            true => Ok(self.bytes),
            false => Err(self.store.unsound(self.layer, &self.digest, None)?),
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.hasher.update(&buffer[..read]);
                    self.bytes += read as u64;
                    return Ok(read);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Error;

    #[test]
    fn an_object_is_copied_in_parts_and_a_damaged_one_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let bytes: Vec<u8> = (0..3 * BLOCK + 5).map(|i| i as u8).collect();
        let digest = store.put_bytes(&bytes).unwrap();
        let copy = || {
            let mut sink = Vec::new();
            store.reader(&digest)?.copy_to(&mut sink, Path::new("x")).map(|count| (count, sink))
        };
        assert_eq!(copy().unwrap(), (bytes.len() as u64, bytes.clone()));
        assert_eq!(store.size(&digest).unwrap(), bytes.len() as u64);
        // As long as it should be, and another one.
        let mut damaged = bytes;
        damaged[7] ^= 1;
        fsio::write_atomic(&store.objects.file(&digest), &damaged).unwrap();
        assert!(matches!(copy(), Err(Error::Corrupt { .. })));
        assert!(matches!(copy(), Err(Error::Missing(_))));
        assert!(matches!(store.size(&digest), Err(Error::Missing(_))));
    }
}
