//! `repro diff RUN_A RUN_B`: what differs between two runs, and whether it matters.
//!
//! Stages are matched by name; stages that only one run has are matched by kind and cell where that is unambiguous, so that a
//! renamed stage is no difference. Times and run ids are never compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::{Failure, Format, print};
use crate::cli::exit::Exit;
use crate::pipeline::key::ANSWERS;
use crate::stage::{ArtifactKind, Name, Registry, Type, Value};
use crate::store::{RunNodeRecord, RunRecord, RunStatus, Store};
use crate::table::{self, Kind, Table};

/// The arguments of `repro diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first run: an id, a unique prefix, a pipeline's name, `latest` or `latest~1`.
    a: String,
    /// The second run.
    b: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Everything that differs.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    /// The runs compared: their ids.
    pub runs: (String, String),
    /// Parameters with other values.
    pub parameters: Vec<Change>,
    /// Files and results of other runs with other contents.
    pub inputs: Vec<Change>,
    /// Figures with other values.
    pub metrics: Vec<Metric>,
    /// Outputs with other contents.
    pub artifacts: Vec<Output>,
    /// Machine, versions and arithmetic.
    pub environment: Vec<Change>,
    /// Whether it matters, in a sentence.
    pub verdict: String,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What differs, as `train.model.prefilter`.
    pub path: String,
    /// The first run's value; none where it has none.
    pub a: Option<String>,
    /// The second run's value.
    pub b: Option<String>,
}

/// A figure that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Which, as `validate[3].mean_iou`.
    pub path: String,
    /// The first run's value.
    pub a: Option<f64>,
    /// The second run's value.
    pub b: Option<f64>,
    /// `b - a`, where both are there.
    pub difference: Option<f64>,
}

/// An output that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// Which, as `validate[3].classes`.
    pub path: String,
    /// The first run's digest.
    pub a: Option<String>,
    /// The second run's digest.
    pub b: Option<String>,
    /// Of a table, how the rows differ; else empty.
    pub detail: String,
}

/// Compares two runs of the store.
pub fn run(store: &Store, registry: &Registry, args: &DiffArgs) -> Result<Exit, Failure> {
    let find = |name: &str| -> Result<RunRecord, Failure> { Ok(store.find_run(name)?) };
    let (a, b) = (find(&args.a)?, find(&args.b)?);
    let diff = compare(&a, &b, registry, &|a, b| table_detail(store, a, b));
    print(&match args.format {
        Format::Json => serde_json::to_string_pretty(&diff).unwrap_or_default(),
        Format::Text => text(&diff),
        Format::Markdown => markdown(&diff),
    });
    Ok(if diff.is_empty() { Exit::Success } else { Exit::Different })
}

impl Diff {
    /// Whether the runs are equal in everything that a result depends on, and in the results.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty() && self.inputs.is_empty() && self.metrics.is_empty() && self.artifacts.is_empty()
    }
}

/// How two stored tables differ, in words.
type Detail<'a> = dyn Fn(&crate::hash::Digest, &crate::hash::Digest) -> String + 'a;

