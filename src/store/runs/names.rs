//! The names of runs: what the files of a run are called, and how a run claims its name.
//!
//! Invariants:
//! - runs are ordered by the numbers that they claimed in the store, not by a clock; runs from before there were numbers
//!   come first, by their ids;
//! - a run is alive exactly while its lock is held. A run that has not ended and is not alive was killed;
//! - a file's name holds the run's number, its id and a mark of its pipeline, so that a run is found without reading the
//!   records of the others.

use std::path::PathBuf;

use crate::fsio::{self, Lock};
use crate::hash::Digest;
use crate::store::error::Result;
use crate::store::root::Store;
use crate::store::time::compact;

/// The end of a record's name.
pub(in crate::store) const RECORD: &str = ".json";

/// The end of a journal's name.
pub(in crate::store) const JOURNAL: &str = ".nodes";

/// The end of an event log's name.
pub(in crate::store) const EVENTS: &str = ".events";

/// How many digits of the digest of a pipeline's name mark its runs.
const MARK: usize = 8;

/// No store has as many runs: a file with a greater number is not ours.
const MOST_RUNS: u64 = 1 << 48;

/// A run as the names of its files tell it. Runs sort by number, and those without by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct RunName {
    /// Its number; 0 before there were numbers.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// The mark of its pipeline; none before there were numbers.
    pub(in crate::store) mark: Option<String>,
}

/// What `runs/` holds.
#[derive(Debug, Default)]
pub(in crate::store) struct RunFiles {
    /// The runs that have a record, the oldest first.
    pub runs: Vec<RunName>,
    /// The runs that have a journal.
    pub open: Vec<RunName>,
    /// The runs that have an event log, the oldest first.
    pub events: Vec<RunName>,
}

/// A claim on a run's number and id: while it is held, the run counts as alive.
#[derive(Debug)]
pub struct RunClaim {
    pub(super) entry: RunName,
    /// None where the store may not be written.
    _lock: Option<Lock>,
}

impl RunClaim {
    /// The run's number.
    pub fn number(&self) -> u64 {
        self.entry.number
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.entry.id
    }
}

impl RunName {
    /// A run that begins now. Runs of the same instant have different numbers, and so different last digits.
    fn new(number: u64, pipeline: &str) -> Self {
        let id = format!("{}-{:04x}", compact(fsio::now()), number & 0xffff);
        RunName { number, id, mark: Some(mark(pipeline)) }
    }

    fn read(stem: &str) -> Option<Self> {
        let mut parts = stem.split('.');
        match (parts.next()?, parts.next(), parts.next(), parts.next()) {
            (id, None, ..) => Some(RunName { number: 0, id: id.to_owned(), mark: None }),
            (number, Some(id), Some(mark), None) => {
                let number = number.parse().ok().filter(|number| (1..MOST_RUNS).contains(number))?;
                Some(RunName { number, id: id.to_owned(), mark: Some(mark.to_owned()) })
            }
            _ => None,
        }
    }

    fn stem(&self) -> String {
        match &self.mark {
            Some(mark) => format!("{:08}.{}.{mark}", self.number, self.id),
            None => self.id.clone(),
        }
    }

    /// The name of the lock that the run holds while it is alive.
    pub(in crate::store) fn lock(&self) -> String {
        match self.mark {
            Some(_) => format!("run-{}", self.number),
            None => format!("run-{}", self.id),
        }
    }

    /// Whether it may be a run of the pipeline.
    pub(super) fn may_be_of(&self, pipeline: &str) -> bool {
        self.mark.as_ref().is_none_or(|found| *found == mark(pipeline))
    }
}

pub(super) fn mark(pipeline: &str) -> String {
    Digest::of(pipeline.as_bytes()).to_string()[..MARK].to_owned()
}

impl Store {
    /// Claims a number and an id for a run that starts now; unique among all processes on this store.
    pub fn claim_run(&self, pipeline: &str) -> Result<RunClaim> {
        let newest = |listing: &RunFiles| listing.runs.iter().chain(&listing.open).map(|entry| entry.number).max();
        let mut number = newest(&self.run_files()?).unwrap_or(0) + 1;
        loop {
            if let Some(lock) = self.take_lock(&format!("run-{number}"))? {
                // Another process may have held this lock, and left a record, since the runs were listed.
                match newest(&self.run_files()?).filter(|&newest| newest >= number) {
                    None => return Ok(RunClaim { entry: RunName::new(number, pipeline), _lock: Some(lock) }),
                    Some(newest) => number = newest,
                }
            }
            number += 1;
        }
    }

    /// A number and an id for a run that leaves nothing, where the store may not be written.
    pub fn unclaimed_run(&self, pipeline: &str) -> Result<RunClaim> {
        let newest = self.run_files()?.runs.last().map_or(0, |entry| entry.number);
        Ok(RunClaim { entry: RunName::new(newest + 1, pipeline), _lock: None })
    }

    /// What lies in `runs/`.
    pub(in crate::store) fn run_files(&self) -> Result<RunFiles> {
        let mut listing = RunFiles::default();
        for name in self.names(&self.root.join("runs"))? {
            let entry = |end: &str| RunName::read(name.strip_suffix(end)?);
            listing.runs.extend(entry(RECORD));
            listing.open.extend(entry(JOURNAL).filter(|entry| entry.mark.is_some()));
            listing.events.extend(entry(EVENTS).filter(|entry| entry.mark.is_some()));
        }
        listing.runs.sort();
        listing.events.sort();
        Ok(listing)
    }

    pub(in crate::store) fn is_alive(&self, entry: &RunName) -> Result<bool> {
        Ok(fsio::is_locked(&self.lock_path(&entry.lock()))?)
    }

    pub(super) fn run_path(&self, entry: &RunName, end: &str) -> PathBuf {
        self.root.join("runs").join(format!("{}{end}", entry.stem()))
    }
}
