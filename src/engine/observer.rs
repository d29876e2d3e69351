//! Whoever watches a run, and what belongs to a run beside its stages.

use super::log::LogLine;
use crate::hash::Digest;
use crate::store::RunRecord;

/// Hears of a run, and does what belongs to it beside the stages.
pub trait Observer {
    /// Something happened. This is the line of the run's event log.
    fn event(&mut self, line: &LogLine);

    /// No stage is at work any more. This is what the run will be on record as, unless an output that is damaged or gone
    /// is found now: the node that made it runs again, and then this is called once more. Whoever publishes results does
    /// it here.
    fn ended(&mut self, _run: &RunRecord) -> Vec<Damaged> {
        Vec::new()
    }
}

/// Whoever only listens.
impl<F: FnMut(&LogLine)> Observer for F {
    fn event(&mut self, line: &LogLine) {
        self(line);
    }
}

/// An output of a node that is damaged, or gone from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    /// The number of the node that made it, in the run's record.
    pub node: usize,
    /// The output, or a file in it.
    pub digest: Digest,
}
