//! `manifest.json` in a folder of results: which artifact each published file was made from.
//!
//! Invariants:
//! - anybody may have changed the manifest: a path in it that leads out of the folder is ignored;
//! - a manifest that is missing or unreadable lists nothing, so that every file is written again;
//! - a manifest of a newer program is refused, and stays as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::folder::Folder;
use crate::fsio;
use crate::hash::Digest;

/// The manifest's name in the folder.
pub(super) const NAME: &str = "manifest.json";

/// The newest version of the manifest.
pub(super) const VERSION: u32 = 1;

/// The published files by their paths in the folder.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub version: u32,
    pub files: BTreeMap<String, PublishedFile>,
}

/// What a file was made from and how, and its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PublishedFile {
    pub digest: Digest,
    /// The layout that a rendered table is shown by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Digest>,
    /// The digits that a rendered table shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<usize>,
    /// The version of a table's rendering; none of other files, and of tables that older programs rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendering: Option<u32>,
    pub bytes: u64,
    /// The run that it is of, where a later run left it as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// The part of a manifest that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads the folder's manifest.
///
/// # Errors
/// The manifest is of a newer program; the disk's.
pub(super) fn load(folder: &Folder<'_>) -> Result<Manifest> {
    let text = folder.read(NAME)?.unwrap_or_default();
    if let Ok(Versioned { version }) = serde_json::from_slice(&text)
        && version > VERSION
    {
        return Err(Error::Newer { path: folder.path().join(NAME), found: version, known: VERSION });
    }
    let mut manifest: Manifest = serde_json::from_slice(&text).unwrap_or_default();
    manifest.files.retain(|path, _| fsio::is_beneath(path));
    Ok(manifest)
}

/// Removes the manifest.
///
/// # Errors
/// The disk's.
pub(super) fn remove(folder: &Folder<'_>) -> Result<()> {
    match folder.size(NAME)? {
        Some(_) => Ok(fsio::remove_file(&folder.path().join(NAME))?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_every_version_reads_and_a_newer_one_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p").join(NAME);
        let digest = Digest::of(b"a");
        let text = format!(
            r#"{{"version": 1, "files": {{"a/b.csv": {{"digest": "{digest}", "digits": 2, "bytes": 3}}, "c": {{"digest": "{digest}", "bytes": 4}}}}}}"#
        );
        fsio::write_atomic(&path, text.as_bytes()).unwrap();
        let folder = Folder::new(dir.path(), "p");
        let manifest = load(&folder).unwrap();
        assert_eq!(manifest.version, VERSION);
        assert_eq!(
            manifest.files["a/b.csv"],
            PublishedFile { digest, layout: None, digits: Some(2), rendering: None, bytes: 3, run: None }
        );
        let plain = PublishedFile { digest, layout: None, digits: None, rendering: None, bytes: 4, run: None };
        assert_eq!(manifest.files["c"], plain);
        fsio::write_atomic(&path, text.replace("\"version\": 1", "\"version\": 2").as_bytes()).unwrap();
        let refused = load(&folder).unwrap_err();
        assert!(matches!(refused, Error::Newer { found: 2, .. }));
        let told = refused.to_string();
        assert!(told.contains(&path.display().to_string()) && told.contains("newer than this program"), "{told}");
    }
}
