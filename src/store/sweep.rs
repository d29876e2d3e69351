//! Sweeping: when a run begins, it removes what earlier runs left behind and nobody needs any more.
//!
//! Invariants:
//! - nothing that a living process uses is swept. Such a process holds the lock of its run, of the key that it works on, or
//!   of its lease, and the sweeper removes only what it can lock itself. No clock is asked;
//! - what stays is bounded: the newest [`RUNS_WITH_LOGS`] runs that ran something keep their logs and event logs, and the
//!   newest [`RUNS_WITH_SCRATCH`] runs that left inner checkpoints keep these;
//! - an execution stays as long as the record of its run, or the action record of its key, is there;
//! - records of runs, objects and action records are never swept. The sweeper follows no link.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::Result;
use super::executions::{ExecutionId, FOLDER, RECORD};
use super::leases;
use super::root::Store;
use super::runs::{RunFiles, RunName};
use crate::fsio;
use crate::hash::Digest;

/// How many runs that ran something keep their job folders, and so their logs.
const RUNS_WITH_LOGS: usize = 100;

/// How many runs that left nodes unfinished with inner checkpoints keep these.
const RUNS_WITH_SCRATCH: usize = 10;

/// The lock of the process that sweeps.
const LOCK: &str = "sweep";

/// How long a run's id is: in `jobs/<recipe>/`, where jobs lay once, a number may follow it.
const ID: usize = 24;

/// How long a key is: in `jobs/<run>/` a number may follow it.
const KEY: usize = 64;

/// Where a run stands among others: its number, and its id where it has none.
type Age = (u64, String);

/// Where the jobs of a run are.
#[derive(Default)]
struct Jobs {
    /// Whether its process lives.
    alive: bool,
    /// The folder that holds its jobs by key.
    folder: Option<PathBuf>,
    /// Its jobs where each has a folder below its recipe: so it was once.
    old: Vec<PathBuf>,
}

impl Store {
    /// Removes what runs that ended, or were killed, left and nobody needs, and ends the records of those that were
    /// killed. While another process sweeps, nothing happens.
    ///
    /// # Errors
    /// If something cannot be listed or removed; what is left then costs space and nothing else.
    pub fn sweep_runs(&self) -> Result<()> {
        let Some(_lock) = self.take_lock(LOCK)? else { return Ok(()) };
        // In this order: a run that begins meanwhile has its record before its jobs.
        let folders = names(&self.root.join("jobs"))?;
        let executed = names(&self.root.join(FOLDER))?;
        let listing = self.run_files()?;
        let runs = self.jobs_by_run(folders, &listing)?;
        for entry in &listing.open {
            if !self.is_alive(entry)? {
                let jobs = runs.get(&(entry.number, entry.id.clone()));
                if jobs.map_or(Ok(true), |jobs| self.clear(jobs))? {
                    self.end_killed_run(entry)?;
                }
            }
        }
        for jobs in runs.values().filter(|jobs| !jobs.alive && !jobs.old.is_empty()) {
            self.clear(jobs)?;
        }
        let needed = self.sweep_scratch(&runs)?;
        let old = runs.iter().rev().skip(RUNS_WITH_LOGS);
        for (_, jobs) in old.filter(|(age, jobs)| !jobs.alive && !needed.contains(age)) {
            self.remove_jobs(jobs)?;
        }
        let known = |run: &str| listing.runs.iter().chain(&listing.open).any(|entry| entry.id == run);
        for run in executed.iter().filter(|run| !known(run)) {
            self.sweep_executions(run)?;
        }
        self.sweep_events(&listing, RUNS_WITH_LOGS)?;
        let leases = self.root.join(leases::FOLDER);
        if is_folder(&leases) {
            fsio::sweep(&leases, false);
        }
        self.sweep_locks()
    }

    /// Removes the executions of a run whose record is gone, but for those whose key is still in the store.
    fn sweep_executions(&self, run: &str) -> Result<()> {
        let folder = self.root.join(FOLDER).join(run);
        for name in names(&folder)? {
            let Some(job) = name.strip_suffix(RECORD) else { continue };
            let id = ExecutionId::new(run, job);
            // What cannot be read is no reason to lose what may be of use.
            let Ok(found) = self.execution(&id) else { continue };
            let Some(key) = found.map(|execution| execution.key) else { continue };
            if self.record(&key).is_ok_and(|record| record.is_none()) {
                fsio::remove_file(&self.execution_path(&id))?;
            }
        }
        // A folder that stays costs nothing.
        let _ = fsio::remove_empty_dir(&folder);
        Ok(())
    }

    /// Where the jobs of each run are, by what is in `jobs/`.
    fn jobs_by_run(&self, names_of_jobs: Vec<String>, listing: &RunFiles) -> Result<BTreeMap<Age, Jobs>> {
        let entries: BTreeMap<&str, &RunName> = listing.runs.iter().map(|entry| (entry.id.as_str(), entry)).collect();
        let age = |id: &str| (entries.get(id).map_or(0, |entry| entry.number), id.to_owned());
        let mut runs: BTreeMap<Age, Jobs> = BTreeMap::new();
        for name in names_of_jobs {
            let folder = self.root.join("jobs").join(&name);
            if name.parse::<Digest>().is_ok() {
                for job in names(&folder)? {
                    let id = job.get(..ID).unwrap_or(&job);
                    runs.entry(age(id)).or_default().old.push(folder.join(&job));
                }
            } else {
                runs.entry(age(&name)).or_default().folder = Some(folder);
            }
        }
        for ((_, id), jobs) in &mut runs {
            jobs.alive = entries.get(id.as_str()).map_or(Ok(false), |entry| self.is_alive(entry))?;
        }
        Ok(runs)
    }

