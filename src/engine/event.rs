//! What the engine reports while a run goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::failure::NodeFailure;
use crate::hash::Digest;
use crate::stage::{Event, NodeName};
use crate::store::RunStatus;

/// What happens while a run goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run has an id.
    RunStarted {
        /// The format of the events: that of the run's event log, which this is the first line of.
        format: u32,
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
        node: NodeName,
        /// Its action key.
        key: Digest,
        /// The log.
        #[serde(with = "crate::fsio::exact")]
        log: PathBuf,
    },
    /// The node's outputs are in the store.
    NodeHit {
        /// The node.
        node: NodeName,
        /// Its action key.
        key: Digest,
    },
    /// The stage says something.
    NodeEvent {
        /// The node.
        node: NodeName,
        /// What it says.
        what: Event,
    },
    /// Somebody else computes the same; this run waits for the result and goes on with other nodes.
    NodeWaiting {
        /// The node.
        node: NodeName,
        /// The action key.
        key: Digest,
    },
    /// The node finished.
    NodeDone {
        /// The node.
        node: NodeName,
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
        node: NodeName,
        /// Why.
        failure: NodeFailure,
        /// The end of its log.
        tail: String,
        /// The log; none where the node did not start.
        #[serde(default, with = "crate::fsio::exact::option")]
        log: Option<PathBuf>,
    },
    /// The node was stopped at the user's wish.
    NodeInterrupted {
        /// The node.
        node: NodeName,
    },
    /// The node is not started.
    NodeSkipped {
        /// The node.
        node: NodeName,
        /// Why.
        reason: String,
    },
    /// An input of the node is damaged; the node that made it runs again first.
    NodeRemade {
        /// The node whose output is damaged.
        node: NodeName,
        /// The node that needs it.
        wanted_by: NodeName,
        /// The damaged object.
        digest: Digest,
    },
    /// Something that the user should know.
    Warning {
        /// The node concerned, if any.
        node: Option<NodeName>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::StageError;

    #[test]
    fn events_read_back_from_their_json() {
        let node = NodeName { stage: "train".into(), iteration: Some(3), kind: "Train".into() };
        let what = Event::Progress { done: 1, total: 2, unit: "steps".into() };
        let failure = NodeFailure::Stage(StageError::Bug("Oh.".into()));
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
