//! Which stages and nodes of several runs are compared with each other.
//!
//! Invariants:
//! - whole runs: stages are matched by name. Stages whose name only one run has are matched by kind and cell, if only one
//!   pair is possible. So a renamed stage is no difference;
//! - single stages: they are matched as they were named, cell by cell, and what they were made from is matched by the slots
//!   that it came in by, as far back as contents differ.

use std::collections::{BTreeMap, BTreeSet};

use super::side::Side;
use crate::hash::Digest;
use crate::results::error::{Error, Result};
use crate::stage::{MatrixCell, StageName};
use crate::store::{RunNodeRecord, RunRecord};

/// What the runs' components of a slot begin with.
const INPUT: &str = "input.";

/// The names of a stage in two runs.
type Pair = (Option<String>, Option<String>);

/// The nodes of several runs that are compared; none where a run has none.
#[derive(Debug, Clone)]
pub(super) struct NodeRow<'a> {
    /// What the row is called.
    pub path: String,
    /// A node a run.
    pub nodes: Vec<Option<&'a RunNodeRecord>>,
}

/// A stage of several runs.
#[derive(Debug, Clone)]
pub(super) struct StageRow<'a> {
    /// What the row is called.
    pub path: String,
    /// The stage's name in each run.
    pub names: Vec<Option<String>>,
    /// Its nodes by iteration.
    pub nodes: Vec<NodeRow<'a>>,
    /// The last iteration of each run.
    pub last: NodeRow<'a>,
    /// Whether it is what was asked for, and not what that was made from.
    pub wanted: bool,
}

impl NodeRow<'_> {
    /// Whether an output differs between the runs.
    pub fn differs(&self) -> bool {
        let digests = |node: &Option<&RunNodeRecord>| -> Vec<(String, Digest)> {
            let outputs = node.iter().flat_map(|node| &node.outputs);
            outputs.map(|(name, made)| (name.clone(), made.digest)).collect()
        };
        self.nodes.iter().skip(1).any(|node| digests(node) != digests(&self.nodes[0]))
    }
}

impl StageRow<'_> {
    /// Whether an output of any iteration differs between the runs.
    pub fn differs(&self) -> bool {
        self.nodes.iter().any(NodeRow::differs)
    }
}

/// The rows of a comparison.
///
/// # Errors
/// A stage is asked for that its run does not have, or that is of another kind than the first; one run is asked for as a
/// whole and another by a stage.
pub(super) fn rows<'a>(sides: &'a [Side<'_>]) -> Result<Vec<StageRow<'a>>> {
    let Some(first) = sides.first() else { return Ok(Vec::new()) };
    match sides.iter().find(|side| side.stage.is_some() != first.stage.is_some()) {
        Some(other) => {
            let (whole, single) = if first.stage.is_none() { (first, other) } else { (other, first) };
            Err(Error::Incomparable {
                what: format!("`{}` names a stage, and `{}` a whole run", single.asked, whole.asked),
                hint: "Name a stage of each run, or of none.".to_owned(),
            })
        }
        None if first.stage.is_some() => single(sides),
        None => Ok(whole(sides)),
    }
}

/// Whole runs.
fn whole<'a>(sides: &'a [Side<'_>]) -> Vec<StageRow<'a>> {
    let reference = &sides[0].run;
    // By the reference's name, then by the others' where it has none.
    let mut rows: BTreeMap<Pair, Vec<Option<String>>> = BTreeMap::new();
    for (at, side) in sides.iter().enumerate().skip(1) {
        for (a, b) in matched(reference, &side.run) {
            let key = (a.clone(), if a.is_none() { b.clone() } else { None });
            let names = rows.entry(key).or_insert_with(|| vec![None; sides.len()]);
            names[0] = a;
            names[at] = b;
        }
    }
    let mut found: Vec<StageRow<'a>> = rows.into_values().map(|names| row_of_stage(sides, names)).collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn row_of_stage<'a>(sides: &'a [Side<'_>], names: Vec<Option<String>>) -> StageRow<'a> {
    let path = names.iter().flatten().next().cloned().unwrap_or_default();
    let by_iteration: Vec<BTreeMap<Option<u32>, &RunNodeRecord>> = sides
        .iter()
        .zip(&names)
        .map(|(side, name)| {
            let mine = side.run.nodes.iter().filter(|node| Some(&node.stage) == name.as_ref());
            mine.map(|node| (node.iteration, node)).collect()
        })
        .collect();
    let iterations: BTreeSet<Option<u32>> = by_iteration.iter().flat_map(|nodes| nodes.keys().copied()).collect();
    let nodes = iterations.into_iter().map(|iteration| NodeRow {
        path: labelled(&path, iteration),
        nodes: by_iteration.iter().map(|nodes| nodes.get(&iteration).copied()).collect(),
    });
    let nodes = nodes.collect();
    let last = by_iteration.iter().map(|nodes| nodes.values().next_back().copied()).collect();
    StageRow { last: last_row(&path, last), path, names, nodes, wanted: true }
}

/// The row of the last iterations: it is called by their number, where that is the same.
fn last_row<'a>(path: &str, nodes: Vec<Option<&'a RunNodeRecord>>) -> NodeRow<'a> {
    let numbers: BTreeSet<Option<u32>> = nodes.iter().flatten().map(|node| node.iteration).collect();
    let number = if numbers.len() == 1 { numbers.into_iter().next().flatten() } else { None };
    NodeRow { path: labelled(path, number), nodes }
}

