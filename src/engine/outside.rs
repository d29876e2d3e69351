//! What nodes read from outside the store: data roots, `File` parameters, the files that a kind names, and programs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::failure::stage_hint;
use super::options::Options;
use super::programs;
use crate::fsio;
use crate::hash::Digest;
use crate::pipeline::{Node, Pipeline, Source};
use crate::stage::DataFault;
use crate::stage::expansion::files;
use crate::stage::{External, Kind, Peer, Registry, StageError, Supplier, in_root, locate as file_of};
use crate::store::Store;
use crate::syntax::suggestion;

/// How many faults are told one by one: a data set that lies elsewhere misses thousands of files.
const SHOWN: usize = 50;

/// What one node takes from outside the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Outside {
    /// The `File` parameters by slot, and the programs that are files of the project.
    pub files: BTreeMap<String, PathBuf>,
    /// Their digests.
    pub file_digests: BTreeMap<String, Digest>,
    /// The files that the kind names.
    pub externals: Vec<External>,
    /// Their digests by name, in the same order.
    pub external_digests: Vec<(String, Digest)>,
    /// What its programs say of themselves, by name and line.
    pub answers: BTreeMap<String, String>,
    /// The data roots that the kind asked for.
    pub roots: BTreeMap<String, PathBuf>,
    /// The data root that the node's outputs refer to.
    pub root: Option<PathBuf>,
    /// The same for inputs that come from earlier runs, by action key.
    pub run_roots: BTreeMap<Digest, PathBuf>,
}

/// Finds and digests what the `wanted` nodes take from outside, and asks their programs.
///
/// # Errors
/// All missing roots and files at once, and all programs that do not answer.
pub(super) fn gather(
    pipeline: &Pipeline,
    registry: &Registry,
    store: &Store,
    options: &Options,
    wanted: &[usize],
) -> Result<BTreeMap<usize, Outside>, Error> {
    let mut faults: Vec<DataFault> = Vec::new();
    let mut found = BTreeMap::new();
    let mut asked = programs::Asked::default();
    for &index in wanted {
        let node = &pipeline.nodes[index];
        let kind = registry.kind(&node.kind).ok_or_else(|| Error::UnknownKind(node.kind.clone()))?;
        let mut run_roots = Vec::new();
        for source in node.inputs.values().flatten() {
            if let Source::Run { node, .. } = source
                && let Some(name) = store.record(&node.key)?.and_then(|record| record.root)
            {
                run_roots.push((node.key, name));
            }
        }
        let place = format!("stage `{}`", node.stage);
        let mut outside = locate(node, kind, options, run_roots, &mut |e| faults.extend(blame(&place, e)));
        let programs = kind.programs(&node.params).unwrap_or_else(|error| {
            faults.extend(blame(&place, error));
            Vec::new()
        });
        for program in &programs {
            if let Some(path) = programs::of_project(program, &pipeline.folder, options.project.as_deref()) {
                outside.files.entry(program.slot.clone()).or_insert(path);
            }
        }
        match asked.answers(&node.stage, &programs, &outside.files) {
            Ok(answers) => outside.answers = answers,
            Err(unclear) => faults.extend(unclear),
        }
        found.insert(index, outside);
    }
    let missing = |index: usize, file: &External| {
        let node = &pipeline.nodes[index];
        registry.kind(&node.kind)?.missing(&node.params, file)
    };
    digest(&mut found, store, &missing, &mut faults);
    let mut seen = BTreeSet::new();
    faults.retain(|fault| seen.insert((fault.place.clone(), fault.message.clone())));
    if faults.len() > SHOWN {
        let more = faults.len() - SHOWN;
        faults.truncate(SHOWN);
        faults.push(DataFault::new("and more", format!("{more} other files or roots are missing or at fault."), ""));
    }
    if faults.is_empty() { Ok(found) } else { Err(Error::Inputs(faults)) }
}

/// What is wrong with the files from which the inputs of a node are made, as far as the node's kind looks at them. It may read
/// them, so it is asked only for a node that runs.
pub(super) fn unsuited(
    pipeline: &Pipeline,
    registry: &Registry,
    found: &BTreeMap<usize, Outside>,
    index: usize,
) -> Vec<DataFault> {
    let node = &pipeline.nodes[index];
    let mut suppliers = Vec::new();
    for (slot, sources) in &node.inputs {
        for source in sources {
            let Source::Node(index) = source else { continue };
            let supplier = &pipeline.nodes[*index];
            if let (Some(kind), Some(outside)) = (registry.kind(&supplier.kind), found.get(index)) {
                let peer = Peer { kind, params: &supplier.params };
                suppliers.push((slot.as_str(), Supplier { peer, files: &outside.files }));
            }
        }
    }
    let unsuited = registry.kind(&node.kind).and_then(|kind| kind.suits(&node.params, &suppliers).err());
    unsuited.map(|error| blame(&format!("stage `{}`", node.stage), error)).unwrap_or_default()
}

