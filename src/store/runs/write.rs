//! How runs are recorded: at their beginning, at their end, and for those that were killed.

use super::format::{self, Lists, Stored};
use super::journal::Journal;
use super::names::{JOURNAL, RECORD, RunClaim, RunName};
use super::record::{RunRecord, RunStatus};
use crate::fsio;
use crate::store::error::Result;
use crate::store::records::frame;
use crate::store::root::Store;

/// How many earlier runs of a pipeline are looked at for lists to share.
const LOOK_BACK: usize = 8;

impl Store {
    /// Records that a run has begun. Its nodes are told to the journal.
    pub fn begin_run(&self, claim: &RunClaim, run: &RunRecord) -> Result<Journal> {
        let path = self.run_path(&claim.entry, JOURNAL);
        self.make_way(&path)?;
        let journal = Journal::create(&path)?;
        let plan = self.put_lines(&format::plan_lines(run), self.like(&claim.entry)?.plan.as_ref())?;
        self.save_run(&claim.entry, run, &Lists { plan: Some(plan), ..Lists::default() })?;
        Ok(journal)
    }

    /// Records how a run ended.
    pub fn end_run(&self, claim: &RunClaim, run: &RunRecord) -> Result<()> {
        self.end(&claim.entry, run)
    }

    /// Gives a run that was killed the record that it could not write.
    pub(in crate::store) fn end_killed_run(&self, entry: &RunName) -> Result<()> {
        if let Some(stored) = self.stored(entry)?.filter(|stored| stored.run.status == RunStatus::Running)
            && let Some(run) = self.complete(entry, stored, false)?
        {
            return self.end(entry, &run);
        }
        Ok(fsio::remove_file(&self.run_path(entry, JOURNAL))?)
    }

    pub(super) fn end(&self, entry: &RunName, run: &RunRecord) -> Result<()> {
        let like = self.like(entry)?;
        let (nodes, others) = format::node_lines(&run.nodes);
        let lists = Lists {
            plan: Some(self.put_lines(&format::plan_lines(run), like.plan.as_ref())?),
            nodes: Some(self.put_lines(&nodes, like.nodes.as_ref())?),
            count: nodes.len(),
            others,
            warnings: run.nodes.iter().map(|node| node.warnings.len()).sum(),
        };
        self.save_run(entry, run, &lists)?;
        Ok(fsio::remove_file(&self.run_path(entry, JOURNAL))?)
    }

    fn save_run(&self, entry: &RunName, run: &RunRecord, lists: &Lists) -> Result<()> {
        Ok(self.place(&self.run_path(entry, RECORD), &frame(&format::write(run, lists)))?)
    }

    /// The lists of the newest run before this one of the same pipeline that ended.
    fn like(&self, entry: &RunName) -> Result<Lists> {
        let listing = self.run_files()?;
        let before = |other: &&RunName| other.number < entry.number && other.mark == entry.mark;
        for other in listing.runs.iter().rev().filter(before).take(LOOK_BACK) {
            if let Some(Stored { lists: Some(lists), .. }) = self.stored(other)?
                && lists.nodes.is_some()
            {
                return Ok(lists);
            }
        }
        Ok(Lists::default())
    }
}
