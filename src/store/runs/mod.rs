//! Run records: what happened, when, where and with what result. And the names by which runs are found.

mod events;
mod find;
mod format;
mod found;
mod journal;
mod names;
mod read;
mod record;
mod summary;
mod write;

pub use found::{FoundRun, PassedRun};
pub use journal::Journal;
pub use names::RunClaim;
pub(super) use names::{RunFiles, RunName};
pub use record::{RunLine, RunNodeRecord, RunRecord, RunStatus, Status};
pub use summary::{NodeFigures, RunSummary};

#[cfg(test)]
mod find_tests;
#[cfg(test)]
pub(super) mod tests;
