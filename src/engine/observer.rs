//! Observers of a run: they hear of it, and do the work that belongs to it beside its stages.

use super::log::LogLine;
use crate::hash::Digest;
use crate::store::RunRecord;

/// Hears of a run, and does what belongs to it beside the stages.
pub trait Observer {
    /// Something happened. This is the line of the run's event log.
    fn event(&mut self, line: &LogLine);

    /// No stage is at work any more. The run goes on record like this, unless an output turns out to be damaged or gone:
    /// then the node that made it runs again, and this is called once more. Results are published here.
    fn ended(&mut self, _run: &RunRecord) -> Vec<Damaged> {
        Vec::new()
    }
}

/// An observer that only listens.
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
