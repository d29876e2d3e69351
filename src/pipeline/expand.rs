//! Checked stages into nodes.
//!
//! Invariants:
//! - a node follows every node that it needs;
//! - only nodes that a stage of the pipeline's own file needs are there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::check::Checked;
use super::diagnose::Diagnostic;
use super::reference::{Runs, Target};
use super::{Node, Source, key};
use crate::dag;
use crate::stage::kind::files;
use crate::stage::{Bare, Extents, Fault, InputRef, Kind, Step, Type, Value};

/// The nodes of the stages in `order`, of which those in `targets` are wanted. `folder` is what files are told
/// apart by: their paths from there enter a recipe.
pub(super) fn expand(
    stages: &BTreeMap<String, Checked<'_>>,
    order: &[String],
    targets: &BTreeSet<String>,
    runs: &Runs<'_>,
    folder: &Path,
    faults: &mut Vec<Diagnostic>,
) -> Vec<Node> {
    let mut expander = Expander { stages, runs, nodes: Vec::new(), ranges: BTreeMap::new() };
    for name in order {
        let stage = &stages[name];
        if let (Some(kind), Some(params)) = (stage.kind, &stage.params) {
            match expander.stage(name, kind, params, folder) {
                Ok(nodes) => {
                    let start = expander.nodes.len();
                    expander.nodes.extend(nodes);
                    expander.ranges.insert(name, start..expander.nodes.len());
                }
                Err(found) => faults.extend(found),
            }
        }
    }
    wanted(expander.nodes, targets)
}

struct Expander<'a> {
    stages: &'a BTreeMap<String, Checked<'a>>,
    runs: &'a Runs<'a>,
    nodes: Vec<Node>,
    /// The nodes of the stages expanded so far.
    ranges: BTreeMap<&'a str, Range<usize>>,
}

impl Extents for Expander<'_> {
    fn nodes(&self, reference: &str) -> usize {
        self.all(reference).map_or(0, |sources| sources.len())
    }
}

impl<'a> Expander<'a> {
    fn stage(&self, name: &str, kind: &dyn Kind, params: &Value, folder: &Path) -> Result<Vec<Node>, Vec<Diagnostic>> {
        let stage = &self.stages[name];
        let (mut faults, mut complete) = (Vec::new(), true);
        for reference in &stage.references {
            match self.all(&reference.text) {
                Ok(sources) => complete &= !sources.is_empty(),
                Err(message) => {
                    faults.push(Diagnostic::new(&reference.span, message).hint("Iterations are counted from 1."));
                }
            }
        }
        // What needs a stage with faults is not at fault itself: it has no nodes, and nothing is said of it.
        if !faults.is_empty() || !complete {
            return Err(faults);
        }
        let bug = |message: String| {
            let hint = format!("This is a bug of the kind `{}`.", kind.name());
            vec![Diagnostic::new(&stage.span, message).hint(hint)]
        };
        let place = |faults: Vec<Fault>| faults.into_iter().map(|fault| stage.place(fault)).collect::<Vec<_>>();
        let steps = kind.expand(params, self).map_err(place)?;
        if steps.is_empty() {
            return Err(bug(format!("The stage `{name}` expands to nothing.")));
        }
        let ty = Type::Struct(kind.schema());
        let mut nodes: Vec<Node> = Vec::new();
        for step in steps {
            let inputs = self.inputs(&step, nodes.len()).map_err(bug)?;
            let identity = ty.identity(&step.params);
            let files = files(&step.params).into_iter().map(|(slot, file)| (slot, from(folder, file))).collect();
            let recipe_of = |node: usize| match self.nodes.get(node) {
                Some(node) => node.recipe,
                None => nodes[node - self.nodes.len()].recipe,
            };
            let recipe = key::recipe(kind.name(), kind.version(), &identity, &files, &inputs, &recipe_of).digest();
            nodes.push(Node {
                stage: name.to_owned(),
                iteration: step.iteration,
                kind: kind.name().to_owned(),
                version: kind.version(),
                params: step.params,
                identity,
                inputs,
                note: step.note,
                recipe,
            });
        }
        Ok(nodes)
    }

    /// The sources of a step that has `before` siblings before it.
    fn inputs(&self, step: &Step, before: usize) -> Result<BTreeMap<String, Vec<Source>>, String> {
        let mut inputs = BTreeMap::new();
        for (slot, input) in &step.inputs {
            let sources = match input {
                InputRef::Named(reference) => self.named(reference)?,
                InputRef::Node(reference, index) => {
                    let source = self.all(reference)?.into_iter().nth(*index);
                    vec![source.ok_or_else(|| {
                        format!("The expansion names node {index} of `{reference}`, which is not there.")
                    })?]
                }
                InputRef::Sibling(index) if *index < before => vec![Source::Node(self.nodes.len() + index)],
                InputRef::Sibling(index) => return Err(format!("The expansion needs its node {index} too early.")),
            };
            inputs.insert(slot.clone(), sources);
        }
        Ok(inputs)
    }

    /// Every node that a reference stands for.
    fn all(&self, reference: &str) -> Result<Vec<Source>, String> {
        let target = Target::read(reference)?;
        let sources: Vec<Source> = match &target.run {
            Some(run) => {
                let nodes = self.runs.known(run, &target.stage);
                nodes.iter().map(|node| Source::Run { reference: reference.to_owned(), node: node.clone() }).collect()
            }
            None => {
                let Some(range) = self.ranges.get(target.stage.as_str()) else { return Ok(Vec::new()) };
                range.clone().map(Source::Node).collect()
            }
        };
        match target.index {
            None => Ok(sources),
            Some(index) if index <= sources.len() => Ok(vec![sources[index - 1].clone()]),
            Some(_) => Err(format!("`{}` has {}, so there is no `{reference}`.", target.stage, count(sources.len()))),
        }
    }

    /// The nodes that a reference means as an input.
    fn named(&self, reference: &str) -> Result<Vec<Source>, String> {
        let target = Target::read(reference)?;
        let mut sources = self.all(reference)?;
        let bare = match (&target.run, sources.first()) {
            (Some(_), Some(Source::Run { node, .. })) => self.runs.bare(&node.yields),
            _ => self.stages.get(&target.stage).and_then(|stage| stage.kind).map_or(Bare::Last, |kind| kind.bare()),
        };
        if sources.is_empty() {
            return Err(format!("The expansion names `{reference}`, which leads nowhere."));
        }
        if bare == Bare::Last {
            sources.drain(..sources.len().saturating_sub(1));
        }
        Ok(sources)
    }
}

fn count(n: usize) -> String {
    if n == 1 { "one node".to_owned() } else { format!("{n} nodes") }
}

/// The nodes that the `targets` need, numbered anew.
fn wanted(nodes: Vec<Node>, targets: &BTreeSet<String>) -> Vec<Node> {
    let roots = nodes.iter().enumerate().filter(|(_, node)| targets.contains(&node.stage)).map(|(number, _)| number);
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

/// An absolute path as seen from `folder`; what is below a data root stays as it is.
fn from(folder: &Path, file: String) -> String {
    let path = Path::new(&file);
    if !path.is_absolute() {
        return file;
    }
    let common = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Path::new(".."));
    let down = path.components().skip(common).map(|component| Path::new(component.as_os_str()));
    up.chain(down).collect::<PathBuf>().display().to_string()
}
