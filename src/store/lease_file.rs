//! The file of a lease: a list of digests, locked by the process that uses the objects. `leases.rs` says what leases are for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fsio::{self, Temporary};
use crate::hash::Digest;

/// How often a process that waits for a collector looks whether it is done.
const WAIT: Duration = Duration::from_millis(20);

/// The file of a lease, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct LeaseFile {
    file: Temporary,
    digests: BTreeSet<Digest>,
    /// The collector's lock.
    collector: PathBuf,
}

impl LeaseFile {
    /// An empty one in `folder`.
    pub fn create(folder: &Path, collector: PathBuf) -> fsio::Result<Self> {
        Ok(LeaseFile { file: Temporary::create(folder, folder)?, digests: BTreeSet::new(), collector })
    }

    /// Whether the lease holds an object.
    pub fn lists(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// Adds objects. When this returns, no collector removes them any more.
    pub fn add(&mut self, digests: &[Digest]) -> fsio::Result<()> {
        let new: Vec<Digest> = digests.iter().filter(|digest| self.digests.insert(**digest)).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        let lines: String = new.iter().map(|digest| format!("{digest}\n")).collect();
        self.file.add(lines.as_bytes())?;
        while fsio::is_locked(&self.collector)? {
            std::thread::sleep(WAIT);
        }
        Ok(())
    }

    /// The file itself.
    #[cfg(test)]
    pub fn file(&mut self) -> &mut Temporary {
        &mut self.file
    }
}
