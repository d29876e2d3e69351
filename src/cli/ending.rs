//! The end of a run, in a few lines: where the results lie, what took how long, and the next useful command. Pure.

use std::collections::BTreeMap;

use super::format::duration;
use super::progress::forecast::stage;
use super::styled::{Look, Styled};
use crate::stage::NodeName;
use crate::store::{RunRecord, RunStatus, Status};

/// How many stages are named of those that took longest.
const LONGEST: usize = 3;

/// What the end of a run is told from.
#[derive(Debug, Default)]
pub struct Ending {
    /// The folder of the results, as it is shown; none where there is none.
    pub results: Option<String>,
    /// The report pages in it.
    pub pages: Vec<String>,
    /// The folder of the events for TensorBoard, where some were written.
    pub tensorboard: Option<String>,
    /// Whether a claim is undecided or fails.
    pub open_claims: bool,
    /// The names of the run before and of this one, for a comparison; none where there is nothing to compare.
    pub before: Option<(String, String)>,
    /// What commands need to find the store: empty, or ` --store PATH`.
    pub store: String,
}

impl Ending {
    /// The lines.
    pub fn lines(&self, run: &RunRecord) -> Vec<Styled> {
        let mut lines = Vec::new();
        if run.status == RunStatus::Done {
            if let Some(folder) = &self.results {
                lines.push(Styled::default().plain(format!("The results are in `{folder}`.")));
            }
            for page in &self.pages {
                lines.push(Styled::default().plain(format!("The report page is `{page}`.")));
            }
            lines.extend(longest(run));
        }
        if let Some(folder) = &self.tensorboard {
            lines.push(Styled::default().plain(format!("`tensorboard --logdir {}` shows its curves.", quoted(folder))));
        }
        lines.extend(self.next(run).map(|text| Styled::default().with(Look::Hint, "Next:").plain(text)));
        lines
    }

    /// What can be done next.
    fn next(&self, run: &RunRecord) -> Option<String> {
        let command = |words: &str| format!("`repro {words}{}`", self.store);
        let ran = run.nodes.iter().any(|node| node.status == Status::Ran);
        Some(match (run.status, &self.before) {
            (RunStatus::Failed, _) => format!(
                " {} shows what became of each node. Mend the fault and run again: what is done is kept.",
                command("show latest")
            ),
            // The last sentence of such a run says it.
            (RunStatus::Interrupted | RunStatus::Running, _) => return None,
            (RunStatus::Done, _) if self.open_claims => {
                format!(" {} tells a script by its exit code whether a claim fails.", command("claims latest"))
            }
            (RunStatus::Done, Some((before, after))) if ran => {
                format!(" {} compares it with the run before.", command(&format!("diff {before} {after}")))
            }
            (RunStatus::Done, _) if !ran => {
                format!(" {} shows its parameters, times and figures.", command("show latest"))
            }
            (RunStatus::Done, _) => {
                format!(
                    " {} makes a page of it, and {} shows it here.",
                    command("report latest -o report.html"),
                    command("show latest")
                )
            }
        })
    }
}

/// The stages that took longest, each with all its nodes together; none where nothing ran.
fn longest(run: &RunRecord) -> Option<Styled> {
    let mut stages: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    for node in run.nodes.iter().filter(|node| node.status == Status::Ran) {
        let name = NodeName { stage: node.stage.clone(), iteration: node.iteration, kind: node.kind.clone() };
        let (seconds, nodes) = stages.entry(stage(&name)).or_default();
        *seconds += node.seconds;
        *nodes += 1;
    }
    let mut stages: Vec<(String, (f64, usize))> = stages.into_iter().collect();
    if stages.len() < 2 {
        return None;
    }
    // Of equal times, the first name comes first.
    stages.sort_by(|(_, (a, _)), (_, (b, _))| b.total_cmp(a));
    let told = |(name, (seconds, nodes)): &(String, (f64, usize))| {
        let nodes = if *nodes == 1 { String::new() } else { format!(" ({nodes} nodes)") };
        format!("`{name}` {}{nodes}", duration(*seconds))
    };
    let told: Vec<String> = stages.iter().take(LONGEST).map(told).collect();
    Some(Styled::default().plain(format!("The longest: {}.", told.join(", "))))
}

