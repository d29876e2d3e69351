//! Checked stages into nodes.
//!
//! Invariants:
//! - a node follows every node that it needs;
//! - only nodes that a stage of the pipeline's own file needs are there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::cells::Instance;
use super::diagnose::Diagnostic;
use super::reference::{Runs, Target};
use super::{Node, Source, key};
use crate::dag;
use crate::stage::kind::files;
use crate::stage::name::covers;
use crate::stage::{Bare, Cell, Extents, Fault, InputRef, Kind, Name, Step, Type, Value};

/// The nodes of the `instances`, of which those of the stages in `targets` are wanted. `folder` is what files are told
/// apart by: their paths from there enter a recipe.
pub(super) fn expand(
    instances: &[Instance<'_>],
    targets: &BTreeSet<String>,
    runs: &Runs<'_>,
    folder: &Path,
    faults: &mut Vec<Diagnostic>,
) -> Vec<Node> {
    let mut expander =
        Expander { runs, nodes: Vec::new(), parts: BTreeMap::new(), stages: BTreeMap::new(), types: BTreeMap::new() };
    let mut roots = Vec::new();
    for instance in instances {
        let name = instance.name.to_string();
        if let (Some(kind), Some(params)) = (instance.checked.kind, &instance.params) {
            expander.types.entry(kind.name()).or_insert_with(|| Type::Struct(kind.schema()));
            match expander.stage(&name, instance, kind, params, folder) {
                Ok(nodes) => {
                    let start = expander.nodes.len();
                    expander.nodes.extend(nodes);
                    let range = start..expander.nodes.len();
                    if targets.contains(&instance.name.stage) {
                        roots.extend(range.clone());
                    }
                    let part = Part { cell: &instance.name.cell, kind, range };
                    expander.parts.insert(name.clone(), part);
                    expander.stages.entry(&instance.name.stage).or_default().push(name);
                }
                Err(found) => faults.extend(found),
            }
        }
    }
    wanted(expander.nodes, roots)
}

struct Expander<'a> {
    runs: &'a Runs<'a>,
    nodes: Vec<Node>,
    /// The stages expanded so far, by their full names.
    parts: BTreeMap<String, Part<'a>>,
    /// The full names of each stage, in the order of its cells.
    stages: BTreeMap<&'a str, Vec<String>>,
    /// The parameters' types by kind.
    types: BTreeMap<&'static str, Type>,
}

/// A stage in one cell, expanded.
struct Part<'a> {
    cell: &'a Cell,
    kind: &'a dyn Kind,
    range: Range<usize>,
}

/// The nodes of one cell that a reference leads to.
struct Group<'a> {
    cell: &'a Cell,
    bare: Bare,
    sources: Vec<Source>,
}

impl Extents for Expander<'_> {
    fn nodes(&self, reference: &str) -> usize {
        self.groups(reference).map_or(0, |groups| groups.iter().map(|group| group.sources.len()).sum())
    }

    fn cells(&self, reference: &str) -> Vec<Name> {
        let groups = self.groups(reference).unwrap_or_default();
        let target = Target::read(reference).map(|target| (target.run, target.name.stage));
        let stage = match target.unwrap_or_default() {
            (Some(run), stage) => format!("run:{run}/{stage}"),
            (None, stage) => stage,
        };
        let name = |group: &Group<'_>| Name::new(&stage, group.cell.clone());
        groups.into_iter().flat_map(|group| vec![name(&group); group.meant().len()]).collect()
    }
}

impl Group<'_> {
    /// The nodes that a reference means as an input.
    fn meant(self) -> Vec<Source> {
        match self.bare {
            Bare::All => self.sources,
            Bare::Last => self.sources.into_iter().next_back().into_iter().collect(),
        }
    }
}

impl<'a> Expander<'a> {
    fn stage(
        &self,
        name: &str,
        stage: &Instance<'_>,
        kind: &dyn Kind,
        params: &Value,
        folder: &Path,
    ) -> Result<Vec<Node>, Vec<Diagnostic>> {
        let (mut faults, mut complete) = (Vec::new(), true);
        for (reference, span) in &stage.references {
            match self.groups(reference) {
                Ok(groups) => complete &= !groups.is_empty(),
                Err(message) => faults.push(Diagnostic::new(span, message).hint("Iterations are counted from 1.")),
            }
        }
        // What needs a stage with faults is not at fault itself: it has no nodes, and nothing is said of it.
        if !faults.is_empty() || !complete {
            return Err(faults);
        }
        let bug = |message: String| {
            let hint = format!("This is a bug of the kind `{}`.", kind.name());
            vec![Diagnostic::new(&stage.checked.span, message).hint(hint)]
        };
        let place = |faults: Vec<Fault>| faults.into_iter().map(|fault| stage.checked.place(fault)).collect::<Vec<_>>();
        let steps = kind.expand(params, self).map_err(place)?;
        if steps.is_empty() {
            return Err(bug(format!("The stage `{name}` expands to nothing.")));
        }
        let ty = &self.types[kind.name()];
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
                notes: step.notes,
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
                    let source = self.groups(reference)?.into_iter().flat_map(|group| group.sources).nth(*index);
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

    /// Every node that a reference stands for, by cell.
    fn groups(&self, reference: &str) -> Result<Vec<Group<'_>>, String> {
        let target = Target::read(reference)?;
        let mut groups: Vec<Group<'_>> = Vec::new();
        match &target.run {
            Some(run) => {
                for node in self.runs.known(run, &target.part()) {
                    let source = Source::Run { reference: reference.to_owned(), node: node.clone() };
                    match groups.iter_mut().find(|group| *group.cell == node.cell) {
                        Some(group) => group.sources.push(source),
                        None => {
                            let bare = self.runs.bare(&node.yields);
                            groups.push(Group { cell: &node.cell, bare, sources: vec![source] });
                        }
                    }
                }
            }
            None => {
                let group = |part: &'_ Part<'a>| Group {
                    cell: part.cell,
                    bare: part.kind.bare(),
                    sources: part.range.clone().map(Source::Node).collect(),
                };
                let part = target.part();
                match self.parts.get(&part) {
                    Some(part) => groups.push(group(part)),
                    None => {
                        let names = self.stages.get(target.name.stage.as_str()).into_iter().flatten();
                        let parts = names.filter_map(|name| self.parts.get(name));
                        groups.extend(parts.filter(|part| covers(&target.name.cell, part.cell)).map(group));
                    }
                }
            }
        }
        if let Some(index) = target.name.iteration {
            for group in &mut groups {
                let Some(source) = group.sources.get(index - 1).cloned() else {
                    let name = Name::new(&target.name.stage, group.cell.clone());
                    let nodes = count(group.sources.len());
                    return Err(format!("`{name}` has {nodes}, so there is no `{reference}`."));
                };
                group.sources = vec![source];
            }
        }
        Ok(groups)
    }

    /// The nodes that a reference means as an input.
    fn named(&self, reference: &str) -> Result<Vec<Source>, String> {
        let sources: Vec<Source> = self.groups(reference)?.into_iter().flat_map(Group::meant).collect();
        match sources.is_empty() {
            true => Err(format!("The expansion names `{reference}`, which leads nowhere.")),
            false => Ok(sources),
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