    /// What killed jobs left half made goes; their logs stay. Whether no process works on them any more.
    fn clear(&self, jobs: &Jobs) -> Result<bool> {
        let mut free = true;
        for (folder, key) in jobs.all()? {
            let lock = key.map(|key| self.lock(&key)).transpose()?;
            if let Some(None) = lock {
                free = false;
                continue;
            }
            for path in entries(&folder)?.iter().map(|name| folder.join(name)).filter(|path| is_folder(path)) {
                fsio::remove_own_dir_all(&path)?;
            }
        }
        Ok(free)
    }

    /// Removes the jobs of a run with their logs, but for those that somebody works on.
    fn remove_jobs(&self, jobs: &Jobs) -> Result<()> {
        for (folder, key) in jobs.all()? {
            let lock = key.map(|key| self.lock(&key)).transpose()?;
            if !matches!(lock, Some(None)) {
                fsio::remove_own_dir_all(&folder)?;
            }
        }
        for folder in jobs.folder.iter().map(PathBuf::as_path).chain(jobs.old.iter().filter_map(|job| job.parent())) {
            // A folder that stays costs nothing.
            let _ = fsio::remove_empty_dir(folder);
        }
        Ok(())
    }

    /// Removes the inner checkpoints that nothing will go on from. Gives the runs that left the others.
    fn sweep_scratch(&self, runs: &BTreeMap<Age, Jobs>) -> Result<BTreeSet<Age>> {
        let mut left: BTreeSet<Digest> = BTreeSet::new();
        for key in names(&self.root.join("scratch"))?.iter().filter_map(|name| name.parse().ok()) {
            let Some(_lock) = self.lock(&key)? else { continue };
            let folder = self.scratch(&key);
            // A record that cannot be read is no reason to lose what may be gone on from.
            let finished = self.record(&key).is_ok_and(|record| record.is_some());
            if finished || entries(&folder)?.is_empty() {
                fsio::remove_own_dir_all(&folder)?;
            } else {
                left.insert(key);
            }
        }
        let mut by_run: BTreeMap<Age, Vec<Digest>> = BTreeMap::new();
        for (age, jobs) in runs.iter().rev() {
            if left.is_empty() {
                break;
            }
            let keys = jobs.all()?.into_iter().filter_map(|(_, key)| key.filter(|key| left.remove(key)));
            by_run.entry(age.clone()).or_default().extend(keys);
        }
        by_run.entry(Age::default()).or_default().extend(left);
        by_run.retain(|_, keys| !keys.is_empty());
        let needed: BTreeSet<Age> = by_run.keys().rev().take(RUNS_WITH_SCRATCH).cloned().collect();
        for key in by_run.iter().filter(|(age, _)| !needed.contains(age)).flat_map(|(_, keys)| keys) {
            if let Some(_lock) = self.lock(key)? {
                fsio::remove_own_dir_all(&self.scratch(key))?;
            }
        }
        Ok(needed)
    }

    /// Removes the locks that processes that died held.
    fn sweep_locks(&self) -> Result<()> {
        let folder = self.root.join("locks");
        for name in names(&folder)?.iter().filter(|name| *name != LOCK) {
            // A lock that is taken goes when it is let go. What is no lock stays.
            let _ = fsio::try_lock(&folder.join(name));
        }
        Ok(())
    }
}

impl Jobs {
    /// The folder and the action key of each job; no key where it cannot be known.
    fn all(&self) -> Result<Vec<(PathBuf, Option<Digest>)>> {
        let mut all: Vec<_> = self.old.iter().map(|folder| (folder.clone(), key_of(folder))).collect();
        if let Some(folder) = &self.folder {
            let key = |name: &str| name.get(..KEY).and_then(|key| key.parse().ok());
            all.extend(names(folder)?.iter().map(|name| (folder.join(name), key(name))));
        }
        Ok(all)
    }
}

/// The action key that a job file names.
fn key_of(folder: &Path) -> Option<Digest> {
    let job: serde_json::Value = serde_json::from_slice(&fsio::read(&folder.join("job.json")).ok()?).ok()?;
    job.get("key")?.as_str()?.parse().ok()
}

/// The names in a folder that the store can have given; none where there is none, or only a link to one.
fn names(folder: &Path) -> Result<Vec<String>> {
    Ok(entries(folder)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

fn entries(folder: &Path) -> Result<Vec<OsString>> {
    if is_folder(folder) { Ok(fsio::entries(folder)?) } else { Ok(Vec::new()) }
}

fn is_folder(path: &Path) -> bool {
    fsio::found(path).is_ok_and(|found| found == fsio::Found::Folder)
}

#[cfg(test)]
mod tests;
