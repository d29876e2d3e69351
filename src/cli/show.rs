//! `repro show RUN`: what a run was asked for, and what became of its nodes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;

use super::failure::Failure;
use super::format::{RecordFormat, aligned, figure, markdown, word};
use super::taken::find_run;
use super::terminal::{print, warn};
use super::ui::how_far;
use crate::cli::exit::Exit;
use crate::engine::{self, NodeProgress};
use crate::stage::NodeName;
use crate::store::{RunRecord, RunStatus, Status, Store};

/// The arguments of `repro show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The run: an id or its start, a pipeline's name (`smoke`, `smoke@tiny`, `smoke~1`), or `latest`.
    #[arg(default_value = "latest")]
    run: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t = RecordFormat::Text)]
    format: RecordFormat,
}

/// Prints one run.
pub fn run(store: &Store, args: &ShowArgs) -> Result<Exit, Failure> {
    let mut run = find_run(store, &args.run)?;
    if run.status == RunStatus::Running {
        let at_work = at_work(store, &run.id);
        for node in run.nodes.iter_mut().filter(|node| node.status == Status::Running) {
            let label = NodeName { stage: node.stage.clone(), iteration: node.iteration, kind: node.kind.clone() };
            node.message = at_work.get(&label).map(how_far).unwrap_or_default();
        }
    }
    print(&match args.format {
        RecordFormat::Json => serde_json::to_string_pretty(&run).unwrap_or_default(),
        RecordFormat::Text => describe(&run, aligned),
        RecordFormat::Markdown => describe(&run, markdown),
    });
    Ok(Exit::Success)
}

/// How far the stages of a run are that are at work, as its event log tells it.
pub fn at_work(store: &Store, run: &str) -> BTreeMap<NodeName, NodeProgress> {
    match engine::events(store, run) {
        Ok(lines) => engine::progress(&lines.unwrap_or_default()),
        Err(error) => {
            warn(&format!("How far run {run} is cannot be read. {error} {}", error.hint()));
            BTreeMap::new()
        }
    }
}

fn describe(run: &RunRecord, table: fn(&[String; 6], &[[String; 6]]) -> String) -> String {
    let mut out = String::new();
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:<9} {value}");
        }
    };
    say("run", &run.id);
    say("pipeline", &format!("{} ({})", run.pipeline, run.file));
    say("profile", run.profile.as_deref().unwrap_or_default());
    say("set", &run.sets.join(", "));
    say("only", &run.only.join(", "));
    say("status", word(run.status));
    say("started", &run.started);
    say("finished", run.finished.as_deref().unwrap_or_default());
    say("device", &run.device);
    for (group, map) in [("numeric", &run.numeric), ("machine", &run.machine), ("versions", &run.versions)] {
        let items: Vec<String> = map.iter().map(|(key, value)| format!("{key} {value}")).collect();
        say(group, &items.join(", "));
    }
    let header = ["node", "kind", "status", "seconds", "key", "metrics"].map(str::to_owned);
    let rows: Vec<[String; 6]> = run
        .nodes
        .iter()
        .map(|node| {
            let name = node.iteration.map_or_else(|| node.stage.clone(), |i| format!("{}[{i}]", node.stage));
            let metrics: Vec<String> = node.metrics.iter().map(|(k, v)| format!("{k} {}", figure(*v))).collect();
            let seconds = if node.status == Status::Ran { format!("{:.2}", node.seconds) } else { String::new() };
            let said = if node.message.is_empty() { metrics.join(", ") } else { node.message.clone() };
            let key = node.key.map_or_else(String::new, |key| key.short());
            [name, node.kind.clone(), status(node.status).to_owned(), seconds, key, said]
        })
        .collect();
    format!("{out}\n{}\n{}\n{}", table(&header, &rows), warnings(run), run.resolved.trim_end())
}

/// The warnings that belong to the results of a run, a line each; those that several nodes have stand once.
fn warnings(run: &RunRecord) -> String {
    let mut lines: Vec<String> = Vec::new();
    for node in &run.nodes {
        for text in &node.warnings {
            let line = format!("warning: {}: {text}\n", node.name().stage);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if lines.is_empty() { String::new() } else { format!("\n{}", lines.concat()) }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Hit => "cached",
        Status::Ran => "ran",
        Status::Failed => "failed",
        Status::Interrupted => "interrupted",
        Status::Skipped => "skipped",
        Status::Running => "running",
        Status::Waiting => "waiting",
    }
}
