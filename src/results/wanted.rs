//! What the folder of a run's results should hold: each file, and what it is made from.

use super::error::Result;
use super::layout::{self, Content, Placed, Taken};
use super::log::{self, LogPart};
use super::manifest::{self, PublishedFile};
use super::note;
use crate::hash::Digest;
use crate::stage::Registry;
use crate::store::{RunRecord, Store};

/// The name of the joined log.
pub(super) const LOG: &str = "log.txt";

/// A file that a run wants to be there.
pub(super) struct Wanted {
    /// Its path in the folder.
    pub path: String,
    /// What it is made from.
    pub source: Source,
    /// The artifact and the digits, as the manifest names them.
    made_of: (Digest, Option<usize>),
}

/// What a file is made from.
pub(super) enum Source {
    /// An output of the node of this number in the run's record.
    Output(usize, Content),
    /// The logs of stages.
    Logs(Vec<LogPart>),
    /// This text, which tells that the folder is not the result of one whole run.
    Note(String),
}

impl Wanted {
    /// The note.
    pub fn note(text: String) -> Self {
        let made_of = (Digest::of(text.as_bytes()), None);
        Wanted { path: note::NAME.to_owned(), source: Source::Note(text), made_of }
    }

    /// Whether a published file was made from the same.
    pub fn is_made_as(&self, file: &PublishedFile) -> bool {
        self.made_of == (file.digest, file.digits)
    }

    /// What the manifest says of the file once it is written.
    pub fn published(&self, bytes: u64) -> PublishedFile {
        let (digest, digits) = self.made_of;
        PublishedFile { digest, digits, bytes, run: None }
    }
}

/// The files that the finished nodes of a run publish, in the order in which they are written. What is damaged in the
/// store is left out: `damaged` hears of it, with the number of its node.
///
/// # Errors
/// A record with outputs that this program does not record, and whatever else the store says.
pub(super) fn files(
    store: &Store,
    registry: &Registry,
    run: &RunRecord,
    damaged: &mut dyn FnMut(usize, Digest),
) -> Result<Vec<Wanted>> {
    let (mut wanted, mut logs, mut taken) = (Vec::new(), Vec::new(), Taken::default());
    for path in [manifest::NAME, LOG, note::NAME] {
        taken.add(path);
    }
    for (number, node) in run.nodes.iter().enumerate().filter(|(_, node)| node.status.is_done()) {
        let outputs = layout::outputs(registry, run, node)?;
        let publications = layout::publications(&outputs);
        let several = layout::several(node, &publications);
        for publication in &publications {
            let placed = match layout::files(store, node, publication, several) {
                Ok(placed) => placed,
                Err(error) => match error.damaged() {
                    None => return Err(error),
                    Some(digest) => {
                        damaged(number, digest);
                        continue;
                    }
                },
            };
            for Placed { path, content } in placed {
                taken.take(&path, node)?;
                let made_of = match &content {
                    Content::Object { digest } => (*digest, None),
                    Content::Table { digest, publication, .. } => (*digest, publication.digits),
                };
                wanted.push(Wanted { path, source: Source::Output(number, content), made_of });
            }
        }
        logs.extend(LogPart::of(node, &outputs));
    }
    log::sort(&mut logs);
    if !logs.is_empty() {
        let made_of = (log::identity(&logs), None);
        wanted.push(Wanted { path: LOG.to_owned(), source: Source::Logs(logs), made_of });
    }
    Ok(wanted)
}
