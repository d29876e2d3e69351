//! How a run's record is stored.
//!
//! | format | what the file `runs/….json` holds |
//! |---|---|
//! | 1 | the whole record |
//! | 2 | a head; the plan (the resolved pipeline and the parameters) and the nodes are stored lists, named by digest |
//!
//! Invariants:
//! - format 2 is written, both are read, and a record of a newer format is left as it is;
//! - a node that ran names its job, and so its execution, which says the rest: the record stays slim;
//! - the list states each node as a hit. The head states which nodes were no hits, and what became of them. So runs with
//!   the same results share one list, and a run with nothing to do adds only its head;
//! - a field that is missing, or that does not fit, has its default: a record is read as far as it goes.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::record::{RunLine, RunNodeRecord, RunRecord, RunStatus, Status, is_zero};
use crate::hash::Digest;
use crate::stage::Value;
use crate::store::records::Fields;
use crate::store::time::read_rfc3339;

/// A record as it was found.
pub(super) struct Stored {
    /// The record; without its plan and its nodes where they are stored as lists.
    pub run: RunRecord,
    /// Where these are; none of format 1.
    pub lists: Option<Lists>,
}

/// The part of a record of format 2 that leads to its plan and its nodes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Lists {
    /// The stored list of the plan.
    pub plan: Option<Digest>,
    /// The stored list of the nodes; none while the run's journal holds them.
    pub nodes: Option<Digest>,
    /// How many nodes there are.
    pub count: usize,
    /// What became of the nodes that were not just in the store.
    pub others: Vec<Outcome>,
    /// How many warnings belong to the results of the nodes.
    #[serde(skip_serializing_if = "is_zero")]
    pub warnings: usize,
}

/// What became of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// The node's place among the run's nodes.
    pub at: usize,
    pub status: Status,
    #[serde(default)]
    pub seconds: f64,
    #[serde(default)]
    pub message: String,
    /// The job that ran it. Older programs did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// What the text of a record turned out to be.
pub(super) enum StoredText {
    Run(Box<Stored>),
    /// A record of this newer format.
    Newer(u32),
    /// Something else.
    Other,
}

/// The head of a record of format 2, in the order of the file.
#[derive(Serialize)]
struct Head<'a> {
    format: u32,
    number: u64,
    id: &'a str,
    pipeline: &'a str,
    file: &'a str,
    profile: &'a Option<String>,
    sets: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    only: &'a [String],
    started: &'a str,
    finished: &'a Option<String>,
    status: RunStatus,
    device: &'a str,
    machine: &'a BTreeMap<String, String>,
    versions: &'a BTreeMap<String, String>,
    numeric: &'a BTreeMap<String, String>,
    lists: &'a Lists,
}

/// The text of a record of format 2.
pub(super) fn write(run: &RunRecord, lists: &Lists) -> Vec<u8> {
    let head = Head {
        format: RunRecord::FORMAT,
        number: run.number,
        id: &run.id,
        pipeline: &run.pipeline,
        file: &run.file,
        profile: &run.profile,
        sets: &run.sets,
        only: &run.only,
        started: &run.started,
        finished: &run.finished,
        status: run.status,
        device: &run.device,
        machine: &run.machine,
        versions: &run.versions,
        numeric: &run.numeric,
        lists,
    };
    // Text keys and finite numbers only: it has a JSON text.
    serde_json::to_vec(&head).unwrap_or_default()
}

/// Reads the text of a record of any format.
pub(super) fn read(body: &[u8]) -> StoredText {
    let Ok(value) = serde_json::from_slice(body) else { return StoredText::Other };
    let mut fields = Fields::of(value);
    let format: u32 = fields.take("format");
    let mut run = RunRecord {
        format,
        number: fields.take("number"),
        id: fields.take("id"),
        pipeline: fields.take("pipeline"),
        file: fields.take("file"),
        profile: fields.take("profile"),
        sets: fields.take("sets"),
        only: fields.take("only"),
        resolved: String::new(),
        started: fields.take("started"),
        finished: fields.take("finished"),
        status: fields.need("status").unwrap_or(RunStatus::Interrupted),
        device: fields.take("device"),
        nodes: Vec::new(),
        machine: fields.each("machine"),
        versions: fields.each("versions"),
        numeric: fields.each("numeric"),
        params: BTreeMap::new(),
    };
    match format {
        1 => {
            run.resolved = fields.take("resolved");
            run.params = fields.each("params");
            let nodes: Vec<Json> = fields.take("nodes");
            run.nodes = nodes.into_iter().filter_map(node).collect();
            StoredText::Run(Box::new(Stored { run, lists: None }))
        }
        2 => StoredText::Run(Box::new(Stored { run, lists: Some(fields.take("lists")) })),
        newer if newer > RunRecord::FORMAT => StoredText::Newer(newer),
        _ => StoredText::Other,
    }
}

