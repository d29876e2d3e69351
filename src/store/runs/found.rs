//! The run that a name stands for, and the newer runs that the name could mean and does not.

use super::record::{RunRecord, RunStatus};

/// How many runs that were passed over are named one by one.
const SHOWN: usize = 3;

/// The run that a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRun {
    /// The run.
    pub run: RunRecord,
    /// The newer runs that were passed over, newest first.
    pub passed: Vec<PassedRun>,
}

/// A run that a name does not stand for, although it is newer than the one that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedRun {
    /// Its id.
    pub id: String,
    /// Why it was passed over, as "is a trial (train.steps=50)".
    pub why: String,
}

impl FoundRun {
    /// Which run it is: its id, its pipeline, and how it stands.
    pub fn taken(&self) -> String {
        let run = &self.run;
        let trial = run.trial().map_or(String::new(), |words| format!(" (a trial: {words})"));
        let (how, when) = match run.status {
            RunStatus::Running => ("running since", Some(&run.started)),
            RunStatus::Done => ("finished", run.finished.as_ref()),
            RunStatus::Failed => ("failed", run.finished.as_ref()),
            RunStatus::Interrupted => ("interrupted", run.finished.as_ref()),
        };
        let when = when.filter(|when| !when.is_empty()).map_or(String::new(), |when| format!(" {when}"));
        format!("run {} of {}{trial}, {how}{when}", run.id, run.full_name())
    }

    /// Which newer runs were passed over for `name`, and why; none where there were none.
    pub fn passed_over(&self, name: &str) -> Option<String> {
        let all = listed(&self.passed)?;
        let runs = if self.passed.len() == 1 { "a newer run was" } else { "newer runs were" };
        Some(format!("For `{name}`, {runs} passed over: {all}."))
    }
}

/// The first runs, each with why it was passed over; none where there are none.
pub(super) fn listed(passed: &[PassedRun]) -> Option<String> {
    if passed.is_empty() {
        return None;
    }
    let mut shown: Vec<String> = passed.iter().take(SHOWN).map(|run| format!("{} {}", run.id, run.why)).collect();
    if passed.len() > SHOWN {
        shown.push(format!("and {} more", passed.len() - SHOWN));
    }
    Some(shown.join("; "))
}

/// What is wrong with a run that did not finish, behind its id.
pub(super) fn unfinished(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "is still running",
        RunStatus::Done => "finished",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "was interrupted",
    }
}
