//! Reads an exported archive: its manifest, the record of its run, and its files.
//!
//! Invariants:
//! - every file that is read has the digest that the manifest states, or the archive is refused as damaged;
//! - only the tables are kept in memory. Models and pictures are read when they are asked for, in another pass.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use polars::prelude::{ParquetReader, SerReader};

use super::archive::{LONGEST_MANIFEST, Listed, MANIFEST, Manifest};
use super::error::{Error, Result};
use super::layout::{self, Places};
use crate::fsio;
use crate::hash::Digest;
use crate::stage::{Artifact, ArtifactKind};
use crate::store::RunRecord;
use crate::table::{self, Table};

/// The bytes of a table or a record that are read at most.
const MOST: u64 = 1 << 28;

/// The name of the run's record in the archive.
const RECORD: &str = "run.json";

/// The end of the names of tables that are read back.
const TABLE: &str = ".parquet";

/// The end of the names of tables that are read back where they are not there as Parquet. Their kinds are guessed.
const SHEET: &str = ".csv";

/// An archive that was read.
pub struct Archived {
    path: PathBuf,
    /// The tables by the digests of their outputs, as Parquet.
    tables: BTreeMap<Digest, Vec<u8>>,
    /// Those that are there as CSV alone.
    sheets: BTreeMap<Digest, Vec<u8>>,
    /// Where the other files are, by their digests.
    files: BTreeMap<Digest, String>,
    /// The files of folders by the digests of their outputs: where each is, and its digest, by its name in the folder.
    trees: BTreeMap<Digest, BTreeMap<String, (String, Digest)>>,
}