/// Reads a node as far as its fields go; without a stage and a recipe nothing is known of it.
fn node(value: Json) -> Option<RunNodeRecord> {
    let mut fields = Fields::of(value);
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
        warnings: fields.take("warnings"),
        preimage: fields.each("preimage"),
        message: fields.take("message"),
        job: fields.take("job"),
    })
}

/// The lines of a run's plan: each line of the resolved pipeline behind `|`, each stage's parameters behind `:`.
pub(super) fn plan_lines(run: &RunRecord) -> Vec<String> {
    let resolved = run.resolved.split('\n').map(|line| format!("|{line}"));
    let params = run.params.iter().map(|stage| format!(":{}", serde_json::to_string(&stage).unwrap_or_default()));
    resolved.chain(params).collect()
}

/// Puts the plan into a record.
pub(super) fn read_plan(run: &mut RunRecord, lines: &[Rc<str>]) {
    let resolved: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix('|')).collect();
    run.resolved = resolved.join("\n");
    let stage = |line: &str| serde_json::from_str::<(String, Value)>(line).ok();
    run.params = lines.iter().filter_map(|line| line.strip_prefix(':')).filter_map(stage).collect();
}

/// The lines of a run's nodes, and what became of those that were not just in the store.
pub(super) fn node_lines(nodes: &[RunNodeRecord]) -> (Vec<String>, Vec<Outcome>) {
    let mut others = Vec::new();
    let line = |(at, node): (usize, &RunNodeRecord)| {
        let mut node = node.clone();
        let outcome = Outcome {
            at,
            status: std::mem::replace(&mut node.status, Status::Hit),
            seconds: std::mem::take(&mut node.seconds),
            message: std::mem::take(&mut node.message),
            job: node.job.take(),
        };
        if outcome.status != Status::Hit || outcome.seconds != 0.0 || !outcome.message.is_empty() {
            others.push(outcome);
        }
        serde_json::to_string(&node).unwrap_or_default()
    };
    let lines = nodes.iter().enumerate().map(line).collect();
    (lines, others)
}

/// Puts the nodes into a record; one that does not fit is left out.
pub(super) fn read_nodes(run: &mut RunRecord, lines: &[Rc<str>], others: &[Outcome]) {
    let mut nodes: Vec<Option<RunNodeRecord>> =
        lines.iter().map(|line| node(serde_json::from_str(line).ok()?)).collect();
    for outcome in others {
        if let Some(Some(node)) = nodes.get_mut(outcome.at) {
            outcome.put(node);
        }
    }
    run.nodes = nodes.into_iter().flatten().collect();
}

impl Outcome {
    /// Says it of a node.
    pub fn put(&self, node: &mut RunNodeRecord) {
        (node.status, node.seconds) = (self.status, self.seconds);
        node.message.clone_from(&self.message);
        node.job.clone_from(&self.job);
    }
}

/// A run that ended on one line, by its head alone.
pub(super) fn ended_line(run: &RunRecord, lists: &Lists) -> RunLine {
    let hits = lists.count.saturating_sub(lists.others.len());
    line(run, hits, lists.others.iter().map(|outcome| outcome.status), lists.warnings)
}

/// A run on one line, by its nodes.
pub(super) fn line_of_nodes(run: &RunRecord) -> RunLine {
    let warnings = run.nodes.iter().map(|node| node.warnings.len()).sum();
    line(run, 0, run.nodes.iter().map(|node| node.status), warnings)
}

/// A run on one line: `hits` of its nodes were in the store, `statuses` are those of the others, and `warnings` belong to
/// their results.
fn line(run: &RunRecord, hits: usize, statuses: impl Iterator<Item = Status>, warnings: usize) -> RunLine {
    let mut line = RunLine {
        number: run.number,
        id: run.id.clone(),
        pipeline: run.pipeline.clone(),
        profile: run.profile.clone(),
        sets: run.sets.clone(),
        only: run.only.clone(),
        status: run.status,
        started: run.started.clone(),
        finished: run.finished.clone(),
        seconds: seconds(run),
        device: run.device.clone(),
        ran: 0,
        cached: hits,
        failed: 0,
        running: 0,
        waiting: 0,
        warnings,
    };
    for status in statuses {
        match status {
            Status::Ran => line.ran += 1,
            Status::Hit => line.cached += 1,
            Status::Failed => line.failed += 1,
            Status::Running => line.running += 1,
            Status::Waiting => line.waiting += 1,
            Status::Interrupted | Status::Skipped => {}
        }
    }
    line
}

/// How long a run took, in whole seconds; none while it goes on, and where its times are not known.
fn seconds(run: &RunRecord) -> Option<i64> {
    let finished = read_rfc3339(run.finished.as_deref()?)?;
    Some(finished - read_rfc3339(&run.started)?)
}
