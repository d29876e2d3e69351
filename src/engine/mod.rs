//! The engine: a checked pipeline into finished nodes.
//!
//! Invariants:
//! - a [`Plan`] is a value: dry run, explanation and execution share it, and making one runs nothing;
//! - a node is done exactly if the store holds an action record under its key and its outputs; the key is known only
//!   once all its inputs are done, so equal output of a changed input stops the cascade;
//! - a hit reads records and the listings of trees, never other blobs;
//! - each node runs in a child process that holds the lock on its action key; the child alone stores outputs and
//!   writes the action record, last of all. The parent schedules, listens and writes the run record;
//! - the engine knows no stage kind and no tensor, prints nothing, and reports through [`RunEvent`]s, which are the
//!   lines of the run's event log;
//! - a pure schedule makes all decisions, and one loop carries them out; threads only carry what children say.

mod error;
mod event;
mod exec;
mod explain;
mod failure;
mod folder;
mod identity;
mod job;
mod launch;
mod log;
mod lookup;
mod machine;
mod observer;
mod options;
mod outside;
mod plan;
mod programs;
mod run;
mod schedule;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use event::RunEvent;
pub use exec::exec;
pub use explain::Why;
pub use failure::NodeFailure;
pub use launch::this_program;
pub use log::{LogLine, Progress, events, progress};
pub use observer::{Damaged, Observer};
pub use options::Options;
pub use plan::{Plan, Planned, State, plan};
pub use run::run;
