//! What the folder of a run's results should hold: each file, and what it is made from.

use super::error::Result;
use super::layout::{self, Content, Placed, Places, Taken};
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
    /// What it is made from, as the manifest names it.
    made_of: MadeOf,
}

/// What a file is made from and how: if it is the same, so are its bytes.
#[derive(PartialEq)]
struct MadeOf {
    digest: Digest,
    /// What says how a rendered table is shown.
    layout: Option<Digest>,
    /// The digits that a rendered table shows.
    digits: Option<usize>,
    /// The version of a table's rendering.
    rendering: Option<u32>,
}

impl MadeOf {
    /// What is no table.
    fn copied(digest: Digest) -> Self {
        MadeOf { digest, layout: None, digits: None, rendering: None }
    }
}

/// Where the content of a file comes from.
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
        let made_of = MadeOf::copied(Digest::of(text.as_bytes()));
        Wanted { path: note::NAME.to_owned(), source: Source::Note(text), made_of }
    }

    /// Whether a published file was made from the same.
    pub fn is_made_as(&self, file: &PublishedFile) -> bool {
        let PublishedFile { digest, layout, digits, rendering, .. } = *file;
        self.made_of == MadeOf { digest, layout, digits, rendering }
    }

    /// What the manifest says of the file once it is written.
    pub fn published(&self, bytes: u64) -> PublishedFile {
        let MadeOf { digest, layout, digits, rendering } = self.made_of;
        PublishedFile { digest, layout, digits, rendering, bytes, run: None }
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
    let places = Places::of(run);
    for path in [manifest::NAME, LOG, note::NAME] {
        taken.add(path);
    }
    for (number, node) in run.nodes.iter().enumerate().filter(|(_, node)| node.status.is_done()) {
        let outputs = layout::outputs(registry, run, node)?;
        let publications = layout::publications(&outputs);
        let several = layout::several(node, &publications);
        for publication in &publications {
            let placed = match layout::files(store, &places, node, publication, several) {
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
                    Content::Object { digest } => MadeOf::copied(*digest),
                    Content::Table(table, format) => MadeOf {
                        digest: table.digest,
                        layout: table.layout,
                        digits: table.publication.digits,
                        rendering: Some(format.version),
                    },
                };
                wanted.push(Wanted { path, source: Source::Output(number, content), made_of });
            }
        }
        logs.extend(LogPart::of(node, &outputs));
    }
    log::sort(&mut logs);
    if !logs.is_empty() {
        let made_of = MadeOf::copied(log::identity(&logs));
        wanted.push(Wanted { path: LOG.to_owned(), source: Source::Logs(logs), made_of });
    }
    Ok(wanted)
}