/// Compares two records.
pub fn compare(a: &RunRecord, b: &RunRecord, registry: &Registry, detail: &Detail<'_>) -> Diff {
    let names = matched(a, b);
    // What the runs made themselves; any other input came from another run.
    let outputs = a.nodes.iter().chain(&b.nodes).flat_map(|node| node.outputs.values());
    let own: BTreeSet<String> = outputs.map(|artifact| artifact.digest.to_string()).collect();
    let mut diff = Diff { runs: (a.id.clone(), b.id.clone()), ..Diff::default() };
    for (in_a, in_b) in &names {
        let identity = |run: &RunRecord, name: &Option<String>| {
            let name = name.as_ref()?;
            let kind = run.nodes.iter().find(|node| &node.stage == name).map(|node| node.kind.as_str())?;
            let value = run.params.get(name)?;
            Some(registry.kind(kind).map_or_else(|| value.clone(), |kind| Type::Struct(kind.schema()).identity(value)))
        };
        let path = in_a.as_ref().or(in_b.as_ref()).cloned().unwrap_or_default();
        parameters(&path, identity(a, in_a).as_ref(), identity(b, in_b).as_ref(), &names, &mut diff.parameters);
        nodes(&path, &of_stage(a, in_a), &of_stage(b, in_b), &own, detail, &mut diff);
    }
    for (group, of_a, of_b) in [
        ("machine", &a.machine, &b.machine),
        ("versions", &a.versions, &b.versions),
        ("numeric", &a.numeric, &b.numeric),
    ] {
        changes(&format!("{group}."), of_a, of_b, |_| true, &mut diff.environment);
    }
    if a.device != b.device {
        diff.environment.push(Change { path: "device".into(), a: Some(a.device.clone()), b: Some(b.device.clone()) });
    }
    let unfinished = [a, b].into_iter().find(|run| run.status != RunStatus::Done);
    diff.verdict = match unfinished {
        Some(run) => format!("The run {} did not finish, so what it lacks says nothing.", run.id),
        None => verdict(&diff),
    };
    diff
}

fn of_stage<'a>(run: &'a RunRecord, name: &Option<String>) -> BTreeMap<Option<u32>, &'a RunNodeRecord> {
    let mine = run.nodes.iter().filter(|node| Some(&node.stage) == name.as_ref());
    mine.map(|node| (node.iteration, node)).collect()
}

/// The stages of both runs in pairs.
fn matched(a: &RunRecord, b: &RunRecord) -> Vec<(Option<String>, Option<String>)> {
    let names = |run: &RunRecord| -> BTreeSet<String> { run.nodes.iter().map(|node| node.stage.clone()).collect() };
    let (of_a, of_b) = (names(a), names(b));
    let kind = |run: &RunRecord, name: &str| {
        run.nodes.iter().find(|node| node.stage == name).map(|node| node.kind.clone()).unwrap_or_default()
    };
    let cell = |name: &str| Name::read(name).map(|name| name.cell).unwrap_or_default();
    let mut pairs: Vec<(Option<String>, Option<String>)> =
        of_a.intersection(&of_b).map(|name| (Some(name.clone()), Some(name.clone()))).collect();
    let mut only_b: Vec<String> = of_b.difference(&of_a).cloned().collect();
    let only_a: Vec<String> = of_a.difference(&of_b).cloned().collect();
    for name in &only_a {
        let same = |run: &RunRecord, names: &[String]| -> Vec<usize> {
            let wanted = (kind(a, name), cell(name));
            (0..names.len()).filter(|&i| (kind(run, &names[i]), cell(&names[i])) == wanted).collect()
        };
        let partner = match (same(a, &only_a).len(), same(b, &only_b).as_slice()) {
            (1, &[i]) => Some(only_b.remove(i)),
            _ => None,
        };
        pairs.push((Some(name.clone()), partner));
    }
    pairs.extend(only_b.into_iter().map(|name| (None, Some(name))));
    pairs.sort();
    pairs
}

/// Walks two values together and notes the smallest parts that differ.
fn parameters(
    path: &str,
    a: Option<&Value>,
    b: Option<&Value>,
    names: &[(Option<String>, Option<String>)],
    out: &mut Vec<Change>,
) {
    match (a, b) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Value::Ref(a)), Some(Value::Ref(b))) if renamed(a, b, names) => {}
        (Some(Value::File(_)), Some(Value::File(_))) => {}
        (Some(Value::Struct(x)), Some(Value::Struct(y))) if x.name == y.name => {
            let keys: BTreeSet<&String> = x.fields.keys().chain(y.fields.keys()).collect();
            for key in keys {
                parameters(&format!("{path}.{key}"), x.fields.get(key), y.fields.get(key), names, out);
            }
        }
        (Some(Value::List(x)), Some(Value::List(y))) if x.len() == y.len() => {
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                parameters(&format!("{path}[{i}]"), Some(x), Some(y), names, out);
            }
        }
        (a, b) => {
            out.push(Change { path: path.to_owned(), a: a.map(ToString::to_string), b: b.map(ToString::to_string) })
        }
    }
}

