//! Run records: what happened, when, where and with what result. And the names by which runs are found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::records::{Fields, Record};
use super::time::compact;
use super::{Error, Result, Store};
use crate::fsio::{self, Lock};
use crate::hash::Digest;
use crate::stage::{Cell, Name, Outputs, Value};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It has not ended.
    Running,
    /// Every node that was asked for is done.
    Done,
    /// A node failed.
    Failed,
    /// Somebody stopped it, or its process died.
    Interrupted,
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its outputs were there.
    Hit,
    /// It ran.
    Ran,
    /// It failed.
    Failed,
    /// It was stopped.
    Interrupted,
    /// It was not started: something that it needs failed, or the run stopped before.
    Skipped,
}

impl Status {
    /// Whether the outputs are there.
    pub fn is_done(self) -> bool {
        matches!(self, Status::Hit | Status::Ran)
    }
}

/// What a run did. Everything that changes by itself is here and nowhere else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of this format.
    pub format: u32,
    /// The run's id: its start in UTC and four digits.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file. In the record, what is not UTF-8 of its name is replaced.
    #[serde(serialize_with = "lossy")]
    pub file: PathBuf,
    /// The profile.
    pub profile: Option<String>,
    /// The `--set` arguments.
    pub sets: Vec<String>,
    /// The whole pipeline with all defaults, as RON.
    pub resolved: String,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// When it ended; none while it runs.
    pub finished: Option<String>,
    /// How it ended.
    pub status: RunStatus,
    /// The device.
    pub device: String,
    /// The nodes in topological order.
    pub nodes: Vec<RunNodeRecord>,
    /// Host, system, processor, cores, memory.
    pub machine: BTreeMap<String, String>,
    /// The program's version and what it was built from.
    pub versions: BTreeMap<String, String>,
    /// What changes bits on the device; empty where nothing that was planned computes.
    pub numeric: BTreeMap<String, String>,
    /// The complete parameters by stage, each in each of its cells.
    pub params: BTreeMap<String, Value>,
}

impl RunRecord {
    /// The format that this program writes.
    pub const FORMAT: u32 = 1;

    /// The nodes of a stage, or of its part in some cells, if each of them is done.
    pub fn finished_stage(&self, stage: &Name) -> Option<Vec<&RunNodeRecord>> {
        let named = |node: &&RunNodeRecord| node.stage.starts_with(&stage.stage) && stage.covers(&node.name());
        let nodes: Vec<&RunNodeRecord> = self.nodes.iter().filter(named).collect();
        (!nodes.is_empty() && nodes.iter().all(|node| node.status.is_done())).then_some(nodes)
    }
}

impl Record for RunRecord {
    const WHAT: &'static str = "The record of a run";
    const FORMAT: u32 = Self::FORMAT;

    fn read(format: u32, fields: &mut Fields) -> Option<Self> {
        let nodes: Vec<serde_json::Value> = fields.take("nodes");
        Some(RunRecord {
            format,
            id: fields.need("id")?,
            pipeline: fields.need("pipeline")?,
            file: fields.take("file"),
            profile: fields.take("profile"),
            sets: fields.take("sets"),
            resolved: fields.take("resolved"),
            started: fields.take("started"),
            finished: fields.take("finished"),
            status: fields.need("status").unwrap_or(RunStatus::Interrupted),
            device: fields.take("device"),
            nodes: nodes.into_iter().filter_map(|node| RunNodeRecord::read(&mut Fields::of(node))).collect(),
            machine: fields.each("machine"),
            versions: fields.each("versions"),
            numeric: fields.each("numeric"),
            params: fields.each("params"),
        })
    }
}

/// What became of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunNodeRecord {
    /// The stage, with its cell in the matrix, as `train[prefilter=Average,seed=1]`.
    pub stage: String,
    /// The iteration, from 1, where the stage has several.
    pub iteration: Option<u32>,
    /// The kind.
    pub kind: String,
    /// What a reference to it yields.
    pub yields: String,
    /// The recipe.
    pub recipe: Digest,
    /// The action key, where it became known.
    pub key: Option<Digest>,
    /// How it ended.
    pub status: Status,
    /// How long it ran.
    pub seconds: f64,
    /// The outputs.
    pub outputs: Outputs,
    /// Single figures.
    pub metrics: BTreeMap<String, f64>,
    /// Every component of the key, where it became known.
    pub preimage: BTreeMap<String, String>,
    /// The error, or why it was skipped; else empty.
    pub message: String,
}

impl RunNodeRecord {
    /// Reads a node as far as its fields go; without a recipe nothing is known of it.
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(RunNodeRecord {
            stage: fields.need("stage")?,
            iteration: fields.take("iteration"),
            kind: fields.take("kind"),
            yields: fields.take("yields"),
            recipe: fields.need("recipe")?,
            key: fields.take("key"),
            status: fields.need("status").unwrap_or(Status::Skipped),
            seconds: fields.take("seconds"),
            outputs: fields.each("outputs"),
            metrics: fields.each("metrics"),
            preimage: fields.each("preimage"),
            message: fields.take("message"),
        })
    }

    /// The stage with its cell.
    pub fn name(&self) -> Name {
        Name::read(&self.stage).unwrap_or_else(|_| Name::new(&self.stage, Cell::new()))
    }
}

