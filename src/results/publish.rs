//! Copies what a run publishes from the store to a folder below `results`, also for nodes that are hits.
//!
//! The folder's name says what was asked for ([`super::name`]), so that a profile or a trial never replaces what the whole
//! pipeline made. What a run left out or did not finish stays as an earlier run made it. The manifest says which run this
//! was, and a [`note`] says it to people.
//!
//! Invariants:
//! - no stage reads these files: the folder may be deleted at any time;
//! - the manifest says which artifact each file was made from. A file is not written again if its artifact did not change,
//!   and if it is still there with its size;
//! - a file that is not written again gets the time of this run, so that `make` does not ask for it once more;
//! - a file is removed only if the manifest lists it, if it has the size that the manifest says, and if no link leads to it;
//! - an output is never held in memory as a whole: it is copied in parts, and verified on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::error::Result;
use super::folder::Folder;
use super::layout::{self, Content, Places};
use super::log;
use super::manifest::{self, Manifest, PublishedFile};
use super::name::folder_name;
use super::note;
use super::rendering::StoredTable;
use super::wanted::{self, LOG, Source, Wanted};
use crate::engine::Damaged;
use crate::fsio;
use crate::hash::Digest;
use crate::stage::{Cancel, Registry};
use crate::store::{RunRecord, Store};

/// How many earlier runs are looked at for the one that a file is of.
const LOOK_BACK: usize = 20;

/// What came of publishing.
#[derive(Default)]
pub struct Published {
    /// The tables to print.
    pub tables: Vec<String>,
    /// The folder of the results; none where the run publishes nothing.
    pub folder: Option<PathBuf>,
    /// The outputs that could not be read. The store does not hold them any more, so that their nodes are not done.
    pub damaged: Vec<Damaged>,
}

impl Published {
    /// Notes that an output is damaged or gone.
    fn add(&mut self, node: usize, digest: Digest) {
        let damaged = Damaged { node, digest };
        if !self.damaged.contains(&damaged) {
            self.damaged.push(damaged);
        }
    }

    /// Notes an error that an output of the node is damaged, and goes on; any other error is returned.
    fn note<T>(&mut self, node: usize, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.damaged() {
                None => Err(error),
                Some(digest) => {
                    self.add(node, digest);
                    Ok(None)
                }
            },
        }
    }
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
    /// The longest line of a table to print; none: lines may be as long as they are.
    pub width: Option<usize>,
}

