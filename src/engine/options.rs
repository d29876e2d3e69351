//! What the user asks of a run, beyond the pipeline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::executor::Executor;
use super::local::{Local, this_program};
use crate::stage::DeviceSpec;

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
    /// Whether a training that is not done is refused.
    pub no_train: bool,
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
            no_train: false,
            keep_going: false,
            grace: Duration::from_secs(10),
            launcher: this_program,
        }
    }
}

impl Options {
    /// Where the jobs of the run are executed. There is one place today: child processes on this machine.
    pub(super) fn executor(&self) -> Box<dyn Executor> {
        Box::new(Local::new(self.launcher))
    }
}
