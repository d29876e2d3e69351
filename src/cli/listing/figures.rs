//! What the stages of a run have under a name: metrics of their last iterations, and parameters.

use std::collections::{BTreeMap, BTreeSet};

use super::column::Column;
use crate::stage::{MatrixCell, StageName, Value};
use crate::store::{NodeFigures, RunSummary};
use crate::table::Cell;

/// A value with the stage that has it, in its cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    pub stage: StageName,
    pub value: Cell,
}

/// What the stages of a run have in a column; empty where none has anything.
pub fn owned(run: &RunSummary, column: &Column) -> Vec<Owned> {
    match column {
        Column::Bare(name) => {
            let found = metrics(run, name, &|_| true, None);
            if found.is_empty() { labels(run, name) } else { found }
        }
        Column::Of(wanted, name) => {
            let covers = |stage: &StageName| wanted.covers(stage);
            let found = metrics(run, name, &covers, wanted.iteration);
            if found.is_empty() && wanted.iteration.is_none() { params(run, wanted, name) } else { found }
        }
        _ => Vec::new(),
    }
}

/// A metric of the stages for which `wanted` holds, in percent if it is a share: at an iteration, or at the last one that
/// has it.
fn metrics(
    run: &RunSummary,
    metric: &str,
    wanted: &dyn Fn(&StageName) -> bool,
    iteration: Option<usize>,
) -> Vec<Owned> {
    let mut last: BTreeMap<&str, (Option<u32>, f64)> = BTreeMap::new();
    for node in run.figures.iter() {
        let Some(value) = node.metrics.get(metric) else { continue };
        let at = node.iteration.map(|iteration| iteration as usize);
        if iteration.is_some() && at != iteration {
            continue;
        }
        let entry = last.entry(&node.stage).or_insert((node.iteration, f64::NAN));
        if node.iteration >= entry.0 {
            *entry = (node.iteration, figure(node, metric, *value));
        }
    }
    let read = |(stage, (_, value)): (&str, (Option<u32>, f64))| {
        let stage = StageName::read(stage).ok().filter(|stage| wanted(stage))?;
        Some(Owned { stage, value: value.into() })
    };
    last.into_iter().filter_map(read).collect()
}

/// The labels of an axis of the matrix, each in the cell that it makes. They belong to no stage.
fn labels(run: &RunSummary, axis: &str) -> Vec<Owned> {
    let of = |node: &NodeFigures| StageName::read(&node.stage).ok()?.cell.remove(axis);
    let labels: BTreeSet<String> = run.figures.iter().filter_map(of).collect();
    let owned = |label: String| {
        let value = label_cell(&label);
        Owned { stage: StageName::new("", MatrixCell::from([(axis.to_owned(), label)])), value }
    };
    labels.into_iter().map(owned).collect()
}

/// A label of an axis: a number where it is one.
fn label_cell(label: &str) -> Cell {
    match (label.parse::<i64>(), label.parse::<f64>()) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) if value.is_finite() => value.into(),
        _ => label.into(),
    }
}

/// A figure as people read it: shares are in percent, as in tables.
pub fn figure(node: &NodeFigures, metric: &str, value: f64) -> f64 {
    // Twelve digits are more than any figure means, and hide what the product adds: 0.7793 is 77.93.
    if is_share(&node.kind, metric) { format!("{:.11e}", 100.0 * value).parse().unwrap_or(value) } else { value }
}

/// Whether a metric is a share of 1.
fn is_share(kind: &str, metric: &str) -> bool {
    match kind {
        // The others are shares of an area.
        "Erf" => metric != "radius",
        "Validate" | "Train" => metric.ends_with("iou") || metric.ends_with("accuracy"),
        _ => false,
    }
}

/// A parameter of a stage, by its path: `model.prefilter`.
fn params(run: &RunSummary, wanted: &StageName, path: &str) -> Vec<Owned> {
    let read = |(name, params): (&String, &Value)| {
        let stage = StageName::read(name).ok().filter(|stage| wanted.covers(stage))?;
        let mut value = params;
        for part in path.split('.') {
            value = inside(value, part)?;
        }
        Some(Owned { stage, value: cell(value) })
    };
    run.params.iter().filter_map(read).collect()
}

/// A part of a value by its name, or by its number in a list.
fn inside<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match value {
        Value::Struct(record) => record.fields.get(part),
        Value::Map(map) => map.get(part),
        Value::List(items) | Value::Tuple(items) => items.get(part.parse::<usize>().ok()?),
        Value::Option(Some(value)) => inside(value, part),
        _ => None,
    }
}

/// A parameter as a cell. A structure that has a name is told by that alone; its fields have columns of their own.
fn cell(value: &Value) -> Cell {
    match value {
        Value::Bool(value) => Cell::Bool(*value),
        Value::Int(value) => Cell::Int(*value),
        Value::Float(value) => Cell::Float(*value),
        Value::Str(text) | Value::Ref(text) | Value::File(text) => Cell::Text(text.clone()),
        Value::Struct(record) if !record.name.is_empty() => Cell::Text(record.name.clone()),
        Value::Option(None) => Cell::Null,
        Value::Option(Some(value)) => cell(value),
        value => Cell::Text(value.to_string()),
    }
}

/// Every name under which stages of the run have something, for suggestions.
pub fn names(run: &RunSummary) -> Vec<String> {
    let mut names = Vec::new();
    for node in run.figures.iter() {
        let stage = StageName::read(&node.stage).unwrap_or_default();
        for metric in node.metrics.keys() {
            names.extend([metric.clone(), format!("{}.{metric}", stage.stage), format!("{}.{metric}", node.stage)]);
        }
        names.extend(stage.cell.into_keys());
    }
    for (name, params) in run.params.iter() {
        let stage = name.split('[').next().unwrap_or_default();
        add_paths(stage, params, &mut names);
    }
    names
}

fn add_paths(path: &str, value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Struct(record) => {
            for (field, value) in &record.fields {
                let path = format!("{path}.{field}");
                add_paths(&path, value, names);
                names.push(path);
            }
        }
        Value::Option(Some(value)) => add_paths(path, value, names),
        _ => {}
    }
}
