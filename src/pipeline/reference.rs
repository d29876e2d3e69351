//! References between stages: what they name, whether it is there and of the right kind, and in which order
//! stages follow.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::Variants;
use super::check::Reference;
use super::diagnose::{Diagnostic, Fallible, names, suggestion};
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
    known: BTreeMap<(String, String), Result<Vec<RunNode>, String>>,
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
            found => found,
        });
        found.as_deref().map_err(|message| message.clone())
    }

    /// The nodes that [`Runs::find`] has found.
    pub fn known(&self, run: &str, stage: &str) -> &[RunNode] {
        let key = (run.to_owned(), stage.to_owned());
        self.known.get(&key).and_then(|found| found.as_deref().ok()).unwrap_or_default()
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
    faults: &mut Vec<Diagnostic>,
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
                Err(fault) => faults.push(*fault),
                Ok(Some(needed)) => drop(needs.entry(needed.as_str()).or_insert(reference)),
                Ok(None) => {}
            }
        }
        open.extend(stages.keys().filter(|name| needs.contains_key(name.as_str())));
        links.insert(name, needs);
    }
    order(links, faults)
}

/// The stage of this pipeline that a reference names; none where it names a stage of a run.
fn resolve<'a>(
    reference: &Reference,
    from: &str,
    stages: &'a BTreeMap<String, Variants<'_>>,
    runs: &mut Runs<'_>,
) -> Fallible<Option<&'a String>> {
    let fault = |message: String| Diagnostic::new(&reference.span, message);
    let target = Target::read(&reference.text).map_err(|message| {
        fault(message)
            .hint("A reference is the name of a stage, as `\"train\"`, `\"train[3]\"` or `\"run:latest/train\"`.")
    })?;
    let wanted = reference.yields.join(" or ");
    let fits = |yields: &str| reference.yields.is_empty() || reference.yields.contains(&yields);
    if let Some(run) = &target.run {
        let nodes = runs.find(run, &target.part()).map_err(|message| {
            fault(message).hint("`repro runs` lists the runs, `repro show RUN` the stages of one.")
        })?;
        let cells: BTreeSet<&Cell> = nodes.iter().map(|node| &node.cell).collect();
        if cells.len() > 1 && !reference.gathers {
            let cells: Vec<String> = cells.into_iter().map(|cell| target.within(cell)).collect();
            return fault(format!("`{}` is in {} cells, but one is needed here.", reference.text, cells.len()))
                .hint(format!("Name one of {}.", names(cells.iter().take(SHOWN).map(String::as_str))))
                .stop();
        }
        return match nodes.iter().find(|node| !fits(&node.yields)) {
            Some(node) => fault(format!("`{}` yields {}, but {wanted} is needed here.", reference.text, node.yields))
                .hint("Name a stage of the run that yields what is needed.")
                .stop(),
            None => Ok(None),
        };
    }
    let fitting = || {
        let fitting = stages
            .iter()
            .filter(|(name, stage)| name.as_str() != from && stage.kind().is_some_and(|kind| fits(kind.yields())));
        let all: Vec<&str> = fitting.map(|(name, _)| name.as_str()).collect();
        match all.is_empty() {
            true => format!("No other stage of this pipeline yields {wanted}."),
            false => format!("The stages that yield {wanted} are {}.", names(all)),
        }
    };
    let Some((name, stage)) = stages.get_key_value(&target.name.stage) else {
        let all = stages.keys().map(String::as_str);
        let name = &target.name.stage;
        let message = format!("There is no stage `{name}`{}", suggestion(name, all));
        return fault(message).hint(fitting()).stop();
    };
    if name == from {
        return fault(format!("The stage `{from}` refers to itself.")).hint(fitting()).stop();
    }
    match stage.kind() {
        Some(kind) if !fits(kind.yields()) => {
            let message = format!(
                "`{name}` is of kind `{}`, which yields {}, but {wanted} is needed here.",
                kind.name(),
                kind.yields()
            );
            let place = stage.any().map(|stage| (stage.span.clone(), format!("`{name}` is defined here")));
            let mut fault = fault(message).hint(fitting());
            fault.related.extend(place);
            fault.stop()
        }
        _ => Ok(Some(name)),
    }
}

/// Sorts stages behind their needs. Every cycle is reported; its links are cut, so that others are found as well.
fn order(mut links: BTreeMap<&str, BTreeMap<&str, &Reference>>, faults: &mut Vec<Diagnostic>) -> Vec<String> {
    loop {
        let stages: Vec<&str> = links.keys().copied().collect();
        let number = |name: &&str| stages.binary_search(name).ok();
        let needs: Vec<Vec<usize>> = links.values().map(|needs| needs.keys().filter_map(number).collect()).collect();
        let cycle = match dag::topological(stages.len(), |stage| needs[stage].clone()) {
            Ok(order) => return order.into_iter().map(|stage| stages[stage].to_owned()).collect(),
            Err(cycle) => cycle,
        };
        let chain: Vec<&str> = cycle.iter().chain(cycle.first()).map(|&stage| stages[stage]).collect();
        if let Some(reference) = links.get(chain[0]).and_then(|needs| needs.get(chain[1])) {
            faults.push(
                Diagnostic::new(&reference.span, format!("The stages need each other: {}.", chain.join(" -> ")))
                    .hint("No stage can need its own result; change one of these references."),
            );
        }
        for stage in &chain {
            links.insert(stage, BTreeMap::new());
        }
    }
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
