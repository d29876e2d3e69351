//! The rows of a report: figures by the model, data set and cell that they are of.
//!
//! Invariants:
//! - no figure replaces another one: figures that differ stand in different rows;
//! - a figure that depends on fewer axes than a row stands in every row that it agrees with. An example is the receptive
//!   field of a model that is validated in several ways;
//! - rows and columns are in the order of their first mention.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judged::Judged;
use crate::stage::name::{covers, same};
use crate::stage::{InputNode, MatrixCell, StageError};
use crate::stages::columns::{self, Values};
use crate::stages::params::inference::PLAIN;
use crate::stages::subject::SUBJECT;
use crate::stages::support;
use crate::stages::validate::INFERENCE;
use crate::stages::yields::{CLASSES, FIGURES, SUMMARY};
use crate::table::Table;

/// The column with the number of classes in a mean IoU.
pub const COUNT: &str = "classes";

/// The column with the mean IoU.
pub const MEAN_IOU: &str = "mIoU";

/// The column with the share of pixels that are right.
pub const PIXEL_ACCURACY: &str = "pixel accuracy";

/// The column with the mean IoU of the best constant prediction.
pub const CONSTANT: &str = "best constant mIoU";

/// The column with the mean boundary IoU, which validations of earlier versions lack.
pub const BOUNDARY: &str = "boundary IoU";

/// How the columns with the IoU of a class begin.
pub const CLASS: &str = "IoU ";

/// Where the iteration stands in [`SUBJECT`].
pub const ITERATION: usize = 5;

/// Whether a figure is a share of pixels, in percent.
pub fn is_share(figure: &str) -> bool {
    figure.starts_with(CLASS) || matches!(figure, MEAN_IOU | PIXEL_ACCURACY | CONSTANT | BOUNDARY)
}

/// The columns that name the model and the data of a row, with their places in [`SUBJECT`].
pub const SHOWN: [(&str, usize); 7] =
    [("prefilter", 2), ("encoder", 1), ("model", 0), ("data", 3), ("seed", 4), ("iteration", 5), ("step", 6)];

/// Where a node stands among the gathered ones. The way of inference of a validation is a label, as those of the matrix: a
/// figure that does not depend on it belongs to every way.
#[derive(Clone)]
pub struct Origin {
    pub cell: MatrixCell,
    /// The stage, by number.
    pub role: usize,
}

/// The figures of one table.
pub struct Entry {
    pub subject: Vec<String>,
    cell: MatrixCell,
    role: usize,
    figures: Vec<(String, Option<f64>)>,
    pub judged: Option<Arc<Judged>>,
}

/// A row in the making.
pub struct Row {
    pub subject: Vec<String>,
    pub cell: MatrixCell,
    /// The stages that it has figures of, by number.
    pub roles: BTreeSet<usize>,
    /// What its validation counted in each image, where that was asked for.
    pub judged: Option<Arc<Judged>>,
    first: usize,
    values: BTreeMap<String, f64>,
}

/// All rows.
pub struct Rows {
    pub rows: Vec<Row>,
    /// The names of the figures.
    pub figures: Vec<String>,
    /// The columns of labels: name and axis.
    pub labels: Vec<(String, String)>,
}

impl Entry {
    /// What one node tells, with what it counted in each image if it is `judged`.
    pub fn of(node: &InputNode, origin: &Origin, judged: bool) -> Result<Vec<Self>, StageError> {
        let mut entries = Vec::new();
        let mut add = |table: &Table, origin: &Origin, figures, judged| -> Result<(), StageError> {
            let (cell, role) = (origin.cell.clone(), origin.role);
            entries.push(Entry { subject: subject(table)?, cell, role, figures, judged });
            Ok(())
        };
        if SUMMARY.of(node).is_some() {
            let (summary, classes) = (support::table(node, &SUMMARY)?, support::table(node, &CLASSES)?);
            let mut origin = origin.clone();
            // Runs of an earlier version do not say it.
            if summary.position(INFERENCE).is_some() {
                let words = columns::texts(&summary, INFERENCE)?.first().cloned().flatten();
                origin.cell.entry(INFERENCE.to_owned()).or_insert(words.unwrap_or_default());
            }
            let counted = if judged { Some(Arc::new(Judged::of(node)?)) } else { None };
            add(&summary, &origin, scores(&summary, &classes)?, counted)?;
        }
        if FIGURES.of(node).is_some() {
            let figures = support::table(node, &FIGURES)?;
            add(&figures, origin, fields(&figures)?, None)?;
        }
        Ok(entries)
    }
}

impl Row {
    pub fn value(&self, figure: &str) -> Option<f64> {
        self.values.get(figure).copied()
    }

    /// Whether no figure would be written over.
    fn takes(&self, entry: &Entry) -> bool {
        let free = |(name, value): &(String, Option<f64>)| {
            value.is_none_or(|value| self.value(name).is_none_or(|known| known.to_bits() == value.to_bits()))
        };
        entry.figures.iter().all(free)
    }

