//! The event log of a run: one line of JSON for each event, in `runs/….events` of the store.
//!
//! The terminal, `--json` and everyone who looks at a run from elsewhere see the same lines. A line is a [`RunEvent`] with
//! the field `at`, the seconds since the run began. The first line of a log states its format.
//!
//! Invariants:
//! - a line is written in one piece. A line that was cut off by a kill is skipped when the log is read;
//! - a run that has nothing to do writes no log;
//! - the log is bounded. The number of lines that a stage adds while it works grows with the logarithm of its time
//!   ([`Sieve`]), and the texts of all stages together have at most [`TEXTS`] bytes;
//! - a log of a newer format is refused, and the error says so.
//!
//! The journal of a run (`….nodes`) is another file, which exists until the run ends. It holds whole records of nodes, from
//! which the run's record is made if its process dies. The log says what happened, so that people and programs can follow.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event::RunEvent;
use super::growing::Growing;
use crate::fsio;
use crate::stage::{Event, NodeName};
use crate::store::{self, Store};

/// The format of logs that this program writes.
pub(super) const FORMAT: u32 = 1;

/// How often a stage is heard of at first: twice a second is enough to see it move.
const OFTEN: Duration = Duration::from_millis(500);

/// Later, a stage is heard of each time that it has run this part longer.
const PART: u32 = 1000;

/// How many bytes the texts that stages say have in a log, all together. The stages' own logs have all of them.
const TEXTS: usize = 1 << 20;

/// An event with its time.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// The seconds since the run began, to the millisecond.
    pub at: f64,
    /// What happened.
    pub event: RunEvent,
}

impl LogLine {
    /// An event at this time since the run's begin.
    pub fn new(at: Duration, event: RunEvent) -> Self {
        LogLine { at: (at.as_secs_f64() * 1e3).round() / 1e3, event }
    }

    /// The line as it is stored and printed, without its end.
    pub fn text(&self) -> String {
        // Text keys and plain values only: it has a JSON text, and that is an object with the field `event`.
        let event = serde_json::to_string(&self.event).unwrap_or_default();
        format!("{{\"at\":{:?},{}", self.at, event.get(1..).unwrap_or_default())
    }

    fn read(text: &str) -> Option<Self> {
        let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
        let at = value.as_object_mut()?.remove("at")?.as_f64()?;
        Some(LogLine { at, event: serde_json::from_value(value).ok()? })
    }
}

