//! Where the outputs of a run lie below the folder of its results. It is the same in `results` and in an archive.
//!
//! Invariants:
//! - a path is a function of the run's record and of what its trees list. It stays below that folder, whatever the record says;
//! - no two outputs have the same path, and no output has the path of another output's folder. Stages and cells have folders of
//!   their own also on a disk that takes capital letters for small ones ([`Places`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::{Error, Result};
use super::rendering::StoredTable;
use crate::fsio;
use crate::fsio::filenames::{Named, Room, distinct};
use crate::hash::Digest;
use crate::stage::{Artifact, ArtifactKind, NodeName, Output, Publication, Registry, StageName};
use crate::store::{RunNodeRecord, RunRecord, Store};
use crate::table;

/// A file that an output becomes.
pub(super) struct Placed {
    /// Its path below the pipeline's folder.
    pub path: String,
    /// What it holds.
    pub content: Content,
}

/// What a file holds.
pub(super) enum Content {
    /// An object of the store as it is.
    Object { digest: Digest },
    /// A table as its publication asks for it.
    Table(StoredTable, &'static table::TableFormat),
}

/// The node's name.
pub(super) fn node_name(node: &RunNodeRecord) -> NodeName {
    NodeName { stage: node.stage.clone(), iteration: node.iteration, kind: node.kind.clone() }
}

/// The outputs of a node, by its kind and its parameters as they were recorded; none where this program does not know
/// the kind.
///
/// # Errors
/// The parameters do not fit the kind of this program.
pub(super) fn outputs(registry: &Registry, run: &RunRecord, node: &RunNodeRecord) -> Result<Vec<Output>> {
    let (Some(kind), Some(params)) = (registry.kind(&node.kind), run.params.get(&node.stage)) else {
        return Ok(Vec::new());
    };
    kind.outputs(params).map_err(|error| Error::Undeclared { node: node_name(node), error })
}

/// What is published of outputs, in their order.
pub(super) fn publications(outputs: &[Output]) -> Vec<Publication> {
    outputs.iter().filter_map(Output::publication).collect()
}

/// The folders of a run's stages below that of its results, by the names of the stages with their cells.
pub struct Places(BTreeMap<String, String>);

impl Places {
    /// Those of all stages that the run has or left out.
    pub(super) fn of(run: &RunRecord) -> Self {
        Places::new(run.params.keys().chain(run.nodes.iter().map(|node| &node.stage)).map(String::as_str))
    }

    /// Those of these stages, each with its cell.
    pub fn new<'a>(stages: impl Iterator<Item = &'a str>) -> Self {
        let mut cells: BTreeMap<String, Vec<(&str, Option<Named>)>> = BTreeMap::new();
        for full in stages.collect::<BTreeSet<_>>() {
            // What is no name of a stage is in a record that this program did not write: it has a folder of its own.
            let name = StageName::read(full).unwrap_or_default();
            let cell = name.cell_folder();
            cells.entry(name.stage).or_default().push((full, cell));
        }
        let stages: Vec<Named> =
            cells.keys().map(|stage| Named { text: stage.clone(), plain: stage.clone() }).collect();
        let mut places = BTreeMap::new();
        for (stage, cells) in distinct(&stages, Room::FOLDER).into_iter().zip(cells.into_values()) {
            let named: Vec<Named> = cells.iter().filter_map(|(_, cell)| cell.clone()).collect();
            let mut folders = distinct(&named, Room::FOLDER).into_iter();
            for (full, cell) in cells {
                let folder = cell.and_then(|_| folders.next());
                let place = folder.map_or_else(|| stage.clone(), |folder| format!("{stage}/{folder}"));
                places.insert(full.to_owned(), place);
            }
        }
        Places(places)
    }

    /// The folder of a stage.
    pub fn stage(&self, stage: &str) -> &str {
        self.0.get(stage).map_or("", String::as_str)
    }

    /// The folder of a node.
    pub(super) fn node(&self, node: &RunNodeRecord) -> String {
        let folder = self.stage(&node.stage);
        match node.iteration {
            None => folder.to_owned(),
            Some(i) => format!("{folder}/{i}"),
        }
    }
}

/// Whether the disk of the folder `results` takes the names of the folders of these stages, each with its cell.
///
/// # Errors
/// It does not. Few disks take less than [`LONGEST`](fsio::filenames::LONGEST) bytes, as those that encrypt names.
pub fn check_names<'a>(results: &Path, stages: impl Iterator<Item = &'a str>) -> Result<()> {
    too_long(&Places::new(stages), fsio::longest_name(results)?)
        .map_or(Ok(()), |(stage, longest)| Err(Error::LongName { stage, folder: results.to_owned(), longest }))
}

/// A stage with a folder that has a longer name than `longest` bytes.
fn too_long(places: &Places, longest: usize) -> Option<(String, usize)> {
    let is_long = |place: &str| place.split('/').any(|name| name.len() > longest);
    places.0.iter().find(|(_, place)| is_long(place)).map(|(stage, _)| (stage.clone(), longest))
}

