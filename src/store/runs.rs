//! Run records: what happened, when, where and with what result. And the names by which runs are found.
//!
//! Invariants:
//! - runs are ordered by the numbers that they claimed in the store, not by a clock; runs from before there were numbers
//!   come first, by their ids;
//! - a run is alive exactly while its lock is held. One that has not ended and is not alive was killed;
//! - a file's name holds the run's number, its id and a mark of its pipeline, so that a run is found without reading the
//!   records of the others.

mod format;
mod journal;
mod record;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::records::{frame, unframe};
use super::time::compact;
use super::{Error, Result, Store};
use crate::fsio::{self, Lock};
use crate::hash::Digest;
use format::{Found, Lists, Stored};
pub use journal::Journal;
pub use record::{RunLine, RunNodeRecord, RunRecord, RunStatus, Status};

/// The end of a record's name.
const RECORD: &str = ".json";

/// The end of a journal's name.
const JOURNAL: &str = ".nodes";

/// The end of an event log's name.
const EVENTS: &str = ".events";

/// How many digits of the digest of a pipeline's name mark its runs.
const MARK: usize = 8;

/// No store has as many runs: a file with a greater number is not ours.
const MOST_RUNS: u64 = 1 << 48;

/// How many earlier runs of a pipeline are looked at for lists to share.
const LOOK_BACK: usize = 8;

/// A run as the names of its files tell it. Runs sort by number, and those without by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Its number; 0 before there were numbers.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// The mark of its pipeline; none before there were numbers.
    mark: Option<String>,
}

/// What `runs/` holds.
#[derive(Debug, Default)]
pub(super) struct RunFiles {
    /// The runs that have a record, the oldest first.
    pub runs: Vec<Entry>,
    /// The runs that have a journal.
    pub open: Vec<Entry>,
    /// The runs that have an event log, the oldest first.
    pub events: Vec<Entry>,
}

/// A claim on a run's number and id: while it is held, the run counts as alive.
#[derive(Debug)]
pub struct RunClaim {
    entry: Entry,
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

impl Entry {
    /// A run that begins now. Runs of the same instant have different numbers, and so different last digits.
    fn new(number: u64, pipeline: &str) -> Self {
        let id = format!("{}-{:04x}", compact(fsio::now()), number & 0xffff);
        Entry { number, id, mark: Some(mark(pipeline)) }
    }

    fn read(stem: &str) -> Option<Self> {
        let mut parts = stem.split('.');
        match (parts.next()?, parts.next(), parts.next(), parts.next()) {
            (id, None, ..) => Some(Entry { number: 0, id: id.to_owned(), mark: None }),
            (number, Some(id), Some(mark), None) => {
                let number = number.parse().ok().filter(|number| (1..MOST_RUNS).contains(number))?;
                Some(Entry { number, id: id.to_owned(), mark: Some(mark.to_owned()) })
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
    pub(super) fn lock(&self) -> String {
        match self.mark {
            Some(_) => format!("run-{}", self.number),
            None => format!("run-{}", self.id),
        }
    }

    /// Whether it may be a run of the pipeline.
    fn may_be_of(&self, pipeline: &str) -> bool {
        self.mark.as_ref().is_none_or(|found| *found == mark(pipeline))
    }
}

fn mark(pipeline: &str) -> String {
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
                    None => return Ok(RunClaim { entry: Entry::new(number, pipeline), _lock: Some(lock) }),
                    Some(newest) => number = newest,
                }
            }
            number += 1;
        }
    }

    /// A number and an id for a run that leaves nothing, where the store may not be written.
    pub fn unclaimed_run(&self, pipeline: &str) -> Result<RunClaim> {
        let newest = self.run_files()?.runs.last().map_or(0, |entry| entry.number);
        Ok(RunClaim { entry: Entry::new(newest + 1, pipeline), _lock: None })
    }

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
    pub(super) fn end_killed_run(&self, entry: &Entry) -> Result<()> {
        if let Some(stored) = self.stored(entry)?.filter(|stored| stored.run.status == RunStatus::Running)
            && let Some(run) = self.complete(entry, stored, false)?
        {
            return self.end(entry, &run);
        }
        Ok(fsio::remove_file(&self.run_path(entry, JOURNAL))?)
    }