    fn add(&mut self, entry: &Entry) {
        self.roles.insert(entry.role);
        self.judged = self.judged.take().or_else(|| entry.judged.clone());
        self.values.extend(entry.figures.iter().filter_map(|(name, value)| Some((name.clone(), (*value)?))));
    }
}

impl Rows {
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        // Rows that tell more cells apart come first: the others join them.
        order.sort_by_key(|&at| Reverse(entries[at].cell.len()));
        let mut rows: Vec<Row> = Vec::new();
        for first in order {
            let entry = &entries[first];
            let mut joined = false;
            for row in rows.iter_mut().filter(|row| row.subject == entry.subject && covers(&entry.cell, &row.cell)) {
                if row.takes(entry) {
                    row.add(entry);
                    row.first = row.first.min(first);
                    joined = true;
                }
            }
            if !joined {
                let (subject, cell) = (entry.subject.clone(), entry.cell.clone());
                let (roles, values) = (BTreeSet::new(), BTreeMap::new());
                let mut row = Row { subject, cell, first, roles, judged: None, values };
                row.add(entry);
                rows.push(row);
            }
        }
        rows.sort_by_key(|row| row.first);
        // Where every prediction is plain, no column need say so.
        if rows.iter().all(|row| row.cell.get(INFERENCE).is_none_or(|words| words == PLAIN)) {
            rows.iter_mut().for_each(|row| drop(row.cell.remove(INFERENCE)));
        }
        let mut figures: Vec<String> = Vec::new();
        for (name, _) in entries.iter().flat_map(|entry| &entry.figures) {
            if !figures.contains(name) {
                figures.push(name.clone());
            }
        }
        let labels = labels(&rows, &figures);
        Rows { rows, figures, labels }
    }

    /// The table.
    pub fn columns(&self) -> Vec<(String, Values)> {
        let mut columns: Vec<(String, Values)> =
            self.labels.iter().map(|(name, axis)| (name.clone(), self.label(axis))).collect();
        columns.extend(SHOWN.iter().map(|&(name, at)| {
            (name.to_owned(), subject_column(name, self.rows.iter().map(|row| Some(row.subject[at].as_str()))))
        }));
        for name in &self.figures {
            let values: Vec<Option<f64>> = self.rows.iter().map(|row| row.value(name)).collect();
            columns.push((name.clone(), figure_column(name, values)));
        }
        columns
    }

    fn label(&self, axis: &str) -> Values {
        Values::Text(self.rows.iter().map(|row| row.cell.get(axis).cloned()).collect())
    }
}

/// A column that names the model or the data of each row. Numbers are written as numbers.
pub fn subject_column<'a>(name: &str, texts: impl Iterator<Item = Option<&'a str>>) -> Values {
    match name {
        "seed" | "iteration" | "step" => Values::Int(texts.map(|text| text?.parse().ok()).collect()),
        _ => Values::Text(texts.map(|text| text.map(str::to_owned)).collect()),
    }
}

/// A column of figures. Counts are written as integers.
pub fn figure_column(name: &str, values: Vec<Option<f64>>) -> Values {
    match name {
        COUNT => Values::Int(values.into_iter().map(|value| value.map(|value| value as i64)).collect()),
        _ => Values::Float(values),
    }
}

/// The columns for labels: one for each axis, unless the column of the same name shows the labels already.
fn labels(rows: &[Row], figures: &[String]) -> Vec<(String, String)> {
    let axes: BTreeSet<&String> = rows.iter().flat_map(|row| row.cell.keys()).collect();
    let told = |axis: &str, at: usize| {
        let told = |row: &Row| {
            let (label, text) = (row.cell.get(axis), &row.subject[at]);
            // `Average` tells `Average(learned: false)`, and `Multigrid(rates: [1, 2, 4])` its default, `Multigrid`.
            let begins = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('('));
            label.is_some_and(|label| same(label, text) || begins(text, label) || begins(label, text))
        };
        rows.iter().all(told)
    };
    let mut columns = Vec::new();
    for axis in axes {
        match SHOWN.iter().find(|(name, _)| name == axis) {
            Some((_, at)) if told(axis, *at) => {}
            None if axis != "n" && !figures.contains(axis) => columns.push((axis.clone(), axis.clone())),
            _ => columns.push((format!("axis {axis}"), axis.clone())),
        }
    }
    columns
}

/// The column of a summary with the mean boundary IoU.
const BOUNDARY_COLUMN: &str = "boundary_iou";

fn scores(summary: &Table, classes: &Table) -> Result<Vec<(String, Option<f64>)>, StageError> {
    let mut figures = Vec::new();
    for (name, column) in [(MEAN_IOU, "mean_iou"), (PIXEL_ACCURACY, "pixel_accuracy"), (CONSTANT, "constant_mean_iou")]
    {
        figures.push((name.to_owned(), percent(first(&columns::numbers(summary, column)?))));
    }
    if summary.position(BOUNDARY_COLUMN).is_some() {
        figures.push((BOUNDARY.to_owned(), percent(first(&columns::numbers(summary, BOUNDARY_COLUMN)?))));
    }
    figures.push((COUNT.to_owned(), first(&columns::numbers(summary, "classes_present")?)));
    let (names, ious) = (columns::texts(classes, "name")?, columns::numbers(classes, "iou")?);
    for (name, iou) in names.iter().zip(&ious) {
        figures.push((format!("{CLASS}{}", name.as_deref().unwrap_or_default()), percent(*iou)));
    }
    Ok(figures)
}

