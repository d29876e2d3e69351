//! What the pipeline and the engine ask of a stage kind.
//!
//! A [`Kind`] is handed parameters as plain values, so that it can be one of a list. A kind is written as a
//! [`TypedKind`](super::TypedKind), whose parameters have a Rust type.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::artifact::Produced;
use super::error::{DataFault, StageError};
use super::expansion::{Extents, NodeSpec};
use super::job::{DeviceSpec, Job};
use super::output::{Output, Yield};
use super::outside::{External, Program};
use super::schema::Structure;
use super::value::Value;

/// A kind of stage: `Dataset`, `Train`, `Report`, …
///
/// The parameters that a method is given passed the schema, unless it says otherwise. Those of a node are its stage's with
/// what [`NodeSpec::set`] changed.
pub trait Kind: Sync + Send {
    /// The name in a pipeline.
    fn name(&self) -> &'static str;
    /// Raised whenever the same inputs give other bytes. Enters every identity. It may be another for other parameters, so that
    /// only nodes whose bytes change run again.
    fn version(&self, params: &Value) -> u32;
    /// The parameters. The structure's documentation is the kind's.
    fn schema(&self) -> Structure;
    /// What a reference to the stage gives.
    fn yields(&self) -> Yield;
    /// The outputs that nodes of the kind make, whatever the parameters. Empty where they alone say.
    fn declared(&self) -> &'static [Output] {
        &[]
    }
    /// Stages of the kind as a pipeline states them, for the reference. Empty where there is no example.
    fn example(&self) -> &'static str {
        ""
    }
    /// The outputs that a node makes. Its parameters, or its stage's, may have been recorded by an older program.
    ///
    /// # Errors
    /// The parameters do not fit the schema even with its defaults.
    fn outputs(&self, _params: &Value) -> Result<Vec<Output>, StageError> {
        Ok(self.declared().to_vec())
    }
    /// Rules between fields.
    fn check(&self, _params: &Value) -> Vec<ParamFault> {
        Vec::new()
    }
    /// Rules between a stage and those that it refers to, as far as the pipeline alone shows what breaks them.
    fn agrees(&self, _params: &Value, _peers: &Peers<'_>) -> Vec<ParamFault> {
        Vec::new()
    }
    /// What to do where the stage `name` is referred to, but one of the yields `wanted` is needed, as a sentence. None: the
    /// kind knows nothing better than another stage.
    fn instead(&self, _name: &str, _wanted: &[&str]) -> Option<String> {
        None
    }
    /// How many nodes a stage has at most: asked before they are made.
    fn count(&self, _params: &Value, _extents: &dyn Extents) -> usize {
        1
    }
    /// The nodes of a stage, in order. The default is one node whose inputs are the references in `params`.
    fn expand(&self, params: &Value, _extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        Ok(vec![NodeSpec::only(params)])
    }
    /// The files outside the store that the node reads, besides the `File` parameters. Called when planning.
    /// `root` gives the folder of a data root by name.
    fn externals(&self, _params: &Value, _root: &DataRoot<'_>) -> Result<Vec<External>, StageError> {
        Ok(Vec::new())
    }
    /// The files that the `File` parameter `slot` stands for, where a format is several files that belong together. The
    /// job is handed the first; the contents of all of them enter the key.
    fn parts(&self, _slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        Ok(vec![path])
    }
    /// What to tell of a missing file: one that [`externals`](Kind::externals) named, or one of a `File` parameter under its
    /// slot. None: only that it is missing.
    fn missing(&self, _params: &Value, _file: &External) -> Option<DataFault> {
        None
    }
    /// The programs outside the store that the node starts, and those that it depends on. Called when planning.
    fn programs(&self, _params: &Value) -> Result<Vec<Program>, StageError> {
        Ok(Vec::new())
    }
    /// The data root whose folder consumers of the node's outputs need, if any.
    fn root(&self, _params: &Value) -> Result<Option<String>, StageError> {
        Ok(None)
    }
    /// An error where the files from which the inputs of a node are made do not fit the node, as far as they show it. Called
    /// when planning, for a node that is not in the store: `suppliers` are the nodes of the same plan that it reads, by slot.
    fn suits(&self, _params: &Value, _suppliers: &[(&str, Supplier<'_>)]) -> Result<(), StageError> {
        Ok(())
    }
    /// Whether its nodes train: `--no-train` refuses those that are not done.
    fn trains(&self) -> bool {
        false
    }
    /// Whether the node's numbers depend on the device and its arithmetic, so that the numeric profile enters its key.
    fn computes(&self) -> bool {
        false
    }
    /// Whether the node measures time or memory, so that its result is of the machine that it ran on, not of its inputs alone.
    /// The machine, the build of the program and the number of threads enter its key, nothing else of the run is at work
    /// while it runs, and it has all threads of the run.
    fn measures(&self) -> bool {
        false
    }
    /// Whether the node checks what the user gave, in short time. Such nodes start even after a node has failed, so that one
    /// run tells the faults of all of them.
    fn checks(&self) -> bool {
        false
    }
    /// An error where a device cannot compute a node as its parameters ask. Called when planning, and again by the process
    /// that computes.
    fn runs_on(&self, _params: &Value, _device: &DeviceSpec) -> Result<(), StageError> {
        Ok(())
    }
    /// What the user should know of a node before it runs, as far as its parameters alone show it, as sentences. Nothing refuses
    /// it. The node says it again when it runs, and it is kept with the result.
    fn warnings(&self, _params: &Value) -> Vec<String> {
        Vec::new()
    }
    /// Does the work.
    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError>;
}

/// Gives the folder of a data root by name.
pub type DataRoot<'a> = dyn Fn(&str) -> Result<PathBuf, StageError> + 'a;

/// The file that the text of a `File` parameter means: `root:relative` is below a data root, and any other is a path.
///
/// # Errors
/// The folder of the data root is not known, or is not there.
pub fn locate(text: &str, root: &DataRoot<'_>) -> Result<PathBuf, StageError> {
    match in_root(text) {
        Some((name, relative)) => Ok(root(name)?.join(relative)),
        None => Ok(PathBuf::from(text)),
    }
}

/// The data root and the path below it that the text of a `File` parameter names; none of another path.
pub fn in_root(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|_| !text.starts_with('/'))
}

