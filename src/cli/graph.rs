//! `repro graph FILE`: the pipeline's nodes and what they need, for Graphviz or Mermaid.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::places::{StoreArgs, view_store};
use super::request::FileArgs;
use super::taken::tell_references;
use super::terminal::print;
use crate::cli::exit::Exit;
use crate::pipeline::Pipeline;
use crate::stage::Registry;
use crate::table::visible;

/// The arguments of `repro graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    #[command(flatten)]
    stated: FileArgs,
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
pub fn run(at: &StoreArgs, args: &GraphArgs, registry: &Registry) -> Result<Exit, Failure> {
    let store = view_store(at, Some(&args.stated.file))?;
    let pipeline = args.stated.load(registry, &store)?;
    tell_references(&pipeline);
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
    let name = quoted(&pipeline.name);
    let mut out = format!("digraph \"{name}\" {{\n  rankdir=LR;\n  node [shape=box];\n");
    for (i, node) in pipeline.nodes.iter().enumerate() {
        let name = quoted(&pipeline.node_name(i).to_string());
        let _ = writeln!(out, "  n{i} [label=\"{name}\\n{}\"];", node.kind);
    }
    for (from, to) in edges(pipeline) {
        let _ = writeln!(out, "  n{from} -> n{to};");
    }
    out + "}"
}

/// A text between the quotes of Graphviz, which reads entities of HTML there.
fn quoted(text: &str) -> String {
    visible(text).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}

/// A text between the quotes of Mermaid, which reads HTML and Markdown there: all but letters, digits and what names are
/// made of are written as their numbers.
fn entities(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " _-.,:=()[]/+".contains(c);
    visible(text).chars().map(|c| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

fn mermaid(pipeline: &Pipeline) -> String {
    let mut out = "flowchart LR\n".to_owned();
    for (i, node) in pipeline.nodes.iter().enumerate() {
        let name = entities(&pipeline.node_name(i).to_string());
        let _ = writeln!(out, "  n{i}[\"{name}<br>{}\"]", node.kind);
    }
    for (from, to) in edges(pipeline) {
        let _ = writeln!(out, "  n{from} --> n{to}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_end_where_their_quotes_do() {
        assert_eq!(quoted(r#"a="q" \n"#), r#"a=\"q\" \\n"#);
        assert_eq!(quoted("a\n&lt;<b>\u{202e}"), r"a\\u000a&amp;lt;<b>\\u202e");
        assert_eq!(
            entities(r##"train[a="q" <b> #1;`x`,seed=1][2]"##),
            "train[a=#34;q#34; #60;b#62; #35;1#59;#96;x#96;,seed=1][2]"
        );
        assert_eq!(entities("end\n&amp; 漢"), "end#92;u000a#38;amp#59; 漢");
    }
}