fn fields(table: &Table) -> Result<Vec<(String, Option<f64>)>, StageError> {
    let target = columns::texts(table, "target")?.first().cloned().flatten();
    let target = target.filter(|target| target != "image").map_or(String::new(), |target| format!(" {target}"));
    let named = |name: &str| SUBJECT.contains(&name) || name == "target";
    let mut figures = Vec::new();
    for column in table.columns().iter().filter(|column| !named(&column.name)) {
        let value = first(&columns::numbers(table, &column.name)?);
        // Shares are in percent, as the scores; the radius is in pixels.
        let value = if column.name == "radius" { value } else { percent(value) };
        figures.push((format!("ERF{target} {}", column.name), value));
    }
    Ok(figures)
}

/// The model and the data set that a table names.
fn subject(table: &Table) -> Result<Vec<String>, StageError> {
    if table.position("model").is_none() || table.rows() == 0 {
        return Err(StageError::Bug("A table of figures names no model.".into()));
    }
    let text = |name: &&str| -> Result<String, StageError> {
        let at = table.position(name).ok_or_else(|| StageError::Bug(format!("A table lacks `{name}`.")))?;
        let cell = table.cell(0, at);
        Ok(cell.text().map_or_else(|| cell.number().map_or(String::new(), |n| n.to_string()), str::to_owned))
    };
    SUBJECT.iter().map(text).collect()
}

fn first(values: &[Option<f64>]) -> Option<f64> {
    values.first().copied().flatten()
}

fn percent(value: Option<f64>) -> Option<f64> {
    value.map(|value| 100.0 * value)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An entry of a model with labels, of a stage by number.
    pub fn entry(model: &str, seed: u64, cell: &[(&str, &str)], role: usize, figures: &[(&str, f64)]) -> Entry {
        let subject = [model, "Tiny", "Average(learned: true)", "data", &seed.to_string(), "1", "5"];
        Entry {
            subject: subject.map(str::to_owned).to_vec(),
            cell: cell.iter().map(|(axis, label)| ((*axis).to_owned(), (*label).to_owned())).collect(),
            role,
            figures: figures.iter().map(|(name, value)| ((*name).to_owned(), Some(*value))).collect(),
            judged: None,
        }
    }

    #[test]
    fn figures_of_one_model_share_a_row_unless_they_differ() {
        let entries = vec![
            entry("a", 1, &[], 0, &[("ERF", 3.0)]),
            entry("a", 1, &[("crf", "no")], 1, &[("mIoU", 1.0)]),
            entry("a", 1, &[("crf", "yes")], 1, &[("mIoU", 2.0)]),
            entry("b", 1, &[], 2, &[("mIoU", 4.0)]),
            entry("b", 1, &[], 2, &[("mIoU", 4.0)]),
            entry("b", 1, &[], 3, &[("mIoU", 5.0)]),
        ];
        let rows = Rows::new(entries);
        let told: Vec<_> = rows.rows.iter().map(|row| (row.value("ERF"), row.value("mIoU"), row.roles.len())).collect();
        assert_eq!(
            told,
            [(Some(3.0), Some(1.0), 2), (Some(3.0), Some(2.0), 2), (None, Some(4.0), 1), (None, Some(5.0), 1)]
        );
        assert_eq!(rows.figures, ["ERF", "mIoU"]);
    }

    #[test]
    fn ways_of_inference_are_told_apart_where_one_is_not_plain() {
        let labels = |ways: [&str; 2]| {
            let mut entries = vec![entry("a", 1, &[], 0, &[("ERF", 3.0)])];
            entries.extend([0, 1].map(|at| entry("a", 1, &[(INFERENCE, ways[at])], at + 1, &[("mIoU", at as f64)])));
            let rows = Rows::new(entries);
            assert!(rows.rows.iter().all(|row| row.value("ERF") == Some(3.0)));
            rows.labels.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(labels([PLAIN, "flip: true"]), [INFERENCE]);
        assert!(labels([PLAIN, PLAIN]).is_empty());
    }

    #[test]
    fn labels_that_a_column_tells_have_no_column() {
        let cell = |filter, seed, rate| [("prefilter", filter), ("seed", seed), ("rate", rate)];
        let of = |cells: [[(&str, &str); 3]; 2]| {
            let entries = [0, 1].map(|at| entry(["a", "b"][at], at as u64, &cells[at], 0, &[("mIoU", 1.0)]));
            Rows::new(entries.into()).labels.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(of([cell("Average", "0", "x"), cell("Average(learned: true)", "1", "y")]), ["rate"]);
        assert_eq!(of([cell("A", "0", "x"), cell("Average", "7", "y")]), ["axis prefilter", "rate", "axis seed"]);
    }
}
