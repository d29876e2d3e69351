//! How a run is found by the name that a user gives.
//!
//! | name | run |
//! |---|---|
//! | `NAME` | the newest finished run of the pipeline `NAME` that is no trial and has no profile |
//! | `NAME@PROFILE` | the newest finished run of the pipeline with that profile that is no trial |
//! | `latest` | the newest run of all, whatever it is |
//! | `NAME~2`, `NAME@PROFILE~2`, `latest~2` | two runs of the same sort before that one |
//! | an id, or the start of one that no other id has | that run |
//!
//! A trial is a run with `--set` or `--only`. A run is finished if all that it was asked for is done.
//!
//! Invariants:
//! - runs that a name could mean and does not are told of, with the reason: no name changes its meaning silently;
//! - only the heads of records are read on the way. The nodes are read of the run that is taken, and, where a stage is asked
//!   for, of the runs that might have it.

use std::collections::BTreeSet;

use super::found::{FoundRun, PassedRun, listed, unfinished};
use super::names::RunName;
use super::record::{RunRecord, RunStatus};
use crate::stage::StageName;
use crate::store::error::{Error, Result};
use crate::store::root::Store;

/// The names that runs have.
const NAMES: &str = "Name a run by its id or the start of it, by its pipeline's name (`smoke`, or `smoke@tiny` with a \
                     profile), or by `latest` or `latest~1`.";

/// The name of the newest run of all.
const LATEST: &str = "latest";

/// What a name asks for, apart from ids.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// The whole name.
    name: &'a str,
    /// The pipeline; none: of any.
    pipeline: Option<&'a str>,
    /// The profile.
    profile: Option<&'a str>,
    /// How many runs to go back.
    back: usize,
    /// A stage that the run must have finished.
    stage: Option<&'a StageName>,
}

/// What a search found.
enum Search {
    Found(Box<FoundRun>),
    /// Too few runs fit: so many do. The others that were looked at, newest first.
    TooFew(usize, Vec<PassedRun>),
}

impl<'a> Wanted<'a> {
    /// Reads a name. None if it cannot be the name of a pipeline, a profile's or `latest`.
    fn read(name: &'a str, stage: Option<&'a StageName>) -> Result<Self> {
        let (base, back) = match name.rsplit_once('~') {
            Some((base, back)) => match back.parse::<usize>() {
                Ok(back) => (base, back),
                Err(_) => return Err(no_run(format!("`~{back}` in `{name}` is not a number of runs."), NAMES)),
            },
            None => (name, 0),
        };
        Ok(Wanted { name, back, stage, ..Wanted::of(base) })
    }

    /// A name without a number of runs to go back.
    fn of(name: &'a str) -> Self {
        let (pipeline, profile) = match name.split_once('@') {
            Some((pipeline, profile)) => (Some(pipeline), Some(profile)),
            None => (Some(name).filter(|name| *name != LATEST), None),
        };
        Wanted { name, pipeline, profile, back: 0, stage: None }
    }

    /// Whether the name speaks of the run, if it is of the right pipeline; with a profile, it speaks of that profile's runs.
    fn speaks_of(&self, run: &RunRecord) -> bool {
        self.pipeline.is_none_or(|pipeline| pipeline == run.pipeline)
            && (self.profile.is_none() || self.profile == run.profile.as_deref())
    }

    /// Why the name does not stand for a run of which it speaks, whether or not that run finished.
    fn refuses(&self, run: &RunRecord) -> Option<String> {
        self.pipeline?;
        match &run.profile {
            Some(profile) if self.profile.is_none() => Some(format!("has the profile `{profile}`")),
            _ => run.trial().map(|words| format!("is a trial ({words})")),
        }
    }