/// A node that another reads, before it is made.
#[derive(Clone, Copy)]
pub struct Supplier<'a> {
    /// Its stage.
    pub peer: Peer<'a>,
    /// The files of its `File` parameters by slot.
    pub files: &'a BTreeMap<String, PathBuf>,
}

/// A stage of the pipeline that another refers to.
#[derive(Clone, Copy)]
pub struct Peer<'a> {
    /// Its kind.
    pub kind: &'a dyn Kind,
    /// Its parameters.
    pub params: &'a Value,
}

/// Gives the stages that a reference leads to, one a cell of the matrix. There are none where the reference leads to an
/// earlier run, or to a stage with faults of its own.
pub type Peers<'a> = dyn Fn(&str) -> Vec<Peer<'a>> + 'a;

/// A rule that parameters break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamFault {
    /// The dotted path of the field at fault, as `schedule.power`; empty for the stage itself.
    pub field: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl ParamFault {
    /// A fault of the field at the dotted path `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        ParamFault { field: field.into(), message: message.into(), hint: hint.into() }
    }

    /// An error of the program that shows while a stage is checked.
    pub fn bug(error: &StageError) -> Self {
        ParamFault::new("", error.to_string(), "")
    }
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

    /// A kind whose stages yield what has that name.
    pub fn that_yields(&self, name: &str) -> Option<&dyn Kind> {
        self.kinds.iter().find(|kind| kind.yields().name == name).map(|kind| &**kind)
    }
}