/// The names of all data roots that the nodes of a pipeline read, those of the inputs from earlier runs included.
///
/// # Errors
/// The store refuses.
pub fn data_roots(pipeline: &Pipeline, registry: &Registry, store: &Store) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    for node in &pipeline.nodes {
        let kind = registry.kind(&node.kind).ok_or_else(|| Error::UnknownKind(node.kind.clone()))?;
        // Parameters that do not read are told when planning.
        names.extend(kind.root(&node.params).unwrap_or_default());
        names.extend(files(&node.params).iter().filter_map(|(_, text)| Some(in_root(text)?.0.to_owned())));
        for source in node.inputs.values().flatten() {
            if let Source::Run { node, .. } = source {
                names.extend(store.record(&node.key)?.and_then(|record| record.root));
            }
        }
    }
    Ok(names)
}

/// Where everything is that a node takes from outside. Faults go to `fail`.
fn locate(
    node: &Node,
    kind: &dyn Kind,
    options: &Options,
    run_roots: Vec<(Digest, String)>,
    fail: &mut dyn FnMut(StageError),
) -> Outside {
    let asked = RefCell::new(BTreeMap::new());
    let root = |name: &str| {
        let path = data_root(&options.roots, name)?;
        asked.borrow_mut().insert(name.to_owned(), path.clone());
        Ok(path)
    };
    let mut outside = Outside::default();
    match kind.externals(&node.params, &root) {
        Ok(externals) => outside.externals = externals,
        Err(error) => fail(error),
    }
    match kind.root(&node.params).and_then(|name| name.map(|name| root(&name)).transpose()) {
        Ok(root) => outside.root = root,
        Err(error) => fail(error),
    }
    for (slot, text) in files(&node.params) {
        match file_of(&text, &|name| data_root(&options.roots, name)).and_then(|path| kind.parts(&slot, path)) {
            Ok(paths) => {
                for (at, path) in paths.iter().skip(1).enumerate() {
                    outside.externals.push(External { name: format!("{slot}[{at}]"), path: path.clone() });
                }
                outside.files.extend(paths.into_iter().next().map(|path| (slot, path)));
            }
            Err(error) => fail(error),
        }
    }
    for (key, name) in run_roots {
        match data_root(&options.roots, &name) {
            Ok(path) => drop(outside.run_roots.insert(key, path)),
            Err(error) => fail(error),
        }
    }
    outside.roots = asked.into_inner();
    outside
}

/// The absolute folder of a data root, of `roots` by name.
///
/// # Errors
/// Nobody named it, or there is no such folder.
pub fn data_root(roots: &BTreeMap<String, PathBuf>, name: &str) -> Result<PathBuf, StageError> {
    let variable: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let hint =
        format!("Name its folder by `--data {name}=PATH` or the variable REPRO_DATA_{}.", variable.to_uppercase());
    let place = format!("data root `{name}`");
    let Some(path) = roots.get(name) else {
        let near = suggestion(name, roots.keys().map(String::as_str));
        let message = match near.split('`').nth(1) {
            Some(near) => format!("The path of this data root is not set, but that of `{near}` is."),
            None => "The path of this data root is not set.".to_owned(),
        };
        return Err(DataFault::new(place, message, hint).into());
    };
    if fsio::stat(path).is_ok_and(|stat| stat.is_dir) {
        // Absolute, because children and the memory of fingerprints outlive this process's current folder.
        return Ok(fsio::canonical(path)?);
    }
    Err(DataFault::new(place, format!("There is no folder `{}`.", path.display()), hint).into())
}

/// Digests all files in one go. `missing` says what the kind of a node tells of one that is missing.
fn digest(
    found: &mut BTreeMap<usize, Outside>,
    store: &Store,
    missing: &dyn Fn(usize, &External) -> Option<DataFault>,
    faults: &mut Vec<DataFault>,
) {
    let fingerprints = store.fingerprints();
    for (index, outside) in found {
        let all = outside.all();
        let digests = fingerprints.digests(&all);
        let mut named = Vec::with_capacity(all.len());
        for (external, digest) in all.into_iter().zip(digests) {
            match digest {
                Ok(digest) => named.push((external.name, digest)),
                Err(error) if error.is_missing() => {
                    let told = missing(*index, &external);
                    faults.push(told.unwrap_or_else(|| unreadable(&external.path, &error)));
                }
                Err(error) => faults.push(unreadable(&external.path, &error)),
            }
        }
        if named.len() == outside.files.len() + outside.externals.len() {
            outside.external_digests = named.split_off(outside.files.len());
            outside.file_digests = named.into_iter().collect();
        }
    }
    fingerprints.save();
}

impl Outside {
    /// Every file: the `File` parameters first.
    pub(super) fn all(&self) -> Vec<External> {
        let files = self.files.iter().map(|(slot, path)| External { name: slot.clone(), path: path.clone() });
        files.chain(self.externals.iter().cloned()).collect()
    }

    /// Every file's digest, in the order of [`Outside::all`].
    pub(super) fn all_digests(&self) -> impl Iterator<Item = Digest> {
        self.file_digests.values().chain(self.external_digests.iter().map(|(_, digest)| digest)).copied()
    }
}

fn unreadable(path: &Path, error: &fsio::Error) -> DataFault {
    if error.is_missing() {
        DataFault::new(path.display(), "This file is missing.", "Check what names it, and the data root.")
    } else {
        DataFault::new(path.display(), error.to_string(), error.hint())
    }
}

fn blame(place: &str, error: StageError) -> Vec<DataFault> {
    match error {
        StageError::Data(faults) => faults,
        other => vec![DataFault::new(place, other.to_string(), stage_hint(&other))],
    }
}