/// A filter of the events of stages at work: it lets so many pass that the log stays bounded.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    began: BTreeMap<NodeName, Duration>,
    /// When an event of each kind last passed, by node.
    passed: BTreeMap<(NodeName, &'static str), Duration>,
    texts: usize,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passes {
    Yes,
    No,
    /// No, and from now on no other text does.
    NoMoreTexts,
}

impl Sieve {
    /// Whether an event passes at this time since the run's begin.
    pub fn pass(&mut self, event: &RunEvent, now: Duration) -> Passes {
        let (node, what) = match event {
            RunEvent::NodeStarted { node, .. } => {
                self.began.insert(node.clone(), now);
                self.passed.retain(|(other, _), _| other != node);
                return Passes::Yes;
            }
            RunEvent::NodeEvent { node, what } => (node, what),
            _ => return Passes::Yes,
        };
        let kind = match what {
            Event::Progress { .. } => "progress",
            Event::Scalars { .. } => "scalars",
            Event::Checkpoint { .. } => "checkpoint",
            Event::Resumed { .. } => return Passes::Yes,
            Event::Log { text } | Event::Warning { text } => {
                let before = self.texts;
                self.texts = before.saturating_add(text.len());
                return match self.texts <= TEXTS {
                    true => Passes::Yes,
                    false if before <= TEXTS => Passes::NoMoreTexts,
                    false => Passes::No,
                };
            }
        };
        let ran = now.saturating_sub(self.began.get(node).copied().unwrap_or_default());
        let pause = OFTEN.max(ran / PART);
        let key = (node.clone(), kind);
        if self.passed.get(&key).is_some_and(|passed| now < *passed + pause) {
            return Passes::No;
        }
        self.passed.insert(key, now);
        Passes::Yes
    }
}

/// The log of this process's run.
pub(super) struct EventLog {
    path: PathBuf,
    file: Box<dyn Write>,
}

impl EventLog {
    pub fn create(path: &Path) -> fsio::Result<Self> {
        Ok(EventLog { path: path.to_owned(), file: Box::new(fsio::append(path)?) })
    }

    pub fn write(&mut self, line: &LogLine) -> fsio::Result<()> {
        let text = format!("{}\n", line.text());
        self.file.write_all(text.as_bytes()).map_err(|error| fsio::Error::new("write", &self.path, error))
    }
}

/// What the log of a run tells; none where the run has none.
///
/// # Errors
/// A log of a newer format, and the disk's.
pub fn events(store: &Store, run: &str) -> store::Result<Option<Vec<LogLine>>> {
    let Some(path) = store.events_path(run)? else { return Ok(None) };
    match fsio::read(&path) {
        Ok(text) => read(&path, &text).map(Some),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read(path: &Path, text: &[u8]) -> store::Result<Vec<LogLine>> {
    let text = String::from_utf8_lossy(text);
    known(path, text.lines().next().unwrap_or_default())?;
    Ok(text.lines().filter_map(LogLine::read).collect())
}

/// Whether a log that begins with this line is of a format that this program reads.
fn known(path: &Path, first: &str) -> store::Result<()> {
    let first = serde_json::from_str::<serde_json::Value>(first).ok();
    let format = first.and_then(|line| line.get("format")?.as_u64()).unwrap_or_default();
    if format > u64::from(FORMAT) {
        let (found, known) = (format!("events {format}"), format!("events {FORMAT}"));
        return Err(store::Error::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// The log of a run that goes on: what is new in it, each time that it is asked.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Growing,
    begun: bool,
}

impl Follower {
    /// The log of a run from its beginning; none where the run has none.
    ///
    /// # Errors
    /// The store's.
    pub fn of(store: &Store, run: &str) -> store::Result<Option<Self>> {
        let path = store.events_path(run)?;
        Ok(path.map(|path| Follower { file: Growing::new(path.clone()), path, begun: false }))
    }

    /// The lines that were written since the last call.
    ///
    /// # Errors
    /// The log is of a newer format.
    pub fn more(&mut self) -> store::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        while let Some(part) = self.file.part() {
            let text = String::from_utf8_lossy(&part);
            if !self.begun {
                known(&self.path, text.lines().next().unwrap_or_default())?;
                self.begun = true;
            }
            lines.extend(text.lines().filter_map(LogLine::read));
        }
        Ok(lines)
    }
}

/// How far a stage at work is, as far as it said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeProgress {
    /// Units done, units in all, and the unit.
    pub done: Option<(u64, u64, String)>,
    /// The newest figures by name.
    pub scalars: BTreeMap<String, f64>,
}

/// How far the stages are that are at work, by the events of their run.
pub fn progress(lines: &[LogLine]) -> BTreeMap<NodeName, NodeProgress> {
    let mut all: BTreeMap<NodeName, NodeProgress> = BTreeMap::new();
    for line in lines {
        match &line.event {
            RunEvent::NodeStarted { node, .. } | RunEvent::NodeWaiting { node, .. } => {
                all.insert(node.clone(), NodeProgress::default());
            }
            RunEvent::NodeEvent { node, what: Event::Progress { done, total, unit } } => {
                all.entry(node.clone()).or_default().done = Some((*done, *total, unit.clone()));
            }
            RunEvent::NodeEvent { node, what: Event::Scalars { values, .. } } => {
                all.entry(node.clone()).or_default().scalars.clone_from(values);
            }
            RunEvent::NodeHit { node, .. }
            | RunEvent::NodeDone { node, .. }
            | RunEvent::NodeFailed { node, .. }
            | RunEvent::NodeInterrupted { node }
            | RunEvent::NodeSkipped { node, .. } => drop(all.remove(node)),
            RunEvent::NodeEvent { .. }
            | RunEvent::NodeRemade { .. }
            | RunEvent::RunStarted { .. }
            | RunEvent::RunFinished { .. }
            | RunEvent::Warning { .. } => {}
        }
    }
    all
}

#[cfg(test)]
mod tests;
