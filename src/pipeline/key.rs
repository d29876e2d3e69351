//! The cache key of a node: its components as flat text, and the digest that is made from them.
//!
//! Words: the *action key* is the cache key, and names results. The *preimage* is the components that are hashed. The
//! *recipe* is the same without contents: it has the recipes of inputs and the names of files instead (of inputs from
//! earlier runs, the contents), and neither a numeric profile nor a machine nor answers. So it is known before anything runs;
//! explanations and costs find earlier runs of a node by it.
//!
//! In a cache key are:
//! - the kind and its version;
//! - the parameters, but for fields that are not keyed, and for later fields (`since`) at their defaults;
//! - the digests of the inputs' contents, of files, and of what else lies outside the store;
//! - the numeric profile, where the kind computes;
//! - the machine, where the kind measures: a measurement is of the machine that made it, and no other one takes it over;
//! - the answers of programs.
//!
//! Not in a cache key are: the paths of files (what a kind names outside the store counts by its name below the data root),
//! names of stages, labels of cells, and time; of kinds that do not measure, host, threads, and the program's own build.
//!
//! Invariants:
//! - neither the key nor the recipe holds a name of a stage, a position in a file, or a spelling;
//! - an action key holds contents by their digests alone, so that data may move to another place;
//! - no component is an empty text, so that a component that is absent differs from each one that is there;
//! - `key_tests::golden_preimages` fixes the encoding. If it moved, no result of an earlier run would be found again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::graph::{Node, RunNode, Source};
use crate::hash::Digest;
use crate::stage::{Outputs, Value};

/// Every component of an identity by its name, as `params.optimizer.lr` or `input.data.index`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preimage(pub BTreeMap<String, String>);

/// A component in which two identities differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// Its name.
    pub component: String,
    /// What it was, if it was there.
    pub old: Option<String>,
    /// What it is, if it is there.
    pub new: Option<String>,
}

impl Preimage {
    /// The digest that the components have together.
    pub fn digest(&self) -> Digest {
        Digest::of_canonical(&self.0)
    }

    /// Where `self` differs from `old`, by component.
    pub fn changes(&self, old: &Preimage) -> Vec<KeyChange> {
        let components: BTreeSet<&String> = self.0.keys().chain(old.0.keys()).collect();
        let change = |component: &String| KeyChange {
            component: component.clone(),
            old: old.0.get(component).cloned(),
            new: self.0.get(component).cloned(),
        };
        components.into_iter().map(change).filter(|change| change.old != change.new).collect()
    }

    fn of(kind: &str, version: u32, identity: &Value) -> Self {
        let mut preimage = Preimage::default();
        preimage.add("kind", kind);
        preimage.add("version", version.to_string());
        for (step, value) in identity.children() {
            preimage.flatten(&format!("{PARAMS}{step}"), value);
        }
        preimage
    }

    fn add(&mut self, component: impl Into<String>, text: impl Into<String>) {
        self.0.insert(component.into(), text.into());
    }

    /// Adds the leaves of `value`, and the name of every structure at its own path. References and files say
    /// nothing here: what they lead to is in the components `input.` and `file.`.
    fn flatten(&mut self, path: &str, value: &Value) {
        match value {
            Value::Bool(value) => self.add(path, value.to_string()),
            Value::Int(value) => self.add(path, value.to_string()),
            // The sum has one zero: -0.0 becomes 0.0.
            Value::Float(value) => self.add(path, format!("{:?}", value + 0.0)),
            // The quote tells a text from a word; no end is needed, so nothing is escaped.
            Value::Str(text) => self.add(path, format!("\"{text}\"")),
            Value::Ref(_) | Value::File(_) => {}
            Value::List(items) | Value::Tuple(items) if items.is_empty() => self.add(path, "[]"),
            Value::Map(map) if map.is_empty() => self.add(path, "{}"),
            Value::Option(None) => self.add(path, "None"),
            Value::Struct(record) if record.name.is_empty() => self.add(path, "()"),
            Value::Struct(record) => self.add(path, &record.name),
            Value::List(_) | Value::Tuple(_) | Value::Map(_) | Value::Option(Some(_)) => {}
        }
        for (step, child) in value.children() {
            self.flatten(&format!("{path}{step}"), child);
        }
    }

