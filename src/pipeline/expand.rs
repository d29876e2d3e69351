//! Checked stages into nodes.
//!
//! Invariants:
//! - a node follows every node that it needs;
//! - nodes, their parameters and their inputs are counted before they are made, and have limits;
//! - every node is needed by a stage that runs.

use std::cell::{Cell as Counter, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::cells::{Instance, Instances};
use super::earlier::EarlierRuns;
use super::graph::{Node, RunNode, Source};
use super::key;
use super::limits::{self, too_many, weight};
use super::paths::seen_from;
use super::reference::Reference;
use crate::dag;
use crate::stage::expansion::{files, identity};
use crate::stage::{Bare, Extents, InputRef, Kind, MatrixCell, NodeSpec, ParamFault, StageName, Type, Value};
use crate::syntax::limits::VALUES;
use crate::syntax::{Diagnostic, Faults};

/// The nodes of the `instances` that the stages in `targets` need. The paths of files, as seen from `folder`, are in the
/// recipes.
pub(super) fn expand(
    instances: &Instances<'_>,
    targets: &BTreeSet<String>,
    runs: &EarlierRuns<'_>,
    folder: &Path,
    faults: &mut Faults,
) -> Vec<Node> {
    let mut expander = Expander {
        instances,
        runs,
        nodes: Vec::new(),
        parts: Vec::new(),
        types: BTreeMap::new(),
        values: 0,
        inputs: Counter::new(0),
        asked: RefCell::default(),
    };
    let mut roots = Vec::new();
    for instance in &instances.all {
        let mut part = None;
        if let (Some(kind), Some(params)) = (instance.checked.kind, &instance.params) {
            expander.types.entry(kind.name()).or_insert_with(|| Type::Struct(kind.schema()));
            match expander.stage(instance, kind, params, folder) {
                Ok(nodes) => {
                    let start = expander.nodes.len();
                    expander.nodes.extend(nodes);
                    let range = start..expander.nodes.len();
                    if targets.contains(&instance.name.stage) {
                        roots.extend(range.clone());
                    }
                    part = Some(range);
                }
                Err(Refused::Faults(found)) => found.into_iter().for_each(|fault| faults.push(fault)),
                Err(Refused::TooMany(most, what)) => {
                    faults.push(too_many(&instance.checked.span, most, what));
                    return Vec::new();
                }
            }
        }
        expander.parts.push(part);
    }
    wanted(expander.nodes, roots)
}

struct Expander<'a> {
    instances: &'a Instances<'a>,
    runs: &'a EarlierRuns<'a>,
    nodes: Vec<Node>,
    /// The nodes of each instance expanded so far, or none if it has faults.
    parts: Vec<Option<Range<usize>>>,
    /// The parameters' types by kind.
    types: BTreeMap<&'static str, Type>,
    /// How many values and inputs the nodes have so far.
    values: usize,
    inputs: Counter<usize>,
    /// The last reference that a node was asked of, with all its nodes.
    asked: RefCell<(String, Vec<Source>)>,
}

/// Why a stage has no nodes.
enum Refused {
    Faults(Vec<Diagnostic>),
    /// The pipeline would have more than this many of these.
    TooMany(usize, &'static str),
}

/// The nodes of one cell that a reference leads to.
struct Group<'a> {
    cell: &'a MatrixCell,
    bare: Bare,
    sources: Sources<'a>,
}

/// Nodes of this pipeline, or of an earlier run.
enum Sources<'a> {
    Nodes(Range<usize>),
    Run(&'a str, Vec<&'a RunNode>),
}

impl Sources<'_> {
    fn len(&self) -> usize {
        match self {
            Sources::Nodes(range) => range.len(),
            Sources::Run(_, nodes) => nodes.len(),
        }
    }

    fn get(&self, at: usize) -> Source {
        match self {
            Sources::Nodes(range) => Source::Node(range.start + at),
            Sources::Run(reference, nodes) => {
                Source::Run { reference: (*reference).to_owned(), node: nodes[at].clone() }
            }
        }
    }
}

