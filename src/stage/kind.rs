//! What a stage kind says of itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::job::{DeviceSpec, Job, Produced, StageError};
use super::name::Name;
use super::schema::Structure;
use super::value::Value;

/// A kind of stage: `Dataset`, `Train`, `Report`, … A new kind is one file and one line in the registry.
pub trait Kind: Sync + Send {
    /// The name in a pipeline.
    fn name(&self) -> &'static str;
    /// Raised whenever the same inputs give other bytes. Enters every identity.
    fn version(&self) -> u32;
    /// The parameters. The structure's documentation is the kind's.
    fn schema(&self) -> Structure;
    /// What a reference to the stage yields: `dataset`, `weights`, `model`, `metrics`, `erf`, `report`, `files`.
    fn yields(&self) -> &'static str;
    /// What a reference without an index means where the stage is several nodes.
    fn bare(&self) -> Bare {
        Bare::Last
    }
    /// Rules between fields, for parameters that passed the schema.
    fn check(&self, _params: &Value) -> Vec<Fault> {
        Vec::new()
    }
    /// Rules between a stage and those that it refers to, as far as the pipeline alone shows what breaks them.
    fn agrees(&self, _params: &Value, _peers: &Peers<'_>) -> Vec<Fault> {
        Vec::new()
    }
    /// How many nodes a stage has at most: asked before they are made.
    fn count(&self, _params: &Value, _extents: &dyn Extents) -> usize {
        1
    }
    /// The nodes of a stage, in order. The default is one node whose inputs are the references in `params`.
    fn expand(&self, params: &Value, extents: &dyn Extents) -> Result<Vec<Step>, Vec<Fault>> {
        let inputs = references(params).into_iter().map(|(slot, name)| (slot, InputRef::Named(name))).collect();
        let _ = extents;
        Ok(vec![Step { iteration: None, params: params.clone(), inputs, notes: BTreeMap::new() }])
    }
    /// The files outside the store that the node reads, besides the `File` parameters. Called when planning.
    /// `root` gives the folder of a data root by name.
    fn externals(
        &self,
        _params: &Value,
        _root: &dyn Fn(&str) -> Result<PathBuf, StageError>,
    ) -> Result<Vec<External>, StageError> {
        Ok(Vec::new())
    }
    /// The files that the `File` parameter `slot` stands for, where a format is several files that belong together. The
    /// job is handed the first; the contents of all of them enter the key.
    fn parts(&self, _slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        Ok(vec![path])
    }
    /// The programs outside the store that the node starts, and those that it depends on. Called when planning.
    fn programs(&self, _params: &Value) -> Vec<Program> {
        Vec::new()
    }
    /// The data root whose folder consumers of the node's outputs need, if any.
    fn root(&self, _params: &Value) -> Option<String> {
        None
    }
    /// Whether the node's numbers depend on the device and its arithmetic, so that the numeric profile enters its key.
    fn computes(&self) -> bool {
        false
    }
    /// An error where a device cannot compute a node as its parameters ask. Called when planning, and again by the process
    /// that computes.
    fn runs_on(&self, _params: &Value, _device: &DeviceSpec) -> Result<(), StageError> {
        Ok(())
    }
    /// Which outputs are written below `results/`, and how.
    fn publish(&self, _params: &Value) -> Vec<Publication> {
        Vec::new()
    }
    /// Does the work.
    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError>;
}

/// A stage of the pipeline that another refers to.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// The name of its kind.
    pub kind: &'a str,
    /// Its parameters.
    pub params: &'a Value,
}

/// Gives the stages that a reference leads to, one a cell of the matrix. There are none where the reference leads to an
/// earlier run, or to a stage with faults of its own.
pub type Peers<'a> = dyn Fn(&str) -> Vec<Peer<'a>> + 'a;

impl Publication {
    /// A file or a tree, copied as it is.
    pub fn copy(output: &str) -> Self {
        Publication { output: output.to_owned(), formats: Vec::new(), digits: None, print: false }
    }

    /// A table in these formats.
    pub fn table(output: &str, formats: &[&str]) -> Self {
        let formats = formats.iter().map(|format| (*format).to_owned()).collect();
        Publication { formats, ..Publication::copy(output) }
    }
}

/// The meaning of a reference without an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// The last node: a training stage's final model.
    Last,
    /// Every node: a validation's figures at each iteration.
    All,
}

