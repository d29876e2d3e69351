//! `repro export RUN OUT.tar.zst`: a run in one archive, to keep or to hand on.
//!
//! Invariants:
//! - the archive appears whole or not at all, and replaces another only by `--force`;
//! - its bytes are a function of the run's record and its artifacts: entries are sorted, and have no time and no owner;
//! - its first entry, `manifest.json`, has the digest, the size and the origin of every other, and names what the run did
//!   not finish;
//! - what is published is told by the run's record alone, so that an old run is exported as it was;
//! - artifacts are read in parts, and verified on the way.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::publish::layout::{self, Content, Placed, Taken};
use super::runs::word;
use super::{Failure, fail, print, publish, warn};
use crate::cli::exit::Exit;
use crate::fsio::{self, Temporary};
use crate::hash::Digest;
use crate::stage::{NodeRef, Publication, Registry};
use crate::store::{RunNodeRecord, RunRecord, RunStatus, Store};

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

/// The name of the manifest in the archive.
const MANIFEST: &str = "manifest.json";
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
    /// The nodes that the run did not finish, of which the archive holds nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unfinished: Vec<String>,
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
    if !fsio::is_beneath(&run.pipeline) || run.pipeline.contains('/') {
        let message = format!("The run {} is of a pipeline `{}`, which is no name of one.", run.id, run.pipeline);
        return Err(
            fail(Exit::Storage, message).hint("Its record was not written by this program; export another run.")
        );
    }
    let (mut entries, mut taken) = (about(&run), Taken::default());
    for path in entries.keys().map(String::as_str).chain([MANIFEST]) {
        taken.add(path);
    }
    for node in run.nodes.iter().filter(|node| node.status.is_done()) {
        artifacts(store, registry, &run, node, args.without_checkpoints, &mut taken, &mut entries)?;
    }
    if !entries.values().any(|entry| entry.origin.is_some()) {
        let message = format!("The run {} finished no stage that leaves anything.", run.id);
        return Err(
            fail(Exit::Usage, message).hint("`repro runs` lists the runs; `repro run` takes an unfinished one up.")
        );
    }
    let unfinished = unfinished(&run);
    if run.status != RunStatus::Done {
        let message = format!(
            "The run {} did not finish ({}): the archive lacks what {} of its {} nodes would have made.",
            run.id,
            word(run.status),
            unfinished.len(),
            run.nodes.len()
        );
        warn(&message);
    }
    // A bare name has no folder to write in.
    let out = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
    // What an export that was killed left here.
    fsio::sweep(out.parent().unwrap_or(&out), false);
    let mut temporary = Temporary::beside(&out)?;
    let manifest = manifest(&run, unfinished, &entries);
    write(store, &manifest, &run.pipeline, &entries, (&mut temporary, &out))?;
    temporary.place(&out)?;
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
    taken: &mut Taken,
    entries: &mut Entries,
) -> Result<(), Failure> {
    let published = publish::publications(registry, run, node);
    let several = layout::several(node, &published);
    let mut wanted = published;
    let extra = [Some("log"), (node.yields == "model" && !without_checkpoints).then_some("model")];
    for output in extra.into_iter().flatten() {
        if wanted.iter().all(|publication| publication.output != output) {
            wanted.push(Publication::copy(output));
        }
    }
    let name = NodeRef { stage: node.stage.clone(), iteration: node.iteration }.to_string();
    for publication in &wanted {
        for Placed { path, content } in layout::files(store, node, publication, several)? {
            taken.take(&path, node)?;
            let origin = Some((name.clone(), publication.output.clone()));
            let entry = match content {
                Content::Object { digest, .. } => Entry { digest, bytes: store.size(&digest)?, origin, rendered: None },
                Content::Table { digest, publication, format } => {
                    rendered(origin, publish::rendered(&publish::table(store, &digest)?, &publication, format)?)
                }
            };
            entries.insert(path, entry);
        }
    }
    Ok(())
}

/// The nodes that a run did not finish.
fn unfinished(run: &RunRecord) -> Vec<String> {
    let open = run.nodes.iter().filter(|node| !node.status.is_done());
    open.map(|node| NodeRef { stage: node.stage.clone(), iteration: node.iteration }.to_string()).collect()
}

/// Writes the archive to a file that is for `path`. All of it lies below the folder `pipeline`.
fn write(
    store: &Store,
    manifest: &[u8],
    pipeline: &str,
    entries: &Entries,
    (file, path): (&mut Temporary, &Path),
) -> Result<(), Failure> {
    let failed = |error| Failure::from(fsio::Error::new("write", path, error));
    let mut compressor = zstd::Encoder::new(file, LEVEL).map_err(failed)?;
    compressor.include_checksum(true).map_err(failed)?;
    let mut archive = tar::Builder::new(compressor);
    let mut add = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, format!("{pipeline}/{name}"), content).map_err(failed)
    };
    add(MANIFEST, manifest.len() as u64, &mut &*manifest)?;
    for (name, entry) in entries {
        match &entry.rendered {
            Some(bytes) => add(name, entry.bytes, &mut bytes.as_slice())?,
            None => {
                let mut object = store.reader(&entry.digest)?;
                // One that changed its length since it was measured is found below.
                add(name, entry.bytes, &mut (&mut object).take(entry.bytes))?;
                object.finish()?;
            }
        }
    }
    archive.into_inner().and_then(zstd::Encoder::finish).map_err(failed)?;
    Ok(())
}

fn manifest(run: &RunRecord, unfinished: Vec<String>, entries: &Entries) -> Vec<u8> {
    let files = entries.iter().map(|(path, entry)| Listed {
        path,
        blake3: entry.digest,
        bytes: entry.bytes,
        node: entry.origin.as_ref().map(|(node, _)| node.as_str()),
        output: entry.origin.as_ref().map(|(_, output)| output.as_str()),
    });
    let manifest = Manifest {
        format: FORMAT,
        run: &run.id,
        pipeline: &run.pipeline,
        status: run.status,
        unfinished,
        files: files.collect(),
    };
    serde_json::to_vec_pretty(&manifest).unwrap_or_default()
}
