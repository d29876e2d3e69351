//! Follows references from stage to stage: whether each leads to a stage of the right kind, and which stage comes before
//! which.

use std::collections::{BTreeMap, BTreeSet};

use super::check::StatedReference;
use super::earlier::EarlierRuns;
use super::reference::{Reference, SHOWN};
use super::variants::Variants;
use crate::dag;
use crate::stage::MatrixCell;
use crate::syntax::limits::LABEL;
use crate::syntax::{Diagnostic, Faults, cut, names, suggestion};

/// Follows the references, starting from `targets`. A reference that leads nowhere or to the wrong kind is a fault, and so
/// is a cycle.
/// Returns the stages that take part, each behind those that it needs.
pub(super) fn follow(
    stages: &BTreeMap<String, Variants<'_>>,
    targets: &BTreeSet<String>,
    runs: &mut EarlierRuns<'_>,
    faults: &mut Faults,
) -> Vec<String> {
    let mut open: Vec<&String> = targets.iter().collect();
    let mut links: BTreeMap<&str, BTreeMap<&str, &StatedReference>> = BTreeMap::new();
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

/// A fault of a reference. It is put into words only if it is kept, with the stage that states it and all stages.
type Wrong<'a> = Box<dyn FnOnce(&str, &BTreeMap<String, Variants<'_>>) -> Box<Diagnostic> + 'a>;

/// The stage of this pipeline that a reference names, or none if it names a stage of an earlier run.
fn resolve<'a>(
    reference: &'a StatedReference,
    from: &str,
    stages: &'a BTreeMap<String, Variants<'_>>,
    runs: &mut EarlierRuns<'_>,
) -> Result<Option<&'a String>, Wrong<'a>> {
    let fault = |message: String| Diagnostic::new(&reference.span, message);
    let told = |diagnostic: Diagnostic| -> Wrong<'a> { Box::new(move |_, _| Box::new(diagnostic)) };
    let target = Reference::read(&reference.text).map_err(|message| {
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
            Some(kind) if !fits(kind.yields().name) => Err(Box::new(move |from, stages| {
                let instead = kind.instead(name, &reference.yields);
                let (kind, yields) = (kind.name(), kind.yields().name);
                let message =
                    format!("`{name}` is of kind `{kind}`, which gives {yields}, but {} is needed here.", wanted());
                let fault = fault(message).hint(instead.unwrap_or_else(|| fitting(reference, from, stages)));
                Box::new(match stage.any() {
                    Some(stage) => fault.related(&stage.span, format!("`{name}` is defined here")),
                    None => fault,
                })
            })),
            _ => Ok(Some(name)),
        };
    };
    let registry = runs.registry();
    let nodes = runs.find(run, &target.part()).map_err(|message| {
        told(fault(message).hint("`repro runs` lists the runs, `repro show RUN` the stages of one."))
    })?;
    let cells: BTreeSet<&MatrixCell> = nodes.iter().map(|node| &node.cell).collect();
    if cells.len() > 1 && !reference.gathers {
        let shown: Vec<String> = cells.iter().take(SHOWN).map(|cell| target.within(cell)).collect();
        let message = format!("`{}` is in {} cells, but one is needed here.", reference.text, cells.len());
        let hint = format!("Name one of {}.", names(shown.iter().map(String::as_str)));
        return Err(told(fault(message).hint(hint)));
    }
    match nodes.iter().find(|node| !fits(&node.yields)) {
        Some(node) => {
            let yields = &node.yields;
            let message = format!("`{}` gives {yields}, but {} is needed here.", reference.text, wanted());
            let instead =
                registry.that_yields(yields).and_then(|kind| kind.instead(&reference.text, &reference.yields));
            let hint = instead.unwrap_or_else(|| "Name a stage of the run that gives what is needed.".to_owned());
            Err(told(fault(message).hint(hint)))
        }
        None => Ok(None),
    }
}

/// The stages that a reference from a stage may name.
fn fitting(reference: &StatedReference, from: &str, stages: &BTreeMap<String, Variants<'_>>) -> String {
    let fits = |yields: &str| reference.yields.is_empty() || reference.yields.contains(&yields);
    let mut fitting = stages
        .iter()
        .filter(|(name, stage)| name.as_str() != from && stage.kind().is_some_and(|kind| fits(kind.yields().name)))
        .map(|(name, _)| name.as_str())
        .peekable();
    let wanted = reference.yields.join(" or ");
    match fitting.peek() {
        None => format!("No other stage of this pipeline gives {wanted}."),
        Some(_) => format!("The stages that give {wanted} are {}.", names(fitting)),
    }
}

/// How many stages of a cycle are named.
const NAMED: usize = 12;

/// How many cycles are looked for. Each takes another walk through all stages.
const CYCLES: usize = 20;

/// Sorts the stages, each behind those that it needs. A cycle is a fault; then its links are cut, so that other cycles are
/// found as well.
fn order(mut links: BTreeMap<&str, BTreeMap<&str, &StatedReference>>, faults: &mut Faults) -> Vec<String> {
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
