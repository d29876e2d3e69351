//! The engine turns a checked pipeline into finished nodes.
//!
//! Invariants:
//! - a [`Plan`] is a value: dry run, explanation and execution share it, and making a plan runs no node;
//! - a node is done exactly if the store holds an action record under its key, and also the outputs. The key is known only
//!   when all inputs of the node are done. So, if a changed input gives the same output, the nodes behind it do not run;
//! - a hit reads records and the listings of trees, never other blobs;
//! - each node that runs is a job. [`executor`] says where it runs: today in a child process. Only the job holds the lock on
//!   its action key, stores outputs, writes the action record, and at the very end its verdict. The run schedules, reports
//!   what jobs say, reads verdicts from the store, and writes the run record;
//! - the engine knows no stage kind and no tensor, and prints nothing. It reports through [`RunEvent`]s, which are the lines
//!   of the run's event log;
//! - a pure schedule makes all decisions, and one loop carries them out. Threads only pass on what children say.

mod earlier_runs;
mod error;
mod event;
mod exec;
mod executor;
mod explain;
mod failure;
mod folder;
mod growing;
mod hit;
mod job;
mod local;
mod log;
mod machine;
mod observer;
mod options;
mod outside;
mod plan;
mod programs;
mod run;
mod said;
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
pub use local::this_program;
pub use log::{Follower, LogLine, NodeProgress, events, progress};
pub use observer::{Damaged, Observer};
pub use options::Options;
pub use outside::{data_root, data_roots};
pub use plan::{Plan, Planned, State, plan};
pub use run::run;