/// A claim on a run id: while it is held, the run counts as alive.
#[derive(Debug)]
pub struct RunClaim {
    /// The id.
    pub id: String,
    /// None where the store may not be written.
    _lock: Option<Lock>,
}

impl Store {
    /// Claims an id for a run that starts now; unique among all processes on this store.
    pub fn claim_run(&self) -> Result<RunClaim> {
        let mut attempt = 0_u64;
        loop {
            let id = new_id(attempt);
            if let Some(lock) = self.take_lock(&format!("run-{id}"))?
                && !fsio::exists(&self.run_path(&id))
            {
                return Ok(RunClaim { id, _lock: Some(lock) });
            }
            attempt += 1;
        }
    }

    /// An id for a run that leaves nothing, where the store may not be written.
    pub fn unclaimed_run(&self) -> RunClaim {
        RunClaim { id: new_id(0), _lock: None }
    }

    /// Writes a run record, in the place of an older one of the same id.
    pub fn write_run(&self, run: &RunRecord) -> Result<()> {
        self.save(&self.run_path(&run.id), run)
    }

    /// The record of a run by its id. A run whose process died reads as interrupted.
    pub fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        let mut record: Option<RunRecord> = self.load(&self.run_path(id))?;
        if let Some(run) = &mut record
            && run.status == RunStatus::Running
            && !self.is_alive(id)?
        {
            run.status = RunStatus::Interrupted;
        }
        Ok(record)
    }

    /// The ids of all runs, newest first.
    pub fn run_ids(&self) -> Result<Vec<String>> {
        let names = self.names(&self.root.join("runs"))?;
        Ok(names.iter().rev().filter_map(|name| name.strip_suffix(".json")).map(str::to_owned).collect())
    }

    /// All runs, newest first, each read when it is asked for. Damaged records are set aside and left
    /// out, and so are those of a newer program, which stay: notices tell of both.
    pub fn runs(&self) -> Result<impl Iterator<Item = Result<RunRecord>>> {
        let read = |id: String| match self.run(&id) {
            Err(error @ Error::Newer { .. }) => {
                self.notice(format!("The run {id} is left out. {error}"));
                None
            }
            read => read.transpose(),
        };
        Ok(self.run_ids()?.into_iter().filter_map(read))
    }

    /// The run that `name` stands for: an id, `latest`, a pipeline's name (its newest run), or the unique start of
    /// an id; `~N` behind `latest` or a pipeline's name goes `N` runs back.
    pub fn find_run(&self, name: &str) -> Result<RunRecord> {
        self.find_run_where(name, "", |_| true)
    }

    /// As [`Store::find_run`]; among several runs of a name, those that are not `fit` are passed over. `wanted` says
    /// in an error what a fitting run is, as " that finished the stage `train`"; it may be empty.
    pub fn find_run_where(&self, name: &str, wanted: &str, fit: impl Fn(&RunRecord) -> bool) -> Result<RunRecord> {
        if let Some(run) = self.run(name)? {
            return Ok(run);
        }
        let (base, back) = match name.split_once('~') {
            Some((base, back)) => match back.parse::<usize>() {
                Ok(back) => (base, back),
                Err(_) => return Err(no_run(format!("`~{back}` in `{name}` is not a number of runs."), NAMES)),
            },
            None => (name, 0),
        };
        let mut pipelines: Vec<String> = Vec::new();
        let mut left = back;
        for run in self.runs()? {
            let run = run?;
            if (base == "latest" || run.pipeline == base) && fit(&run) {
                if left == 0 {
                    return Ok(run);
                }
                left -= 1;
            }
            if !pipelines.contains(&run.pipeline) {
                pipelines.push(run.pipeline);
            }
        }
        if base == "latest" || pipelines.iter().any(|pipeline| pipeline == base) {
            let of = if base == "latest" { String::new() } else { format!(" of `{base}`") };
            let found = back - left;
            let message = format!("There is no run `{name}`: the store has {found} run(s){of}{wanted}.");
            return Err(no_run(message, "List the runs by `repro runs`."));
        }
        self.find_by_prefix(name, &pipelines)
    }

    fn find_by_prefix(&self, name: &str, pipelines: &[String]) -> Result<RunRecord> {
        let ids = self.run_ids()?;
        let matching: Vec<&String> = ids.iter().filter(|id| !name.is_empty() && id.starts_with(name)).collect();
        match matching[..] {
            [id] => {
                if let Some(run) = self.run(id)? {
                    return Ok(run);
                }
                Err(no_run(format!("The record of run `{id}` is damaged."), "List the runs by `repro runs`."))
            }
            [] => {
                let near = pipelines
                    .iter()
                    .chain(&ids)
                    .map(|known| (strsim::damerau_levenshtein(name, known), known))
                    .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
                    .min();
                let hint = match near {
                    Some((_, known)) => format!("Did you mean `{known}`?"),
                    None => NAMES.to_owned(),
                };
                Err(no_run(format!("There is no run `{name}` in the store."), hint))
            }
            [newest, .., oldest] => {
                let count = matching.len();
                let message = format!("`{name}` is the start of {count} run ids, from `{oldest}` to `{newest}`.");
                Err(no_run(message, "Give more digits."))
            }
        }
    }

    fn is_alive(&self, id: &str) -> Result<bool> {
        Ok(fsio::is_locked(&self.lock_path(&format!("run-{id}")))?)
    }

    fn run_path(&self, id: &str) -> PathBuf {
        // An id never holds a slash; what a user typed may.
        self.root.join("runs").join(format!("{}.json", id.replace('/', "_")))
    }
}

