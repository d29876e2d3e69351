//! `repro diff RUN_A RUN_B`: what differs between two runs, and whether it matters.

use std::borrow::Cow;
use std::fmt::Write as _;

use clap::Args;

use super::failure::Failure;
use super::format::RecordFormat;
use super::taken::find_run;
use super::terminal::print;
use crate::cli::exit::Exit;
use crate::hash::Digest;
use crate::results::{Difference, ValueChange, compare};
use crate::stage::Registry;
use crate::store::Store;
use crate::table::{markdown_escape, padded, visible, width};

/// The arguments of `repro diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first run: an id or its start, a pipeline's name (`smoke`, `smoke@tiny`, `smoke~1`), or `latest`.
    a: String,
    /// The second run.
    b: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t = RecordFormat::Text)]
    format: RecordFormat,
}

/// Compares two runs of the store.
pub fn run(store: &Store, registry: &Registry, args: &DiffArgs) -> Result<Exit, Failure> {
    let (a, b) = (find_run(store, &args.a)?, find_run(store, &args.b)?);
    let difference = compare(store, registry, &a, &b);
    print(&match args.format {
        RecordFormat::Json => serde_json::to_string_pretty(&difference).unwrap_or_default(),
        RecordFormat::Text => text(&difference),
        RecordFormat::Markdown => markdown(&difference),
    });
    Ok(if difference.is_empty() { Exit::Success } else { Exit::Different })
}

fn short(value: &Option<String>) -> String {
    match value {
        None => "-".to_owned(),
        Some(text) if text.len() == 64 && text.parse::<Digest>().is_ok() => text[..12].to_owned(),
        Some(text) => text.clone(),
    }
}

/// The sections with their rows: name, first value, second value, remark.
fn sections(diff: &Difference) -> Vec<(&'static str, Vec<[String; 4]>)> {
    let change = |c: &ValueChange| [c.path.clone(), short(&c.a), short(&c.b), String::new()];
    let number = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.6}"));
    let all = vec![
        ("parameters", diff.parameters.iter().map(change).collect::<Vec<_>>()),
        ("inputs", diff.inputs.iter().map(change).collect()),
        (
            "metrics",
            diff.metrics
                .iter()
                .map(|m| {
                    [
                        m.path.clone(),
                        number(m.a),
                        number(m.b),
                        m.difference.map_or(String::new(), |d| format!("{d:+.6}")),
                    ]
                })
                .collect(),
        ),
        (
            "artifacts",
            diff.artifacts.iter().map(|o| [o.path.clone(), short(&o.a), short(&o.b), o.detail.clone()]).collect(),
        ),
        ("environment", diff.environment.iter().map(change).collect()),
    ];
    all.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
}

fn text(diff: &Difference) -> String {
    let mut out = format!("{} -> {}\n", diff.runs.0, diff.runs.1);
    for (name, rows) in sections(diff) {
        let _ = writeln!(out, "\n{name}");
        let rows: Vec<[Cow<'_, str>; 4]> = rows.iter().map(|row| row.each_ref().map(|cell| visible(cell))).collect();
        let widest = rows.iter().map(|[path, ..]| width(path)).max().unwrap_or(0);
        for [path, a, b, remark] in rows {
            let _ = writeln!(out, "  {}  {a} -> {b}  {remark}", padded(&path, widest, false));
        }
    }
    format!("{}\n\n{}", out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"), diff.verdict)
}

fn markdown(diff: &Difference) -> String {
    let mut out = format!("# `{}` -> `{}`\n\n{}\n", diff.runs.0, diff.runs.1, diff.verdict);
    for (name, rows) in sections(diff) {
        let _ = writeln!(out, "\n## {name}\n\n| what | a | b | |\n|---|---|---|---|");
        for row in rows {
            let cells = row.map(|cell| markdown_escape(&visible(&cell)));
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
    out
}
