//! Blobs: where the bytes of objects are, by digest.
//!
//! A store has layers, which are tried in order. The first layer is the store's own folder `objects/`; only this layer is
//! written. The layers below it are only read: an object that only they have is copied up when it is needed (`layers.rs`).
//! The cache above, which is action records and hits, asks for digests and knows no layer. A remote store would be one more
//! implementation of [`Blobs`].
//!
//! Invariants:
//! - a blob is named by the BLAKE3 digest of its bytes, and never changes;
//! - a layer verifies nothing. The code that reads from a layer verifies what it reads.

use std::fmt::Debug;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fsio::{self, Temporary};
use crate::hash::Digest;

/// A place that holds blobs.
pub trait Blobs: Debug + Send + Sync {
    /// What people call it.
    fn name(&self) -> String;

    /// Whether the blob is there. Its content is not looked at.
    fn contains(&self, digest: &Digest) -> bool;

    /// The size of a blob in bytes.
    ///
    /// # Errors
    /// It is not there, or cannot be looked at.
    fn size(&self, digest: &Digest) -> fsio::Result<u64>;

    /// Opens a blob to read it. What is read may be damaged.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn open(&self, digest: &Digest) -> fsio::Result<Box<dyn Read + Send>>;

    /// Takes a file, whose content has this digest, as a blob.
    ///
    /// # Errors
    /// It cannot be written there.
    fn put(&self, digest: &Digest, file: Temporary) -> fsio::Result<()>;

    /// The file on this machine that is the blob, or would be; none where there are no such files.
    fn path(&self, digest: &Digest) -> Option<PathBuf>;

    /// What errors name: the file, else the layer.
    fn place(&self, digest: &Digest) -> PathBuf {
        self.path(digest).unwrap_or_else(|| self.name().into())
    }
}

/// Blobs that are files of a folder, each in a folder named by the first two digits of its digest.
#[derive(Debug)]
pub struct LocalBlobs {
    root: PathBuf,
}

impl LocalBlobs {
    /// The blobs of the folder `root`, which need not be there.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalBlobs { root: root.into() }
    }

    /// The file that is the blob, or would be.
    pub(super) fn file(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(&name[..2]).join(&name[2..])
    }

    /// Takes a synced file of the same file system as a blob, by its name.
    ///
    /// # Errors
    /// The disk's; `is_other_disk` where the file lies on another one.
    pub(super) fn adopt(&self, digest: &Digest, path: &Path) -> fsio::Result<()> {
        fsio::set_readonly(path)?;
        fsio::rename(path, &self.file(digest))
    }
}

impl Blobs for LocalBlobs {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn contains(&self, digest: &Digest) -> bool {
        fsio::is_file(&self.file(digest))
    }

    fn size(&self, digest: &Digest) -> fsio::Result<u64> {
        let file = self.file(digest);
        fsio::check_regular(&file)?;
        Ok(fsio::stat(&file)?.bytes)
    }

    fn open(&self, digest: &Digest) -> fsio::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fsio::open(&self.file(digest))?))
    }

    fn put(&self, digest: &Digest, file: Temporary) -> fsio::Result<()> {
        file.set_readonly()?;
        file.place(&self.file(digest))
    }

    fn path(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.file(digest))
    }
}
