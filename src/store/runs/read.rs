//! How records of runs are read: whole or on one line, newest first. A run whose process died reads as interrupted.

use super::format::{self, Stored, StoredText};
use super::journal;
use super::names::{JOURNAL, RECORD, RunName};
use super::record::{RunNodeRecord, RunRecord, RunStatus};
use crate::fsio;
use crate::hash::Digest;
use crate::store::error::{Error, Result};
use crate::store::records::unframe;
use crate::store::root::Store;

impl Store {
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

    pub(in crate::store) fn newest_first(&self, pipeline: Option<&str>) -> Result<Vec<RunName>> {
        let mut runs = self.run_files()?.runs;
        runs.retain(|entry| pipeline.is_none_or(|pipeline| entry.may_be_of(pipeline)));
        runs.reverse();
        Ok(runs)
    }

    /// A record with its plan and its nodes; none if something of it is damaged or gone.
    pub(super) fn read_run(&self, entry: &RunName) -> Result<Option<RunRecord>> {
        // In this order: a run that ends meanwhile is alive here, and the record that is read then tells its end.
        let alive = self.is_alive(entry)?;
        match self.stored(entry)? {
            Some(stored) => self.complete(entry, stored, alive),
            None => Ok(None),
        }
    }

    /// A record as it is stored; none if it is damaged, and then set aside, or of another format, and then it stays.
    pub(super) fn stored(&self, entry: &RunName) -> Result<Option<Stored>> {
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
            StoredText::Run(stored) => return Ok(Some(*stored)),
            StoredText::Newer(format) => self.notice(format!(
                "The record of run {id} has the format {format}, which is newer than this program reads ({}). It is \
                 left out.",
                RunRecord::FORMAT
            )),
            StoredText::Other => {
                self.notice(format!("The record of run {id} is of a format that is not known. It is left out."))
            }
        }
        Ok(None)
    }

    /// Puts a record together. If its plan or its nodes are damaged or gone, this is reported and the record left out.
    pub(super) fn complete(&self, entry: &RunName, stored: Stored, alive: bool) -> Result<Option<RunRecord>> {
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
    fn journal(&self, entry: &RunName) -> Result<Option<Vec<RunNodeRecord>>> {
        match fsio::read(&self.run_path(entry, JOURNAL)) {
            Ok(text) => Ok(Some(journal::read(&text))),
            Err(error) if error.is_absent() || error.is_folder() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
