//! The layers of a store: its own objects, and below them those of other stores.
//!
//! The file `layers` in a store's folder names other stores. Its first line is `repro layers 1`, and each other line is the
//! folder of one store. A relative path begins at the store's own folder. People write this file.
//!
//! Invariants:
//! - a lower layer is only read;
//! - an object is copied up whole, and verified on the way. If a layer's copy is damaged, this is reported, and the next layer
//!   is tried;
//! - if the store itself is read-only, an object is read where it is.

use std::io::Read;
use std::path::Path;

use super::blobs::{Blobs, LocalBlobs};
use super::error::{Error, Result};
use super::root::{Access, Store};
use crate::fsio::{self, Temporary};
use crate::hash::Digest;

/// The file that names the layers.
const FILE: &str = "layers";

/// Its first line.
const FORMAT: &str = "repro layers 1";

/// How much is copied at once, in bytes.
const BLOCK: usize = 1 << 18;

/// The layers below the store in the folder `root`.
///
/// # Errors
/// A file of a newer format, and the disk's.
pub(super) fn below(root: &Path) -> Result<Vec<Box<dyn Blobs>>> {
    let path = root.join(FILE);
    let text = match fsio::read_to_string(&path) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        text => text?,
    };
    let mut lines = text.lines();
    let found = lines.next().unwrap_or_default();
    if found != FORMAT {
        return Err(Error::Newer { path, found: found.to_owned(), known: FORMAT.to_owned() });
    }
    let layer = |line: &str| Box::new(LocalBlobs::new(root.join(line).join("objects"))) as Box<dyn Blobs>;
    Ok(lines.map(str::trim).filter(|line| !line.is_empty()).map(layer).collect())
}

impl Store {
    /// This store above one more layer, which is tried last.
    pub fn above(mut self, layer: Box<dyn Blobs>) -> Self {
        self.lower.push(layer);
        self
    }

    /// The first layer that has an object; the store's own where none has it.
    pub(super) fn layer_with(&self, digest: &Digest) -> &dyn Blobs {
        let lower = || self.lower.iter().map(|layer| &**layer).find(|layer| layer.contains(digest));
        if self.objects.contains(digest) { &self.objects } else { lower().unwrap_or(&self.objects) }
    }

    /// The layer to read an object from. An object that only lower layers have is copied up first.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn layer_to_read(&self, digest: &Digest) -> Result<&dyn Blobs> {
        if self.lower.is_empty() {
            return Ok(&self.objects);
        }
        match self.bring_up(digest) {
            Ok(_) => {}
            Err(Error::Io(error)) if error.is_denied() => {}
            Err(error) => return Err(error),
        }
        Ok(self.layer_with(digest))
    }

    /// Copies an object up if only lower layers have it and the store may be written. Whether the store's own layer has
    /// it now.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn bring_up(&self, digest: &Digest) -> Result<bool> {
        if self.objects.contains(digest) {
            return Ok(true);
        }
        let above = if self.access == Access::Work { &self.lower[..] } else { &[] };
        for layer in above.iter().filter(|layer| layer.contains(digest)) {
            let place = self.objects.file(digest);
            let mut copy = self.temporary(&place)?;
            match fill(&mut copy, &**layer, digest) {
                Ok(found) if found == *digest => {
                    self.make_way(&place)?;
                    self.objects.put(digest, copy)?;
                    return Ok(true);
                }
                Ok(_) => self.notice(format!(
                    "The object {digest} is damaged in the layer `{}`, and is not taken from there.",
                    layer.name()
                )),
                // A disk that is full is that of the store.
                Err(error) if error.is_full() => return Err(error.into()),
                Err(error) => self.notice(format!("The layer `{}` does not give an object. {error}", layer.name())),
            }
        }
        Ok(false)
    }
}