/// Whether two references name the two sides of one pair.
fn renamed(a: &str, b: &str, names: &[(Option<String>, Option<String>)]) -> bool {
    let read = |name: &str| Name::read(name).ok();
    let (Some(a), Some(b)) = (read(a), read(b)) else { return false };
    let paired = |(x, y): &(Option<String>, Option<String>)| {
        let names = x.as_deref().and_then(read).zip(y.as_deref().and_then(read));
        names.is_some_and(|(x, y)| a.covers(&x) && b.covers(&y))
    };
    (a.iteration, &a.cell) == (b.iteration, &b.cell) && names.iter().any(paired)
}

fn nodes(
    stage: &str,
    a: &BTreeMap<Option<u32>, &RunNodeRecord>,
    b: &BTreeMap<Option<u32>, &RunNodeRecord>,
    own: &BTreeSet<String>,
    detail: &Detail<'_>,
    diff: &mut Diff,
) {
    let iterations: BTreeSet<Option<u32>> = a.keys().chain(b.keys()).copied().collect();
    for iteration in iterations {
        let path = iteration.map_or_else(|| stage.to_owned(), |i| format!("{stage}[{i}]"));
        let (a, b) = (a.get(&iteration), b.get(&iteration));
        if let (Some(a), Some(b)) = (a, b) {
            let outside = |key: &str| ["externals", "file.", ANSWERS].iter().any(|part| key.starts_with(part));
            changes(&format!("{path}."), &a.preimage, &b.preimage, outside, &mut diff.inputs);
            changes(&format!("{path}."), &a.preimage, &b.preimage, |key| key == "version", &mut diff.environment);
            let foreign = |key: &str| {
                let taken = |node: &RunNodeRecord| node.preimage.get(key).is_some_and(|digest| !own.contains(digest));
                key.starts_with("input.") && (taken(a) || taken(b))
            };
            changes(&format!("{path}."), &a.preimage, &b.preimage, foreign, &mut diff.inputs);
        }
        let empty = BTreeMap::new();
        let of = |node: Option<&&RunNodeRecord>| node.map_or(empty.clone(), |node| node.metrics.clone());
        let (metrics_a, metrics_b) = (of(a), of(b));
        for name in metrics_a.keys().chain(metrics_b.keys()).collect::<BTreeSet<_>>() {
            let (x, y) = (metrics_a.get(name).copied(), metrics_b.get(name).copied());
            // Equal bits, so that a figure that is not a number equals itself.
            if x.map(f64::to_bits) != y.map(f64::to_bits) {
                let difference = x.zip(y).map(|(x, y)| y - x);
                diff.metrics.push(Metric { path: format!("{path}.{name}"), a: x, b: y, difference });
            }
        }
        let outputs = |node: Option<&&RunNodeRecord>| node.map(|node| node.outputs.clone()).unwrap_or_default();
        let (outputs_a, outputs_b) = (outputs(a), outputs(b));
        for name in outputs_a.keys().chain(outputs_b.keys()).collect::<BTreeSet<_>>() {
            let (x, y) = (outputs_a.get(name), outputs_b.get(name));
            if x.map(|x| x.digest) != y.map(|y| y.digest) {
                let tables = x.zip(y).filter(|(x, y)| x.kind == ArtifactKind::Table && y.kind == ArtifactKind::Table);
                diff.artifacts.push(Output {
                    path: format!("{path}.{name}"),
                    a: x.map(|x| x.digest.to_string()),
                    b: y.map(|y| y.digest.to_string()),
                    detail: tables.map_or_else(String::new, |(x, y)| detail(&x.digest, &y.digest)),
                });
            }
        }
    }
}

fn changes(
    prefix: &str,
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
    wanted: impl Fn(&str) -> bool,
    out: &mut Vec<Change>,
) {
    for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        if wanted(key) && a.get(key) != b.get(key) {
            let value = |map: &BTreeMap<String, String>| map.get(key).cloned();
            out.push(Change { path: format!("{prefix}{key}"), a: value(a), b: value(b) });
        }
    }
}

