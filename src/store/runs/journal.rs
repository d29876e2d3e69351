//! The journal of a run that has not ended: what became of its nodes, line by line as it happens.
//!
//! Invariants:
//! - a line is written in one piece and has a check before it, so that a torn line is passed over;
//! - the journal lies beside the record while the run goes on, and goes when the record holds the nodes itself;
//! - it grows by the nodes that change, never by all of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::format::Outcome;
use super::record::{RunNodeRecord, Status};
use crate::fsio;
use crate::hash::Digest;

/// How many digits of a line's digest stand before it.
const CHECK: usize = 8;

/// What a line says.
#[derive(Serialize, Deserialize)]
struct Line {
    what: Outcome,
    /// The node itself, where more of it is new than what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Box<RunNodeRecord>>,
}

/// The journal of this process's run.
pub struct Journal {
    path: PathBuf,
    file: Box<dyn Write>,
    lines: String,
}

impl Journal {
    /// An empty journal at `path`.
    pub(super) fn create(path: &Path) -> fsio::Result<Self> {
        Ok(Journal { path: path.to_owned(), file: Box::new(fsio::create(path)?), lines: String::new() })
    }

    /// Notes how the node at `at` among the run's nodes stands; `whole` where more of it is new than that.
    pub fn note(&mut self, at: usize, node: &RunNodeRecord, whole: bool) {
        let what = Outcome {
            at,
            status: node.status,
            seconds: node.seconds,
            message: node.message.clone(),
            job: node.job.clone(),
        };
        let line = Line { what, node: whole.then(|| Box::new(node.clone())) };
        let text = serde_json::to_string(&line).unwrap_or_default();
        self.lines += &format!("{} {text}\n", check(&text));
    }

    /// Writes what was noted. Readers of the record see it from now on, also when this process is killed.
    ///
    /// # Errors
    /// If the disk refuses; what was noted is lost then.
    pub fn write(&mut self) -> fsio::Result<()> {
        let lines = std::mem::take(&mut self.lines);
        self.file.write_all(lines.as_bytes()).map_err(|error| fsio::Error::new("write", &self.path, error))
    }
}

fn check(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()[..CHECK].to_owned()
}

/// The nodes by the journal's text, in their order.
pub(super) fn read(text: &[u8]) -> Vec<RunNodeRecord> {
    let mut nodes: BTreeMap<usize, RunNodeRecord> = BTreeMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Some((mark, text)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else { continue };
        let Some(Line { what, node }) = (mark == check(text)).then(|| serde_json::from_str(text).ok()).flatten() else {
            continue;
        };
        if let Some(node) = node {
            nodes.insert(what.at, *node);
        }
        if let Some(node) = nodes.get_mut(&what.at) {
            what.put(node);
        }
    }
    nodes.into_values().collect()
}

/// What became of the nodes of a run whose process died.
pub(super) fn end(nodes: &mut [RunNodeRecord]) {
    for node in nodes {
        (node.status, node.message) = match node.status {
            Status::Running => (Status::Interrupted, "The run's process died.".to_owned()),
            Status::Waiting => (Status::Skipped, "The run stopped before.".to_owned()),
            status => (status, std::mem::take(&mut node.message)),
        };
    }
}
