//! The note in a folder of results whose files are not all from one whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::manifest::PublishedFile;
use crate::store::{RunRecord, RunStatus};

/// The note's name in the folder.
pub(super) const NAME: &str = "INCOMPLETE.txt";

/// How the first line of each note ends.
const MARK: &str = "so that this folder is not the result of one whole run.";

/// Whether a file of this content is a note. A note that no manifest lists was left by a run that was killed.
pub(super) fn is_note(content: &[u8]) -> bool {
    String::from_utf8_lossy(content).lines().next().is_some_and(|line| line.ends_with(MARK))
}

/// The note's text: the stages that the run did not finish, and the folders that each earlier run made. None where the
/// whole folder is of this run. `kept` are the files that earlier runs left.
pub(super) fn text(run: &RunRecord, kept: &BTreeMap<String, PublishedFile>) -> Option<String> {
    if run.status == RunStatus::Done && kept.is_empty() {
        return None;
    }
    let ended = match run.status {
        RunStatus::Done => "was of a part of the pipeline",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted | RunStatus::Running => "was interrupted",
    };
    // Writing to a string cannot fail.
    let mut text = format!("The run {} {ended}, {MARK}\n", run.id);
    let open: Vec<String> = run
        .nodes
        .iter()
        .filter(|node| !node.status.is_done())
        .map(|node| node.iteration.map_or_else(|| node.stage.clone(), |i| format!("{}[{i}]", node.stage)))
        .collect();
    if !open.is_empty() {
        let _ = write!(text, "\nThe run did not finish:\n  {}\n", open.join("\n  "));
    }
    let mut of_runs: BTreeMap<Option<&str>, BTreeSet<&str>> = BTreeMap::new();
    for (path, file) in kept {
        let folder = path.rsplit_once('/').map_or(path.as_str(), |(folder, _)| folder);
        of_runs.entry(file.run.as_deref()).or_default().insert(folder);
    }
    for (run, folders) in of_runs {
        let run = run.map_or_else(|| "an earlier run".to_owned(), |run| format!("the run {run}"));
        let folders = folders.into_iter().collect::<Vec<_>>().join("\n  ");
        let _ = write!(text, "\nLeft as {run} made it:\n  {folders}\n");
    }
    Some(text)
}