/// One node of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The iteration, from 1, where a stage has several.
    pub iteration: Option<u32>,
    /// The parameters of the node, a structure as the stage's own; what differs between iterations is set here.
    pub params: Value,
    /// The inputs by slot. A slot is the path of the field that named them: `data`, `from[0]`, `inputs["x"]`.
    pub inputs: Vec<(String, InputRef)>,
    /// Remarks on fields by name, which `repro plan` makes where a change of the field lets the node run: as that the
    /// `horizon` follows from the iterations.
    pub notes: BTreeMap<String, String>,
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputRef {
    /// A reference as written: `train`, `train[3]`, `run:NAME/STAGE`.
    Named(String),
    /// Node `index` (from 0) of the named stage.
    Node(String, usize),
    /// Step `index` (from 0) of the stage being expanded.
    Sibling(usize),
}

/// What an expansion may ask about other stages.
pub trait Extents {
    /// How many nodes the stage behind a reference stands for; an index names one.
    fn nodes(&self, reference: &str) -> usize;
    /// For each node that a reference means as an input, in their order, the stage in its cell of the matrix.
    fn cells(&self, reference: &str) -> Vec<Name>;
}

/// Points at a node of a plan: a stage's name, with its cell, and its iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRef {
    /// The stage.
    pub stage: String,
    /// The iteration, from 1.
    pub iteration: Option<u32>,
}

impl std::fmt::Display for NodeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.iteration {
            None => f.write_str(&self.stage),
            Some(i) => write!(f, "{}[{i}]", self.stage),
        }
    }
}

/// A rule that parameters break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The dotted path of the field at fault, as `schedule.power`; empty for the stage itself.
    pub field: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// A file outside the store that a node reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct External {
    /// The name that enters the identity: relative to its root, with `/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl External {
    /// The file `relative` below `root`.
    pub fn below(root: &Path, relative: &str) -> Self {
        let relative = relative.trim_start_matches('/');
        External { name: relative.to_owned(), path: root.join(relative) }
    }
}

/// A program outside the store that a node starts.
///
/// One that is named by a path with a `/` is a file of the project where the path is relative, which starts from the
/// folder of the pipeline's file, or leads into the project: then its content enters the key under its slot, and the job is
/// handed its place. Any other is the machine's; of it, only what it says when it is asked enters the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Where the parameters name it, as `run[0]`; where that is a `File` parameter, it is that file.
    pub slot: String,
    /// Its name, to be looked for on the PATH, or its path.
    pub name: String,
    /// All variables that it sees, PATH among them.
    pub env: BTreeMap<String, OsString>,
    /// What it is asked when the run is planned, if anything.
    pub question: Option<Question>,
}

/// What a program is asked, to say which version it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The name under which the answer enters the key.
    pub name: String,
    /// The program's arguments.
    pub arguments: Vec<String>,
}

/// An output that is written below `results/<pipeline>/<stage>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The name of the output.
    pub output: String,
    /// The formats of a table by name, as `Markdown`. Empty for files and trees, which are copied.
    pub formats: Vec<String>,
    /// The digits after the point that a table for people shows; none: as many as there are.
    pub digits: Option<usize>,
    /// Whether the table is printed at the end of a run.
    pub print: bool,
}

/// The kinds, and what the engine must ask about a device: handed in by `main`, so that neither the pipeline nor
/// the engine knows a kind or a tensor.
pub struct Registry {
    /// The kinds, sorted by name.
    pub kinds: Vec<Box<dyn Kind>>,
    /// What changes bits on a device, by name: class, precision, instruction set, capability, library versions.
    pub numeric_profile: fn(&DeviceSpec) -> Result<BTreeMap<String, String>, StageError>,
}

impl Registry {
    /// The kind of that name.
    pub fn kind(&self, name: &str) -> Option<&dyn Kind> {
        self.kinds.iter().find(|kind| kind.name() == name).map(|kind| &**kind)
    }
}

/// Every reference in `params` with the path of its field, in the order of the fields.
pub fn references(params: &Value) -> Vec<(String, String)> {
    collect(params, &|value| if let Value::Ref(name) = value { Some(name.clone()) } else { None })
}

/// Every file in `params` with the path of its field.
pub fn files(params: &Value) -> Vec<(String, String)> {
    collect(params, &|value| if let Value::File(name) = value { Some(name.clone()) } else { None })
}

fn collect(value: &Value, pick: &dyn Fn(&Value) -> Option<String>) -> Vec<(String, String)> {
    fn walk(value: &Value, path: &str, pick: &dyn Fn(&Value) -> Option<String>, out: &mut Vec<(String, String)>) {
        out.extend(pick(value).map(|name| (path.trim_start_matches('.').to_owned(), name)));
        for (step, child) in value.children() {
            walk(child, &format!("{path}{step}"), pick, out);
        }
    }
    let mut out = Vec::new();
    walk(value, "", pick, &mut out);
    out
}
