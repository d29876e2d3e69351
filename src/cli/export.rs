//! `repro export RUN OUT.tar.zst`: a run in one archive, to keep or to hand on.
//!
//! Invariants:
//! - the archive appears whole or not at all, and replaces another only by `--force`;
//! - its bytes are a function of the run's record and its artifacts: entries are sorted, and have no time and no owner;
//! - its first entry, `manifest.json`, has the digest, the size and the origin of every other.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Failure, fail, print, publish};
use crate::cli::exit::Exit;
use crate::fsio;
use crate::hash::Digest;
use crate::stage::{ArtifactKind, NodeRef, Publication, Registry};
use crate::store::{RunNodeRecord, RunRecord, RunStatus, Store};
use crate::table;

/// The arguments of `repro export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The run: an id, a unique prefix, a pipeline's name, `latest` or `latest~1`.
    run: String,
    /// The archive to write, as `run.tar.zst`.
    #[arg(value_name = "OUT.tar.zst")]
    out: PathBuf,
    /// Leave the trained models out, which are most of the bytes.
    #[arg(long)]
    without_checkpoints: bool,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

/// The version of the manifest.
const FORMAT: u32 = 1;
/// Beyond this level the archives grow little smaller: most of their bytes are weights.
const LEVEL: i32 = 3;

/// What the archive says of itself.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    format: u32,
    run: &'a str,
    pipeline: &'a str,
    status: RunStatus,
    files: Vec<Listed<'a>>,
}

/// What the manifest says of a file.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    path: &'a str,
    blake3: Digest,
    bytes: u64,
    /// The node that made it, and the name of its output; none for what tells of the run itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
}

/// A file of the archive, before it is written.
struct Entry {
    digest: Digest,
    bytes: u64,
    origin: Option<(String, String)>,
    /// What was rendered for the archive; none where it is the object of the store with this digest.
    rendered: Option<Vec<u8>>,
}

/// Entries by path.
type Entries = BTreeMap<String, Entry>;

/// Writes the archive.
pub fn run(store: &Store, registry: &Registry, args: &ExportArgs) -> Result<Exit, Failure> {
    let run = store.find_run(&args.run)?;
    if fsio::exists(&args.out) && !args.force {
        let message = format!("`{}` is there already.", args.out.display());
        return Err(fail(Exit::Usage, message).hint("Name another file, or replace it by `--force`."));
    }
    let mut entries = about(&run);
    for node in run.nodes.iter().filter(|node| node.status.is_done()) {
        artifacts(store, registry, &run, node, args.without_checkpoints, &mut entries)?;
    }
    if !entries.values().any(|entry| entry.origin.is_some()) {
        let message = format!("The run {} finished no stage that leaves anything.", run.id);
        return Err(
            fail(Exit::Usage, message).hint("`repro runs` lists the runs; `repro run` takes an unfinished one up.")
        );
    }
    // A bare name has no folder to write in.
    let out = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
    let temporary = fsio::sibling(&out);
    let written = write(store, &run, &entries, &temporary);
    if let Err(failure) = written.and_then(|()| Ok(fsio::rename(&temporary, &out)?)) {
        // The first error is the one to tell.
        let _ = fsio::remove_file(&temporary);
        return Err(failure);
    }
    let bytes = fsio::stat(&out)?.bytes;
    print(&format!("{}: {} files of run {}, {bytes} bytes", args.out.display(), entries.len() + 1, run.id));
    Ok(Exit::Success)
}

/// What tells of the run itself: its record and its pipeline with all defaults.
fn about(run: &RunRecord) -> Entries {
    let record = serde_json::to_string_pretty(run).unwrap_or_default();
    let files = [("run.json", record.into_bytes()), ("pipeline.ron", run.resolved.clone().into_bytes())];
    files.into_iter().map(|(path, bytes)| (path.to_owned(), rendered(None, bytes))).collect()
}

