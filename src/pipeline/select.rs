//! Nodes by the names that the command line gives them.

use std::collections::BTreeSet;

use super::cell_index::CellIndex;
use super::graph::{Pipeline, Stage};
use super::reference::Reference;
use crate::syntax::{Diagnostic, Diagnostics, Fallible, Faults, names, suggestion};

impl Pipeline {
    /// The nodes that are `wanted`, each a stage, some of its cells or one iteration, as `train`, `train[seed=1]`,
    /// `train[3]` or `train[seed=1][3]`.
    pub fn select(&self, wanted: &[String]) -> Result<BTreeSet<usize>, Diagnostics> {
        let mut selected = BTreeSet::new();
        let mut faults = Faults::default();
        for name in wanted {
            match self.find(name) {
                Ok(nodes) => selected.extend(nodes),
                Err(fault) => faults.push(*fault),
            }
        }
        faults.check().map(|()| selected)
    }

    fn find(&self, text: &str) -> Fallible<Vec<usize>> {
        let told = |(message, hint): (String, String)| Box::new(Diagnostic::unplaced(message).hint(hint));
        let target = Reference::read(text).ok().filter(|target| target.run.is_none());
        let stage = target.as_ref().map_or(text, |target| &target.name.stage);
        let found: Vec<&Stage> = self.stages.values().filter(|other| other.name.stage == stage).collect();
        let (Some(mut name), false) = (target.as_ref().map(|target| target.name.clone()), found.is_empty()) else {
            let all = || self.stages.values().map(|stage| stage.name.stage.as_str()).collect::<BTreeSet<_>>();
            let message = format!("There is no stage `{text}`{}", suggestion(stage, all()));
            return Err(told((message, format!("The stages are {}.", names(all())))));
        };
        let cells = CellIndex::new(found.iter().map(|stage| &stage.name.cell));
        cells.narrow(&mut name).map_err(told)?;
        let parts: Vec<&Stage> = found.iter().copied().filter(|stage| name.covers(&stage.name)).collect();
        if parts.is_empty() {
            return Err(told(cells.missing(&name)));
        }
        let of = |stage: &Stage| stage.nodes.clone();
        let nodes: Vec<usize> = parts.iter().flat_map(|stage| of(stage)).collect();
        let Some(iteration) = name.iteration else { return Ok(nodes) };
        let named = |node: &&usize| self.nodes[**node].iteration.is_some_and(|i| usize::try_from(i) == Ok(iteration));
        let chosen: Vec<usize> = nodes.iter().filter(named).copied().collect();
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