impl Archived {
    /// Reads an archive that [`Export`](super::Export) wrote.
    ///
    /// # Errors
    /// The file cannot be read, is no such archive, is damaged or cut, or was written by a newer program.
    pub fn open(path: &Path) -> Result<(RunRecord, Self)> {
        let fault = |what: String| Error::Archive { path: path.to_owned(), what };
        let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
        let mut contents: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        each(path, &mut |place, entry| {
            let is_table = [TABLE, SHEET].iter().any(|end| place.ends_with(end));
            let wanted = place == RECORD || is_table && listed.contains_key(place);
            if place == MANIFEST && listed.is_empty() {
                let mut text = Vec::new();
                entry.take(LONGEST_MANIFEST).read_to_end(&mut text).map_err(|error| broken(path, error))?;
                let manifest: Manifest = serde_json::from_slice(&text)
                    .map_err(|_| fault("does not begin with the manifest of an exported run".to_owned()))?;
                listed = manifest.files.into_iter().map(|file| (file.path.clone(), file)).collect();
            } else if listed.is_empty() {
                return Err(fault("does not begin with the manifest of an exported run".to_owned()));
            } else if wanted {
                let mut bytes = Vec::new();
                entry.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| broken(path, error))?;
                if bytes.len() as u64 > MOST {
                    return Err(fault(format!("holds `{place}`, which is larger than {MOST} bytes")));
                }
                if listed.get(place).is_none_or(|file| file.blake3 != Digest::of(&bytes)) {
                    return Err(fault(format!("is damaged: `{place}` is not what its manifest says")));
                }
                contents.insert(place.to_owned(), bytes);
            }
            Ok(true)
        })?;
        if listed.is_empty() {
            return Err(fault("is empty".to_owned()));
        }
        let lacks = |place: &str| fault(format!("is damaged: it ends without `{place}`"));
        let record = contents.get(RECORD).ok_or_else(|| lacks(RECORD))?;
        let run: RunRecord = serde_json::from_slice(record)
            .map_err(|error| fault(format!("has a record of its run that this program does not read: {error}")))?;
        if run.format > RunRecord::FORMAT {
            let (found, known) = (run.format, RunRecord::FORMAT);
            return Err(fault(format!("has a record of version {found}, and this program reads up to {known}")));
        }
        let (mut outputs, places) = (BTreeMap::new(), Places::of(&run));
        for node in &run.nodes {
            let (name, place) = (layout::node_name(node).to_string(), places.node(node));
            let made =
                |(output, made): (&String, &Artifact)| ((name.clone(), output.clone()), (made.clone(), place.clone()));
            outputs.extend(node.outputs.iter().map(made));
        }
        let (mut tables, mut sheets, mut files) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut trees: BTreeMap<Digest, BTreeMap<String, (String, Digest)>> = BTreeMap::new();
        for (place, file) in &listed {
            let origin = file.node.clone().zip(file.output.clone());
            let Some((made, folder)) = origin.and_then(|origin| outputs.get(&origin)) else { continue };
            match made.kind {
                ArtifactKind::Table if place.ends_with(TABLE) => {
                    tables.insert(made.digest, contents.remove(place).ok_or_else(|| lacks(place))?);
                }
                ArtifactKind::Table if place.ends_with(SHEET) => {
                    sheets.insert(made.digest, contents.remove(place).ok_or_else(|| lacks(place))?);
                }
                ArtifactKind::Table => {}
                ArtifactKind::File => _ = files.insert(made.digest, place.clone()),
                ArtifactKind::Tree => {
                    // A folder keeps its own name where its node publishes other outputs, too.
                    let below = place.strip_prefix(&format!("{folder}/")).unwrap_or(place);
                    let name = below.strip_prefix(&format!("{}/", made.file)).unwrap_or(below);
                    let tree = trees.entry(made.digest).or_default();
                    tree.insert(name.to_owned(), (place.clone(), file.blake3));
                }
            }
        }
        sheets.retain(|digest, _| !tables.contains_key(digest));
        Ok((run, Archived { path: path.to_owned(), tables, sheets, files, trees }))
    }

    /// The archive's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A table of the run. The error says in a sentence why there is none.
    pub(super) fn table(&self, digest: &Digest) -> std::result::Result<Table, String> {
        let read = match (self.tables.get(digest), self.sheets.get(digest)) {
            (Some(bytes), _) => ParquetReader::new(Cursor::new(bytes))
                .finish()
                .map_err(|error| error.to_string())
                .and_then(|frame| Table::from_frame(frame).map_err(|error| error.to_string())),
            (None, Some(bytes)) => table::from_csv(bytes).map_err(|error| error.to_string()),
            (None, None) => return Err(self.lacks(digest)),
        };
        read.map_err(|error| format!("A table of `{}` cannot be read: {error}", self.path.display()))
    }

    /// Whether it holds an output.
    pub(super) fn holds(&self, output: &Artifact) -> bool {
        match output.kind {
            ArtifactKind::Table => [&self.tables, &self.sheets].iter().any(|held| held.contains_key(&output.digest)),
            ArtifactKind::File => self.files.contains_key(&output.digest),
            ArtifactKind::Tree => self.trees.contains_key(&output.digest),
        }
    }

    /// These files of a folder by their names in it. A name that the folder does not have is left out.
    ///
    /// # Errors
    /// The archive cannot be read, or is damaged.
    pub(super) fn files_of(&self, digest: &Digest, names: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>> {
        let fault = |what: String| Error::Archive { path: self.path.clone(), what };
        let tree = self.trees.get(digest).into_iter().flatten().filter(|(name, _)| names.contains(*name));
        let mut places: BTreeMap<&str, (&String, &Digest)> =
            tree.map(|(name, (place, digest))| (place.as_str(), (name, digest))).collect();
        let mut found = BTreeMap::new();
        if places.is_empty() {
            return Ok(found);
        }
        each(&self.path, &mut |place, entry| {
            if let Some((name, digest)) = places.remove(place) {
                let mut bytes = Vec::new();
                entry.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| broken(&self.path, error))?;
                if Digest::of(&bytes) != *digest {
                    return Err(fault(format!("is damaged: `{place}` is not what its manifest says")));
                }
                found.insert(name.clone(), bytes);
            }
            Ok(!places.is_empty())
        })?;
        match places.keys().next() {
            Some(place) => Err(fault(format!("is damaged: it ends without `{place}`"))),
            None => Ok(found),
        }
    }

    /// Reads a file of the run in parts. The error says in a sentence why it cannot be read.
    pub(super) fn stream<T>(
        &self,
        digest: &Digest,
        read: &mut dyn FnMut(&mut dyn Read) -> std::result::Result<T, String>,
    ) -> std::result::Result<T, String> {
        let place = self.files.get(digest).ok_or_else(|| self.lacks(digest))?;
        let mut found = None;
        each(&self.path, &mut |name, entry| {
            if name == place {
                let mut hashed = Hashed { inner: entry, hasher: blake3::Hasher::new() };
                let value = read(&mut hashed);
                found = Some(value.and_then(|value| match Digest::from(hashed.hasher.finalize()) == *digest {
                    true => Ok(value),
                    false => Err(format!("`{}` is damaged: `{place}` is not what it was", self.path.display())),
                }));
            }
            Ok(found.is_none())
        })
        .map_err(|error| error.to_string())?;
        found.unwrap_or_else(|| Err(self.lacks(digest)))
    }

    fn lacks(&self, digest: &Digest) -> String {
        format!("`{}` does not hold the output {}.", self.path.display(), digest.short())
    }
}

/// Reads a file and takes its digest.
struct Hashed<'a> {
    inner: &'a mut dyn Read,
    hasher: blake3::Hasher,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

fn broken(path: &Path, error: std::io::Error) -> Error {
    Error::Archive { path: path.to_owned(), what: format!("cannot be read as an exported run: {error}") }
}

/// Calls `visit` with each file's path below the archive's folder, until it says no.
fn each(path: &Path, visit: &mut dyn FnMut(&str, &mut dyn Read) -> Result<bool>) -> Result<()> {
    let failed = |error| broken(path, error);
    let decoder = zstd::Decoder::new(fsio::open(path)?).map_err(failed)?;
    let mut tar = tar::Archive::new(decoder);
    for entry in tar.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let name = entry.path().map_err(failed)?.into_owned();
        let below = name.iter().skip(1).collect::<PathBuf>();
        if !visit(&below.to_string_lossy(), &mut entry)? {
            break;
        }
    }
    Ok(())
}
