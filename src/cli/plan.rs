//! `repro plan FILE`: what would run and why, node by node, old value -> new value.

use std::fmt::Write as _;

use super::failure::Failure;
use super::places::{StoreArgs, view_store};
use super::request::{PlanArgs, load, options, warn_of_unused};
use super::terminal::{print, warn};
use crate::cli::exit::Exit;
use crate::engine::{self, Plan, State, Why};
use crate::pipeline::Pipeline;
use crate::pipeline::key::PARAMS;
use crate::stage::Registry;
use crate::store::Costs;
use crate::syntax::cut;
use crate::table::{padded, width};

/// How many changed components are shown of one node.
const SHOWN: usize = 8;

/// How many nodes that are not done are shown of those that one needs.
const NEEDS: usize = 4;

/// How wide the column of names is at most, and how much of a value is shown.
const WIDEST: usize = 80;

/// Prints the plan; nothing runs.
pub fn run(at: &StoreArgs, args: &PlanArgs, registry: &Registry) -> Result<Exit, Failure> {
    let store = view_store(at, Some(&args.pipeline.stated.file))?;
    let pipeline = load(args, registry, &store)?;
    let options = options(args)?;
    warn_of_unused(args, &pipeline, registry, &store)?;
    let plan = engine::plan(&pipeline, registry, &store, &options)?;
    // The records of earlier jobs are many files: they are read only if something is left to run.
    let costs = if plan.is_done() { None } else { Some(store.costs(Some(&pipeline.name))?) };
    for notice in store.take_notices() {
        warn(&notice);
    }
    let device = options.device.to_string();
    let expected = costs.map(|costs| expected(&pipeline, &plan, &costs, &device)).unwrap_or_default();
    print(&(text(&pipeline, &plan) + &expected + &warnings(&pipeline, &plan, registry)));
    Ok(Exit::Success)
}

/// What the nodes that are not cached took in earlier runs on this device. Empty where none of them ran there.
fn expected(pipeline: &Pipeline, plan: &Plan, costs: &Costs, device: &str) -> String {
    let left = plan.nodes.iter().filter(|planned| !matches!(planned.state, State::Hit { .. }));
    let took = |planned: &engine::Planned| {
        let node = &pipeline.nodes[planned.node];
        costs.expected(device, &node.recipe, &node.stage, node.iteration).map(|cost| cost.seconds)
    };
    let took: Vec<Option<f64>> = left.map(took).collect();
    let known: Vec<f64> = took.iter().flatten().copied().collect();
    if known.is_empty() {
        return String::new();
    }
    let seconds: f64 = known.iter().sum();
    format!(
        "\nIn earlier runs on {device}, {} of these {} nodes took {seconds:.1} s together.",
        known.len(),
        took.len()
    )
}

/// What is known of the results that are in the store, as the runs that use them tell it, and what the parameters of the
/// others show.
fn warnings(pipeline: &Pipeline, plan: &Plan, registry: &Registry) -> String {
    let mut lines: Vec<String> = Vec::new();
    for planned in &plan.nodes {
        let node = &pipeline.nodes[planned.node];
        let known = match &planned.state {
            State::Hit { record, .. } => record.warnings.clone(),
            _ => registry.kind(&node.kind).map(|kind| kind.warnings(&node.params)).unwrap_or_default(),
        };
        for text in known {
            let line = format!("\n{}: warning: {text}", node.stage);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines.concat()
}

/// The plan in words.
pub fn text(pipeline: &Pipeline, plan: &Plan) -> String {
    let mut out = String::new();
    let name = |node: usize| pipeline.node_name(node).to_string();
    let widest = plan.nodes.iter().map(|planned| width(&name(planned.node))).max().unwrap_or(0).min(WIDEST);
    let stage = |node: usize| pipeline.nodes[node].stage.split('[').next().unwrap_or_default();
    let mut counts = [0; 3];
    for planned in &plan.nodes {
        let (at, word, remark) = match &planned.state {
            State::Hit { key, .. } => (0, "cached", key.short()),
            State::Run { why, .. } => (1, "run", words(why, stage(planned.node))),
            State::Depends { on, why } => {
                let more = if on.len() > NEEDS { format!(" and {} more", on.len() - NEEDS) } else { String::new() };
                let on: Vec<String> = on.iter().take(NEEDS).map(|&node| name(node)).collect();
                let why = words(why, stage(planned.node));
                let why = if why.is_empty() { String::new() } else { format!("; {why}") };
                (2, "depends", format!("on {}{more}{why}", on.join(", ")))
            }
        };
        counts[at] += 1;
        let _ = writeln!(out, "{word:<8} {}  {remark}", padded(&name(planned.node), widest, false));
    }
    let [hits, runs, depends] = counts;
    let _ = write!(out, "\n{hits} cached, {runs} to run, {depends} depend on what runs.");
    out
}

/// Why a node of `stage` runs.
fn words(why: &Why, stage: &str) -> String {
    match why {
        Why::New => "never made before".to_owned(),
        Why::Forced => "asked for by --force".to_owned(),
        Why::Upstream => String::new(),
        Why::OutputMissing(digest) => format!("its output {} is gone from the store", digest.short()),
        Why::Unfinished => "never finished".to_owned(),
        Why::Changed { changes, note } => {
            let mut lines: Vec<String> = changes
                .iter()
                .take(SHOWN)
                .map(|change| {
                    let side = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), shorten);
                    format!("{}: {} -> {}", named(&change.component, stage), side(&change.old), side(&change.new))
                })
                .collect();
            if changes.len() > SHOWN {
                lines.push(format!("and {} more", changes.len() - SHOWN));
            }
            let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
            lines.join(", ") + &note
        }
    }
}

/// A component of a key. A parameter is named as `--set` and `repro diff` name it, as `train.optimizer.lr`.
fn named(component: &str, stage: &str) -> String {
    component.strip_prefix(PARAMS).map_or_else(|| component.to_owned(), |path| format!("{stage}{path}"))
}

/// A digest by its first digits; of anything else that is long, the start and the end.
fn shorten(value: &str) -> String {
    value.parse::<crate::hash::Digest>().map_or_else(|_| cut(value, WIDEST).into_owned(), |digest| digest.short())
}
