//! `repro run --tensorboard`: event files for TensorBoard, written beside the results while the run goes on.
//!
//! Invariants:
//! - each record is written whole and at once, so that a run that is killed leaves a file that can be read;
//! - each run begins new files, as TensorBoard expects;
//! - a file that cannot be written is one warning, and never fails the run. No stage reads these files;
//! - what a run takes from the store is not written again: the stage `Events` writes whole curves.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::engine::{LogLine, RunEvent};
use crate::fsio;
use crate::hash::Digest;
use crate::results::Places;
use crate::stage::Event;
use crate::stages::{SUMMARY, validation_figures};
use crate::store::Store;
use crate::table::Table;
use crate::tensorboard::live;

/// The event files of a run that goes on.
pub struct LiveEvents<'a> {
    store: &'a Store,
    /// The folder of the files of all stages.
    folder: PathBuf,
    places: Places,
    run: String,
    /// When the run began, in nanoseconds since 1970.
    began: i128,
    files: BTreeMap<String, Box<dyn Write>>,
    /// Whether a file could not be written.
    failed: bool,
}

impl<'a> LiveEvents<'a> {
    /// Writes below `folder`, into that of each stage.
    pub fn new(store: &'a Store, folder: PathBuf, places: Places) -> Self {
        LiveEvents {
            store,
            folder,
            places,
            run: String::new(),
            began: fsio::now(),
            files: BTreeMap::new(),
            failed: false,
        }
    }

    /// The folder for TensorBoard.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether something was written.
    pub fn any(&self) -> bool {
        !self.files.is_empty()
    }

    /// Takes in an event. Once, a text says what could not be written.
    pub fn take(&mut self, line: &LogLine) -> Option<String> {
        if self.failed {
            return None;
        }
        let written = match &line.event {
            RunEvent::RunStarted { run, .. } => {
                self.run.clone_from(run);
                Ok(())
            }
            RunEvent::NodeEvent { node, what: Event::Scalars { step, values } } => {
                self.write(&node.stage, *step, values, line.at)
            }
            RunEvent::NodeDone { node, key, .. } => {
                let mut figures = self.figures(key).into_iter();
                figures.try_for_each(|(step, values)| self.write(&node.stage, step, &values, line.at))
            }
            _ => Ok(()),
        };
        let error = written.err()?;
        self.failed = true;
        Some(
            format!("The events for TensorBoard are no longer written. {error} {}", error.hint()).trim_end().to_owned(),
        )
    }

    /// The figures of a validation; none of another node. What cannot be read is told where it is needed.
    fn figures(&self, key: &Digest) -> Vec<(u64, BTreeMap<String, f64>)> {
        let record = self.store.record(key).ok().flatten();
        let summary = record.and_then(|record| record.outputs.get(&*SUMMARY.name).map(|artifact| artifact.digest));
        let table = summary.and_then(|digest| Table::from_canonical(&self.store.read(&digest).ok()?).ok());
        table.as_ref().map(validation_figures).unwrap_or_default()
    }

    /// Adds the figures of a step to the file of a stage; `at` is the time since the run began, in seconds.
    fn write(&mut self, stage: &str, step: u64, values: &BTreeMap<String, f64>, at: f64) -> fsio::Result<()> {
        let wall = self.began as f64 / 1e9 + at;
        let name = live::file(self.began.unsigned_abs() as u64 / 1_000_000_000, &self.run);
        let path = self.folder.join(self.places.stage(stage)).join(name);
        let refused = |error| fsio::Error::new("write", &path, error);
        let file = match self.files.entry(self.places.stage(stage).to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let mut file = fsio::append(&path)?;
                file.write_all(&live::begin(wall)).map_err(refused)?;
                entry.insert(Box::new(file))
            }
        };
        let figures = values.iter().map(|(tag, value)| (tag.clone(), *value));
        file.write_all(&live::scalars(wall, step, figures)).map_err(refused)
    }
}
