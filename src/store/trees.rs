//! Trees: folders of files, each stored as a blob that lists them.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::root::Store;
use crate::fsio::{self, Found};
use crate::hash::Digest;
use crate::stage::{Artifact, ArtifactKind};

/// The first field of a stored tree.
pub(super) const TREE: &str = "repro tree 1";

/// How many files of a tree are synced at once.
const SYNCS: usize = 16;

/// A file of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// The digest of its content.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Tree {
    pub format: String,
    pub files: BTreeMap<String, TreeEntry>,
}

impl Store {
    /// Stores every file below `folder`, taking them away, and a listing of them: the artifact's digest is the
    /// listing's. Empty folders are not kept. A symbolic link to a regular file of the same folder is listed as a file of
    /// that content.
    ///
    /// # Errors
    /// Every other link, and whatever else is neither a regular file nor a folder, is refused.
    pub fn put_tree(&self, folder: &Path, file: &str) -> Result<Artifact> {
        let (mut names, mut links) = (Vec::new(), Vec::new());
        for name in fsio::walk(folder)? {
            let path = folder.join(&name);
            match fsio::found(&path)? {
                Found::File(_) => names.push(name),
                Found::Link => links.push((name, link_target(folder, &path)?)),
                what => return Err(fsio::Error::irregular("store", &path, what).into()),
            }
        }
        let put = |name: &String| self.put_file(&folder.join(name)).map(|(digest, bytes)| TreeEntry { digest, bytes });
        let all = || names.par_iter().map(put).collect::<Vec<Result<TreeEntry>>>();
        // Threads wait for the disk here, not for the processor, and the disk syncs many files almost as fast as one.
        let entries = match rayon::ThreadPoolBuilder::new().num_threads(SYNCS).build() {
            Ok(pool) => pool.install(all),
            Err(_) => all(),
        };
        let mut files: BTreeMap<String, TreeEntry> =
            names.into_iter().zip(entries).map(|(name, entry)| Ok((name, entry?))).collect::<Result<_>>()?;
        for (name, target) in links {
            let found = files.get(&target).copied();
            let entry = found.ok_or_else(|| fsio::Error::irregular("store", &folder.join(&name), Found::Link))?;
            files.insert(name, entry);
        }
        let bytes = files.values().map(|entry| entry.bytes).sum();
        let listing = serde_json::to_vec_pretty(&Tree { format: TREE.to_owned(), files })
            .map_err(|error| fsio::Error::new("list", folder, error.into()))?;
        let digest = self.put_bytes(&listing)?;
        Ok(Artifact {
            digest,
            bytes,
            kind: ArtifactKind::Tree,
            file: file.to_owned(),
            path: None,
            tree: BTreeMap::new(),
        })
    }

    /// The files of a tree by relative path. A listing that names what lies outside its folder is set aside as a damaged
    /// one is.
    pub fn listing(&self, digest: &Digest) -> Result<BTreeMap<String, TreeEntry>> {
        let bytes = self.read(digest)?;
        match serde_json::from_slice::<Tree>(&bytes) {
            Ok(tree) if tree.format == TREE => match tree.files.keys().all(|name| fsio::is_beneath(name)) {
                true => Ok(tree.files),
                false => Err(self.quarantine(digest)?),
            },
            Ok(tree) => Err(Error::Newer { path: self.objects.file(digest), found: tree.format, known: TREE.into() }),
            Err(_) => Err(Error::Newer {
                path: self.objects.file(digest),
                found: "something that is not a tree".into(),
                known: TREE.into(),
            }),
        }
    }

    /// The first object of an artifact that is not there: itself, or of a tree a file in it. Contents are not looked at,
    /// but for the listings of trees.
    ///
    /// # Errors
    /// A listing of a newer format, and the disk's.
    pub fn lacking(&self, artifact: &Artifact) -> Result<Option<Digest>> {
        let digest = artifact.digest;
        if !self.contains(&digest) {
            return Ok(Some(digest));
        }
        if artifact.kind != ArtifactKind::Tree || self.is_whole(&digest) {
            return Ok(None);
        }
        let files = match self.listing(&digest) {
            Ok(files) => files,
            Err(Error::Missing(_) | Error::Corrupt { .. }) => return Ok(Some(digest)),
            Err(error) => return Err(error),
        };
        let lacking = files.values().map(|entry| entry.digest).find(|file| !self.contains(file));
        if lacking.is_none() {
            self.note_whole(digest);
        }
        Ok(lacking)
    }
}

/// The regular file of `folder` that a link in it leads to, as a relative path.
fn link_target(folder: &Path, link: &Path) -> Result<String> {
    let refused = || fsio::Error::irregular("store", link, Found::Link);
    let target = fsio::canonical(link).map_err(|_| refused())?;
    let inside = target.strip_prefix(fsio::canonical(folder)?).ok().and_then(Path::to_str);
    match inside {
        Some(inside) if matches!(fsio::found(&target)?, Found::File(_)) => Ok(inside.to_owned()),
        _ => Err(refused().into()),
    }
}
