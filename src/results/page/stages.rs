//! The stages of a run: what each reads, and what it took. The cells of a matrix are one stage.

use std::collections::BTreeSet;

use super::super::diff::{self, Side};
use crate::page::{Block, Cell, Graph, GraphNode, Grid, Section};
use crate::stage::StageName;
use crate::stage::expansion::references;
use crate::store::{Cost, RunNodeRecord, Status};

/// A stage over all of its cells and iterations.
struct Folded<'a> {
    name: String,
    nodes: Vec<&'a RunNodeRecord>,
}

/// The stages of a run, as a graph and as a table.
pub(super) fn section(side: &Side<'_>, label: &str, at: usize) -> Section {
    let stages = folded(side);
    let earlier = diff::earlier_costs(side);
    let costs: Vec<Vec<Option<Cost>>> = stages
        .iter()
        .map(|stage| stage.nodes.iter().map(|node| diff::node_cost(side, node, &earlier)).collect())
        .collect();
    let seconds = |costs: &Vec<Option<Cost>>| -> Option<f64> { costs.iter().map(|cost| Some((*cost)?.seconds)).sum() };
    let nodes = stages.iter().zip(&costs).map(|(stage, costs)| GraphNode {
        name: stage.name.clone(),
        kind: stage.kind().to_owned(),
        count: stage.nodes.len(),
        reads: reads(side, stage, &stages),
        seconds: seconds(costs),
        cached: stage.count(Status::Hit),
    });
    let graph = Graph { nodes: nodes.collect() };
    let rows = stages.iter().zip(&costs).map(|(stage, costs)| {
        let memory = costs.iter().filter_map(|cost| (*cost)?.peak_memory).max();
        row(stage, seconds(costs), memory)
    });
    let grid = Grid {
        heads: ["stage", "kind", "nodes", "cached", "not done", "seconds", "most memory (MiB)"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        notes: vec![
            "Seconds are those of the executions on record, also of earlier runs where a result was cached. “–”: not known."
                .to_owned(),
        ],
        ..Grid::default()
    };
    let (id, title) = match label {
        "" => ("stages".to_owned(), "Stages".to_owned()),
        label => (format!("stages-{}", at + 1), format!("Stages of {label}")),
    };
    Section {
        id,
        title,
        lead: "What each stage reads and what it took. The cells of a matrix are one stage.".to_owned(),
        blocks: vec![Block::Graph(graph), Block::Table(grid)],
        folded: at > 0,
    }
}

fn row(stage: &Folded<'_>, seconds: Option<f64>, memory: Option<u64>) -> Vec<Cell> {
    let text = |text: &str| Cell { text: text.to_owned(), ..Cell::default() };
    let count = |count: usize| Cell { text: count.to_string(), number: Some(count as f64), best: false };
    let figure = |value: Option<f64>, digits: usize| Cell {
        text: value.map_or("–".to_owned(), |value| format!("{value:.digits$}")),
        number: value,
        best: false,
    };
    let open = stage.nodes.iter().filter(|node| !node.status.is_done()).count();
    vec![
        text(&stage.name),
        text(stage.kind()),
        count(stage.nodes.len()),
        count(stage.count(Status::Hit)),
        count(open),
        figure(seconds, 1),
        figure(memory.map(|bytes| bytes as f64 / f64::from(1 << 20)), 0),
    ]
}

impl Folded<'_> {
    fn kind(&self) -> &str {
        self.nodes.first().map_or("", |node| node.kind.as_str())
    }

    fn count(&self, status: Status) -> usize {
        self.nodes.iter().filter(|node| node.status == status).count()
    }
}

/// The stages, inputs before what reads them, and otherwise in the order of the run.
fn folded<'a>(side: &'a Side<'_>) -> Vec<Folded<'a>> {
    let mut stages: Vec<Folded<'_>> = Vec::new();
    for node in &side.run.nodes {
        let name = node.name().stage;
        match stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.nodes.push(node),
            None => stages.push(Folded { name, nodes: vec![node] }),
        }
    }
    let mut ordered: Vec<Folded<'_>> = Vec::with_capacity(stages.len());
    while !stages.is_empty() {
        let ready = |stage: &Folded<'_>| reads(side, stage, &stages).is_empty();
        // No stage reads itself through others. A record that says so is shown as it stands.
        let next = stages.iter().position(ready).unwrap_or(0);
        ordered.push(stages.remove(next));
    }
    ordered
}

/// The places among some stages of those that a stage reads. Those of other runs are not among them.
fn reads(side: &Side<'_>, stage: &Folded<'_>, stages: &[Folded<'_>]) -> Vec<usize> {
    let params = stage.nodes.iter().filter_map(|node| side.run.params.get(&node.stage));
    let earlier = |name: &String| name.starts_with("run:");
    let names: BTreeSet<String> = params.flat_map(references).map(|(_, name)| name).collect();
    let names = names.iter().filter(|name| !earlier(name)).filter_map(|name| StageName::read(name).ok());
    let place = |name: StageName| stages.iter().position(|other| other.name == name.stage);
    names.filter_map(place).collect::<BTreeSet<usize>>().into_iter().collect()
}
