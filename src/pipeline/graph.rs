//! A checked pipeline: its stages, its nodes, and where the inputs of these come from.
//!
//! Invariant: nothing in a [`Node`]'s identity depends on names of stages or cells, on order, or on how the text is
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::hash::Digest;
use crate::stage::{MatrixCell, NodeName, Outputs, StageName, Value};

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
    /// Which earlier runs its references mean.
    pub earlier: Vec<EarlierRun>,
    /// The whole pipeline as RON, with the profile and the single changes applied and the defaults stated. It can be
    /// loaded, and gives the same recipes.
    pub resolved: String,
}

/// Which run references of a pipeline mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierRun {
    /// Which run it is.
    pub taken: String,
    /// The references, as `run:smoke/validate`, sorted.
    pub references: Vec<String>,
    /// Which newer runs were passed over, and why: sentences, sorted.
    pub passed_over: Vec<String>,
}

/// A stage that takes part, in one cell of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name, with the cell.
    pub name: StageName,
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
    /// The iteration, from 1, if the stage has several.
    pub iteration: Option<u32>,
    /// The kind.
    pub kind: String,
    /// The version of the kind.
    pub version: u32,
    /// Its parameters, complete, with references.
    pub params: Value,
    /// The parameters that enter its identity.
    pub identity: Value,
    /// The fields of its parameters that say which nodes the stage has. They do not enter its identity.
    pub left_out: Vec<String>,
    /// Where its inputs come from, by slot.
    pub inputs: BTreeMap<String, Vec<Source>>,
    /// Remarks on fields by name. `repro plan` prints one where it explains a change of that field.
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
    pub cell: MatrixCell,
}

impl Pipeline {
    /// What the node is called: its stage and its iteration.
    pub fn node_name(&self, node: usize) -> NodeName {
        let node = &self.nodes[node];
        NodeName { stage: node.stage.clone(), iteration: node.iteration, kind: node.kind.clone() }
    }
}