impl Publisher<'_> {
    /// Writes what the finished nodes of a run publish. Where outputs are damaged, only the sound ones are written.
    /// `tell` hears what the user should know, as sentences.
    ///
    /// # Errors
    /// The disk's and the store's, but for objects that are damaged or gone; a folder of a newer program; a record with
    /// outputs that this program does not record.
    pub fn publish(&self, run: &RunRecord, tell: &mut dyn FnMut(String)) -> Result<Published> {
        let mut published = Published::default();
        let wanted = wanted::files(self.store, self.registry, run, &mut |node, digest| published.add(node, digest))?;
        self.show(run, &mut published)?;
        let name = folder_name(run);
        let mut folder = Folder::new(self.results, &name);
        published.folder = (!wanted.is_empty()).then(|| folder.path());
        // Where everything is there, nothing is locked: the results may be read-only.
        let before = match !published.damaged.is_empty() || !self.is_done(run, &wanted, &folder)? {
            true => {
                let _lock = folder.lock(self.cancel, tell)?;
                let written = self.write(run, &wanted, &mut folder, &mut published);
                folder.told.drain(..).for_each(&mut *tell);
                written?
            }
            false => wanted.iter().map(|wanted| wanted.path.clone()).chain([manifest::NAME.to_owned()]).collect(),
        };
        for path in before {
            folder.touch(&path)?;
        }
        Ok(published)
    }

    /// The tables that are printed at the end of the run.
    fn show(&self, run: &RunRecord, published: &mut Published) -> Result<()> {
        for (number, node) in run.nodes.iter().enumerate().filter(|(_, node)| node.status.is_done()) {
            let outputs = layout::outputs(self.registry, run, node)?;
            for publication in layout::publications(&outputs).iter().filter(|found| found.print) {
                let Some(artifact) = node.outputs.get(&publication.output) else { continue };
                let table = StoredTable::new(node, artifact.digest, publication);
                let text = table.text(self.store, self.width);
                let text = published.note(number, text)?;
                published.tables.extend(text);
            }
        }
        Ok(())
    }

    /// Writes the files that are missing, removes those that the pipeline no longer has, and writes the manifest. The
    /// paths of the files that were there before.
    fn write(
        &self,
        run: &RunRecord,
        wanted: &[Wanted],
        folder: &mut Folder<'_>,
        published: &mut Published,
    ) -> Result<Vec<String>> {
        folder.sweep()?;
        let old = manifest::load(folder)?;
        let files = self.kept(run, wanted, &old)?;
        let note = note_of(run, wanted, &files);
        let mut new = Manifest { version: manifest::VERSION, files };
        let paths: BTreeSet<&str> = wanted.iter().chain(&note).map(|wanted| wanted.path.as_str()).collect();
        let mut gone: BTreeMap<&str, u64> = old.files.iter().map(|(path, file)| (path.as_str(), file.bytes)).collect();
        gone.retain(|path, _| !paths.contains(path) && !new.files.contains_key(*path));
        if let (None, Some(left)) = (&note, folder.read(note::NAME)?)
            && note::is_note(&left)
        {
            gone.insert(note::NAME, left.len() as u64);
        }
        let (mut changing, mut before) = (false, Vec::new());
        for wanted in wanted.iter().chain(&note) {
            if let Some(file) = unchanged(wanted, folder, &old)? {
                new.files.insert(wanted.path.clone(), file);
                before.push(wanted.path.clone());
                continue;
            }
            if !changing {
                // From here on the manifest is not true; killed now, the next run must write everything again.
                manifest::remove(folder)?;
                changing = true;
            }
            make_way(&wanted.path, &mut gone, folder)?;
            let written = self.write_one(wanted, folder);
            let bytes = match &wanted.source {
                Source::Output(node, _) => published.note(*node, written)?,
                Source::Note(_) => Some(written?),
                Source::Logs(_) => match written {
                    Ok(bytes) => Some(bytes),
                    Err(error) => {
                        let Some(digest) = error.damaged() else { return Err(error) };
                        for (number, node) in run.nodes.iter().enumerate() {
                            if node.outputs.values().any(|output| output.digest == digest) {
                                published.add(number, digest);
                            }
                        }
                        None
                    }
                },
            };
            if let Some(bytes) = bytes {
                new.files.insert(wanted.path.clone(), wanted.published(bytes));
            }
        }
        if published.damaged.is_empty() {
            for (path, bytes) in &gone {
                folder.remove(path, *bytes)?;
            }
            if changing || new != old {
                let text = serde_json::to_vec_pretty(&new).unwrap_or_default();
                folder.write(manifest::NAME, |file, target| write_all(file, target, &text))?;
            }
        }
        folder.sweep()?;
        Ok(before)
    }

    /// The files that stay although this run does not publish them, each with the run that it is of.
    fn kept(&self, run: &RunRecord, wanted: &[Wanted], old: &Manifest) -> Result<BTreeMap<String, PublishedFile>> {
        let places = left_in_place(run);
        let paths: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.path.as_str()).collect();
        let stays = |path: &str| match path {
            LOG => !places.is_empty(),
            _ => places.iter().any(|place| path.starts_with(place.as_str())),
        };
        let kept = old.files.iter().filter(|(path, _)| !paths.contains(path.as_str()) && stays(path));
        let mut kept: BTreeMap<String, PublishedFile> = kept.map(|(path, file)| (path.clone(), file.clone())).collect();
        if kept.values().any(|file| file.run.is_none()) {
            self.attribute(run, &mut kept)?;
        }
        Ok(kept)
    }

    /// Finds the newest earlier run that each file is of. A file of a run that is not on record any more stays without.
    fn attribute(&self, run: &RunRecord, kept: &mut BTreeMap<String, PublishedFile>) -> Result<()> {
        let name = folder_name(run);
        let earlier = self.store.runs(Some(&run.pipeline))?.take(LOOK_BACK);
        for earlier in earlier.filter_map(|earlier| earlier.ok()) {
            if earlier.id == run.id || folder_name(&earlier) != name {
                continue;
            }
            // A record that this program does not understand tells nothing of its files.
            let published = wanted::files(self.store, self.registry, &earlier, &mut |_, _| {}).unwrap_or_default();
            for wanted in &published {
                if let Some(file) = kept.get_mut(&wanted.path)
                    && file.run.is_none()
                    && wanted.is_made_as(file)
                {
                    file.run = Some(earlier.id.clone());
                }
            }
            if kept.values().all(|file| file.run.is_some()) {
                break;
            }
        }
        Ok(())
    }

    /// Whether the folder is as the run wants it.
    fn is_done(&self, run: &RunRecord, wanted: &[Wanted], folder: &Folder<'_>) -> Result<bool> {
        let old = manifest::load(folder)?;
        let mut files = self.kept(run, wanted, &old)?;
        let note = note_of(run, wanted, &files);
        for wanted in wanted.iter().chain(&note) {
            let Some(file) = unchanged(wanted, folder, &old)? else { return Ok(false) };
            files.insert(wanted.path.clone(), file);
        }
        Ok(files == old.files && !folder.holds_parts()?)
    }

    /// Writes a file and gives its size.
    fn write_one(&self, wanted: &Wanted, folder: &mut Folder<'_>) -> Result<u64> {
        folder.write(&wanted.path, |file, target| match &wanted.source {
            Source::Output(_, Content::Object { digest }) => Ok(self.store.reader(digest)?.copy_to(file, target)?),
            Source::Output(_, Content::Table(table, format)) => {
                write_all(file, target, &table.bytes(self.store, format)?)
            }
            Source::Note(text) => write_all(file, target, text.as_bytes()),
            Source::Logs(parts) => {
                let mut bytes = 0;
                for (heads, part) in log::headed(parts) {
                    bytes += write_all(file, target, heads.as_bytes())?;
                    bytes += self.store.reader(&part.digest)?.copy_to(file, target)?;
                }
                Ok(bytes)
            }
        })
    }
}

