//! Nodes of earlier runs, which references like `run:voc_regular/validate` name.
//!
//! Invariants:
//! - a stage of a run is looked up once, however many references name it;
//! - which run a reference was found to mean is kept with the pipeline, so that people can be told.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{EarlierRun, RunNode};
use crate::stage::{Bare, MatrixCell, Registry};

/// Finds the results of earlier runs.
pub trait RunLookup {
    /// The nodes of `stage` in the run that `run` names. Runs that did not finish the stage are passed over.
    ///
    /// # Errors
    /// There is no such run or stage: a sentence for the user.
    fn find(&self, run: &str, stage: &str) -> Result<EarlierStage, String>;
}

/// A stage of an earlier run, as a [`RunLookup`] finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierStage {
    /// The nodes, by iteration.
    pub nodes: Vec<RunNode>,
    /// Which run it is, as "run 20261129-101010-123-0007 of smoke, finished 2026-11-29T10:10:12Z".
    pub taken: String,
    /// Which newer runs were passed over, and why: a sentence.
    pub passed_over: Option<String>,
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
    taken: String,
    passed_over: Option<String>,
    /// The numbers of these by cell, in the order in which the cells come.
    cells: Vec<Vec<usize>>,
}

impl Found {
    fn new(stage: EarlierStage) -> Self {
        let EarlierStage { nodes, taken, passed_over } = stage;
        let mut cells: Vec<Vec<usize>> = Vec::new();
        let mut known: BTreeMap<&MatrixCell, usize> = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            let at = *known.entry(&node.cell).or_insert(cells.len());
            match cells.get_mut(at) {
                Some(cell) => cell.push(number),
                None => cells.push(vec![number]),
            }
        }
        Found { nodes, cells, taken, passed_over }
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
            Ok(found) if found.nodes.is_empty() => Err(format!("The run `{run}` has no nodes of a stage `{stage}`.")),
            Ok(found) => Ok(Found::new(found)),
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

    /// Which runs the references mean, each run once.
    pub fn taken(&self) -> Vec<EarlierRun> {
        let mut runs: BTreeMap<&str, (BTreeSet<String>, BTreeSet<&String>)> = BTreeMap::new();
        for ((run, stage), found) in &self.known {
            let Ok(found) = found else { continue };
            let (references, passed_over) = runs.entry(&found.taken).or_default();
            references.insert(format!("run:{run}/{stage}"));
            passed_over.extend(&found.passed_over);
        }
        let run = |(taken, (references, passed_over)): (&str, (BTreeSet<String>, BTreeSet<&String>))| EarlierRun {
            taken: taken.to_owned(),
            references: references.into_iter().collect(),
            passed_over: passed_over.into_iter().cloned().collect(),
        };
        runs.into_iter().map(run).collect()
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
