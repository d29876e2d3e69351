//! References between stages: what they name, whether it is there and of the right kind, and in which order
//! stages follow.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::Variants;
use super::check::Reference;
use super::diagnose::{Diagnostic, Faults, cut, names, suggestion};
use super::limits::LABEL;
use super::{RunLookup, RunNode};
use crate::dag;
use crate::stage::{Bare, Cell, Name, Registry};

/// How many cells a hint lists.
pub(super) const SHOWN: usize = 12;

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The run, for `run:RUN/STAGE`.
    pub run: Option<String>,
    /// The stage, with the cells and the iteration that it is narrowed to.
    pub name: Name,
}

impl Target {
    /// Reads a reference: `train`, `train[3]`, `train[seed=1]`, `run:voc_regular/validate`, `run:latest/train[3]`.
    pub fn read(reference: &str) -> Result<Self, String> {
        let (run, rest) = match reference.strip_prefix("run:").map(|rest| rest.split_once('/')) {
            None => (None, reference),
            Some(Some((run, stage))) if !run.is_empty() => (Some(run.to_owned()), stage),
            Some(_) => return Err(format!("`{reference}` names no stage of a run; write `run:RUN/STAGE`.")),
        };
        Ok(Target { run, name: Name::read(rest)? })
    }

    /// The reference narrowed to one cell of the stage.
    fn within(&self, cell: &Cell) -> String {
        let run = self.run.as_ref().map_or(String::new(), |run| format!("run:{run}/"));
        format!("{run}{}", Name { cell: cell.clone(), ..self.name.clone() })
    }

    /// The stage and the cells without the iteration.
    pub fn part(&self) -> String {
        Name::new(&self.name.stage, self.name.cell.clone()).to_string()
    }
}

/// The nodes of earlier runs that the references of a pipeline name.
pub(super) struct Runs<'a> {
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
        let mut known: BTreeMap<&Cell, usize> = BTreeMap::new();
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

impl<'a> Runs<'a> {
    pub fn new(lookup: &'a dyn RunLookup, registry: &'a Registry) -> Self {
        Runs { lookup, registry, known: BTreeMap::new() }
    }

    /// Looks a stage of a run up, once.
    fn find(&mut self, run: &str, stage: &str) -> Result<&[RunNode], String> {
        let key = (run.to_owned(), stage.to_owned());
        let found = self.known.entry(key).or_insert_with(|| match self.lookup.find(run, stage) {
            Ok(nodes) if nodes.is_empty() => Err(format!("The run `{run}` has no nodes of a stage `{stage}`.")),
            Ok(nodes) => Ok(Found::new(nodes)),
            Err(message) => Err(message),
        });
        found.as_ref().map(|found| found.nodes.as_slice()).map_err(|message| message.clone())
    }

    /// The nodes that [`Runs::find`] has found, by cell.
    pub fn known(&self, run: &str, stage: &str) -> impl Iterator<Item = Vec<&RunNode>> {
        let key = (run.to_owned(), stage.to_owned());
        let found = self.known.get(&key).and_then(|found| found.as_ref().ok());
        found
            .into_iter()
            .flat_map(|found| found.cells.iter().map(|cell| cell.iter().map(|&number| &found.nodes[number]).collect()))
    }

    /// What a reference without an index means for a stage that yields `yields`.
    pub fn bare(&self, yields: &str) -> Bare {
        let kind = self.registry.kinds.iter().find(|kind| kind.yields() == yields);
        kind.map_or(Bare::Last, |kind| kind.bare())
    }
}

/// Follows the references from `targets` on and reports those that lead nowhere or to the wrong kind, and cycles.
/// Returns the stages that take part, each behind those that it needs.
pub(super) fn follow(
    stages: &BTreeMap<String, Variants<'_>>,
    targets: &BTreeSet<String>,
    runs: &mut Runs<'_>,
    faults: &mut Faults,
) -> Vec<String> {
    let mut open: Vec<&String> = targets.iter().collect();
    let mut links: BTreeMap<&str, BTreeMap<&str, &Reference>> = BTreeMap::new();
    while let Some(name) = open.pop() {
        let Some((name, stage)) = stages.get_key_value(name) else { continue };
        if links.contains_key(name.as_str()) {
            continue;
        }
        let mut needs = BTreeMap::new();
        for reference in stage.references() {
            match resolve(reference, name, stages, runs) {
                Err(fault) => faults.tell(&reference.span, || *fault(name, stages)),
                Ok(Some(needed)) => {
                    if needs.insert(needed.as_str(), reference).is_none() {
                        open.push(needed);
                    }
                }
                Ok(None) => {}
            }
        }
        links.insert(name, needs);
    }
    order(links, faults)
}

/// What is wrong with a reference, put into words where it is told: from the stage that states it, and all stages.
type Wrong<'a> = Box<dyn FnOnce(&str, &BTreeMap<String, Variants<'_>>) -> Box<Diagnostic> + 'a>;

