//! The places of the event logs of runs, and how long the logs stay. The engine knows their content.

use std::path::PathBuf;

use super::names::{EVENTS, RunClaim, RunFiles};
use crate::fsio;
use crate::store::error::Result;
use crate::store::root::Store;

impl Store {
    /// Where the event log of a run that begins goes.
    pub fn new_events(&self, claim: &RunClaim) -> PathBuf {
        self.run_path(&claim.entry, EVENTS)
    }

    /// Where the event log of a run is; none where it has none.
    pub fn events_path(&self, id: &str) -> Result<Option<PathBuf>> {
        let run = self.run_files()?.events.into_iter().find(|run| run.id == id);
        Ok(run.map(|run| self.run_path(&run, EVENTS)))
    }

    /// Removes the event logs of all but the newest `kept` runs that have one.
    pub(in crate::store) fn sweep_events(&self, listing: &RunFiles, kept: usize) -> Result<()> {
        for run in listing.events.iter().rev().skip(kept) {
            if !self.is_alive(run)? {
                let path = self.run_path(run, EVENTS);
                self.make_way(&path)?;
                fsio::remove_file(&path)?;
            }
        }
        Ok(())
    }
}