/// Fills a file with what a layer has of an object. Gives the digest of that.
fn fill(file: &mut Temporary, layer: &dyn Blobs, digest: &Digest) -> fsio::Result<Digest> {
    let mut source = layer.open(digest)?;
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; BLOCK]);
    loop {
        let read = source.read(&mut buffer).map_err(|error| fsio::Error::new("read", &layer.place(digest), error))?;
        if read == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&buffer[..read]);
        file.add(&buffer[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::leases::{Validation, Wanted};

    /// A store in `upper` above the objects of one in `lower`, which holds `abc` alone.
    fn layered() -> (tempfile::TempDir, Store, Store, Digest) {
        let dir = tempfile::tempdir().unwrap();
        let lower = Store::open(&dir.path().join("lower")).unwrap();
        let digest = lower.put_bytes(b"abc").unwrap();
        Store::open(&dir.path().join("upper")).unwrap();
        fsio::write_atomic(&dir.path().join("upper/layers"), b"repro layers 1\n../lower\n").unwrap();
        let upper = Store::open(&dir.path().join("upper")).unwrap();
        (dir, upper, lower, digest)
    }

    fn wanted(digest: Digest) -> Wanted {
        Wanted { digest, bytes: None }
    }

    #[test]
    fn what_only_a_lower_layer_has_is_copied_up_when_it_is_needed() {
        let (_dir, upper, lower, digest) = layered();
        assert!(upper.contains(&digest) && upper.size(&digest).unwrap() == 3);
        assert!(!upper.objects.contains(&digest), "a look copies nothing");
        let lease = upper.ensure(&[wanted(digest)], Validation::Fast).unwrap();
        let path = lease.path(&digest).unwrap();
        assert!(path.starts_with(upper.path()) && fsio::read(&path).unwrap() == b"abc");
        fsio::remove_file(&lower.objects.file(&digest)).unwrap();
        assert_eq!(upper.read(&digest).unwrap(), b"abc", "the copy needs the layer no more");
        let other = lower.put_bytes(b"other").unwrap();
        assert_eq!(upper.read(&other).unwrap(), b"other");
        assert!(upper.objects.contains(&other) && fsio::list(&upper.path().join("tmp")).unwrap().is_empty());
    }

    #[test]
    fn a_store_that_is_only_viewed_reads_objects_where_they_are() {
        let (_dir, upper, _lower, digest) = layered();
        let view = Store::view(upper.path()).unwrap();
        assert_eq!(view.read(&digest).unwrap(), b"abc");
        let mut copy = Vec::new();
        view.reader(&digest).unwrap().copy_to(&mut copy, Path::new("x")).unwrap();
        assert_eq!(copy, b"abc");
        assert!(!upper.objects.contains(&digest));
    }

    #[test]
    fn a_damaged_copy_is_told_and_the_next_layer_is_tried() {
        let (dir, upper, lower, digest) = layered();
        let damaged = lower.objects.file(&digest);
        fsio::write_atomic(&damaged, b"abd").unwrap();
        assert!(
            matches!(upper.ensure(&[wanted(digest)], Validation::Skip), Err(Error::Lacking(all)) if all == [digest])
        );
        assert!(upper.take_notices()[0].contains("is damaged in the layer"));
        let third = Store::open(&dir.path().join("third")).unwrap();
        third.put_bytes(b"abc").unwrap();
        let upper = upper.above(Box::new(LocalBlobs::new(third.path().join("objects"))));
        assert_eq!(upper.read(&digest).unwrap(), b"abc");
        assert_eq!(fsio::read(&damaged).unwrap(), b"abd", "a lower layer is only read");
    }

    #[test]
    fn a_file_of_layers_of_another_version_is_refused_in_words() {
        let (_dir, upper, ..) = layered();
        fsio::write_atomic(&upper.path().join("layers"), b"repro layers 2\n../lower\n").unwrap();
        let error = Store::open(upper.path()).unwrap_err().to_string();
        assert!(error.contains("`repro layers 2`, which is newer"), "{error}");
    }
}
