//! The log of a run: the logs of its stages in one text, each below a line with its cell and its iteration.

use crate::hash::Digest;
use crate::stage::name::in_words;
use crate::stage::{ArtifactKind, MatrixCell, Output, Role};
use crate::store::RunNodeRecord;

/// The log of a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LogPart {
    cell: MatrixCell,
    iteration: Option<u32>,
    /// The stored log.
    pub digest: Digest,
}

impl LogPart {
    /// The log of a node with these `outputs`; none where it has none.
    pub fn of(node: &RunNodeRecord, outputs: &[Output]) -> Option<Self> {
        let log = outputs.iter().find(|output| output.role == Role::Log)?;
        let log = node.outputs.get(&*log.name).filter(|log| log.kind == ArtifactKind::File)?;
        Some(LogPart { cell: node.name().cell, iteration: node.iteration, digest: log.digest })
    }
}

/// Sorts logs as the reference's one log has them: those of training and of validation follow each other, iteration by
/// iteration.
pub(super) fn sort(parts: &mut [LogPart]) {
    let place = |part: &LogPart| part.iteration.unwrap_or(u32::MAX);
    parts.sort_by(|a, b| (&a.cell, place(a)).cmp(&(&b.cell, place(b))));
}

/// A digest of all that the joined log is made of.
pub(super) fn identity(parts: &[LogPart]) -> Digest {
    let name = |part: &LogPart| format!("{} {:?} {}", in_words(&part.cell), part.iteration, part.digest);
    Digest::of_canonical(&parts.iter().map(name).collect::<Vec<String>>())
}

/// Each log with the lines that go before it: its cell and its iteration, where these are others than before.
pub(super) fn headed(parts: &[LogPart]) -> Vec<(String, &LogPart)> {
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
