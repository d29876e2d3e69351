//! `repro graph FILE`: the pipeline's nodes and what they need, for Graphviz or Mermaid.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Cli, Failure, open_store, print};
use crate::cli::exit::Exit;
use crate::pipeline::{self, Pipeline};
use crate::stage::Registry;

/// The arguments of `repro graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// The pipeline's RON file.
    file: PathBuf,
    /// A profile of the pipeline.
    #[arg(long)]
    profile: Option<String>,
    /// Set a parameter to a value in RON; may be repeated.
    #[arg(long = "set", value_name = "STAGE.FIELD=RON")]
    sets: Vec<String>,
    /// The language of the drawing.
    #[arg(long, value_enum, default_value_t = Language::Mermaid)]
    format: Language,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Dot,
    Mermaid,
}

/// Prints the drawing.
pub fn run(cli: &Cli, args: &GraphArgs, registry: &Registry) -> Result<Exit, Failure> {
    let store = open_store(cli, Some(&args.file))?;
    let request = pipeline::Request { file: args.file.clone(), profile: args.profile.clone(), sets: args.sets.clone() };
    let pipeline = pipeline::load(&request, registry, &store)?;
    print(&match args.format {
        Language::Dot => dot(&pipeline),
        Language::Mermaid => mermaid(&pipeline),
    });
    Ok(Exit::Success)
}

/// The edges `(from, to)` by node number, each once.
fn edges(pipeline: &Pipeline) -> Vec<(usize, usize)> {
    let nodes = pipeline.nodes.iter().enumerate();
    nodes.flat_map(|(to, node)| node.needs().into_iter().map(move |from| (from, to))).collect()
}

fn dot(pipeline: &Pipeline) -> String {
    let mut out = format!("digraph {:?} {{\n  rankdir=LR;\n  node [shape=box];\n", pipeline.name);
    for (i, node) in pipeline.nodes.iter().enumerate() {
        let _ = writeln!(out, "  n{i} [label=\"{}\\n{}\"];", pipeline.node_ref(i), node.kind);
    }
    for (from, to) in edges(pipeline) {
        let _ = writeln!(out, "  n{from} -> n{to};");
    }
    out + "}"
}

fn mermaid(pipeline: &Pipeline) -> String {
    let mut out = "flowchart LR\n".to_owned();
    for (i, node) in pipeline.nodes.iter().enumerate() {
        let _ = writeln!(out, "  n{i}[\"{}<br>{}\"]", pipeline.node_ref(i), node.kind);
    }
    for (from, to) in edges(pipeline) {
        let _ = writeln!(out, "  n{from} --> n{to}");
    }
    out
}
