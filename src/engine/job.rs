//! What parent and child say to each other: the job file, and the frames on the child's standard output.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::report::NodeLabel;
use crate::hash::Digest;
use crate::program;
use crate::stage::{DeviceSpec, Event, External, InputNode, StageError, Value};

/// The newest format of job files.
pub(super) const FORMAT: u32 = 1;

/// The byte that begins a frame. Standard output without it is text for the log.
pub(super) const FRAME: u8 = 0x1e;

/// All that a child process needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct JobFile {
    pub format: u32,
    /// The program that planned the run. Older programs did not say it.
    #[serde(default)]
    pub program: program::Id,
    pub store: PathBuf,
    pub run: String,
    pub node: NodeLabel,
    pub version: u32,
    pub recipe: Digest,
    pub key: Digest,
    pub preimage: BTreeMap<String, String>,
    pub params: Value,
    /// The inputs by slot; where the contents are, the child finds in the store.
    pub inputs: BTreeMap<String, Vec<InputNode>>,
    pub files: BTreeMap<String, PathBuf>,
    pub roots: BTreeMap<String, PathBuf>,
    pub device: DeviceSpec,
    pub threads: usize,
    /// How long the stage may go on after it was asked to stop.
    pub grace: Duration,
    /// Whether to run even if there is a record.
    pub force: bool,
    /// The files outside the store that the stage reads, to be checked again when it is done.
    pub checks: Vec<Check>,
}

/// A file outside the store as it was when the key was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Check {
    pub path: PathBuf,
    pub digest: Digest,
}

impl Check {
    /// The file for the memory of fingerprints.
    pub fn external(&self) -> External {
        External { name: String::new(), path: self.path.clone() }
    }
}

/// What a child says: one line of JSON behind the byte [`FRAME`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Frame {
    /// The lock is taken and the stage begins.
    Started { pid: u32 },
    /// The stage says something.
    Event(Event),
    /// The action record is written; `reused`: it was there when the lock was taken.
    Done { key: Digest, reused: bool },
    /// The stage failed.
    Failed(StageError),
    /// Another process holds the lock.
    Busy,
}
