//! Writes below `results/<pipeline>` what a run publishes, from the store, on hits too.
//!
//! Invariants:
//! - nothing here is an input of anything: the folder may be deleted at any time;
//! - `manifest.json` says which artifact each file was made from; a file whose artifact did not change and that is
//!   still there with its size is not written again;
//! - the manifest may be anybody's: a path in it that leads out of the folder is passed over, and what is removed is
//!   what it lists, with the size that it says, behind no link ([`folder`]);
//! - an output is never held in memory: it is copied in parts, and verified on the way.

mod folder;
pub(super) mod layout;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::Bound;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Failure, fail};
use crate::cli::exit::Exit;
use crate::engine::NodeLabel;
use crate::fsio;
use crate::hash::Digest;
use crate::stage::name::in_words;
use crate::stage::{ArtifactKind, Cancel, Cell, Name, Publication, Registry};
use crate::store::{self, RunNodeRecord, RunRecord, Store};
use crate::table::{self, Kind, Style, Table};

use folder::Folder;
use layout::{Content, Placed, Taken};

const MANIFEST: &str = "manifest.json";
const LOG: &str = "log.txt";

/// The newest version of the manifest.
const VERSION: u32 = 1;

/// The files below `results/<pipeline>/` by relative path.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    files: BTreeMap<String, Entry>,
}

/// The part of a manifest that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What a file was made from and how, and its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    digest: Digest,
    /// The digits that a rendered table shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digits: Option<usize>,
    bytes: u64,
}

/// What came of publishing.
#[derive(Default)]
pub struct Published {
    /// The tables to print.
    pub tables: Vec<String>,
    /// What could not be read. The store does not hold it any more, so that the node is not done.
    pub damaged: Vec<Damaged>,
}

/// An output of a node that is damaged, or gone from the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Damaged {
    /// The node that made it.
    pub node: NodeLabel,
    /// The output, or a file in it.
    pub digest: Digest,
}

/// Why something is not published.
pub(super) enum Error {
    /// The stored object is damaged or gone.
    Damaged(Digest, Failure),
    /// Anything else.
    Other(Failure),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Corrupt { digest, .. } | store::Error::Missing(digest) => {
                Error::Damaged(digest, error.into())
            }
            error => Error::Other(error.into()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Other(failure)
    }
}

impl From<crate::fsio::Error> for Error {
    fn from(error: crate::fsio::Error) -> Self {
        Error::Other(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (Error::Damaged(_, failure) | Error::Other(failure)) = error;
        failure
    }
}

impl Published {
    /// Notes what of `node` is damaged, and goes on; any other error ends it.
    fn note<T>(&mut self, node: &RunNodeRecord, result: Result<T, Error>) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Damaged(digest, _)) => {
                self.add(node, digest);
                Ok(None)
            }
            Err(Error::Other(failure)) => Err(failure),
        }
    }

    fn add(&mut self, node: &RunNodeRecord, digest: Digest) {
        let (stage, iteration, kind) = (node.stage.clone(), node.iteration, node.kind.clone());
        let damaged = Damaged { node: NodeLabel { stage, iteration, kind }, digest };
        if !self.damaged.contains(&damaged) {
            self.damaged.push(damaged);
        }
    }
}

/// A file that a run wants to be there.
struct Wanted<'a> {
    path: String,
    source: Source<'a>,
    /// The artifact and the digits, as the manifest names them.
    made_of: (Digest, Option<usize>),
}

/// What a file is made from.
enum Source<'a> {
    Output(&'a RunNodeRecord, Content),
    Logs(Vec<LogPart>),
}

/// Where and how results are written.
pub struct Publisher<'a> {
    /// The store that holds them.
    pub store: &'a Store,
    /// The kinds, which say what is published.
    pub registry: &'a Registry,
    /// The folder of all results.
    pub results: &'a Path,
    /// Ends a wait for another run.
    pub cancel: &'a Cancel,
}