    fn end(&self, entry: &Entry, run: &RunRecord) -> Result<()> {
        let like = self.like(entry)?;
        let (nodes, others) = format::node_lines(&run.nodes);
        let lists = Lists {
            plan: Some(self.put_lines(&format::plan_lines(run), like.plan.as_ref())?),
            nodes: Some(self.put_lines(&nodes, like.nodes.as_ref())?),
            count: nodes.len(),
            others,
        };
        self.save_run(entry, run, &lists)?;
        Ok(fsio::remove_file(&self.run_path(entry, JOURNAL))?)
    }

    fn save_run(&self, entry: &Entry, run: &RunRecord, lists: &Lists) -> Result<()> {
        Ok(self.place(&self.run_path(entry, RECORD), &frame(&format::write(run, lists)))?)
    }

    /// The lists of the newest run before this one of the same pipeline that ended.
    fn like(&self, entry: &Entry) -> Result<Lists> {
        let listing = self.run_files()?;
        let before = |other: &&Entry| other.number < entry.number && other.mark == entry.mark;
        for other in listing.runs.iter().rev().filter(before).take(LOOK_BACK) {
            if let Some(Stored { lists: Some(lists), .. }) = self.stored(other)?
                && lists.nodes.is_some()
            {
                return Ok(lists);
            }
        }
        Ok(Lists::default())
    }

