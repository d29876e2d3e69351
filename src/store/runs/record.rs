//! What a run and its nodes are on record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::stage::{MatrixCell, Outputs, StageName, Value};
use crate::store::time::read_rfc3339;

/// How a run stands, or how it ended.
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

/// How a node stands, or how it ended.
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
    /// It is at work. Only in a run that has not ended, as the next one.
    Running,
    /// It has not begun: something that it needs is not done, or it waits for its turn.
    Waiting,
}

impl Status {
    /// Whether the outputs are there.
    pub fn is_done(self) -> bool {
        matches!(self, Status::Hit | Status::Ran)
    }
}

/// What a run did. What changes by itself, as time and host, is here and in executions, and nowhere else. This is a record
/// as it is used and printed; `format.rs` says how it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of the format that it was stored in.
    pub format: u32,
    /// Its number among the runs of the store, which orders them; 0 of runs from before there were numbers.
    pub number: u64,
    /// The run's id: its start in UTC and four digits.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file; bytes that are not UTF-8 are replaced.
    pub file: String,
    /// The profile.
    pub profile: Option<String>,
    /// The `--set` arguments.
    pub sets: Vec<String>,
    /// The `--only` arguments; empty: the whole pipeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// The whole pipeline with all defaults, as RON.
    pub resolved: String,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// When it ended; none while it runs.
    pub finished: Option<String>,
    /// How it stands, or how it ended.
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
    pub const FORMAT: u32 = 2;

    /// Its pipeline's name, with the profile: `smoke`, or `smoke@tiny`.
    pub fn full_name(&self) -> String {
        full_name(&self.pipeline, self.profile.as_deref())
    }

    /// What makes the run a trial, in words; none where it is of the whole pipeline as it stands.
    pub fn trial(&self) -> Option<String> {
        trial(&self.sets, &self.only)
    }

    /// The seconds from its start to a moment, in nanoseconds since 1970; none where the start is not on record.
    pub fn seconds_to(&self, moment: i128) -> Option<f64> {
        let started = i128::from(read_rfc3339(&self.started)?);
        Some((moment - started * 1_000_000_000) as f64 / 1e9)
    }

    /// The nodes of a stage, or of its part in some cells, if each of them is done.
    pub fn finished_stage(&self, stage: &StageName) -> Option<Vec<&RunNodeRecord>> {
        let named = |node: &&RunNodeRecord| node.stage.starts_with(&stage.stage) && stage.covers(&node.name());
        let nodes: Vec<&RunNodeRecord> = self.nodes.iter().filter(named).collect();
        (!nodes.is_empty() && nodes.iter().all(|node| node.status.is_done())).then_some(nodes)
    }
}

fn full_name(pipeline: &str, profile: Option<&str>) -> String {
    profile.map_or_else(|| pipeline.to_owned(), |profile| format!("{pipeline}@{profile}"))
}

fn trial(sets: &[String], only: &[String]) -> Option<String> {
    let only = (!only.is_empty()).then(|| format!("only {}", only.join(", ")));
    let parts: Vec<&str> = sets.iter().chain(&only).map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
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
    /// How it stands, or how it ended.
    pub status: Status,
    /// How long it ran.
    pub seconds: f64,
    /// The last job that ran it in this run: the execution `ExecutionId { run, job }` says more. None where none did, and
    /// in runs of before there were executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The outputs.
    pub outputs: Outputs,
    /// Single figures.
    pub metrics: BTreeMap<String, f64>,
    /// What the user should know of the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Every component of the key, where it became known.
    pub preimage: BTreeMap<String, String>,
    /// The error, or why it was skipped; else empty.
    pub message: String,
}

impl RunNodeRecord {
    /// The stage with its cell.
    pub fn name(&self) -> StageName {
        StageName::read(&self.stage).unwrap_or_else(|_| StageName::new(&self.stage, MatrixCell::new()))
    }
}

/// A run on one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunLine {
    /// Its number among the runs of the store; 0 of runs from before there were numbers.
    pub number: u64,
    /// The id.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The profile.
    pub profile: Option<String>,
    /// The `--set` arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    /// The `--only` arguments; empty: the whole pipeline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// How it stands, or how it ended.
    pub status: RunStatus,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// How long it took, in whole seconds; none while it goes on.
    pub seconds: Option<i64>,
    /// The device.
    pub device: String,
    /// How many nodes ran.
    pub ran: usize,
    /// How many were in the store.
    pub cached: usize,
    /// How many failed.
    pub failed: usize,
    /// How many are at work.
    pub running: usize,
    /// How many have not begun.
    pub waiting: usize,
    /// How many warnings belong to its results.
    #[serde(skip_serializing_if = "is_zero")]
    pub warnings: usize,
}

impl RunLine {
    /// What makes the run a trial, in words; none where it is of the whole pipeline as it stands.
    pub fn trial(&self) -> Option<String> {
        trial(&self.sets, &self.only)
    }
}

/// Whether a count is left out of what is stored and printed.
pub(super) fn is_zero(count: &usize) -> bool {
    *count == 0
}
