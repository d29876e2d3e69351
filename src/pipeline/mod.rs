//! RON text into a checked plan graph, before any compute starts.
//!
//! The passes, each in a file of its own: `lex` and `syntax` (text into a `tree`), `include` (files into
//! one set of stages), `overrides` and `set`
//! (profiles and `--set`), `check` (trees against the schemas of the kinds),
//! `reference` (which stage needs which), `expand` (stages into nodes), [`key`] (nodes into identities). Faults are
//! told by `diagnose`.
//!
//! Invariants:
//! - only loading reads files;
//! - no kind is known here: all knowledge of them is in the [`Registry`] that comes in;
//! - every fault has a place and says what to do; all faults of a pass are told at once;
//! - nothing in a [`Node`]'s identity depends on names of stages, on order, or on how the text is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::fsio;
use crate::hash::Digest;
use crate::stage::{NodeRef, Outputs, Registry, Value};

mod check;
mod diagnose;
mod expand;
mod include;
pub mod key;
mod lex;
mod overrides;
mod reference;
mod set;
mod syntax;
mod tree;

#[cfg(test)]
mod malformed;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use diagnose::{Diagnostic, Diagnostics, Span, Text, suggestion};

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
}

/// A checked pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The name that it gives itself.
    pub name: String,
    /// Its file, as requested.
    pub file: PathBuf,
    /// The profile that was applied.
    pub profile: Option<String>,
    /// The names of all its profiles, sorted.
    pub profiles: Vec<String>,
    /// The single changes that were applied.
    pub sets: Vec<String>,
    /// The stages that take part, by name.
    pub stages: BTreeMap<String, Stage>,
    /// The nodes, each behind those that it needs.
    pub nodes: Vec<Node>,
}

/// A stage that takes part.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
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
    /// The stage that it belongs to.
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
    /// Said by `repro plan` where it explains a change; may be empty.
    pub note: String,
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
    let mut faults = Vec::new();
    let documents = include::load(&request.file, &mut faults)?;
    let Some(main) = documents.last() else { return Err(Diagnostics::new(faults)) };
    let mut declared = include::stages(&documents, &mut faults);
    if let Some(profile) = &request.profile {
        overrides::profile(profile, &documents, &mut declared, &mut faults);
    }
    if !request.sets.is_empty() {
        let folder = fsio::canonical(Path::new("."))
            .map_err(|error| Diagnostics(vec![Diagnostic::unplaced(error.to_string()).hint(error.hint())]))?;
        for argument in &request.sets {
            set::set(argument, &folder, &mut declared, &mut faults);
        }
    }
    let checked: BTreeMap<String, _> =
        declared.iter().map(|(name, stage)| (name.clone(), check::stage(stage, registry, &mut faults))).collect();
    let targets = include::targets(&documents, &mut faults);
    let mut runs = reference::Runs::new(runs, registry);
    let order = reference::follow(&checked, &targets, &mut runs, &mut faults);
    let nodes = expand::expand(&checked, &order, &targets, &runs, &main.text.folder, &mut faults);
    Diagnostics::check(faults)?;
    let stages = order.into_iter().filter_map(|name| {
        let (checked, declared) = (checked.get(&name)?, declared.get(&name)?);
        let span = &declared.name.span;
        let stage = Stage {
            kind: checked.kind?.name().to_owned(),
            params: checked.params.clone()?,
            origin: Origin { file: span.text.name.clone(), line: span.position().0 },
            nodes: (0..nodes.len()).filter(|&node| nodes[node].stage == name).collect(),
            target: targets.contains(&name),
            name: name.clone(),
        };
        Some((name, stage))
    });
    Ok(Pipeline {
        name: main.name.clone(),
        file: request.file.clone(),
        profile: request.profile.clone(),
        profiles: overrides::profiles(&documents),
        sets: request.sets.clone(),
        stages: stages.collect(),
        nodes,
    })
}

impl Pipeline {
    /// The whole pipeline as RON, with the profile and the single changes applied and every default stated. It can
    /// be loaded, and gives the same recipes.
    pub fn resolved(&self) -> String {
        let mut out = format!("Pipeline(\n    name: {:?},\n    stages: {{\n", self.name);
        for (name, stage) in &self.stages {
            let _ = writeln!(out, "        {name:?}: {}(", stage.kind);
            for (step, value) in stage.params.children() {
                let _ = writeln!(out, "            {}: {value},", step.trim_start_matches('.'));
            }
            out.push_str("        ),\n");
        }
        out.push_str("    },\n)\n");
        out
    }

    /// What the node is called: its stage and its iteration.
    pub fn node_ref(&self, node: usize) -> NodeRef {
        let node = &self.nodes[node];
        NodeRef { stage: node.stage.clone(), iteration: node.iteration }
    }

    /// The nodes that `names` name, each a stage or one iteration of it, as `train` or `train[3]`.
    pub fn select(&self, names: &[String]) -> Result<BTreeSet<usize>, Diagnostics> {
        let mut selected = BTreeSet::new();
        let mut faults = Vec::new();
        for name in names {
            let target = reference::Target::read(name).ok().filter(|target| target.run.is_none());
            let stage = target.as_ref().map_or(name, |target| &target.stage);
            let Some(found) = self.stages.get(stage) else {
                let all = || self.stages.keys().map(String::as_str);
                let message = format!("There is no stage `{name}`{}", diagnose::suggestion(stage, all()));
                let hint = format!("The stages are {}.", diagnose::names(all()));
                faults.push(Diagnostic::unplaced(message).hint(hint));
                continue;
            };
            let index = target.as_ref().and_then(|target| target.index);
            let named = |node: &&usize| index.is_none_or(|i| self.nodes[**node].iteration == u32::try_from(i).ok());
            let nodes: Vec<usize> = found.nodes.iter().filter(named).copied().collect();
            if nodes.is_empty() {
                let last = found.nodes.iter().filter_map(|&node| self.nodes[node].iteration).max();
                let hint = match last {
                    Some(last) => format!("The iterations of `{stage}` are 1 to {last}."),
                    None => format!("`{stage}` has no iterations; write its name alone."),
                };
                faults.push(Diagnostic::unplaced(format!("There is no `{name}`.")).hint(hint));
            }
            selected.extend(nodes);
        }
        Diagnostics::check(faults).map(|()| selected)
    }
}