/// A text as an argument for a shell.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./~@+=:,%".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Digest;
    use crate::store::RunNodeRecord;

    fn node(stage: &str, status: Status, seconds: f64) -> RunNodeRecord {
        RunNodeRecord {
            stage: stage.into(),
            iteration: None,
            kind: String::new(),
            yields: String::new(),
            recipe: Digest::of(b"a"),
            key: None,
            status,
            seconds,
            job: None,
            outputs: BTreeMap::new(),
            metrics: BTreeMap::new(),
            warnings: Vec::new(),
            preimage: BTreeMap::new(),
            message: String::new(),
        }
    }

    fn told(status: RunStatus, nodes: Vec<RunNodeRecord>, ending: &Ending) -> String {
        let run = RunRecord {
            format: RunRecord::FORMAT,
            number: 1,
            id: "a".into(),
            pipeline: "p".into(),
            file: String::new(),
            profile: None,
            sets: Vec::new(),
            only: Vec::new(),
            resolved: String::new(),
            started: String::new(),
            finished: None,
            status,
            device: String::new(),
            nodes,
            machine: BTreeMap::new(),
            versions: BTreeMap::new(),
            numeric: BTreeMap::new(),
            params: BTreeMap::new(),
        };
        ending.lines(&run).iter().map(|line| line.text() + "\n").collect()
    }

    #[test]
    fn the_end_says_what_took_long_and_what_to_do_next() {
        let nodes = || {
            vec![
                node("data", Status::Hit, 0.0),
                node("train[seed=1]", Status::Ran, 60.0),
                node("train[seed=2]", Status::Ran, 61.0),
                node("validate", Status::Ran, 5.0),
                node("erf", Status::Ran, 3.0),
                node("table", Status::Ran, 0.1),
            ]
        };
        let first = Ending {
            results: Some("results/p".into()),
            pages: vec!["results/p/page/page.html".into()],
            ..Ending::default()
        };
        insta::assert_snapshot!(told(RunStatus::Done, nodes(), &first), @r"
        The results are in `results/p`.
        The report page is `results/p/page/page.html`.
        The longest: `train` 2 min 1 s (2 nodes), `validate` 5.0 s, `erf` 3.0 s.
        Next: `repro report latest -o report.html` makes a page of it, and `repro show latest` shows it here.
        ");
        let second =
            Ending { before: Some(("p~1".into(), "p".into())), store: " --store x".into(), ..Ending::default() };
        let last = |told: String| told.lines().last().unwrap_or_default().to_owned();
        insta::assert_snapshot!(last(told(RunStatus::Done, nodes(), &second)), @"Next: `repro diff p~1 p --store x` compares it with the run before.");
        insta::assert_snapshot!(told(RunStatus::Done, nodes()[..1].to_vec(), &second), @"Next: `repro show latest --store x` shows its parameters, times and figures.");
        let claims = Ending { open_claims: true, ..second };
        insta::assert_snapshot!(last(told(RunStatus::Done, nodes(), &claims)), @"Next: `repro claims latest --store x` tells a script by its exit code whether a claim fails.");
        insta::assert_snapshot!(told(RunStatus::Failed, nodes(), &first), @"Next: `repro show latest` shows what became of each node. Mend the fault and run again: what is done is kept.");
        assert_eq!(told(RunStatus::Interrupted, nodes(), &first), "");
    }

    #[test]
    fn a_shell_reads_an_argument_back() {
        let quoted = ["a/b.c~1", "a b", "", "it's", "~x"].map(quoted);
        assert_eq!(quoted, ["a/b.c~1", "'a b'", "''", r"'it'\''s'", "~x"]);
    }
}