impl Publisher<'_> {
    /// Writes what the finished nodes of a run publish. Where something of it is damaged, only what is sound is written.
    /// `tell` hears what the user should know, as sentences.
    pub fn publish(&self, run: &RunRecord, tell: &mut dyn FnMut(String)) -> Result<Published, Failure> {
        let mut published = Published::default();
        let wanted = self.wanted(run, &mut published)?;
        let mut folder = Folder::new(self.results, &run.pipeline);
        // Where everything is there, nothing is locked: the results may be read-only.
        if !published.damaged.is_empty() || !is_done(run, &wanted, &folder, &load(&folder)?)? {
            let _lock = folder.lock(self.cancel, tell)?;
            let written = self.write(run, &wanted, &mut folder, &mut published);
            folder.told.drain(..).for_each(&mut *tell);
            written?;
        }
        Ok(published)
    }

    /// The files that the run publishes, in the order in which they are written, and the tables to print.
    fn wanted<'r>(&self, run: &'r RunRecord, published: &mut Published) -> Result<Vec<Wanted<'r>>, Failure> {
        let (mut wanted, mut logs, mut taken) = (Vec::new(), Vec::new(), Taken::default());
        for path in [MANIFEST, LOG] {
            taken.add(path);
        }
        for node in run.nodes.iter().filter(|node| node.status.is_done()) {
            let publications = publications(self.registry, run, node);
            let several = layout::several(node, &publications);
            for publication in &publications {
                let placed = published.note(node, layout::files(self.store, node, publication, several))?;
                for Placed { path, content } in placed.into_iter().flatten() {
                    taken.take(&path, node)?;
                    let made_of = match &content {
                        Content::Object { digest, .. } => (*digest, None),
                        Content::Table { digest, publication, .. } => (*digest, publication.digits),
                    };
                    wanted.push(Wanted { path, source: Source::Output(node, content), made_of });
                }
                if publication.print
                    && let Some(artifact) = node.outputs.get(&publication.output)
                    && let Some(table) = published.note(node, table(self.store, &artifact.digest))?
                {
                    published.tables.push(table::to_terminal(&table, &style(&table, publication), terminal_width()));
                }
            }
            logs.extend(log_part(node));
        }
        // The logs of training and validation follow each other as in the reference's one log.
        logs.sort_by(|a: &LogPart, b| {
            (&a.cell, a.iteration.unwrap_or(u32::MAX)).cmp(&(&b.cell, b.iteration.unwrap_or(u32::MAX)))
        });
        if !logs.is_empty() {
            let name = |part: &LogPart| format!("{} {:?} {}", in_words(&part.cell), part.iteration, part.digest);
            let names: Vec<String> = logs.iter().map(name).collect();
            let made_of = (Digest::of_canonical(&names), None);
            wanted.push(Wanted { path: LOG.to_owned(), source: Source::Logs(logs), made_of });
        }
        Ok(wanted)
    }

    /// Writes what is not there, removes what the pipeline has no more, and then the manifest.
    fn write(
        &self,
        run: &RunRecord,
        wanted: &[Wanted<'_>],
        folder: &mut Folder<'_>,
        published: &mut Published,
    ) -> Result<(), Failure> {
        folder.sweep()?;
        let old = load(folder)?;
        let mut new = Manifest { version: VERSION, files: kept(run, wanted, &old) };
        let paths: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.path.as_str()).collect();
        let mut gone: BTreeMap<&str, u64> =
            old.files.iter().map(|(path, entry)| (path.as_str(), entry.bytes)).collect();
        gone.retain(|path, _| !paths.contains(path) && !new.files.contains_key(*path));
        let mut changing = false;
        for wanted in wanted {
            if let Some(entry) = known(wanted, folder, &old)? {
                new.files.insert(wanted.path.clone(), entry.clone());
                continue;
            }
            if !changing {
                // From here on the manifest is not true; killed now, the next run must write everything again.
                remove_manifest(folder)?;
                changing = true;
            }
            make_way(&wanted.path, &mut gone, folder)?;
            let written = self.write_one(wanted, folder);
            let bytes = match (&wanted.source, written) {
                (Source::Output(node, _), written) => published.note(node, written)?,
                (Source::Logs(_), Err(Error::Damaged(digest, _))) => {
                    let made = |node: &&RunNodeRecord| node.outputs.get("log").is_some_and(|log| log.digest == digest);
                    run.nodes.iter().filter(made).for_each(|node| published.add(node, digest));
                    None
                }
                (Source::Logs(_), written) => Some(written?),
            };
            if let Some(bytes) = bytes {
                let (digest, digits) = wanted.made_of;
                new.files.insert(wanted.path.clone(), Entry { digest, digits, bytes });
            }
        }
        if published.damaged.is_empty() {
            for (path, bytes) in &gone {
                folder.remove(path, *bytes)?;
            }
            if changing || new != old {
                let text = serde_json::to_vec_pretty(&new).unwrap_or_default();
                folder.write(MANIFEST, |file, target| write_all(file, target, &text))?;
            }
        }
        folder.sweep()
    }

    /// Writes a file and gives its size.
    fn write_one(&self, wanted: &Wanted<'_>, folder: &mut Folder<'_>) -> Result<u64, Error> {
        folder.write(&wanted.path, |file, target| match &wanted.source {
            Source::Output(_, Content::Object { digest }) => Ok(self.store.reader(digest)?.copy_to(file, target)?),
            Source::Output(_, Content::Table { digest, publication, format }) => {
                let bytes = rendered(&table(self.store, digest)?, publication, format)?;
                Ok(write_all(file, target, &bytes)?)
            }
            Source::Logs(parts) => {
                let mut bytes = 0;
                for (heads, part) in headed(parts) {
                    bytes += write_all(file, target, heads.as_bytes())?;
                    bytes += self.store.reader(&part.digest)?.copy_to(file, target)?;
                }
                Ok(bytes)
            }
        })
    }
}

