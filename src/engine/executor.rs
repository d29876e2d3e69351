//! Where jobs run. This is the seam at which a scheduler plugs in: [`super::local`] starts child processes, and another
//! executor would hand the same folders to a queue.
//!
//! A job is a folder below `jobs/` of the store with a job file in it, [`super::job`].
//!
//! Invariants:
//! - the job itself writes into the store what it made and how it ended, and into its folder what it says. An executor
//!   carries no result: it only reports that a job ended, and how its process ended. A verdict is read from the store alone;
//! - the executor says what can be computed, what changes the bits of numbers, and what is measured on, on the machine where
//!   jobs run. The machine that plans is not asked;
//! - each event is reported once, and in order. What a job says may be reported late, but before the job's end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::failure::NodeFailure;
use crate::stage::{DeviceSpec, Event, Kind, Registry, StageError, Value};

/// A job by the number that its submitter gave it.
pub(super) type JobId = usize;

/// What happens to a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JobEvent {
    /// The stage says something.
    Said(Event),
    /// The job ended. Its verdict is in the store, unless it was killed before it wrote one.
    Ended(Exit),
}

/// How the process of a job ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// That could not be found out.
    Unknown(String),
}

/// How a job is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// At its next safe point.
    Soon,
    /// At once, with all that it started.
    Now,
}

/// A place where jobs run: [`Local`](super::local::Local), or a cluster's scheduler.
///
/// A local child ends when its standard input ends, and so with its parent; the line `stop` there asks it to stop
/// ([`exec`](super::exec())). Another executor must keep that input open as long as the job is to run.
pub(super) trait Executor {
    /// What changes the bits of numbers where jobs run, by name.
    ///
    /// # Errors
    /// The device is missing, or does not say.
    fn profile(&self, registry: &Registry, device: &DeviceSpec) -> Result<BTreeMap<String, String>, StageError>;

    /// What is measured on where jobs run, by name, with so many threads.
    ///
    /// # Errors
    /// The program's own file cannot be read.
    fn machine(&self, threads: usize) -> Result<BTreeMap<String, String>, StageError>;

    /// Whether the device can compute a node of this kind as its parameters ask, where jobs run.
    ///
    /// # Errors
    /// Why it cannot.
    fn runs_on(&self, kind: &dyn Kind, params: &Value, device: &DeviceSpec) -> Result<(), StageError>;

    /// Starts the job in this folder, under a number that no other job has.
    ///
    /// # Errors
    /// The job cannot be started.
    fn submit(&mut self, job: JobId, folder: &Path) -> Result<(), NodeFailure>;

    /// Reports from now on, under this number, the messages of a job that another process submitted, but not its end.
    fn attach(&mut self, job: JobId, folder: &Path);

    /// Ends the reports that [`Executor::attach`] began, if there are any.
    fn detach(&mut self, job: JobId);

    /// The next event; none if none comes for so long.
    fn next(&mut self, patience: Duration) -> Option<(JobId, JobEvent)>;

    /// Stops a job. Its end is reported as any other.
    fn cancel(&mut self, job: JobId, how: Stop);
}
