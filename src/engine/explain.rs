//! Why a node runs: what changed since the newest run that knew it.

use std::collections::BTreeMap;

use crate::hash::Digest;
use crate::pipeline::Node;
use crate::pipeline::key::{Change, Preimage};
use crate::store::{self, RunRecord, Store};

/// How many runs are looked through, newest first.
const DEPTH: usize = 100;

/// Why a node is not taken from the store.
#[derive(Debug, Clone)]
pub enum Why {
    /// No earlier run of the pipeline knew it.
    New,
    /// The user asked for it.
    Forced,
    /// Components of its key are not what they were.
    Changed {
        /// Old and new, by component.
        changes: Vec<Change>,
        /// The kind's remark on the node; may be empty.
        note: String,
    },
    /// Nothing but its inputs may change: they are made first.
    Upstream,
    /// It was done, but this output is gone from the store.
    OutputMissing(Digest),
    /// Nothing changed, and it was never finished, or its record was damaged.
    Unfinished,
}

/// The newest runs of a pipeline, read when first needed.
pub(super) struct History<'a> {
    store: &'a Store,
    pipeline: &'a str,
    runs: Option<Vec<RunRecord>>,
}

impl<'a> History<'a> {
    pub fn new(store: &'a Store, pipeline: &'a str) -> Self {
        History { store, pipeline, runs: None }
    }

    /// Why `node` runs. Components of the slots in `unknown` are left out of account: their inputs are not made yet.
    pub fn why(&mut self, node: &Node, preimage: &Preimage, unknown: &[&str]) -> store::Result<Why> {
        let Some(old) = self.find(node)? else { return Ok(Why::New) };
        let (new, old) = (without(&preimage.0, unknown), without(&old, unknown));
        let changes = new.changes(&old);
        Ok(match (changes.is_empty(), unknown.is_empty()) {
            (true, true) => Why::Unfinished,
            (true, false) => Why::Upstream,
            (false, _) => Why::Changed { changes, note: node.note.clone() },
        })
    }

    /// The key's components when the same stage and iteration was last met; else, when the same recipe was.
    fn find(&mut self, node: &Node) -> store::Result<Option<BTreeMap<String, String>>> {
        if self.runs.is_none() {
            let runs = self.store.runs()?;
            let own = runs.filter(|run| run.as_ref().map_or(true, |run| run.pipeline == self.pipeline));
            self.runs = Some(own.take(DEPTH).collect::<store::Result<_>>()?);
        }
        let known = || {
            let nodes = self.runs.iter().flatten().flat_map(|run| &run.nodes);
            nodes.filter(|old| !old.preimage.is_empty())
        };
        let same_place = known().find(|old| old.stage == node.stage && old.iteration == node.iteration);
        let found = same_place.or_else(|| known().find(|old| old.recipe == node.recipe));
        Ok(found.map(|old| old.preimage.clone()))
    }
}

fn without(components: &BTreeMap<String, String>, slots: &[&str]) -> Preimage {
    let of_slot = |name: &str| {
        let rest = name.strip_prefix("input.");
        slots
            .iter()
            .any(|slot| rest.and_then(|rest| rest.strip_prefix(slot)).is_some_and(|r| r.starts_with(['.', '['])))
    };
    Preimage(components.iter().filter(|(name, _)| !of_slot(name)).map(|(k, v)| (k.clone(), v.clone())).collect())
}