fn labelled(path: &str, iteration: Option<u32>) -> String {
    iteration.map_or_else(|| path.to_owned(), |i| format!("{path}[{i}]"))
}

/// The stages of two runs in pairs.
fn matched(a: &RunRecord, b: &RunRecord) -> Vec<Pair> {
    let names = |run: &RunRecord| -> BTreeSet<String> { run.nodes.iter().map(|node| node.stage.clone()).collect() };
    let (of_a, of_b) = (names(a), names(b));
    let kind = |run: &RunRecord, name: &str| {
        run.nodes.iter().find(|node| node.stage == name).map(|node| node.kind.clone()).unwrap_or_default()
    };
    let cell = |name: &str| StageName::read(name).map(|name| name.cell).unwrap_or_default();
    let mut pairs: Vec<Pair> = of_a.intersection(&of_b).map(|name| (Some(name.clone()), Some(name.clone()))).collect();
    let mut only_b: Vec<String> = of_b.difference(&of_a).cloned().collect();
    let only_a: Vec<String> = of_a.difference(&of_b).cloned().collect();
    for name in &only_a {
        let same = |run: &RunRecord, names: &[String]| -> Vec<usize> {
            let wanted = (kind(a, name), cell(name));
            (0..names.len()).filter(|&i| (kind(run, &names[i]), cell(&names[i])) == wanted).collect()
        };
        let partner = match (same(a, &only_a).len(), same(b, &only_b).as_slice()) {
            (1, &[i]) => Some(only_b.remove(i)),
            _ => None,
        };
        pairs.push((Some(name.clone()), partner));
    }
    pairs.extend(only_b.into_iter().map(|name| (None, Some(name))));
    pairs.sort();
    pairs
}

