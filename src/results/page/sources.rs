//! What the nodes of a run left, as a page reads it: from the store, or from an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::archived::Archived;
use super::super::diff::{Origin, Side};
use super::super::error::{Error, Result};
use crate::fsio;
use crate::hash::Digest;
use crate::page::{Fault, Files, Given, Source};
use crate::stage::{Artifact, ArtifactKind, Registry};
use crate::store::{RunNodeRecord, Store, TreeEntry};
use crate::table::Table;

/// The outputs of a data set: the table of its samples, and the files that are in the store.
const INDEX: &str = "index";
const FILES: &str = "files";

/// What the nodes of a run left that are done. `roots` are the folders of data roots by name.
///
/// # Errors
/// The store refuses.
pub(super) fn of<'a>(
    side: &'a Side<'_>,
    run: &str,
    registry: &Registry,
    roots: &BTreeMap<String, PathBuf>,
    notes: &mut Vec<String>,
) -> Result<Vec<Source<'a>>> {
    let mut sources = Vec::new();
    let mut lacking = BTreeSet::new();
    for node in side.run.nodes.iter().filter(|node| node.status.is_done()) {
        let name = node.name();
        let mut source =
            Source { run: run.to_owned(), stage: name.stage.clone(), cell: name.cell, ..Source::default() };
        for (output, artifact) in &node.outputs {
            source.digests.insert(output.clone(), artifact.digest);
            let given: Option<Box<dyn Given + 'a>> = match &side.origin {
                Origin::Store(store) => Some(Box::new(Stored { store, artifact })),
                Origin::Archive(archive) => {
                    let held = archive.holds(artifact);
                    if !held && is_shown(node, output) {
                        lacking.insert(format!("`{output}` of `{}`", name.stage));
                    }
                    held.then(|| Box::new(Packed { archive, artifact }) as Box<dyn Given + 'a>)
                }
            };
            source.outputs.extend(given.map(|given| (output.clone(), given)));
        }
        if source.outputs.contains_key(INDEX) {
            source.files = Some(Box::new(photographs(side, node, registry, roots)?));
        }
        sources.push(source);
    }
    if !lacking.is_empty() {
        let all = lacking.into_iter().collect::<Vec<_>>().join(", ");
        notes
            .push(format!("The archive of {run}{}does not hold {all}.", if run.is_empty() { "the run " } else { " " }));
    }
    Ok(sources)
}

/// Whether a page would show something of an output.
fn is_shown(node: &RunNodeRecord, output: &str) -> bool {
    let outputs: &[&str] = match node.yields.as_str() {
        "metrics" => &["summary", "classes", "confusion"],
        "model" => &["steps"],
        "erf" => &["map", "figures"],
        "report" => &["table", "means", "paper", "layout"],
        "claims" => &["claims"],
        "cost" => &["cost"],
        "dataset" => &["index", "info"],
        "files" => &["pictures"],
        _ => &[],
    };
    outputs.contains(&output)
}

/// An output in the store.
struct Stored<'a> {
    store: &'a Store,
    artifact: &'a Artifact,
}

impl Given for Stored<'_> {
    fn bytes(&self) -> std::result::Result<Vec<u8>, Fault> {
        Ok(self.store.read(&self.artifact.digest).map_err(Error::from)?)
    }

    fn table(&self) -> std::result::Result<Table, Fault> {
        let digest = self.artifact.digest;
        Ok(Table::from_canonical(&self.bytes()?).map_err(|error| Error::Unreadable { digest, error })?)
    }

    fn files(&self, names: &BTreeSet<String>) -> std::result::Result<BTreeMap<String, Vec<u8>>, Fault> {
        let listing = self.store.listing(&self.artifact.digest).map_err(Error::from)?;
        let there = listing.into_iter().filter(|(name, _)| names.contains(name));
        there.map(|(name, entry)| Ok((name, self.store.read(&entry.digest).map_err(Error::from)?))).collect()
    }
}

/// An output in an archive.
struct Packed<'a> {
    archive: &'a Archived,
    artifact: &'a Artifact,
}

impl Packed<'_> {
    fn fault(&self, what: String) -> Fault {
        Error::Unshown(what).into()
    }
}

impl Given for Packed<'_> {
    fn bytes(&self) -> std::result::Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = &mut |file: &mut dyn std::io::Read| {
            bytes.clear();
            file.read_to_end(&mut bytes).map(|_| ()).map_err(|error| format!("A file cannot be read: {error}."))
        };
        self.archive.stream(&self.artifact.digest, read).map_err(|what| self.fault(what))?;
        Ok(bytes)
    }

    fn table(&self) -> std::result::Result<Table, Fault> {
        self.archive.table(&self.artifact.digest).map_err(|what| self.fault(what))
    }

    fn files(&self, names: &BTreeSet<String>) -> std::result::Result<BTreeMap<String, Vec<u8>>, Fault> {
        Ok(self.archive.files_of(&self.artifact.digest, names)?)
    }
}

/// The files of a data set: those in the store, and those below its data root.
struct Photographs<'a> {
    store: Option<&'a Store>,
    stored: BTreeMap<String, TreeEntry>,
    /// The name of the data root; none where all files are in the store.
    name: Option<String>,
    root: Option<PathBuf>,
}

fn photographs<'a>(
    side: &'a Side<'_>,
    node: &RunNodeRecord,
    registry: &Registry,
    roots: &BTreeMap<String, PathBuf>,
) -> Result<Photographs<'a>> {
    let store = match &side.origin {
        Origin::Store(store) => Some(*store),
        Origin::Archive(_) => None,
    };
    let tree = node.outputs.get(FILES).filter(|artifact| artifact.kind == ArtifactKind::Tree);
    let stored = match (store, tree) {
        (Some(store), Some(tree)) => store.listing(&tree.digest)?,
        _ => BTreeMap::new(),
    };
    let kind = registry.kind(&node.kind).zip(side.run.params.get(&node.stage));
    let name = kind.and_then(|(kind, params)| kind.root(params).ok().flatten());
    let root = name.as_ref().and_then(|name| roots.get(name)).cloned();
    Ok(Photographs { store, stored, name, root })
}

impl Files for Photographs<'_> {
    fn read(&self, path: &str, digest: &Digest) -> std::result::Result<std::result::Result<Vec<u8>, String>, Fault> {
        if let Some((store, entry)) = self.store.zip(self.stored.get(path)) {
            return Ok(Ok(store.read(&entry.digest).map_err(Error::from)?));
        }
        let (name, root) = match (&self.name, &self.root) {
            (Some(name), Some(root)) => (name, root),
            (Some(name), None) => {
                return Ok(Err(format!(
                    "the folder of the data root `{name}` is not known; `--data {name}=PATH` names it"
                )));
            }
            (None, _) => return Ok(Err("its photographs are in the store of the run alone".to_owned())),
        };
        Ok(below(root, path, digest)
            .ok_or_else(|| format!("the data root `{name}` does not have the files that the run saw, as `{path}`")))
    }
}

/// The file of a data root, if it is there and has this digest.
fn below(root: &Path, path: &str, digest: &Digest) -> Option<Vec<u8>> {
    let bytes = fsio::is_beneath(path).then(|| fsio::read(&root.join(path)).ok()).flatten()?;
    (Digest::of(&bytes) == *digest).then_some(bytes)
}
