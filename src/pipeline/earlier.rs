//! Nodes of earlier runs, which references like `run:voc_regular/validate` name.
//!
//! Invariant: a stage of a run is looked up once, however many references name it.

use std::collections::BTreeMap;

use super::graph::RunNode;
use crate::stage::{Bare, MatrixCell, Registry};

/// Finds the results of earlier runs.
pub trait RunLookup {
    /// The nodes of `stage` in the newest run that `run` names and that finished the stage, by iteration.
    ///
    /// # Errors
    /// There is no such run or stage: a sentence for the user.
    fn find(&self, run: &str, stage: &str) -> Result<Vec<RunNode>, String>;
}

/// The nodes of earlier runs that the references of a pipeline name.
pub(super) struct EarlierRuns<'a> {
    lookup: &'a dyn RunLookup,
    registry: &'a Registry,
    known: BTreeMap<(String, String), Result<Found, String>>,
}

/// The nodes of a stage of an earlier run.
#[derive(Default)]
struct Found {
    nodes: Vec<RunNode>,
    /// The numbers of these by cell, in the order in which the cells come.
    cells: Vec<Vec<usize>>,
}

impl Found {
    fn new(nodes: Vec<RunNode>) -> Self {
        let mut cells: Vec<Vec<usize>> = Vec::new();
        let mut known: BTreeMap<&MatrixCell, usize> = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            let at = *known.entry(&node.cell).or_insert(cells.len());
            match cells.get_mut(at) {
                Some(cell) => cell.push(number),
                None => cells.push(vec![number]),
            }
        }
        Found { nodes, cells }
    }
}

impl<'a> EarlierRuns<'a> {
    pub fn new(lookup: &'a dyn RunLookup, registry: &'a Registry) -> Self {
        EarlierRuns { lookup, registry, known: BTreeMap::new() }
    }

    /// Looks a stage of a run up, once.
    pub fn find(&mut self, run: &str, stage: &str) -> Result<&[RunNode], String> {
        let key = (run.to_owned(), stage.to_owned());
        let found = self.known.entry(key).or_insert_with(|| match self.lookup.find(run, stage) {
            Ok(nodes) if nodes.is_empty() => Err(format!("The run `{run}` has no nodes of a stage `{stage}`.")),
            Ok(nodes) => Ok(Found::new(nodes)),
            Err(message) => Err(message),
        });
        found.as_ref().map(|found| found.nodes.as_slice()).map_err(|message| message.clone())
    }

    /// The nodes that [`EarlierRuns::find`] has found, by cell.
    pub fn known(&self, run: &str, stage: &str) -> impl Iterator<Item = Vec<&RunNode>> {
        let key = (run.to_owned(), stage.to_owned());
        let found = self.known.get(&key).and_then(|found| found.as_ref().ok());
        found
            .into_iter()
            .flat_map(|found| found.cells.iter().map(|cell| cell.iter().map(|&number| &found.nodes[number]).collect()))
    }

    /// What a reference without an index means for a stage that yields `yields`.
    pub fn bare(&self, yields: &str) -> Bare {
        self.registry.that_yields(yields).map_or(Bare::Last, |kind| kind.yields().bare)
    }

    /// The kinds.
    pub fn registry(&self) -> &'a Registry {
        self.registry
    }
}
