//! How a run is found by the name that a user gives.

use std::collections::BTreeSet;

use super::names::RunName;
use super::record::RunRecord;
use crate::store::error::{Error, Result};
use crate::store::root::Store;

/// The names that runs have.
const NAMES: &str = "Name a run by its id or the start of it, by its pipeline's name, or by `latest` or `latest~1`.";

impl Store {
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
        if base == "latest" && listing.runs.is_empty() {
            return Err(no_run("There are no runs yet.".to_owned(), "Run a pipeline: `repro run FILE`."));
        }
        if known {
            let of = if base == "latest" { String::new() } else { format!(" of `{base}`") };
            let found = back - left;
            let message = format!("There is no run `{name}`: the store has {found} run(s){of}{wanted}.");
            return Err(no_run(message, "List the runs by `repro runs`."));
        }
        self.find_by_prefix(name, &listing.runs)
    }

    fn find_by_prefix(&self, name: &str, runs: &[RunName]) -> Result<RunRecord> {
        let matching: Vec<&RunName> = runs.iter().filter(|run| !name.is_empty() && run.id.starts_with(name)).collect();
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
    fn pipelines(&self, runs: &[RunName]) -> Result<BTreeSet<String>> {
        let (mut names, mut marks) = (BTreeSet::new(), BTreeSet::new());
        for entry in runs.iter().rev().filter(|entry| entry.mark.is_none() || marks.insert(&entry.mark)) {
            names.extend(self.stored(entry)?.map(|stored| stored.run.pipeline));
        }
        Ok(names)
    }
}

fn no_run(message: String, hint: impl Into<String>) -> Error {
    Error::NoRun { message, hint: hint.into() }
}