    /// How many runs there are of the sort that the name stands for, in words.
    fn count(&self, fit: usize) -> String {
        let count = if fit == 0 { "no".to_owned() } else { fit.to_string() };
        let runs = if fit == 1 || fit == 0 { "run" } else { "runs" };
        let stage = self.stage.map_or(String::new(), |stage| format!(" with the stage `{stage}`"));
        match (self.pipeline, self.profile) {
            (None, _) => format!("{count} {runs}{stage}"),
            (Some(pipeline), None) => {
                format!("{count} finished {runs} of `{pipeline}`{stage}, not counting trials and runs with a profile")
            }
            (Some(pipeline), Some(profile)) => {
                format!("{count} finished {runs} of `{pipeline}@{profile}`{stage}, not counting trials")
            }
        }
    }
}

impl Store {
    /// The run that a name stands for; the head of this module says which names there are.
    ///
    /// # Errors
    /// There is no such run, or the start of an id fits several.
    pub fn find_run(&self, name: &str) -> Result<FoundRun> {
        self.find(name, None)
    }

    /// As [`Store::find_run`], for a stage's results: of the runs that a name other than an id stands for, those that did
    /// not finish the stage are passed over. Where no finished run has the stage, the newest one counts that finished the
    /// stage and failed or was stopped later, so that its results can still be used.
    ///
    /// # Errors
    /// As [`Store::find_run`]. A run that is named by its id may lack the stage: that is no error here.
    pub fn find_run_with(&self, name: &str, stage: &StageName) -> Result<FoundRun> {
        self.find(name, Some(stage))
    }

    fn find(&self, name: &str, stage: Option<&StageName>) -> Result<FoundRun> {
        let runs = self.run_files()?.runs;
        if let Some(entry) = runs.iter().find(|entry| entry.id == name)
            && let Some(run) = self.read_run(entry)?
        {
            return Ok(FoundRun { run, passed: Vec::new() });
        }
        let wanted = Wanted::read(name, stage)?;
        let (fit, passed) = match self.search(&wanted, &runs)? {
            Search::Found(found) => return Ok(*found),
            Search::TooFew(fit, passed) => (fit, passed),
        };
        if runs.is_empty() && wanted.pipeline.is_none() {
            return Err(no_run("There are no runs yet.".to_owned(), "Run a pipeline: `repro run FILE`."));
        }
        if fit == 0 && passed.is_empty() {
            // Profiles are named freely, also as `a~1`.
            if name.contains('@') && name.contains('~') {
                let whole = Wanted { stage, ..Wanted::of(name) };
                if let Search::Found(found) = self.search(&whole, &runs)? {
                    return Ok(*found);
                }
            }
            return self.find_by_prefix(name, &runs);
        }
        Err(too_few(&wanted, fit, &passed))
    }

    /// Looks for the run of a name that is no id, newest first.
    fn search(&self, wanted: &Wanted<'_>, runs: &[RunName]) -> Result<Search> {
        let mut left = wanted.back;
        let mut passed: Vec<PassedRun> = Vec::new();
        // Runs that finished the stage that is asked for, and not all else: with how many were passed over before.
        let mut partly: Vec<(FoundRun, usize)> = Vec::new();
        let mut fit = 0;
        let of = |entry: &&RunName| wanted.pipeline.is_none_or(|pipeline| entry.may_be_of(pipeline));
        for entry in runs.iter().rev().filter(of) {
            let Some(mut stored) = self.stored(entry)?.filter(|stored| wanted.speaks_of(&stored.run)) else { continue };
            let mut pass = |why: String| passed.push(PassedRun { id: entry.id.clone(), why });
            if let Some(why) = wanted.refuses(&stored.run) {
                pass(why);
                continue;
            }
            let alive = stored.run.status == RunStatus::Running && self.is_alive(entry)?;
            if stored.run.status == RunStatus::Running {
                // It may have ended since its record was read.
                stored = match self.stored(entry)? {
                    Some(stored) => stored,
                    None => continue,
                };
            }
            let status = match stored.run.status {
                RunStatus::Running if !alive => RunStatus::Interrupted,
                status => status,
            };
            let finished = wanted.pipeline.is_none() || status == RunStatus::Done;
            if !finished && wanted.stage.is_none() {
                pass(unfinished(status).to_owned());
                continue;
            }
            if finished && left > 0 && wanted.stage.is_none() {
                (left, fit) = (left - 1, fit + 1);
                continue;
            }
            let Some(run) = self.complete(entry, stored, alive)? else { continue };
            if wanted.stage.is_some_and(|stage| run.finished_stage(stage).is_none()) {
                pass(format!("did not finish the stage `{}`", wanted.stage.map_or(String::new(), ToString::to_string)));
            } else if !finished {
                pass(unfinished(run.status).to_owned());
                partly.push((FoundRun { run, passed: Vec::new() }, passed.len() - 1));
            } else if left == 0 {
                return Ok(Search::Found(Box::new(FoundRun { run, passed })));
            } else {
                (left, fit) = (left - 1, fit + 1);
            }
        }
        if fit == 0
            && let Some((mut found, before)) = partly.into_iter().nth(wanted.back)
        {
            passed.truncate(before);
            found.passed = passed;
            return Ok(Search::Found(Box::new(found)));
        }
        Ok(Search::TooFew(fit, passed))
    }

