//! What a running stage is given, and what it gives back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::value::Value;
use crate::hash::Digest;

/// One node's work.
pub struct Job<'a> {
    /// The node's parameters, complete.
    pub params: &'a Value,
    /// The inputs by slot; a reference to a stage of several nodes gives several.
    pub inputs: &'a BTreeMap<String, Vec<InputNode>>,
    /// The `File` parameters by slot.
    pub files: &'a BTreeMap<String, PathBuf>,
    /// The data root that the kind asked for by `Kind::root`, and any other that it names in its parameters.
    pub roots: &'a BTreeMap<String, PathBuf>,
    /// An empty folder: the outputs go here.
    pub out: &'a Path,
    /// A folder for what is of no use any more when the stage ends. It may not be there yet.
    pub temp: &'a Path,
    /// A folder that outlives a killed process and belongs to this node's inputs alone: inner checkpoints.
    pub scratch: &'a Path,
    /// Where to compute.
    pub device: &'a DeviceSpec,
    /// How many threads to use. Never changes a bit of any output.
    pub threads: usize,
    /// Where to say what happens.
    pub events: &'a dyn Events,
    /// Whether to stop at the next safe point.
    pub cancel: &'a Cancel,
}

/// A node whose outputs are an input. It tells nothing that is not in the consumer's key: no name, no parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputNode {
    /// The outputs by name.
    pub outputs: BTreeMap<String, Artifact>,
    /// The data root that the node's outputs refer to. Files found below it are checked against digests when read.
    #[serde(default, with = "crate::fsio::exact::option")]
    pub root: Option<PathBuf>,
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

/// The device to compute on, as the user named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceSpec {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU by number.
    Cuda(usize),
}

impl DeviceSpec {
    /// The number of the GPU, or none for the processor.
    pub fn gpu(self) -> Option<usize> {
        match self {
            DeviceSpec::Cpu => None,
            DeviceSpec::Cuda(number) => Some(number),
        }
    }
}

impl std::fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeviceSpec::Cpu => f.write_str("cpu"),
            DeviceSpec::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl std::str::FromStr for DeviceSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(DeviceSpec::Cpu),
            None if text == "cuda" => Ok(DeviceSpec::Cuda(0)),
            Some(("cuda", n)) => n.parse().map(DeviceSpec::Cuda).map_err(|_| format!("`{n}` is not a GPU's number")),
            _ => Err(format!("`{text}` is not a device; write `cpu`, `cuda` or `cuda:1`")),
        }
    }
}

/// What happens while a stage runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// How far the stage is.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// The unit: `steps`, `images`.
        unit: String,
    },
    /// Figures at a step, as loss and running mIoU.
    Scalars {
        /// The step, counted over all iterations.
        step: u64,
        /// The figures by name.
        values: BTreeMap<String, f64>,
    },
    /// Work already done by a killed process was taken up.
    Resumed {
        /// The first step that is still to do.
        step: u64,
    },
    /// An inner checkpoint is safe on disk.
    Checkpoint {
        /// The next step after it.
        step: u64,
    },
    /// A line for the log.
    Log {
        /// The text.
        text: String,
    },
    /// Something that the user should know.
    Warning {
        /// The text.
        text: String,
    },
}

/// Takes events. Implementations never fail and never block for long.
pub trait Events: Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// A request to stop, shared between threads.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }

    /// An error if somebody asked to stop.
    pub fn check(&self) -> Result<(), StageError> {
        if self.requested() { Err(StageError::Cancelled) } else { Ok(()) }
    }
}

/// Why a stage failed. Each says what, where and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum StageError {
    /// The input data are at fault; every fault that was found.
    #[error("{}", list(.0))]
    Data(Vec<DataFault>),
    /// The disk or another part of the machine refused.
    #[error("{message}")]
    Io {
        /// What happened, with the path.
        message: String,
        /// What to do.
        hint: String,
        /// Whether the disk is full.
        full: bool,
    },
    /// The arithmetic went wrong: a loss that is not finite.
    #[error("{message}")]
    Numeric {
        /// What happened, with step and tensor.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The device is missing or cannot do what is asked.
    #[error("{message}")]
    Device {
        /// What was looked for.
        message: String,
        /// What to do.
        hint: String,
    },
    /// An input in the store is not what its digest says.
    #[error("The stored object {digest} is corrupt or missing.")]
    CorruptInput {
        /// Its digest.
        digest: Digest,
    },
    /// An external program failed.
    #[error("{message}")]
    Command {
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Somebody asked to stop.
    #[error("The stage was stopped.")]
    Cancelled,
    /// A bug in this program.
    #[error("{0} This is a bug in repro.")]
    Bug(String),
}

/// One fault of the input data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFault {
    /// The file, with line and column where it has lines.
    pub place: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl DataFault {
    /// A fault of `place`.
    pub fn new(place: impl std::fmt::Display, message: impl Into<String>, hint: impl Into<String>) -> Self {
        DataFault { place: place.to_string(), message: message.into(), hint: hint.into() }
    }
}

impl From<DataFault> for StageError {
    fn from(fault: DataFault) -> Self {
        StageError::Data(vec![fault])
    }
}

impl From<crate::fsio::Error> for StageError {
    fn from(error: crate::fsio::Error) -> Self {
        StageError::Io { hint: error.hint().to_owned(), full: error.is_full(), message: error.to_string() }
    }
}

fn list(faults: &[DataFault]) -> String {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let hint = if fault.hint.is_empty() { String::new() } else { format!(" {}", fault.hint) };
            format!("{}: {}{hint}", fault.place, fault.message)
        })
        .collect();
    lines.join("\n")
}
