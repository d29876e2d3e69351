//! Executions: what each job did, written by the job itself when it ends.
//!
//! An action record says which outputs belong to a key, and holds nothing else that could differ from time to time. An
//! execution holds the rest: when and where a job ran, how long, with how much memory, and how it ended. The scheduler reads
//! the verdict of an execution, a run names its executions, and the history and the costs come from them.
//!
//! Invariants:
//! - a record is written once, and never changed or replaced: it gets its name only if no record has this name, on any host;
//! - the name is the run's id and the job's name in that run. So whoever starts a job knows where its verdict will be;
//! - a job writes its action record first. A verdict [`Verdict::Done`] means that the action record is in the store;
//! - a job that is killed leaves no record;
//! - a record is kept as long as the record of its run, or the action record of its key, is in the store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::records::{Fields, Record};
use super::root::Store;
use crate::hash::Digest;
use crate::stage::{Outputs, StageError};

/// The folder of executions, each in that of its run.
pub(super) const FOLDER: &str = "executions";

/// The end of a record's name.
pub(super) const RECORD: &str = ".json";

/// Which execution: a job of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExecutionId {
    /// The run's id.
    pub run: String,
    /// The job's name in that run: the name of its folder below `jobs/`.
    pub job: String,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The action record is in the store.
    Done {
        /// Whether it was there before, so that nothing was computed.
        reused: bool,
    },
    /// The stage failed.
    Failed(StageError),
    /// Somebody asked it to stop, and it did.
    Stopped,
    /// Another process works on the same key. Nothing was done.
    Busy,
}

/// What one job did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The version of this format.
    pub format: u32,
    /// Which execution it is.
    #[serde(flatten)]
    pub id: ExecutionId,
    /// The stage, with its cell in the matrix.
    pub stage: String,
    /// The iteration, from 1, where the stage has several.
    pub iteration: Option<u32>,
    /// The kind.
    pub kind: String,
    /// The recipe.
    pub recipe: Digest,
    /// The action key.
    pub key: Digest,
    /// How it ended.
    pub verdict: Verdict,
    /// What it made; empty unless it is done.
    pub outputs: Outputs,
    /// Single figures; empty unless it is done.
    pub metrics: BTreeMap<String, f64>,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// How long it ran.
    pub seconds: f64,
    /// The most memory that its process held, in bytes; none where the system does not tell. Programs that it started are
    /// not in it.
    pub peak_memory: Option<u64>,
    /// Where it computed.
    pub device: String,
    /// How many threads it had.
    pub threads: usize,
    /// The machine's name.
    pub host: String,
    /// The program's version and what it was built from.
    pub versions: BTreeMap<String, String>,
    /// Its log, below the store's folder.
    pub log: String,
}

impl Execution {
    /// The format that this program writes.
    pub const FORMAT: u32 = 1;
}

impl Record for Execution {
    const WHAT: &'static str = "The record of an execution";
    const FORMAT: u32 = Self::FORMAT;

    fn read(format: u32, fields: &mut Fields) -> Option<Self> {
        // Without these nobody can tell what ended and how; the rest has defaults.
        Some(Execution {
            format,
            id: ExecutionId { run: fields.need("run")?, job: fields.need("job")? },
            stage: fields.take("stage"),
            iteration: fields.take("iteration"),
            kind: fields.take("kind"),
            recipe: fields.need("recipe")?,
            key: fields.need("key")?,
            verdict: fields.need("verdict")?,
            outputs: fields.each("outputs"),
            metrics: fields.each("metrics"),
            started: fields.take("started"),
            seconds: fields.take("seconds"),
            peak_memory: fields.take("peak_memory"),
            device: fields.take("device"),
            threads: fields.take("threads"),
            host: fields.take("host"),
            versions: fields.each("versions"),
            log: fields.take("log"),
        })
    }
}

impl Store {
    /// Writes the record of an execution that has ended.
    ///
    /// # Errors
    /// A record with its name is there already, and the disk's.
    pub fn write_execution(&self, execution: &Execution) -> Result<()> {
        self.save_new(&self.execution_path(&execution.id), execution)
    }

    /// The record of an execution; none while it has not ended, and none where it was killed. A damaged one is set aside
    /// and counts as none.
    ///
    /// # Errors
    /// The record is of a newer format; the disk's.
    pub fn execution(&self, id: &ExecutionId) -> Result<Option<Execution>> {
        let found: Option<Execution> = self.load(&self.execution_path(id))?;
        Ok(found.filter(|execution| execution.id == *id))
    }

    /// The executions of a run, by the names of their jobs. Records that are damaged or of another version are reported
    /// and left out.
    ///
    /// # Errors
    /// The disk's.
    pub fn executions(&self, run: &str) -> Result<Vec<Execution>> {
        let mut found = Vec::new();
        for name in self.names(&self.root.join(FOLDER).join(run))? {
            let Some(job) = name.strip_suffix(RECORD) else { continue };
            match self.execution(&ExecutionId::new(run, job)) {
                Err(error @ Error::Newer { .. }) => self.notice(format!("{error} It is left out.")),
                result => found.extend(result?),
            }
        }
        Ok(found)
    }

    pub(super) fn execution_path(&self, id: &ExecutionId) -> PathBuf {
        self.root.join(FOLDER).join(&id.run).join(format!("{}{RECORD}", id.job))
    }
}

impl ExecutionId {
    /// The execution of the job whose folder is `job` in the run `run`.
    pub fn new(run: impl Into<String>, job: impl Into<String>) -> Self {
        ExecutionId { run: run.into(), job: job.into() }
    }

    /// The job's log, below the store's folder.
    pub fn log(&self) -> String {
        format!("jobs/{}/{}/log.txt", self.run, self.job)
    }
}

#[cfg(test)]
pub(super) mod tests;
