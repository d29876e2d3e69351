//! What nodes leave: outputs as a stage makes them, and as the store holds them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::StageError;
use crate::hash::Digest;

/// A node whose outputs are an input. It has no name and no parameters, since these are
/// not in the consumer's key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputNode {
    /// The outputs by name.
    pub outputs: BTreeMap<String, Artifact>,
    /// The data root that the node's outputs refer to. Files found below it are checked against digests when read.
    #[serde(default, with = "crate::fsio::exact::option")]
    pub root: Option<PathBuf>,
    /// What the node itself read of others: the digests of their outputs, by `slot.output`. This is not in the consumer's
    /// key, so only a warning may follow from it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made_from: BTreeMap<String, Digest>,
}

/// An output in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The digest of the content; of a tree, that of its listing.
    pub digest: Digest,
    /// The size in bytes; of a tree, that of its files.
    pub bytes: u64,
    /// What it is.
    pub kind: ArtifactKind,
    /// The file name below `results/`.
    pub file: String,
    /// Where the content is; of a tree, where its listing is. Filled in for a running job, never stored.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::fsio::exact::option")]
    pub path: Option<PathBuf>,
    /// The files of a tree by relative path. Filled in for a running job, never stored.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tree: BTreeMap<String, Artifact>,
}

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// One file.
    File,
    /// A table in its canonical rows.
    Table,
    /// A folder of files.
    Tree,
}

impl Artifact {
    /// Checks `bytes`, read from where the artifact is, against its digest.
    pub fn verified(&self, bytes: Vec<u8>) -> Result<Vec<u8>, StageError> {
        if Digest::of(&bytes) == self.digest {
            Ok(bytes)
        } else {
            Err(StageError::CorruptInput { digest: self.digest })
        }
    }
}

/// What a stage made, in the folder it was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Produced {
    /// The outputs by name.
    pub outputs: BTreeMap<String, Made>,
    /// Single figures, for the run record and for `repro diff`: deterministic, as everything stored.
    pub metrics: BTreeMap<String, f64>,
    /// What the user should know of the result, as sentences. Each was told by [`Job::warn`](super::Job::warn) when it was
    /// found. They are kept with the result, and told again by each run that finds it in the store.
    pub warnings: Vec<String>,
}

/// An output before it is in the store: a file or folder below the job's `out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The relative path.
    pub path: String,
    /// What it is.
    pub kind: ArtifactKind,
}

/// The outputs of a node, in the store.
pub type Outputs = BTreeMap<String, Artifact>;