/// What a node publishes, by its kind and its parameters as they were recorded.
pub(super) fn publications(registry: &Registry, run: &RunRecord, node: &RunNodeRecord) -> Vec<Publication> {
    match (registry.kind(&node.kind), run.params.get(&node.stage)) {
        (Some(kind), Some(params)) => kind.publish(params),
        _ => Vec::new(),
    }
}

fn write_all(file: &mut dyn Write, target: &Path, bytes: &[u8]) -> Result<u64, Failure> {
    file.write_all(bytes).map_err(|error| fsio::Error::new("write", target, error))?;
    Ok(bytes.len() as u64)
}

/// The entry of a file that is there already, made from the same artifact.
fn known<'m>(wanted: &Wanted<'_>, folder: &Folder<'_>, old: &'m Manifest) -> Result<Option<&'m Entry>, Failure> {
    let entry = old.files.get(&wanted.path).filter(|entry| (entry.digest, entry.digits) == wanted.made_of);
    let Some(entry) = entry else { return Ok(None) };
    Ok((folder.size(&wanted.path)? == Some(entry.bytes)).then_some(entry))
}

/// What stays as it is although this run does not publish it: of stages that it left out or did not finish.
fn kept(run: &RunRecord, wanted: &[Wanted<'_>], old: &Manifest) -> BTreeMap<String, Entry> {
    let done: BTreeSet<&str> =
        run.nodes.iter().filter(|node| node.status.is_done()).map(|node| node.stage.as_str()).collect();
    let undone: Vec<String> =
        run.params.keys().filter(|stage| !done.contains(stage.as_str())).map(|stage| beginning(stage)).collect();
    let logs = wanted.iter().any(|wanted| wanted.path == LOG);
    let left_out = |path: &str| match path {
        LOG => !logs,
        _ => undone.iter().any(|place| path.starts_with(place.as_str())),
    };
    let kept = old.files.iter().filter(|(path, _)| left_out(path));
    kept.map(|(path, entry)| (path.clone(), entry.clone())).collect()
}

/// Whether the folder is as the run wants it.
fn is_done(run: &RunRecord, wanted: &[Wanted<'_>], folder: &Folder<'_>, old: &Manifest) -> Result<bool, Failure> {
    if old.files.len() != kept(run, wanted, old).len() + wanted.len() || folder.holds_parts()? {
        return Ok(false);
    }
    for wanted in wanted {
        if known(wanted, folder, old)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what was published before and is not any more where it is in the way of `path`: a file in the place of one of
/// its folders, or the files of a folder in its own place.
fn make_way(path: &str, gone: &mut BTreeMap<&str, u64>, folder: &mut Folder<'_>) -> Result<(), Failure> {
    let mut blocks: Vec<&str> = Path::new(path)
        .ancestors()
        .skip(1)
        .filter_map(|above| gone.get_key_value(above.to_str()?).map(|(above, _)| *above))
        .collect();
    if folder.is_folder(path)? {
        let below = format!("{path}/");
        let from = (Bound::Included(below.as_str()), Bound::Unbounded);
        blocks.extend(gone.range::<str, _>(from).map(|(path, _)| *path).take_while(|path| path.starts_with(&below)));
    }
    for block in blocks {
        if let Some(bytes) = gone.remove(block) {
            folder.remove(block, bytes)?;
        }
    }
    Ok(())
}

fn remove_manifest(folder: &Folder<'_>) -> Result<(), Failure> {
    match folder.size(MANIFEST)? {
        Some(_) => Ok(fsio::remove_file(&folder.path().join(MANIFEST))?),
        None => Ok(()),
    }
}

/// A manifest that is missing or unreadable means that every file is written again; one of a newer program is refused.
/// Paths that lead out of the folder are nothing that was published.
fn load(folder: &Folder<'_>) -> Result<Manifest, Failure> {
    let text = folder.read(MANIFEST)?.unwrap_or_default();
    if let Ok(Versioned { version }) = serde_json::from_slice(&text)
        && version > VERSION
    {
        let path = folder.path().join(MANIFEST);
        let message = format!(
            "`{}` has version {version}, which is newer than this program reads ({VERSION}). The results stay as they are.",
            path.display()
        );
        return Err(fail(Exit::Storage, message).hint("Use the newer program, or another folder (`--results DIR`)."));
    }
    let mut manifest: Manifest = serde_json::from_slice(&text).unwrap_or_default();
    manifest.files.retain(|path, _| fsio::is_beneath(path));
    Ok(manifest)
}

/// Where a stage's files are, as all their paths begin.
fn beginning(stage: &str) -> String {
    format!("{}/", Name::read(stage).unwrap_or_default().folder())
}

pub(super) fn table(store: &Store, digest: &Digest) -> Result<Table, Error> {
    let wrong = |error| fail(Exit::Storage, format!("The stored table {} cannot be read: {error}", digest.short()));
    Ok(Table::from_canonical(&store.read(digest)?).map_err(wrong)?)
}

/// The digits that a publication asks for, in every column of floating-point numbers.
fn style(table: &Table, publication: &Publication) -> Style {
    let floats = table.columns().iter().filter(|column| column.kind == Kind::Float);
    let with = |style: Style, digits| floats.fold(style, |style, column| style.with(column.name.clone(), digits));
    publication.digits.map_or_else(Style::default, |digits| with(Style::default(), digits))
}

/// A table as its publication asks for it.
pub(super) fn rendered(table: &Table, publication: &Publication, format: &table::Format) -> Result<Vec<u8>, Failure> {
    (format.render)(table, &style(table, publication))
        .map_err(|error| fail(Exit::Bug, format!("A table cannot be written as {}: {error}", format.name)))
}

/// The width of the terminal; none where output goes elsewhere, and lines may be as long as they are.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col));
    size.ok().filter(|&width| width >= 40)
}

/// The log of a node, headed by its cell, and by its iteration as the reference's is.
#[derive(Debug, Clone, PartialEq)]
struct LogPart {
    cell: Cell,
    iteration: Option<u32>,
    digest: Digest,
}

fn log_part(node: &RunNodeRecord) -> Option<LogPart> {
    let log = node.outputs.get("log").filter(|log| log.kind == ArtifactKind::File)?;
    Some(LogPart { cell: node.name().cell, iteration: node.iteration, digest: log.digest })
}

/// Each log with the lines that go before it: its cell and its iteration, where these are others than before.
fn headed(parts: &[LogPart]) -> Vec<(String, &LogPart)> {
    let mut last = (String::new(), None);
    let head = |part: &LogPart| {
        let title = in_words(&part.cell);
        let mut head = String::new();
        if title != last.0 {
            head += &format!("Cell: {title}\n");
            last = (title.clone(), None);
        }
        if let Some(iteration) = part.iteration.filter(|_| part.iteration != last.1) {
            head += &format!("Iteration: {iteration}\n");
        }
        last = (title, part.iteration);
        head
    };
    let heads: Vec<String> = parts.iter().map(head).collect();
    heads.into_iter().zip(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_every_version_reads_and_a_newer_one_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p").join(MANIFEST);
        let digest = Digest::of(b"a");
        let text = format!(
            r#"{{"version": 1, "files": {{"a/b.csv": {{"digest": "{digest}", "digits": 2, "bytes": 3}}, "c": {{"digest": "{digest}", "bytes": 4}}}}}}"#
        );
        fsio::write_atomic(&path, text.as_bytes()).unwrap();
        let folder = Folder::new(dir.path(), "p");
        let manifest = load(&folder).unwrap();
        assert_eq!(manifest.version, VERSION);
        assert_eq!(manifest.files["a/b.csv"], Entry { digest, digits: Some(2), bytes: 3 });
        assert_eq!(manifest.files["c"], Entry { digest, digits: None, bytes: 4 });
        fsio::write_atomic(&path, text.replace("\"version\": 1", "\"version\": 2").as_bytes()).unwrap();
        let refused = load(&folder).unwrap_err();
        assert_eq!(refused.exit, Exit::Storage);
        let named = refused.message.contains(&path.display().to_string());
        assert!(named && refused.message.contains("newer than this program"), "{}", refused.message);
    }
}
