//! Run records: what happened, when, where and with what result. And the names by which runs are found.

mod events;
mod find;
mod format;
mod journal;
mod names;
mod read;
mod record;
mod write;

pub use journal::Journal;
pub use names::RunClaim;
pub(super) use names::{RunFiles, RunName};
pub use record::{RunLine, RunNodeRecord, RunRecord, RunStatus, Status};

#[cfg(test)]
pub(super) mod tests;
