//! Writes below `results/<pipeline>/` what a run publishes, from the store, on hits too.
//!
//! Invariants:
//! - nothing here is read back: the folder may be deleted at any time;
//! - `manifest.json` says which artifact each file was made from; a file whose artifact did not change and that is
//!   still there with its size is not written again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Failure, fail};
use crate::cli::exit::Exit;
use crate::engine::NodeLabel;
use crate::fsio;
use crate::hash::Digest;
use crate::stage::name::in_words;
use crate::stage::{Artifact, ArtifactKind, Cell, Name, Publication, Registry};
use crate::store::{self, RunNodeRecord, RunRecord, Store};
use crate::table::{self, Kind, Style, Table};

const MANIFEST: &str = "manifest.json";
const LOG: &str = "log.txt";

/// The age, in nanoseconds, from which a temporary file belongs to no living process.
const ABANDONED: i128 = 3600 * 1_000_000_000;

/// The files below `results/<pipeline>/` by relative path.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    files: BTreeMap<String, Entry>,
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

/// Writes what the finished nodes of a run publish. Where something of it is damaged, only what is sound is written.
pub fn publish(store: &Store, registry: &Registry, run: &RunRecord, results: &Path) -> Result<Published, Failure> {
    let folder = results.join(&run.pipeline);
    let _lock = lock(store, &run.pipeline)?;
    let old = load(&folder.join(MANIFEST));
    let mut writer = Writer {
        store,
        folder: &folder,
        old: &old,
        new: Manifest { version: 1, ..Manifest::default() },
        changing: false,
    };
    let mut published = Published::default();
    let mut log = Vec::new();
    for node in run.nodes.iter().filter(|node| node.status.is_done()) {
        let params = run.params.get(&node.stage);
        let publications = match (registry.kind(&node.kind), params) {
            (Some(kind), Some(params)) => kind.publish(params),
            _ => Vec::new(),
        };
        let place = place(node);
        for publication in &publications {
            let Some(artifact) = node.outputs.get(&publication.output) else { continue };
            published.note(node, writer.output(&place, publication, artifact))?;
            if publication.print
                && let Some(table) = published.note(node, table(store, &artifact.digest))?
            {
                published.tables.push(table::to_terminal(&table, &style(&table, publication), terminal_width()));
            }
        }
        log.extend(log_part(node));
    }
    match writer.log(&log) {
        Err(Error::Damaged(digest, _)) => {
            let made = |node: &&RunNodeRecord| node.outputs.get("log").is_some_and(|log| log.digest == digest);
            run.nodes.iter().filter(made).for_each(|node| published.add(node, digest));
        }
        result => result?,
    }
    if !published.damaged.is_empty() {
        return Ok(published);
    }
    let (changing, mut new) = (writer.changing, writer.new);
    // What this run left out or did not finish stays as it is; what the pipeline has no more goes.
    let done: BTreeSet<&str> =
        run.nodes.iter().filter(|node| node.status.is_done()).map(|node| node.stage.as_str()).collect();
    let undone: Vec<String> =
        run.params.keys().filter(|stage| !done.contains(stage.as_str())).map(|stage| beginning(stage)).collect();
    let left_out = |path: &str| match path {
        LOG => log.is_empty(),
        _ => undone.iter().any(|place| path.starts_with(place.as_str())),
    };
    let kept = old.files.iter().filter(|(path, _)| left_out(path));
    new.files.extend(kept.map(|(path, entry)| (path.clone(), entry.clone())));
    for gone in old.files.keys().filter(|name| !new.files.contains_key(*name)) {
        fsio::remove_file(&folder.join(gone))?;
    }
    if changing || new != old {
        sweep(&folder)?;
        let text = serde_json::to_string_pretty(&new).unwrap_or_default();
        fsio::write_atomic(&folder.join(MANIFEST), text.as_bytes())?;
    }
    Ok(published)
}

/// The folder of a node below `results/<pipeline>/`.
pub(super) fn place(node: &RunNodeRecord) -> String {
    let folder = node.name().folder();
    match node.iteration {
        None => folder,
        Some(i) => format!("{folder}/{i}"),
    }
}

/// Where a stage's files are, as all their paths begin.
fn beginning(stage: &str) -> String {
    format!("{}/", Name::read(stage).unwrap_or_default().folder())
}