impl Extents for Expander<'_> {
    fn nodes(&self, reference: &str) -> usize {
        self.groups(reference).map_or(0, |groups| groups.iter().map(|group| group.sources.len()).sum())
    }

    fn cells(&self, reference: &str) -> Vec<StageName> {
        let groups = self.groups(reference).unwrap_or_default();
        let target = Reference::read(reference).map(|target| (target.run, target.name.stage));
        let stage = match target.unwrap_or_default() {
            (Some(run), stage) => format!("run:{run}/{stage}"),
            (None, stage) => stage,
        };
        let name = |group: &Group<'_>| StageName::new(&stage, group.cell.clone());
        groups.into_iter().flat_map(|group| vec![name(&group); group.meant().len()]).collect()
    }
}

impl Group<'_> {
    /// The numbers of the nodes that a reference means as an input.
    fn meant(&self) -> Range<usize> {
        let count = self.sources.len();
        match self.bare {
            Bare::All => 0..count,
            Bare::Last => count.saturating_sub(1)..count,
        }
    }
}

impl<'a> Expander<'a> {
    fn stage(
        &mut self,
        stage: &Instance<'_>,
        kind: &dyn Kind,
        params: &Value,
        folder: &Path,
    ) -> Result<Vec<Node>, Refused> {
        let name = stage.name.to_string();
        let (mut faults, mut complete) = (Vec::new(), true);
        for (reference, span) in &stage.references {
            match self.groups(reference) {
                Ok(groups) => complete &= !groups.is_empty(),
                Err(message) => faults.push(Diagnostic::new(span, message).hint("Iterations are counted from 1.")),
            }
        }
        // A stage that needs one with faults has no nodes, and no fault of its own.
        if !faults.is_empty() || !complete {
            return Err(Refused::Faults(faults));
        }
        let count = kind.count(params, self);
        let values = count.saturating_mul(weight(params));
        if self.nodes.len().saturating_add(count) > limits::NODES {
            return Err(Refused::TooMany(limits::NODES, "nodes"));
        }
        if self.values.saturating_add(values) > VALUES {
            return Err(Refused::TooMany(VALUES, "values in its nodes"));
        }
        self.values += values;
        let bug = |message: String| {
            let hint = format!("This is a bug of the kind `{}`.", kind.name());
            Refused::Faults(vec![Diagnostic::new(&stage.checked.span, message).hint(hint)])
        };
        let place = |faults: Vec<ParamFault>| {
            Refused::Faults(faults.into_iter().map(|fault| stage.checked.place(fault)).collect())
        };
        let specs = kind.expand(params, self).map_err(place)?;
        if specs.is_empty() || specs.len() > count {
            return Err(bug(format!("The stage `{name}` expands to {} nodes, not to {count}.", specs.len())));
        }
        let ty = &self.types[kind.name()];
        let mut nodes: Vec<Node> = Vec::new();
        for spec in specs {
            let inputs = self.inputs(&spec, nodes.len()).map_err(bug)?;
            if self.inputs.get() > limits::INPUTS {
                return Err(Refused::TooMany(limits::INPUTS, "inputs of its nodes"));
            }
            let params = spec.params(params);
            let left_out: Vec<String> = spec.left_out.iter().map(|field| (*field).to_owned()).collect();
            let identity = identity(ty, &params, &left_out);
            let files = files(&params).into_iter().map(|(slot, file)| (slot, seen_from(folder, file))).collect();
            let recipe_of = |node: usize| match self.nodes.get(node) {
                Some(node) => node.recipe,
                None => nodes[node - self.nodes.len()].recipe,
            };
            let version = kind.version(&params);
            let recipe = key::recipe(kind.name(), version, &identity, &files, &inputs, &recipe_of).digest();
            nodes.push(Node {
                stage: name.clone(),
                iteration: spec.iteration,
                kind: kind.name().to_owned(),
                version,
                params,
                identity,
                left_out,
                inputs,
                notes: spec.notes,
                recipe,
            });
        }
        Ok(nodes)
    }