    /// The record of a run by its id. A run whose process died reads as interrupted.
    pub fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        match self.run_files()?.runs.iter().find(|entry| entry.id == id) {
            Some(entry) => self.read_run(entry),
            None => Ok(None),
        }
    }

    /// The runs of a pipeline, or all, newest first, each read when it is asked for. Damaged records are left out.
    pub fn runs(&self, pipeline: Option<&str>) -> Result<impl Iterator<Item = Result<RunRecord>>> {
        let of = pipeline.map(str::to_owned);
        let entries = self.newest_first(pipeline)?;
        Ok(entries.into_iter().filter_map(move |entry| match self.read_run(&entry) {
            Ok(Some(run)) if of.as_ref().is_some_and(|of| *of != run.pipeline) => None,
            result => result.transpose(),
        }))
    }

    /// As [`Store::runs`], each on one line: quicker, since the nodes of runs that ended are not read.
    pub fn run_lines(&self, pipeline: Option<&str>) -> Result<impl Iterator<Item = Result<RunLine>>> {
        let of = pipeline.map(str::to_owned);
        let entries = self.newest_first(pipeline)?;
        Ok(entries.into_iter().filter_map(move |entry| match self.line(&entry) {
            Ok(Some(line)) if of.as_ref().is_some_and(|of| *of != line.pipeline) => None,
            result => result.transpose(),
        }))
    }

    fn newest_first(&self, pipeline: Option<&str>) -> Result<Vec<Entry>> {
        let mut runs = self.run_files()?.runs;
        runs.retain(|entry| pipeline.is_none_or(|pipeline| entry.may_be_of(pipeline)));
        runs.reverse();
        Ok(runs)
    }

    /// The run that `name` stands for: an id, `latest`, a pipeline's name (its newest run), or the unique start of
    /// an id; `~N` behind `latest` or a pipeline's name goes `N` runs back.
    pub fn find_run(&self, name: &str) -> Result<RunRecord> {
        self.find(name, "", None)
    }

    /// As [`Store::find_run`]; among several runs of a name, those that are not `fit` are passed over. `wanted` says
    /// in an error what a fitting run is, as " that finished the stage `train`"; it may be empty.
    pub fn find_run_where(&self, name: &str, wanted: &str, fit: impl Fn(&RunRecord) -> bool) -> Result<RunRecord> {
        self.find(name, wanted, Some(&fit))
    }

    fn find(&self, name: &str, wanted: &str, fit: Option<&dyn Fn(&RunRecord) -> bool>) -> Result<RunRecord> {
        let listing = self.run_files()?;
        if let Some(entry) = listing.runs.iter().find(|entry| entry.id == name)
            && let Some(run) = self.read_run(entry)?
        {
            return Ok(run);
        }
        let (base, back) = match name.split_once('~') {
            Some((base, back)) => match back.parse::<usize>() {
                Ok(back) => (base, back),
                Err(_) => return Err(no_run(format!("`~{back}` in `{name}` is not a number of runs."), NAMES)),
            },
            None => (name, 0),
        };
        let mut left = back;
        let mut known = base == "latest";
        for entry in listing.runs.iter().rev().filter(|entry| base == "latest" || entry.may_be_of(base)) {
            let Some(stored) = self.stored(entry)? else { continue };
            if base != "latest" && stored.run.pipeline != base {
                continue;
            }
            known = true;
            if left > 0 && fit.is_none() {
                left -= 1;
                continue;
            }
            let Some(run) = self.complete(entry, stored, self.is_alive(entry)?)? else { continue };
            if fit.is_none_or(|fit| fit(&run)) {
                if left == 0 {
                    return Ok(run);
                }
                left -= 1;
            }
        }
        if known {
            let of = if base == "latest" { String::new() } else { format!(" of `{base}`") };
            let found = back - left;
            let message = format!("There is no run `{name}`: the store has {found} run(s){of}{wanted}.");
            return Err(no_run(message, "List the runs by `repro runs`."));
        }
        self.find_by_prefix(name, &listing.runs)
    }

    fn find_by_prefix(&self, name: &str, runs: &[Entry]) -> Result<RunRecord> {
        let matching: Vec<&Entry> = runs.iter().filter(|run| !name.is_empty() && run.id.starts_with(name)).collect();
        match matching[..] {
            [entry] => {
                if let Some(run) = self.read_run(entry)? {
                    return Ok(run);
                }
                Err(no_run(format!("The record of run `{}` is damaged.", entry.id), "List the runs by `repro runs`."))
            }
            [] => {
                let pipelines = self.pipelines(runs)?;
                let near = pipelines
                    .iter()
                    .chain(runs.iter().map(|entry| &entry.id))
                    .map(|known| (strsim::damerau_levenshtein(name, known), known))
                    .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
                    .min();
                let hint = match near {
                    Some((_, known)) => format!("Did you mean `{known}`?"),
                    None => NAMES.to_owned(),
                };
                Err(no_run(format!("There is no run `{name}` in the store."), hint))
            }
            [oldest, .., newest] => {
                let (count, oldest, newest) = (matching.len(), &oldest.id, &newest.id);
                let message = format!("`{name}` is the start of {count} run ids, from `{oldest}` to `{newest}`.");
                Err(no_run(message, "Give more digits."))
            }
        }
    }

    /// The names of all pipelines that have runs.
    fn pipelines(&self, runs: &[Entry]) -> Result<BTreeSet<String>> {
        let (mut names, mut marks) = (BTreeSet::new(), BTreeSet::new());
        for entry in runs.iter().rev().filter(|entry| entry.mark.is_none() || marks.insert(&entry.mark)) {
            names.extend(self.stored(entry)?.map(|stored| stored.run.pipeline));
        }
        Ok(names)
    }

    /// A record with its plan and its nodes; none if something of it is damaged or gone.
    fn read_run(&self, entry: &Entry) -> Result<Option<RunRecord>> {
        // In this order: a run that ends meanwhile is alive here, and the record that is read then tells its end.
        let alive = self.is_alive(entry)?;
        match self.stored(entry)? {
            Some(stored) => self.complete(entry, stored, alive),
            None => Ok(None),
        }
    }

    fn line(&self, entry: &Entry) -> Result<Option<RunLine>> {
        let alive = self.is_alive(entry)?;
        let Some(stored) = self.stored(entry)? else { return Ok(None) };
        if let Some(lists) = stored.lists.as_ref().filter(|lists| lists.nodes.is_some()) {
            let hits = lists.count.saturating_sub(lists.others.len());
            let others = lists.others.iter().map(|outcome| outcome.status);
            return Ok(Some(format::line(&stored.run, hits, others)));
        }
        let run = self.complete(entry, stored, alive)?;
        Ok(run.map(|run| format::line(&run, 0, run.nodes.iter().map(|node| node.status))))
    }

    /// A record as it is stored. One that is damaged is set aside; one of another format stays. Neither is given.
    fn stored(&self, entry: &Entry) -> Result<Option<Stored>> {
        let path = self.run_path(entry, RECORD);
        let bytes = match fsio::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) if error.is_folder() => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let id = &entry.id;
        let Some(body) = unframe(&bytes) else {
            self.set_aside(&path, &format!("The record of run {id}"))?;
            return Ok(None);
        };
        match format::read(body) {
            Found::Run(stored) => return Ok(Some(*stored)),
            Found::Newer(format) => self.notice(format!(
                "The record of run {id} has the format {format}, which is newer than this program reads ({}). It is \
                 left out.",
                RunRecord::FORMAT
            )),
            Found::Other => {
                self.notice(format!("The record of run {id} is of a format that is not known. It is left out."))
            }
        }
        Ok(None)
    }

    /// Puts a record together. If its plan or its nodes are damaged or gone, it is told and left out.
    fn complete(&self, entry: &Entry, stored: Stored, alive: bool) -> Result<Option<RunRecord>> {
        let Stored { mut run, lists } = stored;
        let killed = run.status == RunStatus::Running && !alive;
        if killed {
            run.status = RunStatus::Interrupted;
        }
        let Some(lists) = lists else { return Ok(Some(run)) };
        let lines = |digest: Option<Digest>| digest.map(|digest| self.lines(&digest)).transpose();
        let (plan, nodes) = match lines(lists.plan).and_then(|plan| Ok((plan, lines(lists.nodes)?))) {
            Err(error @ (Error::Corrupt { .. } | Error::Missing(_) | Error::Newer { .. })) => {
                self.notice(format!("Run {} is left out, because a part of its record is lost. {error}", entry.id));
                return Ok(None);
            }
            result => result?,
        };
        format::read_plan(&mut run, &plan.unwrap_or_default());
        if let Some(nodes) = nodes {
            format::read_nodes(&mut run, &nodes, &lists.others);
        } else if let Some(nodes) = self.journal(entry)? {
            run.nodes = nodes;
        } else if let Some(stored) = self.stored(entry)?.filter(|stored| stored.run.status != RunStatus::Running) {
            // The run ended in this moment, and its record has all.
            return self.complete(entry, stored, alive);
        }
        if killed {
            journal::end(&mut run.nodes);
        }
        Ok(Some(run))
    }

    /// The nodes of a run that did not end; none where there is no journal.
    fn journal(&self, entry: &Entry) -> Result<Option<Vec<RunNodeRecord>>> {
        match fsio::read(&self.run_path(entry, JOURNAL)) {
            Ok(text) => Ok(Some(journal::read(&text))),
            Err(error) if error.is_absent() || error.is_folder() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the event log of a run that begins goes.
    pub fn new_events(&self, claim: &RunClaim) -> PathBuf {
        self.run_path(&claim.entry, EVENTS)
    }

    /// Where the event log of a run is; none where it has none.
    pub fn events_path(&self, id: &str) -> Result<Option<PathBuf>> {
        let entry = self.run_files()?.events.into_iter().find(|entry| entry.id == id);
        Ok(entry.map(|entry| self.run_path(&entry, EVENTS)))
    }

    /// Removes the event logs of all but the newest `kept` runs that have one.
    pub(super) fn sweep_events(&self, listing: &RunFiles, kept: usize) -> Result<()> {
        for entry in listing.events.iter().rev().skip(kept) {
            if !self.is_alive(entry)? {
                fsio::remove_file(&self.run_path(entry, EVENTS))?;
            }
        }
        Ok(())
    }

    /// What lies in `runs/`.
    pub(super) fn run_files(&self) -> Result<RunFiles> {
        let mut listing = RunFiles::default();
        for name in self.names(&self.root.join("runs"))? {
            let entry = |end: &str| Entry::read(name.strip_suffix(end)?);
            listing.runs.extend(entry(RECORD));
            listing.open.extend(entry(JOURNAL).filter(|entry| entry.mark.is_some()));
            listing.events.extend(entry(EVENTS).filter(|entry| entry.mark.is_some()));
        }
        listing.runs.sort();
        listing.events.sort();
        Ok(listing)
    }

    pub(super) fn is_alive(&self, entry: &Entry) -> Result<bool> {
        Ok(fsio::is_locked(&self.lock_path(&entry.lock()))?)
    }

    fn run_path(&self, entry: &Entry, end: &str) -> PathBuf {
        self.root.join("runs").join(format!("{}{end}", entry.stem()))
    }
}

/// The names that runs have.
const NAMES: &str = "Name a run by its id or the start of it, by its pipeline's name, or by `latest` or `latest~1`.";

fn no_run(message: String, hint: impl Into<String>) -> Error {
    Error::NoRun { message, hint: hint.into() }
}

#[cfg(test)]
mod tests;
