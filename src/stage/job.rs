//! What a running stage is given.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::artifact::InputNode;
use super::error::StageError;
use super::event::{Event, Events};
use super::params::Param;
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
    /// Reads an object of the store that is no input, as one of [`InputNode::made_from`]; none where it is not there. Only a
    /// warning may follow from it.
    pub read: &'a (dyn Fn(&Digest) -> Option<Vec<u8>> + Sync),
    /// Where to say what happens.
    pub events: &'a dyn Events,
    /// Whether to stop at the next safe point.
    pub cancel: &'a Cancel,
}

impl Job<'_> {
    /// Tells what the user should know of the result, and adds it to `warnings`, which the stage returns in
    /// [`Produced`](super::Produced).
    pub fn warn(&self, warnings: &mut Vec<String>, text: impl Into<String>) {
        let text = text.into();
        self.events.emit(Event::Warning { text: text.clone() });
        warnings.push(text);
    }

    /// A field that expansion has set beside the fields of the schema; none where it has not.
    ///
    /// # Errors
    /// It does not read, which is an error of the program.
    pub fn set<P: Param>(&self, name: &str) -> Result<Option<P>, StageError> {
        let bug = || StageError::Bug(format!("The parameters {} have another `{name}`.", self.params));
        self.params.field(name).map(|value| P::read(value).ok_or_else(bug)).transpose()
    }
}

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
