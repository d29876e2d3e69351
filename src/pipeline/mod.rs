//! RON text into a checked plan graph, before any compute starts.
//!
//! The passes, each in a file of its own: `lex` and `syntax` (text into a `tree`), `include` (files into
//! one set of stages), `overrides` and `set` (profiles and `--set`), `matrix` (axes and their cells), `check` (trees
//! against the schemas of the kinds), `reference` (which stage needs which), `cells` (stages in the cells of the
//! matrix), `agree` (stages against those that they refer to), `expand` (stages into nodes), [`key`] (nodes into identities), `resolved` (all of it as text again). Faults
//! are told by `diagnose` and put into words by `render`; how much of anything there may be is in [`limits`].
//!
//! Invariants:
//! - only loading reads files;
//! - no kind is known here: all knowledge of them is in the [`Registry`] that comes in;
//! - every fault has a place and says what to do; all faults of a pass are told at once;
//! - nothing in a [`Node`]'s identity depends on names of stages or cells, on order, or on how the text is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::fsio;
use crate::hash::Digest;
use crate::stage::{Cell, Name, NodeRef, Outputs, Registry, Value};

mod agree;
mod cells;
mod check;
mod diagnose;
mod expand;
mod include;
pub mod key;
mod lex;
pub mod limits;
mod matrix;
mod overrides;
mod reference;
mod render;
mod resolved;
mod set;
mod syntax;
mod tree;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod matrix_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use diagnose::{Diagnostic, Diagnostics, Span, Text, cut, suggestion};
use diagnose::{Fallible, Faults};

/// What to load.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The pipeline's file.
    pub file: PathBuf,
    /// The profile to apply.
    pub profile: Option<String>,
    /// Single changes, applied last and in order, as `train.steps=50`.
    pub sets: Vec<String>,
}

/// Finds the results of earlier runs.
pub trait RunLookup {
    /// The nodes of `stage` in the newest run that `run` names and that finished the stage, by iteration. The error
    /// is a sentence for the user.
    fn find(&self, run: &str, stage: &str) -> Result<Vec<RunNode>, String>;
}

/// A node of an earlier run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunNode {
    /// Its outputs.
    pub outputs: Outputs,
    /// What its kind yields.
    pub yields: String,
    /// Its action key.
    pub key: Digest,
    /// The cell of its stage in that run's matrix.
    pub cell: Cell,
}

/// A checked pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The name that it gives itself.
    pub name: String,
    /// Its file, as requested.
    pub file: PathBuf,
    /// The absolute folder of the file, links followed.
    pub folder: PathBuf,
    /// The profile that was applied.
    pub profile: Option<String>,
    /// The names of all its profiles, sorted.
    pub profiles: Vec<String>,
    /// The single changes that were applied.
    pub sets: Vec<String>,
    /// The stages that take part, each in each of its cells, by full name, as `train[prefilter=Average,seed=1]`.
    pub stages: BTreeMap<String, Stage>,
    /// The nodes, each behind those that it needs.
    pub nodes: Vec<Node>,
    /// The whole pipeline as RON, with the profile and the single changes applied and the defaults stated. It can be
    /// loaded, and gives the same recipes.
    pub resolved: String,
}

/// A stage that takes part, in one cell of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name, with the cell.
    pub name: Name,
    /// Its kind.
    pub kind: String,
    /// Its parameters, complete.
    pub params: Value,
    /// Where it is stated.
    pub origin: Origin,
    /// Its nodes by number, in the order of the iterations.
    pub nodes: Vec<usize>,
    /// Whether it runs although no other stage needs it.
    pub target: bool,
}

/// Where something is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// A node of the plan graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The stage that it belongs to, by its full name.
    pub stage: String,
    /// The iteration, from 1, where the stage has several.
    pub iteration: Option<u32>,
    /// The kind.
    pub kind: String,
    /// The version of the kind.
    pub version: u32,
    /// Its parameters, complete, with references.
    pub params: Value,
    /// The parameters that enter its identity.
    pub identity: Value,
    /// Where its inputs come from, by slot.
    pub inputs: BTreeMap<String, Vec<Source>>,
    /// Remarks on fields by name, which `repro plan` makes where it explains a change of the field.
    pub notes: BTreeMap<String, String>,
    /// The digest of its recipe.
    pub recipe: Digest,
}

impl Node {
    /// The nodes whose outputs it reads, sorted.
    pub fn needs(&self) -> Vec<usize> {
        let nodes = self.inputs.values().flatten().filter_map(|source| match source {
            Source::Node(number) => Some(*number),
            Source::Run { .. } => None,
        });
        nodes.collect::<BTreeSet<usize>>().into_iter().collect()
    }
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A node of this pipeline, by number.
    Node(usize),
    /// A node of an earlier run.
    Run {
        /// The reference as written.
        reference: String,
        /// The node.
        node: RunNode,
    },
}