fn write_all(file: &mut dyn Write, target: &Path, bytes: &[u8]) -> Result<u64> {
    file.write_all(bytes).map_err(|error| fsio::Error::new("write", target, error))?;
    Ok(bytes.len() as u64)
}

/// The manifest's line of a file that is there already, made from the same artifact.
fn unchanged(wanted: &Wanted, folder: &Folder<'_>, old: &Manifest) -> Result<Option<PublishedFile>> {
    let Some(file) = old.files.get(&wanted.path).filter(|file| wanted.is_made_as(file)) else { return Ok(None) };
    let is_there = folder.size(&wanted.path)? == Some(file.bytes);
    Ok(is_there.then(|| PublishedFile { run: None, ..file.clone() }))
}

/// The beginnings of the paths that a run leaves in place: of stages that it left out, and of nodes that it did not finish.
fn left_in_place(run: &RunRecord) -> Vec<String> {
    let places = Places::of(run);
    let stages: BTreeSet<&str> = run.nodes.iter().map(|node| node.stage.as_str()).collect();
    let left_out = run.params.keys().filter(|stage| !stages.contains(stage.as_str()));
    let left_out = left_out.map(|stage| places.stage(stage).to_owned());
    let undone = run.nodes.iter().filter(|node| !node.status.is_done()).map(|node| places.node(node));
    left_out.chain(undone).map(|place| place + "/").collect()
}

/// The note that the folder needs, if it needs one. Where there is nothing else, there is none.
fn note_of(run: &RunRecord, wanted: &[Wanted], kept: &BTreeMap<String, PublishedFile>) -> Option<Wanted> {
    let any = !wanted.is_empty() || !kept.is_empty();
    note::text(run, kept).filter(|_| any).map(Wanted::note)
}

/// Removes the files in the way of `path` that are not published any more: a file in the place of one of its folders, or the
/// files of a folder in its own place.
fn make_way(path: &str, gone: &mut BTreeMap<&str, u64>, folder: &mut Folder<'_>) -> Result<()> {
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