    fn find_by_prefix(&self, name: &str, runs: &[RunName]) -> Result<FoundRun> {
        let matching: Vec<&RunName> = runs.iter().filter(|run| !name.is_empty() && run.id.starts_with(name)).collect();
        match matching[..] {
            [entry] => {
                if let Some(run) = self.read_run(entry)? {
                    return Ok(FoundRun { run, passed: Vec::new() });
                }
                Err(no_run(format!("The record of run `{}` is damaged.", entry.id), "List the runs by `repro runs`."))
            }
            [] => {
                let known = self.pipelines(runs)?;
                let near = known
                    .iter()
                    .chain(runs.iter().map(|entry| &entry.id))
                    .map(|known| (strsim::damerau_levenshtein(name, known), known))
                    .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
                    .min();
                let hint = match near {
                    Some((_, known)) => format!("Did you mean `{known}`?"),
                    None => NAMES.to_owned(),
                };
                let message = match name.split_once('@') {
                    Some((pipeline, profile)) if known.contains(pipeline) => {
                        format!(
                            "There is no run `{name}` in the store: no run of `{pipeline}` has the profile `{profile}`."
                        )
                    }
                    _ => format!("There is no run `{name}` in the store."),
                };
                Err(no_run(message, hint))
            }
            [oldest, .., newest] => {
                let (count, oldest, newest) = (matching.len(), &oldest.id, &newest.id);
                let message = format!("`{name}` is the start of {count} run ids, from `{oldest}` to `{newest}`.");
                Err(no_run(message, "Give more digits."))
            }
        }
    }

    /// The names of all pipelines that have runs, also with each profile.
    fn pipelines(&self, runs: &[RunName]) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in runs.iter().rev() {
            let run = self.stored(entry)?.map(|stored| stored.run);
            names.extend(run.into_iter().flat_map(|run| [run.full_name(), run.pipeline]));
        }
        Ok(names)
    }
}

/// The error of a name that speaks of runs and stands for none of them.
fn too_few(wanted: &Wanted<'_>, fit: usize, passed: &[PassedRun]) -> Error {
    let others = listed(passed).map_or(String::new(), |others| format!(" Passed over: {others}."));
    let message = format!("There is no run `{}`: the store has {}.{others}", wanted.name, wanted.count(fit));
    let hint = match passed.first() {
        Some(_) if wanted.stage.is_some() => {
            "Name a run that was passed over by its id; `repro runs` lists all.".to_owned()
        }
        Some(newest) => {
            format!("Name a run that was passed over by its id, as `{}`; `repro runs` lists all.", newest.id)
        }
        None => "List the runs by `repro runs`.".to_owned(),
    };
    no_run(message, hint)
}

fn no_run(message: String, hint: impl Into<String>) -> Error {
    Error::NoRun { message, hint: hint.into() }
}
