//! Writes a run into one archive, to keep or to give to others.
//!
//! Invariants:
//! - the archive appears whole or not at all, and replaces another file only if that is asked for;
//! - its bytes are a function of the run's record and its artifacts;
//! - its first entry, `manifest.json`, has the digest, the size and the origin of every other entry, and names what the run
//!   did not finish;
//! - `log.txt` joins the logs of its stages, as the results have it;
//! - only the run's record says what is published, so that an old run is exported as it was.

use std::path::Path;

use serde::Serialize;

use super::archive::{self, ArchiveFile, ArchiveFiles, MANIFEST};
use super::error::{Error, Result};
use super::layout::{self, Content, Placed, Places, Taken};
use super::log::{self, LogPart};
use super::name::folder_name;
use super::wanted::LOG;
use crate::fsio::{self, Temporary};
use crate::hash::Digest;
use crate::stage::{Output, Registry, Role};
use crate::store::{RunNodeRecord, RunRecord, RunStatus, Store};

/// The version of the manifest.
const FORMAT: u32 = 1;

/// What is exported, and how.
pub struct Export<'a> {
    /// The store that holds the run.
    pub store: &'a Store,
    /// The kinds, which say what is published.
    pub registry: &'a Registry,
    /// The run.
    pub run: &'a RunRecord,
    /// Whether the trained models, which are most of the bytes, are left out.
    pub without_checkpoints: bool,
    /// Whether a file that is there is replaced.
    pub replace: bool,
}

/// What came of an export.
pub struct Exported {
    /// How many files the archive holds.
    pub files: usize,
    /// The archive's size.
    pub bytes: u64,
    /// The nodes that the run did not finish, of which the archive holds nothing.
    pub unfinished: Vec<String>,
}

/// What the archive says of itself.
#[derive(Debug, Serialize)]
struct ArchiveManifest<'a> {
    format: u32,
    run: &'a str,
    pipeline: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    /// What was set for a trial.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sets: &'a [String],
    /// The part of the pipeline that was asked for; none: the whole.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    only: &'a [String],
    status: RunStatus,
    /// The nodes that the run did not finish, of which the archive holds nothing.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unfinished: &'a [String],
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

impl Export<'_> {
    /// Writes the archive `out`.
    ///
    /// # Errors
    /// A file that is there, if it is not replaced; a run that finished nothing; a record with names that this program
    /// does not record; what the store and the disk say.
    pub fn write(&self, out: &Path) -> Result<Exported> {
        let run = self.run;
        if fsio::exists(out) && !self.replace {
            return Err(Error::Exists(out.to_owned()));
        }
        if !fsio::is_beneath(&run.pipeline) || run.pipeline.contains('/') {
            return Err(Error::ForeignPipeline { run: run.id.clone(), pipeline: run.pipeline.clone() });
        }
        let (mut files, mut taken, places) = (about(run), Taken::default(), Places::of(run));
        for path in files.keys().map(String::as_str).chain([MANIFEST, LOG]) {
            taken.add(path);
        }
        let mut logs = Vec::new();
        for node in run.nodes.iter().filter(|node| node.status.is_done()) {
            logs.extend(self.add(node, &places, &mut taken, &mut files)?);
        }
        if !files.values().any(|file| file.origin.is_some()) {
            return Err(Error::Nothing(run.id.clone()));
        }
        log::sort(&mut logs);
        if !logs.is_empty() {
            files.insert(LOG.to_owned(), rendered(None, self.joined(&logs)?));
        }
        let open = run.nodes.iter().filter(|node| !node.status.is_done());
        let unfinished: Vec<String> = open.map(|node| layout::node_name(node).to_string()).collect();
        // A bare name has no folder to write in.
        let path = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
        // What an export that was killed left here.
        fsio::sweep(path.parent().unwrap_or(&path), false);
        let mut temporary = Temporary::beside(&path)?;
        let manifest = manifest(run, &unfinished, &files);
        archive::write(self.store, &manifest, &folder_name(run), &files, (&mut temporary, &path))?;
        temporary.place(&path)?;
        Ok(Exported { files: files.len() + 1, bytes: fsio::stat(&path)?.bytes, unfinished })
    }

    /// The logs of the run's stages as one, as they are published.
    fn joined(&self, logs: &[LogPart]) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        for (head, part) in log::headed(logs) {
            text.extend(head.into_bytes());
            text.extend(self.store.read(&part.digest)?);
        }
        Ok(text)
    }

    /// Adds what a node publishes, its log, and its model. Gives the log, if there is one, for the log of the whole run.
    fn add(
        &self,
        node: &RunNodeRecord,
        places: &Places,
        taken: &mut Taken,
        files: &mut ArchiveFiles,
    ) -> Result<Option<LogPart>> {
        let outputs = layout::outputs(self.registry, self.run, node)?;
        let mut wanted = layout::publications(&outputs);
        let several = layout::several(node, &wanted);
        let is_taken = |output: &&Output| match output.role {
            Role::Plain => false,
            Role::Log => true,
            Role::Checkpoint => !self.without_checkpoints,
        };
        for output in outputs.iter().filter(is_taken) {
            if wanted.iter().all(|publication| publication.output != output.name) {
                wanted.extend(output.clone().published().publication());
            }
        }
        let name = layout::node_name(node).to_string();
        for publication in &wanted {
            for Placed { path, content } in layout::files(self.store, places, node, publication, several)? {
                taken.take(&path, node)?;
                let origin = Some((name.clone(), publication.output.clone()));
                let file = match content {
                    Content::Object { digest } => {
                        ArchiveFile { digest, bytes: self.store.size(&digest)?, origin, rendered: None }
                    }
                    Content::Table(table, format) => rendered(origin, table.bytes(self.store, format)?),
                };
                files.insert(path, file);
            }
        }
        Ok(LogPart::of(node, &outputs))
    }
}

/// What tells of the run itself: its record and its pipeline with all defaults.
fn about(run: &RunRecord) -> ArchiveFiles {
    let record = serde_json::to_string_pretty(run).unwrap_or_default();
    let files = [("run.json", record.into_bytes()), ("pipeline.ron", run.resolved.clone().into_bytes())];
    files.into_iter().map(|(path, bytes)| (path.to_owned(), rendered(None, bytes))).collect()
}

fn rendered(origin: Option<(String, String)>, bytes: Vec<u8>) -> ArchiveFile {
    ArchiveFile { digest: Digest::of(&bytes), bytes: bytes.len() as u64, origin, rendered: Some(bytes) }
}

fn manifest(run: &RunRecord, unfinished: &[String], files: &ArchiveFiles) -> Vec<u8> {
    let files = files.iter().map(|(path, file)| Listed {
        path,
        blake3: file.digest,
        bytes: file.bytes,
        node: file.origin.as_ref().map(|(node, _)| node.as_str()),
        output: file.origin.as_ref().map(|(_, output)| output.as_str()),
    });
    let manifest = ArchiveManifest {
        format: FORMAT,
        run: &run.id,
        pipeline: &run.pipeline,
        profile: run.profile.as_deref(),
        sets: &run.sets,
        only: &run.only,
        status: run.status,
        unfinished,
        files: files.collect(),
    };
    serde_json::to_vec_pretty(&manifest).unwrap_or_default()
}