fn new_id(attempt: u64) -> String {
    let now = fsio::now();
    let mix = Digest::of(format!("{now} {} {attempt}", std::process::id()).as_bytes());
    format!("{}-{}", compact(now), &mix.to_string()[..4])
}

/// Writes a path as text; it is for people to read.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// The names that runs have.
const NAMES: &str = "Name a run by its id or the start of it, by its pipeline's name, or by `latest` or `latest~1`.";

fn no_run(message: String, hint: impl Into<String>) -> Error {
    Error::NoRun { message, hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, pipeline: &str) -> RunRecord {
        RunRecord {
            format: RunRecord::FORMAT,
            id: id.into(),
            pipeline: pipeline.into(),
            file: "p.ron".into(),
            profile: None,
            sets: vec![],
            resolved: String::new(),
            started: String::new(),
            finished: None,
            status: RunStatus::Done,
            device: "cpu".into(),
            nodes: vec![],
            machine: BTreeMap::new(),
            versions: BTreeMap::new(),
            numeric: BTreeMap::new(),
            params: BTreeMap::new(),
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for (id, name) in [("20260101-000000-aaaa", "voc"), ("20260102-000000-bbbb", "smoke"), ("20260102-1-c", "voc")]
        {
            store.write_run(&run(id, name)).unwrap();
        }
        (dir, store)
    }

    #[test]
    fn runs_are_found_by_id_prefix_pipeline_and_age() {
        let (_dir, store) = store();
        let id = |name: &str| store.find_run(name).unwrap().id;
        assert_eq!(id("latest"), "20260102-1-c");
        assert_eq!(id("latest~1"), "20260102-000000-bbbb");
        assert_eq!(id("voc"), "20260102-1-c");
        assert_eq!(id("voc~1"), "20260101-000000-aaaa");
        assert_eq!(id("20260101"), "20260101-000000-aaaa");
        assert_eq!(id("20260102-1-c"), "20260102-1-c");
        let first = store.find_run_where("latest", "", |run| run.pipeline == "smoke").unwrap();
        assert_eq!(first.id, "20260102-000000-bbbb");
    }

    #[test]
    fn names_of_no_run_are_explained() {
        let (_dir, store) = store();
        let say = |name: &str| {
            let error = store.find_run(name).unwrap_err();
            format!("{error} {}", error.hint())
        };
        insta::assert_snapshot!(say("smok"), @"There is no run `smok` in the store. Did you mean `smoke`?");
        insta::assert_snapshot!(say("voc~2"), @"There is no run `voc~2`: the store has 2 run(s) of `voc`. List the runs by `repro runs`.");
        insta::assert_snapshot!(say("20260102"), @"`20260102` is the start of 2 run ids, from `20260102-000000-bbbb` to `20260102-1-c`. Give more digits.");
        insta::assert_snapshot!(say("latest~x"), @"`~x` in `latest~x` is not a number of runs. Name a run by its id or the start of it, by its pipeline's name, or by `latest` or `latest~1`.");
        insta::assert_snapshot!(say("zzz"), @"There is no run `zzz` in the store. Name a run by its id or the start of it, by its pipeline's name, or by `latest` or `latest~1`.");
    }

    #[test]
    fn a_run_whose_process_died_reads_as_interrupted() {
        let (_dir, store) = store();
        let claim = store.claim_run().unwrap();
        store.write_run(&RunRecord { status: RunStatus::Running, ..run(&claim.id, "voc") }).unwrap();
        let id = claim.id.clone();
        assert_eq!(store.run(&id).unwrap().unwrap().status, RunStatus::Running);
        drop(claim);
        assert_eq!(store.run(&id).unwrap().unwrap().status, RunStatus::Interrupted);
    }

    #[test]
    fn ids_are_unique_and_damaged_records_are_left_out() {
        let (_dir, store) = store();
        let claims: Vec<RunClaim> = (0..50).map(|_| store.claim_run().unwrap()).collect();
        let ids: std::collections::BTreeSet<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
        assert_eq!(ids.len(), 50);
        fsio::write_atomic(&store.run_path("20260102-1-c"), b"torn").unwrap();
        assert_eq!(store.runs().unwrap().count(), 2);
        assert_eq!(store.find_run("voc").unwrap().id, "20260101-000000-aaaa");
    }
}