    /// The sources of a node that has `before` siblings before it.
    fn inputs(&self, spec: &NodeSpec, before: usize) -> Result<BTreeMap<String, Vec<Source>>, String> {
        let mut inputs = BTreeMap::new();
        for (slot, input) in &spec.inputs {
            let sources = match input {
                InputRef::Named(reference) => self.named(reference)?,
                InputRef::Node(reference, index) => vec![self.nth(reference, *index)?],
                InputRef::Sibling(index) if *index < before => vec![Source::Node(self.nodes.len() + index)],
                InputRef::Sibling(index) => return Err(format!("The expansion needs its node {index} too early.")),
            };
            self.inputs.set(self.inputs.get() + sources.len());
            inputs.insert(slot.clone(), sources);
        }
        Ok(inputs)
    }

    /// Node `index` of those that a reference stands for. Expansions ask for one after the other.
    fn nth(&self, reference: &str, index: usize) -> Result<Source, String> {
        let mut asked = self.asked.borrow_mut();
        if asked.0 != reference {
            let groups = self.groups(reference)?;
            let all = groups.iter().flat_map(|group| (0..group.sources.len()).map(|at| group.sources.get(at)));
            *asked = (reference.to_owned(), all.collect());
        }
        let missing = || format!("The expansion names node {index} of `{reference}`, which is not there.");
        asked.1.get(index).cloned().ok_or_else(missing)
    }

    /// Every node that a reference stands for, by cell.
    fn groups<'s>(&'s self, reference: &'s str) -> Result<Vec<Group<'s>>, String> {
        let target = Reference::read(reference)?;
        let mut groups: Vec<Group<'_>> = match &target.run {
            Some(run) => {
                let group = |nodes: Vec<&'s RunNode>| {
                    let first = *nodes.first()?;
                    let bare = self.runs.bare(&first.yields);
                    Some(Group { cell: &first.cell, bare, sources: Sources::Run(reference, nodes) })
                };
                self.runs.known(run, &target.part()).filter_map(group).collect()
            }
            None => {
                let group = |number: usize| {
                    let instance = &self.instances.all[number];
                    let range = self.parts.get(number)?.clone()?;
                    let bare = instance.checked.kind?.yields().bare;
                    Some(Group { cell: &instance.name.cell, bare, sources: Sources::Nodes(range) })
                };
                self.instances.of(&target.name).into_iter().filter_map(group).collect()
            }
        };
        if let Some(index) = target.name.iteration {
            for group in &mut groups {
                let there = group.sources.len();
                if index > there {
                    let name = StageName::new(&target.name.stage, group.cell.clone());
                    return Err(format!("`{name}` has {}, so there is no `{reference}`.", count(there)));
                }
                match &mut group.sources {
                    Sources::Nodes(range) => *range = range.start + index - 1..range.start + index,
                    Sources::Run(_, nodes) => *nodes = vec![nodes[index - 1]],
                }
            }
        }
        Ok(groups)
    }

    /// The nodes that a reference means as an input.
    fn named(&self, reference: &str) -> Result<Vec<Source>, String> {
        let groups = self.groups(reference)?;
        let sources = groups.iter().flat_map(|group| group.meant().map(|at| group.sources.get(at)));
        match groups.iter().all(|group| group.meant().is_empty()) {
            true => Err(format!("The expansion names `{reference}`, which leads nowhere.")),
            false => Ok(sources.collect()),
        }
    }
}

fn count(n: usize) -> String {
    if n == 1 { "one node".to_owned() } else { format!("{n} nodes") }
}

/// The nodes that the `roots` need, numbered anew.
fn wanted(nodes: Vec<Node>, roots: Vec<usize>) -> Vec<Node> {
    let kept: Vec<usize> = dag::closure(roots, |node| nodes[node].needs()).into_iter().collect();
    let renumber = |number: &mut usize| *number = kept.binary_search(number).unwrap_or(*number);
    let keep = |(number, mut node): (usize, Node)| {
        kept.binary_search(&number).ok()?;
        for source in node.inputs.values_mut().flatten() {
            if let Source::Node(number) = source {
                renumber(number);
            }
        }
        Some(node)
    };
    nodes.into_iter().enumerate().filter_map(keep).collect()
}