/// Single stages, and what they were made from.
fn single<'a>(sides: &'a [Side<'_>]) -> Result<Vec<StageRow<'a>>> {
    let targets = sides.iter().map(targets).collect::<Result<Vec<_>>>()?;
    let kind = |at: usize| targets[at].values().next().map_or("", |node| node.kind.as_str());
    if let Some(other) = (1..sides.len()).find(|&at| kind(at) != kind(0)) {
        return Err(Error::Incomparable {
            what: format!(
                "`{}` is of the kind {}, and `{}` of the kind {}",
                sides[0].asked,
                kind(0),
                sides[other].asked,
                kind(other)
            ),
            hint: "Stages of one kind can be compared.".to_owned(),
        });
    }
    // One cell each is one pair, whatever their labels are.
    let alone = targets.iter().all(|nodes| nodes.len() == 1);
    let cells: BTreeSet<&MatrixCell> = targets.iter().flat_map(BTreeMap::keys).collect();
    let mut open: Vec<Vec<Option<&RunNodeRecord>>> = match alone {
        true => vec![targets.iter().map(|nodes| nodes.values().next().copied()).collect()],
        false => cells.into_iter().map(|cell| targets.iter().map(|nodes| nodes.get(cell).copied()).collect()).collect(),
    };
    let wanted = open.len();
    // By the stages' names; the order is that in which they are met.
    let mut rows: Vec<StageRow<'a>> = Vec::new();
    let mut next = 0;
    while let Some(nodes) = open.get(next).cloned() {
        let names: Vec<Option<String>> = nodes.iter().map(|node| node.map(|node| node.stage.clone())).collect();
        let path = common_name(&names);
        let row = last_row(&path, nodes.clone());
        // The last of a chain is met first.
        match rows.iter_mut().find(|row| row.names == names) {
            Some(stage) => stage.nodes.push(row),
            None => rows.push(StageRow { path, names, last: row.clone(), nodes: vec![row], wanted: next < wanted }),
        }
        for inputs in inputs(sides, &nodes) {
            if !open.contains(&inputs) {
                open.push(inputs);
            }
        }
        next += 1;
    }
    Ok(rows)
}

/// The nodes that a stage means: the stated iteration, or the last one, by what is left open of their cells.
fn targets<'a>(side: &'a Side<'_>) -> Result<BTreeMap<MatrixCell, &'a RunNodeRecord>> {
    let Some(wanted) = &side.stage else { return Ok(BTreeMap::new()) };
    let run = &side.run;
    let fault = |what: String, hint: String| Error::Incomparable { what, hint };
    let of_stage: Vec<&RunNodeRecord> = run.nodes.iter().filter(|node| wanted.covers(&node.name())).collect();
    if of_stage.is_empty() {
        let names: BTreeSet<String> = run.nodes.iter().map(|node| node.stage.clone()).collect();
        let asked = StageName { iteration: None, ..wanted.clone() }.to_string();
        let base = |name: &str| StageName::read(name).map(|name| name.stage).unwrap_or_default();
        let near = names
            .iter()
            .flat_map(|name| [(&asked, name.clone()), (&wanted.stage, base(name))])
            .map(|(asked, name)| (strsim::damerau_levenshtein(asked, &name), name))
            .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
            .min();
        let hint = match near {
            Some((_, name)) => format!("Did you mean `{name}`?"),
            None => format!("It has {}.", first_names(&names)),
        };
        return Err(fault(format!("The run {} has no stage `{asked}`", run.id), hint));
    }
    let mut found: BTreeMap<MatrixCell, &RunNodeRecord> = BTreeMap::new();
    let mut most = None;
    for node in of_stage {
        most = most.max(node.iteration);
        let is_it = match wanted.iteration {
            None => true,
            Some(iteration) => node.iteration.and_then(|i| usize::try_from(i).ok()).unwrap_or(1) == iteration,
        };
        if is_it {
            let mut cell = node.name().cell;
            cell.retain(|axis, _| !wanted.cell.contains_key(axis));
            let place = found.entry(cell).or_insert(node);
            if place.iteration < node.iteration {
                *place = node;
            }
        }
    }
    let asked = wanted.to_string();
    if found.is_empty() {
        let iterations = most.unwrap_or(1);
        let hint = format!("It has {iterations} of them; they are counted from 1.");
        return Err(fault(format!("The run {} has no such iteration: `{asked}`", run.id), hint));
    }
    if let Some(open) = found.values().find(|node| !node.status.is_done()) {
        let name = crate::results::layout::node_name(open);
        let hint = "`repro run` takes an unfinished run up.".to_owned();
        return Err(fault(format!("The run {} did not finish `{name}`", run.id), hint));
    }
    Ok(found)
}

/// The first of many names.
fn first_names(names: &BTreeSet<String>) -> String {
    let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(shown.len());
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// The name of stages with the labels that all of them share.
fn common_name(names: &[Option<String>]) -> String {
    let mut read = names.iter().flatten().map(|name| StageName::read(name).unwrap_or_default());
    let Some(mut common) = read.next() else { return String::new() };
    for other in read {
        common.cell.retain(|axis, label| other.cell.get(axis) == Some(label));
    }
    common.to_string()
}

/// The nodes that made the inputs of `nodes` with other contents, slot by slot.
fn inputs<'a>(sides: &'a [Side<'_>], nodes: &[Option<&'a RunNodeRecord>]) -> Vec<Vec<Option<&'a RunNodeRecord>>> {
    let slots: Vec<BTreeMap<&str, BTreeMap<&str, &str>>> =
        nodes.iter().map(|node| node.map(slots).unwrap_or_default()).collect();
    let names: BTreeSet<&str> = slots.iter().flat_map(|slots| slots.keys().copied()).collect();
    let mut found = Vec::new();
    for name in names {
        let contents: Vec<Option<&BTreeMap<&str, &str>>> = slots.iter().map(|slots| slots.get(name)).collect();
        // A slot that only some have is one of another part of a chain, or a parameter says so.
        let lacking = nodes.iter().zip(&contents).any(|(node, content)| node.is_some() && content.is_none());
        if lacking || contents.iter().all(|content| *content == contents[0]) {
            continue;
        }
        let makers = sides.iter().zip(nodes).zip(&contents);
        let makers: Vec<Option<&RunNodeRecord>> =
            makers.map(|((side, node), content)| maker(&side.run, (*node)?, (*content)?)).collect();
        if makers.iter().any(Option::is_some) {
            found.push(makers);
        }
    }
    found
}

/// What a node read, by slot and output.
fn slots(node: &RunNodeRecord) -> BTreeMap<&str, BTreeMap<&str, &str>> {
    let mut slots: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (component, digest) in &node.preimage {
        if let Some((slot, output)) = component.strip_prefix(INPUT).and_then(|rest| rest.rsplit_once('.')) {
            slots.entry(slot).or_default().insert(output, digest);
        }
    }
    slots
}

/// The node of a run that made these outputs; of several, the one whose cell is most like the reader's.
fn maker<'a>(run: &'a RunRecord, reader: &RunNodeRecord, content: &BTreeMap<&str, &str>) -> Option<&'a RunNodeRecord> {
    let cell = reader.name().cell;
    let made = |node: &&RunNodeRecord| {
        let made = |(output, digest): (&&str, &&str)| {
            node.outputs.get(*output).is_some_and(|made| made.digest.to_string() == **digest)
        };
        node.status.is_done() && content.iter().all(made)
    };
    let likeness = |node: &&RunNodeRecord| {
        let shared = node.name().cell.into_iter().filter(|(axis, label)| cell.get(axis) == Some(label)).count();
        (shared, std::cmp::Reverse(node.iteration))
    };
    run.nodes.iter().filter(made).max_by_key(likeness)
}