fn rendered(origin: Option<(String, String)>, bytes: Vec<u8>) -> Entry {
    Entry { digest: Digest::of(&bytes), bytes: bytes.len() as u64, origin, rendered: Some(bytes) }
}

/// Adds what a node publishes, its log, and its model.
fn artifacts(
    store: &Store,
    registry: &Registry,
    run: &RunRecord,
    node: &RunNodeRecord,
    without_checkpoints: bool,
    entries: &mut Entries,
) -> Result<(), Failure> {
    let mut wanted = match (registry.kind(&node.kind), run.params.get(&node.stage)) {
        (Some(kind), Some(params)) => kind.publish(params),
        _ => Vec::new(),
    };
    wanted.push(Publication::copy("log"));
    if node.yields == "model" && !without_checkpoints {
        wanted.push(Publication::copy("model"));
    }
    let (place, name) =
        (publish::place(node), NodeRef { stage: node.stage.clone(), iteration: node.iteration }.to_string());
    for publication in &wanted {
        let Some(artifact) = node.outputs.get(&publication.output) else { continue };
        let origin = || Some((name.clone(), publication.output.clone()));
        let stored = |digest, bytes| Entry { digest, bytes, origin: origin(), rendered: None };
        match artifact.kind {
            ArtifactKind::File => {
                entries.insert(format!("{place}/{}", artifact.file), stored(artifact.digest, artifact.bytes));
            }
            ArtifactKind::Tree => {
                let files = store.listing(&artifact.digest)?;
                entries.extend(files.iter().map(|(file, e)| (format!("{place}/{file}"), stored(e.digest, e.bytes))));
            }
            ArtifactKind::Table => {
                let content = publish::table(store, &artifact.digest)?;
                let style = publish::style(&content, publication);
                for format in publication.formats.iter().filter_map(|name| table::format(name)) {
                    let bytes = (format.render)(&content, &style).map_err(|error| {
                        fail(Exit::Bug, format!("A table cannot be written as {}: {error}", format.name))
                    })?;
                    let path = format!("{place}/{}.{}", publication.output, format.extension);
                    entries.insert(path, rendered(origin(), bytes));
                }
            }
        }
    }
    Ok(())
}

/// Writes and syncs the archive at `path`.
fn write(store: &Store, run: &RunRecord, entries: &Entries, path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::from(fsio::Error::new("write", path, error));
    let mut compressor = zstd::Encoder::new(fsio::create(path)?, LEVEL).map_err(failed)?;
    compressor.include_checksum(true).map_err(failed)?;
    let mut archive = tar::Builder::new(compressor);
    add(&mut archive, &run.pipeline, "manifest.json", &manifest(run, entries)).map_err(failed)?;
    for (name, entry) in entries {
        match &entry.rendered {
            Some(bytes) => add(&mut archive, &run.pipeline, name, bytes),
            None => add(&mut archive, &run.pipeline, name, &store.read(&entry.digest)?),
        }
        .map_err(failed)?;
    }
    let file = archive.into_inner().and_then(zstd::Encoder::finish).map_err(failed)?;
    Ok(fsio::sync_file(&file, path)?)
}

/// Adds a file below the folder that has the pipeline's name.
fn add(archive: &mut tar::Builder<impl Write>, folder: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, format!("{folder}/{name}"), bytes)
}

fn manifest(run: &RunRecord, entries: &Entries) -> Vec<u8> {
    let files = entries.iter().map(|(path, entry)| Listed {
        path,
        blake3: entry.digest,
        bytes: entry.bytes,
        node: entry.origin.as_ref().map(|(node, _)| node.as_str()),
        output: entry.origin.as_ref().map(|(_, output)| output.as_str()),
    });
    let manifest =
        Manifest { format: FORMAT, run: &run.id, pipeline: &run.pipeline, status: run.status, files: files.collect() };
    serde_json::to_vec_pretty(&manifest).unwrap_or_default()
}
