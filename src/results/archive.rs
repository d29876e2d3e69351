//! The file format of an exported run: a tar archive, compressed by zstd, with a manifest as its first entry.
//!
//! Invariants:
//! - the bytes are a function of the entries: these are sorted, and have no time and no owner;
//! - objects of the store are read in parts, and verified on the way.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::error::{Error, Result};
use crate::fsio::{self, Temporary};
use crate::hash::Digest;
use crate::store::Store;

/// The name of the manifest in the archive.
pub(super) const MANIFEST: &str = "manifest.json";

/// The bytes of a manifest that are read back.
pub(super) const LONGEST_MANIFEST: u64 = 1 << 28;

/// What is read back of a manifest.
#[derive(Deserialize)]
pub(super) struct Manifest {
    pub files: Vec<Listed>,
}

/// What is read back of a file's entry in the manifest.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub path: String,
    pub blake3: Digest,
    /// The node that made it, and the name of its output; none for what tells of the run itself.
    pub node: Option<String>,
    pub output: Option<String>,
}

/// Beyond this level the archives grow little smaller: most of their bytes are weights.
const LEVEL: i32 = 3;

/// A file of the archive, before it is written.
pub(super) struct ArchiveFile {
    pub digest: Digest,
    pub bytes: u64,
    /// The node that made it, and the name of its output; none for what tells of the run itself.
    pub origin: Option<(String, String)>,
    /// What was rendered for the archive; none where it is the object of the store with this digest.
    pub rendered: Option<Vec<u8>>,
}

/// The files of an archive by path.
pub(super) type ArchiveFiles = BTreeMap<String, ArchiveFile>;

/// Writes the archive to a file that is for `path`. All of it lies below `folder`.
pub(super) fn write(
    store: &Store,
    manifest: &[u8],
    folder: &str,
    files: &ArchiveFiles,
    (file, path): (&mut Temporary, &Path),
) -> Result<()> {
    let failed = |error| Error::from(fsio::Error::new("write", path, error));
    let mut compressor = zstd::Encoder::new(file, LEVEL).map_err(failed)?;
    compressor.include_checksum(true).map_err(failed)?;
    let mut archive = tar::Builder::new(compressor);
    let mut add = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, format!("{folder}/{name}"), content).map_err(failed)
    };
    add(MANIFEST, manifest.len() as u64, &mut &*manifest)?;
    for (name, entry) in files {
        match &entry.rendered {
            Some(bytes) => add(name, entry.bytes, &mut bytes.as_slice())?,
            None => {
                let mut object = store.reader(&entry.digest)?;
                // One that changed its length since it was measured is found below.
                add(name, entry.bytes, &mut (&mut object).take(entry.bytes))?;
                object.finish()?;
            }
        }
    }
    archive.into_inner().and_then(zstd::Encoder::finish).map_err(failed)?;
    Ok(())
}