    fn add_outputs(&mut self, slot: &str, outputs: &Outputs) {
        for (name, artifact) in outputs {
            self.add(format!("{slot}.{name}"), artifact.digest.to_string());
        }
    }
}

/// The recipe of a node. `files` says by slot which files it names, in words that do not change with the machine;
/// `recipe_of` gives the recipes of the nodes that it needs.
pub fn recipe(
    kind: &str,
    version: u32,
    identity: &Value,
    files: &BTreeMap<String, String>,
    inputs: &BTreeMap<String, Vec<Source>>,
    recipe_of: &dyn Fn(usize) -> Digest,
) -> Preimage {
    let mut preimage = Preimage::of(kind, version, identity);
    for (slot, file) in files {
        preimage.add(format!("file.{slot}"), file);
    }
    for (slot, sources) in inputs {
        for (i, source) in sources.iter().enumerate() {
            let component = format!("input.{slot}[{i}]");
            match source {
                Source::Node(node) => preimage.add(component, recipe_of(*node).to_string()),
                Source::Run { node: RunNode { outputs, .. }, .. } => preimage.add_outputs(&component, outputs),
            }
        }
    }
    preimage
}

/// The identity of a node's results.
///
/// `inputs` gives the outputs of the nodes that it needs, `files` the content of its file parameters by slot,
/// `externals` the other files outside the store that it reads, by name, `numeric` what changes the bits of
/// arithmetic, for a kind that computes, `machine` what it is measured on, for a kind that measures, and `answers` what its
/// programs say of themselves, a line each.
pub fn action(
    node: &Node,
    inputs: &dyn Fn(usize) -> Outputs,
    files: &BTreeMap<String, Digest>,
    externals: &[(String, Digest)],
    numeric: Option<&BTreeMap<String, String>>,
    machine: Option<&BTreeMap<String, String>>,
    answers: &BTreeMap<String, String>,
) -> Preimage {
    let mut preimage = Preimage::of(&node.kind, node.version, &node.identity);
    for (slot, sources) in &node.inputs {
        for (i, source) in sources.iter().enumerate() {
            let mut component = format!("input.{slot}");
            if sources.len() > 1 {
                let _ = write!(component, "[{i}]");
            }
            match source {
                Source::Node(needed) => preimage.add_outputs(&component, &inputs(*needed)),
                Source::Run { node, .. } => preimage.add_outputs(&component, &node.outputs),
            }
        }
    }
    for (slot, digest) in files {
        preimage.add(format!("file.{slot}"), digest.to_string());
    }
    if !externals.is_empty() {
        let listing: BTreeMap<String, Digest> = externals.iter().cloned().collect();
        preimage.add("externals.count", listing.len().to_string());
        preimage.add("externals", Digest::of_canonical(&listing).to_string());
    }
    for (name, value) in numeric.into_iter().flatten() {
        preimage.add(format!("{NUMERIC}{name}"), value);
    }
    for (name, value) in machine.into_iter().flatten() {
        preimage.add(format!("{MACHINE}{name}"), value);
    }
    for (name, line) in answers {
        preimage.add(format!("{ANSWERS}{name}"), line);
    }
    preimage
}

/// The beginning of the names of components that are parameters. The path below the stage follows, as `.optimizer.lr`.
pub const PARAMS: &str = "params";

/// The beginning of the names of components that change the bits of arithmetic.
pub const NUMERIC: &str = "numeric.";

/// The beginning of the names of components that say what is measured on.
pub const MACHINE: &str = "machine.";

/// The beginning of the names of components that are the answer of a program.
pub const ANSWERS: &str = "tool";

/// The components of an action key that change the bits of arithmetic, by name, as [`action`] was given them.
pub fn numeric(components: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    below(NUMERIC, components)
}

/// The answers of programs among the components of an action key, by name, as [`action`] was given them.
pub fn answers(components: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    below(ANSWERS, components)
}

/// The digests of the inputs' outputs among the components of an action key, by `slot.output`, as [`action`] was given them.
pub fn inputs(components: &BTreeMap<String, String>) -> BTreeMap<String, Digest> {
    let digest = |(name, text): (String, String)| Some((name, text.parse().ok()?));
    below("input.", components).into_iter().filter_map(digest).collect()
}

fn below(prefix: &str, components: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let strip = |(name, value): (&String, &String)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone()));
    components.iter().filter_map(strip).collect()
}