/// Reads, checks and expands a pipeline. The error holds every fault of the first pass that found one.
pub fn load(request: &Request, registry: &Registry, runs: &dyn RunLookup) -> Result<Pipeline, Diagnostics> {
    let mut faults = Faults::default();
    if request.sets.len() > limits::SETS {
        let message = format!("There are more than {} `--set` arguments.", limits::SETS);
        return Err(Diagnostics::one(Diagnostic::unplaced(message).hint("State the changes as a profile.")));
    }
    let mut documents = include::load(&request.file, &mut faults)?;
    let mut declared = include::stages(&mut documents, &mut faults);
    let Some(main) = documents.last() else { return Err(Diagnostics::new(faults)) };
    let mut stated = main.matrix.clone();
    if let Some(profile) = &request.profile {
        overrides::profile(profile, &documents, &mut declared, &mut stated, &mut faults);
    }
    let mut sets = Vec::new();
    if !request.sets.is_empty() {
        let folder = fsio::canonical(Path::new("."))
            .map_err(|error| Diagnostics::one(Diagnostic::unplaced(error.to_string()).hint(error.hint())))?;
        for argument in &request.sets {
            sets.extend(set::set(argument, &folder, &mut declared, &mut stated, &mut faults));
        }
    }
    let mut wrong = Faults::default();
    let matrix = matrix::read(stated.as_ref(), &declared, &sets, &mut wrong);
    if !wrong.is_empty() {
        faults.append(wrong);
        return Err(Diagnostics::new(faults));
    }
    let variants = cells::check(&declared, &matrix, registry, &mut faults);
    let targets = include::targets(&documents, &mut faults);
    let mut runs = reference::Runs::new(runs, registry);
    let order = reference::follow(&variants, &targets, &mut runs, &mut faults);
    let instances = cells::spread(&variants, &order, &matrix, &mut faults);
    agree::check(&instances, &mut faults);
    let nodes = expand::expand(&instances, &targets, &runs, &main.text.folder, &mut faults);
    faults.check()?;
    let mut by_stage: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, node) in nodes.iter().enumerate() {
        by_stage.entry(&node.stage).or_default().push(number);
    }
    let stages = instances.all.into_iter().filter_map(|instance| {
        let name = instance.name.to_string();
        let span = &declared.get(&instance.name.stage)?.name.span;
        let stage = Stage {
            kind: instance.checked.kind?.name().to_owned(),
            params: instance.params?,
            origin: Origin { file: span.text.name.clone(), line: span.line() },
            nodes: by_stage.get(name.as_str())?.clone(),
            target: targets.contains(&instance.name.stage),
            name: instance.name,
        };
        Some((name, stage))
    });
    let stages = stages.collect();
    Ok(Pipeline {
        name: main.name.clone(),
        file: request.file.clone(),
        folder: main.text.folder.clone(),
        profile: request.profile.clone(),
        profiles: overrides::profiles(&documents),
        sets: request.sets.clone(),
        resolved: resolved::text(&main.name, stated.as_ref(), &matrix, &order, &declared, &variants),
        stages,
        nodes,
    })
}

impl Pipeline {
    /// What the node is called: its stage and its iteration.
    pub fn node_ref(&self, node: usize) -> NodeRef {
        let node = &self.nodes[node];
        NodeRef { stage: node.stage.clone(), iteration: node.iteration }
    }

    /// The nodes that `names` name, each a stage, some of its cells or one iteration, as `train`, `train[seed=1]`,
    /// `train[3]` or `train[seed=1][3]`.
    pub fn select(&self, names: &[String]) -> Result<BTreeSet<usize>, Diagnostics> {
        let mut selected = BTreeSet::new();
        let mut faults = Faults::default();
        for name in names {
            match self.find(name) {
                Ok(nodes) => selected.extend(nodes),
                Err(fault) => faults.push(*fault),
            }
        }
        faults.check().map(|()| selected)
    }

    fn find(&self, text: &str) -> Fallible<Vec<usize>> {
        let told = |(message, hint): (String, String)| Box::new(Diagnostic::unplaced(message).hint(hint));
        let target = reference::Target::read(text).ok().filter(|target| target.run.is_none());
        let stage = target.as_ref().map_or(text, |target| &target.name.stage);
        let found: Vec<&Stage> = self.stages.values().filter(|other| other.name.stage == stage).collect();
        let (Some(mut name), false) = (target.as_ref().map(|target| target.name.clone()), found.is_empty()) else {
            let all = || self.stages.values().map(|stage| stage.name.stage.as_str()).collect::<BTreeSet<_>>();
            let message = format!("There is no stage `{text}`{}", diagnose::suggestion(stage, all()));
            return Err(told((message, format!("The stages are {}.", diagnose::names(all())))));
        };
        let cells = cells::Shelf::new(found.iter().map(|stage| &stage.name.cell));
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
