//! The engine: a checked pipeline into finished nodes.
//!
//! Invariants:
//! - a [`Plan`] is a value: dry run, explanation and execution share it, and making one runs nothing;
//! - a node is done exactly if the store holds an action record under its key and its outputs; the key is known only
//!   once all its inputs are done, so equal output of a changed input stops the cascade;
//! - a hit reads records and the listings of trees, never other blobs;
//! - each node runs in a child process that holds the lock on its action key; the child alone stores outputs and
//!   writes the action record, last of all. The parent schedules, listens and writes the run record;
//! - the engine knows no stage kind and no tensor, prints nothing, and reports through [`RunEvent`]s;
//! - one loop makes all decisions; threads only carry what children say.

mod exec;
mod explain;
mod identity;
mod job;
mod launch;
mod lookup;
mod machine;
mod outside;
mod plan;
mod programs;
mod report;
mod run;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use exec::exec;
pub use explain::Why;
pub use launch::this_program;
pub use plan::{Plan, Planned, State, plan};
pub use report::{Failure, NodeLabel, RunEvent};
pub use run::run;

use crate::pipeline::Diagnostics;
use crate::stage::job::DataFault;
use crate::stage::{DeviceSpec, NodeRef, StageError};
use crate::store;

/// What the user asks of a run, beyond the pipeline.
#[derive(Debug, Clone)]
pub struct Options {
    /// The project's folder: programs that lie in it are files of the project.
    pub project: Option<PathBuf>,
    /// The folders of data roots by name.
    pub roots: BTreeMap<String, PathBuf>,
    /// Where to compute.
    pub device: DeviceSpec,
    /// How many threads all stages together use.
    pub threads: usize,
    /// How many stages run at once.
    pub jobs: usize,
    /// The stages or nodes wanted, with all they need; empty: all.
    pub only: Vec<String>,
    /// The stages or nodes that run even if they are done.
    pub force: Vec<String>,
    /// Whether a failure lets run what does not depend on it.
    pub keep_going: bool,
    /// How long a stage that was asked to stop may go on: time for an inner checkpoint.
    pub grace: Duration,
    /// The command that runs a job file in a child process: [`this_program`] outside tests.
    pub launcher: fn(&Path) -> std::io::Result<Command>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            project: None,
            roots: BTreeMap::new(),
            device: DeviceSpec::Cpu,
            threads: 1,
            jobs: 1,
            only: Vec::new(),
            force: Vec::new(),
            keep_going: false,
            grace: Duration::from_secs(10),
            launcher: this_program,
        }
    }
}

/// Why a plan could not be made, or a run not be recorded. A stage's failure is no such error: see [`Failure`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run ended, and only its record could not be written: what it says is here.
    #[error("The record of this run could not be written, so that it reads as one that was killed. {1}")]
    Unrecorded(Box<store::RunRecord>, store::Error),
    /// `--only` or `--force` names what is not in the pipeline.
    #[error("{0}")]
    Selection(Diagnostics),
    /// Data roots, files or programs outside the store are missing or at fault: all of them.
    #[error("{}", StageError::Data(.0.clone()))]
    Inputs(Vec<DataFault>),
    /// The device is missing or refuses.
    #[error(transparent)]
    Device(#[from] StageError),
    /// The device cannot compute as a node asks.
    #[error("`{0}`: {1}")]
    Refused(NodeRef, StageError),
    /// A plan that does not fit the registry.
    #[error("There is no stage kind `{0}`. This is a bug in repro.")]
    UnknownKind(String),
}

impl Error {
    /// What to do; may be empty.
    pub fn hint(&self) -> String {
        match self {
            Error::Store(error) | Error::Unrecorded(_, error) => error.hint(),
            Error::Device(error) | Error::Refused(_, error) => report::stage_hint(error),
            Error::Selection(_) | Error::Inputs(_) | Error::UnknownKind(_) => String::new(),
        }
    }
}
