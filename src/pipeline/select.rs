//! Nodes by the names that the command line gives them.

use std::collections::{BTreeMap, BTreeSet};

use super::cell_index::CellIndex;
use super::graph::{Pipeline, Stage};
use super::reference::Reference;
use crate::syntax::{Diagnostic, Diagnostics, Fallible, Faults, names, suggestion};

/// A stage in all of its cells.
struct Cells<'a> {
    stages: Vec<&'a Stage>,
    index: CellIndex,
}

impl<'a> Cells<'a> {
    fn new(stages: Vec<&'a Stage>) -> Self {
        let index = CellIndex::new(stages.iter().map(|stage| &stage.name.cell));
        Cells { stages, index }
    }
}

impl Pipeline {
    /// The nodes that are `wanted`, each a stage, some of its cells or one iteration, as `train`, `train[seed=1]`,
    /// `train[3]` or `train[seed=1][3]`.
    ///
    /// # Errors
    /// A name leads to no node.
    pub fn select(&self, wanted: &[String]) -> Result<BTreeSet<usize>, Diagnostics> {
        let mut by_stage: BTreeMap<&str, Vec<&Stage>> = BTreeMap::new();
        if !wanted.is_empty() {
            self.stages.values().for_each(|stage| by_stage.entry(&stage.name.stage).or_default().push(stage));
        }
        let by_stage: BTreeMap<&str, Cells<'_>> =
            by_stage.into_iter().map(|(name, stages)| (name, Cells::new(stages))).collect();
        let mut selected = BTreeSet::new();
        let mut faults = Faults::default();
        for name in wanted {
            match self.find(name, &by_stage) {
                Ok(nodes) => selected.extend(nodes),
                Err(fault) => faults.push(*fault),
            }
        }
        faults.check().map(|()| selected)
    }

    fn find(&self, text: &str, by_stage: &BTreeMap<&str, Cells<'_>>) -> Fallible<Vec<usize>> {
        let told = |(message, hint): (String, String)| Box::new(Diagnostic::unplaced(message).hint(hint));
        let reference = Reference::read(text).ok().filter(|reference| reference.run.is_none());
        let stage = reference.as_ref().map_or(text, |reference| &reference.name.stage);
        let (Some(Reference { mut name, .. }), Some(cells)) = (reference.clone(), by_stage.get(stage)) else {
            let all = || by_stage.keys().copied();
            let message = format!("There is no stage `{text}`{}", suggestion(stage, all()));
            return Err(told((message, format!("The stages are {}.", names(all())))));
        };
        cells.index.narrow(&mut name).map_err(told)?;
        let found = cells.index.find(&name.cell);
        if found.is_empty() {
            return Err(told(cells.index.missing(&name)));
        }
        let nodes: Vec<usize> = found.into_iter().flat_map(|cell| cells.stages[cell].nodes.iter().copied()).collect();
        let Some(iteration) = name.iteration else { return Ok(nodes) };
        let named = |node: &usize| self.nodes[*node].iteration.is_some_and(|i| usize::try_from(i) == Ok(iteration));
        let chosen: Vec<usize> = nodes.iter().copied().filter(named).collect();
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let hint = match nodes.iter().filter_map(|&node| self.nodes[node].iteration).max() {
            Some(last) => format!("The iterations of `{stage}` are 1 to {last}."),
            None => format!("`{stage}` has no iterations; write its name alone."),
        };
        Err(told((format!("There is no `{text}`."), hint)))
    }
}