/// The files that an output of a node becomes; none where the node has no such output. The files of a folder lie
/// directly below the node's, or below the folder's own name where the node publishes `several` outputs.
pub(super) fn files(
    store: &Store,
    places: &Places,
    node: &RunNodeRecord,
    publication: &Publication,
    several: bool,
) -> Result<Vec<Placed>> {
    let Some(artifact) = node.outputs.get(&publication.output) else { return Ok(Vec::new()) };
    let Artifact { digest, kind, ref file, .. } = *artifact;
    let place = places.node(node);
    let files: Vec<Placed> = match kind {
        ArtifactKind::File => {
            vec![Placed { path: format!("{place}/{file}"), content: Content::Object { digest } }]
        }
        ArtifactKind::Tree => {
            let folder = if several { format!("{place}/{file}") } else { place };
            let listing = store.listing(&digest)?.into_iter();
            let placed = |(name, entry): (String, crate::store::TreeEntry)| Placed {
                path: format!("{folder}/{name}"),
                content: Content::Object { digest: entry.digest },
            };
            listing.map(placed).collect()
        }
        ArtifactKind::Table => {
            let formats =
                table::FORMATS.iter().filter(|format| publication.formats.iter().any(|f| f.name() == format.name));
            let placed = |format: &'static table::TableFormat| Placed {
                path: format!("{place}/{}.{}", publication.output, format.extension),
                content: Content::Table(StoredTable::new(node, digest, publication), format),
            };
            formats.map(placed).collect()
        }
    };
    match files.iter().find(|placed| !fsio::is_beneath(&placed.path)) {
        None => Ok(files),
        Some(placed) => Err(foreign(node, &format!("would lie at `{}`, outside the results", placed.path))),
    }
}

/// Whether a node publishes several outputs, so that each folder among them keeps its name.
pub(super) fn several(node: &RunNodeRecord, publications: &[Publication]) -> bool {
    publications.iter().filter(|publication| node.outputs.contains_key(&publication.output)).count() > 1
}

/// The paths that are given away.
#[derive(Debug, Default)]
pub(super) struct Taken {
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Taken {
    /// Gives away a path to a file of `node`.
    ///
    /// # Errors
    /// Where another file has it, or lies below it or above it.
    pub fn take(&mut self, path: &str, node: &RunNodeRecord) -> Result<()> {
        match self.add(path) {
            true => Ok(()),
            false => Err(foreign(node, &format!("would lie at `{path}`, where another output lies"))),
        }
    }

    /// Gives away a path; false where it is taken.
    pub fn add(&mut self, path: &str) -> bool {
        let above: Vec<String> =
            Path::new(path).ancestors().skip(1).map(|folder| folder.to_string_lossy().into_owned()).collect();
        let free = !self.folders.contains(path) && above.iter().all(|folder| !self.files.contains(folder));
        self.folders.extend(above);
        free && self.files.insert(path.to_owned())
    }
}

/// The error of a record that no program of this version writes.
fn foreign(node: &RunNodeRecord, what: &str) -> Error {
    Error::Foreign { node: node_name(node), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_cells_have_folders_of_their_own_on_every_disk() {
        let stages =
            ["train[way=a*]", "train[way=a?]", "train[way=b]", "train[way=α]", "Train", "validate[x=1]", "nul", "a."];
        let places = Places::new(stages.into_iter());
        let folders: Vec<&str> = stages.iter().map(|stage| places.stage(stage)).collect();
        assert_eq!(folders[5], "validate/x=1");
        let start = |at: usize| folders[at].split_once('~').unwrap().0;
        assert_eq!([start(0), start(4), start(6), start(7)], ["train", "Train", "nul", "a."]);
        let folded: BTreeSet<String> = folders.iter().map(|folder| folder.to_lowercase()).collect();
        assert_eq!(folded.len(), stages.len(), "{folders:?}");
        // What another stage is called changes no cell's name.
        let alone = Places::new(["train[way=a*]", "train[way=a?]", "train[way=b]", "train[way=α]"].into_iter());
        let of = |stage| alone.stage(stage).split('~').next().unwrap_or_default().to_owned();
        assert_eq!(
            ["train[way=a*]", "train[way=b]", "train[way=α]"].map(of),
            ["train/way=a_", "train/way=b", "train/way=α"]
        );
        // Few disks take less than 255 bytes.
        assert_eq!(too_long(&alone, 255), None);
        assert_eq!(too_long(&alone, 10), Some(("train[way=a*]".to_owned(), 10)));
        // Iterations and strange records stay below.
        assert_eq!(Places::new(["../x", "["].into_iter()).stage("nothing"), "");
    }

    #[test]
    fn no_two_files_have_one_path_and_none_is_the_folder_of_another() {
        let mut taken = Taken::default();
        let answers = ["a/b", "a/b", "a/b/c", "a", "a/c", "ab", "d/e/f", "d/e"].map(|path| taken.add(path));
        assert_eq!(answers, [true, false, false, false, true, true, true, false]);
    }
}