/// Removes what processes that were killed while writing here have left. A young file may be another process's.
fn sweep(folder: &Path) -> Result<(), Failure> {
    let names = if fsio::exists(folder) { fsio::walk(folder)? } else { Vec::new() };
    for name in names {
        let path = folder.join(&name);
        let temporary = name.rsplit('/').next().is_some_and(|name| name.starts_with('.') && name.ends_with(".tmp"));
        if temporary && fsio::stat(&path).is_ok_and(|stat| fsio::now() - stat.mtime > ABANDONED) {
            fsio::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Waits until no other process publishes this pipeline's results.
fn lock(store: &Store, pipeline: &str) -> Result<fsio::Lock, Failure> {
    let path = store.path().join("locks").join(format!("results-{pipeline}"));
    loop {
        if let Some(lock) = fsio::try_lock(&path)? {
            return Ok(lock);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A manifest that is missing or unreadable means that every file is written again.
fn load(path: &Path) -> Manifest {
    let text = fsio::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
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

struct Writer<'a> {
    store: &'a Store,
    folder: &'a Path,
    old: &'a Manifest,
    new: Manifest,
    /// Whether a file has been written.
    changing: bool,
}

impl Writer<'_> {
    fn output(&mut self, place: &str, publication: &Publication, artifact: &Artifact) -> Result<(), Error> {
        match artifact.kind {
            ArtifactKind::File => self.file(format!("{place}/{}", artifact.file), (artifact.digest, None), &|store| {
                Ok(store.read(&artifact.digest)?)
            }),
            ArtifactKind::Tree => {
                for (name, entry) in self.store.listing(&artifact.digest)? {
                    self.file(
                        format!("{place}/{name}"),
                        (entry.digest, None),
                        &|store| match store.read(&entry.digest) {
                            Err(error @ (store::Error::Corrupt { .. } | store::Error::Missing(_))) => {
                                // Whether a node is done is told by its outputs alone, not by the files of a tree: the
                                // whole tree must go for the next run to make it again.
                                store.quarantine(&artifact.digest)?;
                                Err(error.into())
                            }
                            result => Ok(result?),
                        },
                    )?;
                }
                Ok(())
            }
            ArtifactKind::Table => {
                for format in
                    table::FORMATS.iter().filter(|format| publication.formats.iter().any(|name| name == format.name))
                {
                    let path = format!("{place}/{}.{}", publication.output, format.extension);
                    self.file(path, (artifact.digest, publication.digits), &|store| {
                        Ok(rendered(&table(store, &artifact.digest)?, publication, format)?)
                    })?;
                }
                Ok(())
            }
        }
    }

    /// Writes a file unless it is there, made from the same artifact.
    fn file(
        &mut self,
        path: String,
        (digest, digits): (Digest, Option<usize>),
        content: &dyn Fn(&Store) -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        let target = self.folder.join(&path);
        let known = self.old.files.get(&path).filter(|entry| (entry.digest, entry.digits) == (digest, digits));
        let known = known.filter(|entry| fsio::stat(&target).is_ok_and(|stat| stat.bytes == entry.bytes));
        let entry = match known {
            Some(entry) => entry.clone(),
            None => {
                let bytes = content(self.store)?;
                if !self.changing {
                    // From here on the manifest is not true; killed now, the next run must write everything again.
                    let manifest = self.folder.join(MANIFEST);
                    if fsio::exists(&manifest) {
                        fsio::remove_file(&manifest)?;
                    }
                    self.changing = true;
                }
                fsio::write_atomic(&target, &bytes)?;
                Entry { digest, digits, bytes: bytes.len() as u64 }
            }
        };
        self.new.files.insert(path, entry);
        Ok(())
    }

    /// Joins the logs of training and validation, cell by cell and iteration by iteration, into one `log.txt` as the
    /// reference's.
    fn log(&mut self, parts: &[LogPart]) -> Result<(), Error> {
        if parts.is_empty() {
            return Ok(());
        }
        let mut parts = parts.to_vec();
        parts.sort_by(|a, b| {
            (&a.cell, a.iteration.unwrap_or(u32::MAX)).cmp(&(&b.cell, b.iteration.unwrap_or(u32::MAX)))
        });
        let names: Vec<String> =
            parts.iter().map(|part| format!("{} {:?} {}", in_words(&part.cell), part.iteration, part.digest)).collect();
        self.file(LOG.to_owned(), (Digest::of_canonical(&names), None), &|store| {
            let mut text = Vec::new();
            let mut last = (String::new(), None);
            for part in &parts {
                let title = in_words(&part.cell);
                if title != last.0 {
                    text.extend_from_slice(format!("Cell: {title}\n").as_bytes());
                    last = (title.clone(), None);
                }
                if let Some(iteration) = part.iteration.filter(|_| part.iteration != last.1) {
                    text.extend_from_slice(format!("Iteration: {iteration}\n").as_bytes());
                }
                last = (title, part.iteration);
                text.extend(store.read(&part.digest)?);
            }
            Ok(text)
        })
    }
}