/// The stage of this pipeline that a reference names; none where it names a stage of a run.
fn resolve<'a>(
    reference: &'a Reference,
    from: &str,
    stages: &'a BTreeMap<String, Variants<'_>>,
    runs: &mut Runs<'_>,
) -> Result<Option<&'a String>, Wrong<'a>> {
    let fault = |message: String| Diagnostic::new(&reference.span, message);
    let told = |diagnostic: Diagnostic| -> Wrong<'a> { Box::new(move |_, _| Box::new(diagnostic)) };
    let target = Target::read(&reference.text).map_err(|message| {
        told(
            fault(message)
                .hint("A reference is the name of a stage, as `\"train\"`, `\"train[3]\"` or `\"run:latest/train\"`."),
        )
    })?;
    let wanted = || reference.yields.join(" or ");
    let fits = |yields: &str| reference.yields.is_empty() || reference.yields.contains(&yields);
    let Some(run) = &target.run else {
        let Some((name, stage)) = stages.get_key_value(&target.name.stage) else {
            return Err(Box::new(move |from, stages| {
                let name = &target.name.stage;
                let near = suggestion(name, stages.keys().map(String::as_str));
                let message = format!("There is no stage `{}`{near}", cut(name, LABEL));
                Box::new(fault(message).hint(fitting(reference, from, stages)))
            }));
        };
        return match stage.kind() {
            _ if name == from => Err(Box::new(move |from, stages| {
                let message = format!("The stage `{from}` refers to itself.");
                Box::new(fault(message).hint(fitting(reference, from, stages)))
            })),
            Some(kind) if !fits(kind.yields()) => Err(Box::new(move |from, stages| {
                let (kind, yields) = (kind.name(), kind.yields());
                let message =
                    format!("`{name}` is of kind `{kind}`, which yields {yields}, but {} is needed here.", wanted());
                let fault = fault(message).hint(fitting(reference, from, stages));
                Box::new(match stage.any() {
                    Some(stage) => fault.related(&stage.span, format!("`{name}` is defined here")),
                    None => fault,
                })
            })),
            _ => Ok(Some(name)),
        };
    };
    let nodes = runs.find(run, &target.part()).map_err(|message| {
        told(fault(message).hint("`repro runs` lists the runs, `repro show RUN` the stages of one."))
    })?;
    let cells: BTreeSet<&Cell> = nodes.iter().map(|node| &node.cell).collect();
    if cells.len() > 1 && !reference.gathers {
        let shown: Vec<String> = cells.iter().take(SHOWN).map(|cell| target.within(cell)).collect();
        let message = format!("`{}` is in {} cells, but one is needed here.", reference.text, cells.len());
        let hint = format!("Name one of {}.", names(shown.iter().map(String::as_str)));
        return Err(told(fault(message).hint(hint)));
    }
    match nodes.iter().find(|node| !fits(&node.yields)) {
        Some(node) => {
            let yields = &node.yields;
            let message = format!("`{}` yields {yields}, but {} is needed here.", reference.text, wanted());
            Err(told(fault(message).hint("Name a stage of the run that yields what is needed.")))
        }
        None => Ok(None),
    }
}

/// The stages that a reference from a stage may name.
fn fitting(reference: &Reference, from: &str, stages: &BTreeMap<String, Variants<'_>>) -> String {
    let fits = |yields: &str| reference.yields.is_empty() || reference.yields.contains(&yields);
    let mut fitting = stages
        .iter()
        .filter(|(name, stage)| name.as_str() != from && stage.kind().is_some_and(|kind| fits(kind.yields())))
        .map(|(name, _)| name.as_str())
        .peekable();
    let wanted = reference.yields.join(" or ");
    match fitting.peek() {
        None => format!("No other stage of this pipeline yields {wanted}."),
        Some(_) => format!("The stages that yield {wanted} are {}.", names(fitting)),
    }
}

/// How many stages of a cycle are named.
const NAMED: usize = 12;

/// How many cycles are looked for, each of which takes going through all stages again.
const CYCLES: usize = 20;

/// Sorts stages behind their needs. Cycles are reported; their links are cut, so that others are found as well.
fn order(mut links: BTreeMap<&str, BTreeMap<&str, &Reference>>, faults: &mut Faults) -> Vec<String> {
    let stages: Vec<&str> = links.keys().copied().collect();
    let number = |name: &&str| stages.binary_search(name).ok();
    for _ in 0..CYCLES {
        let needs: Vec<Vec<usize>> = links.values().map(|needs| needs.keys().filter_map(number).collect()).collect();
        let cycle = match dag::topological(stages.len(), |stage| needs[stage].clone()) {
            Ok(order) => return order.into_iter().map(|stage| stages[stage].to_owned()).collect(),
            Err(cycle) => cycle,
        };
        let mut chain: Vec<&str> = cycle.iter().chain(cycle.first()).map(|&stage| stages[stage]).collect();
        for stage in &chain[1..] {
            if stage != &chain[0] {
                links.insert(stage, BTreeMap::new());
            }
        }
        let first = links.insert(chain[0], BTreeMap::new()).unwrap_or_default();
        if let Some(reference) = first.get(chain[1]) {
            if chain.len() > NAMED {
                chain.splice(NAMED - 2..chain.len() - 2, ["…"]);
            }
            faults.push(
                Diagnostic::new(&reference.span, format!("The stages need each other: {}.", chain.join(" -> ")))
                    .hint("No stage can need its own result; change one of these references."),
            );
        }
    }
    // With so many cycles told, the order does not matter any more.
    stages.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_form() {
        let target =
            |run: Option<&str>, name: &str| Ok(Target { run: run.map(str::to_owned), name: Name::read(name).unwrap() });
        assert_eq!(Target::read("train[3]"), target(None, "train[3]"));
        assert_eq!(Target::read("run:latest~1/validate"), target(Some("latest~1"), "validate"));
        assert_eq!(Target::read("run:a/b[seed=1][2]"), target(Some("a"), "b[seed=1][2]"));
        for wrong in ["train[0]", "train[x]", "run:train", "run:/train"] {
            assert!(Target::read(wrong).is_err(), "{wrong}");
        }
    }
}
