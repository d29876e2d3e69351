//! What the engine tells: events while a run goes on, and failures of nodes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::stage::{Event, StageError};
use crate::store::RunStatus;

/// A node as events name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeLabel {
    /// The stage.
    pub stage: String,
    /// The iteration, from 1, where the stage has several.
    pub iteration: Option<u32>,
    /// The kind.
    pub kind: String,
}

impl std::fmt::Display for NodeLabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.iteration {
            None => f.write_str(&self.stage),
            Some(i) => write!(f, "{}[{i}]", self.stage),
        }
    }
}

/// What happens while a run goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run has an id.
    RunStarted {
        /// The id.
        run: String,
        /// The pipeline's name.
        pipeline: String,
        /// How many nodes the plan holds.
        nodes: usize,
        /// How many of them are done already.
        done: usize,
    },
    /// A child process runs the node.
    NodeStarted {
        /// The node.
        node: NodeLabel,
        /// Its action key.
        key: Digest,
        /// The log.
        #[serde(with = "crate::fsio::exact")]
        log: PathBuf,
    },
    /// The node's outputs are in the store.
    NodeHit {
        /// The node.
        node: NodeLabel,
        /// Its action key.
        key: Digest,
    },
    /// The stage says something.
    NodeEvent {
        /// The node.
        node: NodeLabel,
        /// What it says.
        what: Event,
    },
    /// Somebody else computes the same; this run waits for the result and goes on with other nodes.
    NodeWaiting {
        /// The node.
        node: NodeLabel,
        /// The action key.
        key: Digest,
    },
    /// The node finished.
    NodeDone {
        /// The node.
        node: NodeLabel,
        /// Its action key.
        key: Digest,
        /// How long it ran.
        seconds: f64,
        /// Single figures.
        metrics: BTreeMap<String, f64>,
    },
    /// The node failed.
    NodeFailed {
        /// The node.
        node: NodeLabel,
        /// Why.
        failure: Failure,
        /// The end of its log.
        tail: String,
        /// The log; none where the node did not start.
        #[serde(default, with = "crate::fsio::exact::option")]
        log: Option<PathBuf>,
    },
    /// The node was stopped at the user's wish.
    NodeInterrupted {
        /// The node.
        node: NodeLabel,
    },
    /// The node is not started.
    NodeSkipped {
        /// The node.
        node: NodeLabel,
        /// Why.
        reason: String,
    },
    /// An input of the node is damaged; the node that made it runs again first.
    NodeRemade {
        /// The node whose output is damaged.
        node: NodeLabel,
        /// The node that needs it.
        wanted_by: NodeLabel,
        /// The damaged object.
        digest: Digest,
    },
    /// Something that the user should know.
    Warning {
        /// The node concerned, if any.
        node: Option<NodeLabel>,
        /// The text, as sentences.
        text: String,
    },
    /// The run ended.
    RunFinished {
        /// The id.
        run: String,
        /// How it ended.
        status: RunStatus,
        /// How many nodes ran.
        ran: usize,
        /// How many were in the store.
        hits: usize,
        /// How many failed.
        failed: usize,
        /// How many were not started, or stopped.
        skipped: usize,
        /// How long it took.
        seconds: f64,
    },
}

/// Why a node failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The stage says why.
    #[error(transparent)]
    Stage(StageError),
    /// A signal ended the process.
    #[error("The stage's process was killed by {name} (signal {signal}).")]
    Killed {
        /// The signal's number.
        signal: i32,
        /// Its name.
        name: String,
    },
    /// The process ended without saying why.
    #[error("The stage's process ended with exit code {code} and no result.")]
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The process could not be started, or its result not be read.
    #[error("{message}")]
    Setup {
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
        /// Whether the disk is full.
        full: bool,
    },
}

impl Failure {
    /// What to do; may be empty.
    pub fn hint(&self) -> String {
        match self {
            Failure::Stage(error) => stage_hint(error),
            Failure::Killed { signal: 9, .. } => {
                "If nobody killed it, the kernel's out-of-memory killer did: use a smaller batch or crop, or fewer \
                 jobs at once. Run again to go on from the last checkpoint."
                    .to_owned()
            }
            Failure::Killed { .. } => "Look into its log; run again to go on from the last checkpoint.".to_owned(),
            Failure::Exited { .. } => "Look into its log.".to_owned(),
            Failure::Setup { hint, .. } => hint.clone(),
        }
    }

    /// A failure outside the stage itself.
    pub(super) fn setup(message: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Failure::Setup { message: message.to_string(), hint: hint.into(), full: false }
    }
}

impl From<super::Error> for Failure {
    fn from(error: super::Error) -> Self {
        match error {
            super::Error::Store(error) => error.into(),
            error => Failure::setup(&error, error.hint()),
        }
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Failure::Setup { message: error.to_string(), hint: error.hint(), full: error.is_full() }
    }
}

impl From<crate::fsio::Error> for Failure {
    fn from(error: crate::fsio::Error) -> Self {
        crate::store::Error::from(error).into()
    }
}

/// What to do about a stage's error; may be empty.
pub(super) fn stage_hint(error: &StageError) -> String {
    match error {
        StageError::Io { hint, .. }
        | StageError::Numeric { hint, .. }
        | StageError::Device { hint, .. }
        | StageError::Command { hint, .. } => hint.clone(),
        StageError::Bug(_) => "Please report it with the log.".to_owned(),
        StageError::CorruptInput { .. } => {
            "It cannot be made again from here: run the pipeline that made it, or check the disk.".to_owned()
        }
        // Faults of data carry their own hints.
        StageError::Data(_) | StageError::Cancelled => String::new(),
    }
}

/// The name of a signal.
pub(super) fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        _ => "a signal",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_back_from_their_json() {
        let node = NodeLabel { stage: "train".into(), iteration: Some(3), kind: "Train".into() };
        let what = Event::Progress { done: 1, total: 2, unit: "steps".into() };
        let failure = Failure::Stage(StageError::Bug("Oh.".into()));
        let events = [
            RunEvent::NodeEvent { node: node.clone(), what },
            RunEvent::NodeFailed { node: node.clone(), failure, tail: "x\n".into(), log: None },
            RunEvent::Warning { node: Some(node), text: "Oh.".into() },
        ];
        for event in events {
            let json = serde_json::to_string(&event).unwrap();
            assert!(json.starts_with(r#"{"event":"#), "{json}");
            assert_eq!(serde_json::from_str::<RunEvent>(&json).unwrap(), event);
        }
    }
}