fn verdict(diff: &Diff) -> String {
    let results = !diff.metrics.is_empty() || !diff.artifacts.is_empty();
    let causes: Vec<&str> = [
        ("parameters", !diff.parameters.is_empty()),
        ("inputs", !diff.inputs.is_empty()),
        ("the environment", !diff.environment.is_empty()),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    match (results, causes.as_slice()) {
        (false, []) => "Nothing differs.".to_owned(),
        (false, causes) => format!("The results are identical; what differs ({}) does not matter.", causes.join(", ")),
        (true, []) => {
            "The results differ though nothing that they depend on does: a stage is not reproducible.".to_owned()
        }
        (true, ["the environment"]) => {
            "The results differ, and only the environment does: see `numeric` and `versions` for the cause.".to_owned()
        }
        (true, causes) => format!("The results differ, and so do {}.", causes.join(", ")),
    }
}

/// How two tables differ; a table that cannot be read is not compared further, the digests stand.
fn table_detail(store: &Store, a: &crate::hash::Digest, b: &crate::hash::Digest) -> String {
    let load = |digest| Table::from_canonical(&store.read(digest).ok()?).ok();
    match (load(a), load(b)) {
        (Some(a), Some(b)) => table_words(&a, &b),
        _ => String::new(),
    }
}

/// How the rows of two tables differ, told by the columns of texts that name the same rows in both. A column with other
/// texts in the two, as a model's digest, is part of the difference and names no row.
fn table_words(a: &Table, b: &Table) -> String {
    let texts = |table: &Table, name: &str| -> BTreeSet<String> {
        let cells = table.position(name).map(|at| (0..table.rows()).map(move |row| table.cell(row, at)));
        cells.into_iter().flatten().filter_map(|cell| cell.text().map(str::to_owned)).collect()
    };
    let names = a.columns().iter().filter(|column| column.kind == Kind::Text).map(|column| column.name.as_str());
    let keys: Vec<&str> = names.filter(|name| texts(a, name) == texts(b, name)).collect();
    match table::diff(a, b, &keys) {
        Ok(diff) => {
            let largest = diff.changed.iter().filter_map(|change| change.absolute).map(f64::abs).fold(0.0, f64::max);
            let (changed, added, removed) = (diff.changed.len(), diff.rows_added.len(), diff.rows_removed.len());
            format!("{changed} cells changed (at most by {largest:.4}), {added} rows added, {removed} removed")
        }
        // Rows that no text names apart are compared by their number alone.
        Err(_) => format!("{} rows -> {}", a.rows(), b.rows()),
    }
}

fn short(value: &Option<String>) -> String {
    match value {
        None => "-".to_owned(),
        Some(text) if text.len() == 64 && text.parse::<crate::hash::Digest>().is_ok() => text[..12].to_owned(),
        Some(text) => text.clone(),
    }
}

/// The sections with their rows: name, first value, second value, remark.
fn sections(diff: &Diff) -> Vec<(&'static str, Vec<[String; 4]>)> {
    let change = |c: &Change| [c.path.clone(), short(&c.a), short(&c.b), String::new()];
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

fn text(diff: &Diff) -> String {
    let mut out = format!("{} -> {}\n", diff.runs.0, diff.runs.1);
    for (name, rows) in sections(diff) {
        let _ = writeln!(out, "\n{name}");
        let width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
        for [path, a, b, remark] in rows {
            let _ = writeln!(out, "  {path:<width$}  {a} -> {b}  {remark}");
        }
    }
    format!("{}\n\n{}", out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"), diff.verdict)
}

fn markdown(diff: &Diff) -> String {
    let mut out = format!("# `{}` -> `{}`\n\n{}\n", diff.runs.0, diff.runs.1, diff.verdict);
    for (name, rows) in sections(diff) {
        let _ = writeln!(out, "\n## {name}\n\n| what | a | b | |\n|---|---|---|---|");
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
    out
}
