//! Finding the cells of a stage by some of their labels.

use std::collections::{BTreeMap, BTreeSet};

use super::matrix::near;
use super::reference::SHOWN;
use crate::stage::name::key;
use crate::stage::{MatrixCell, StageName};
use crate::syntax::limits::LABEL;
use crate::syntax::{cut, names, suggestion};

/// The cells of a stage, by their labels. Finding some of them takes no time that grows with all of them.
#[derive(Default)]
pub(super) struct CellIndex {
    axes: BTreeMap<String, ByLabel>,
    /// The labels of each cell by number, in the order of the axes.
    labels: Vec<Vec<usize>>,
}

/// The labels of an axis by their keys, each with the cells that have it.
#[derive(Default)]
struct ByLabel {
    numbers: BTreeMap<String, usize>,
    labels: Vec<(String, Vec<usize>)>,
}

impl CellIndex {
    /// Cells that all have the same axes.
    pub fn new<'c>(cells: impl IntoIterator<Item = &'c MatrixCell>) -> Self {
        let mut index = CellIndex::default();
        for (at, cell) in cells.into_iter().enumerate() {
            let labels = cell.iter().map(|(axis, label)| {
                let by_label = index.axes.entry(axis.clone()).or_default();
                let number = *by_label.numbers.entry(key(label)).or_insert(by_label.labels.len());
                if number == by_label.labels.len() {
                    by_label.labels.push((label.clone(), Vec::new()));
                }
                by_label.labels[number].1.push(at);
                number
            });
            let labels = labels.collect();
            index.labels.push(labels);
        }
        index
    }

    /// The names of the axes, sorted.
    pub fn axes(&self) -> impl ExactSizeIterator<Item = &String> {
        self.axes.keys()
    }

    /// The cells that have each of these labels, by number, in order.
    pub fn find(&self, wanted: &MatrixCell) -> Vec<usize> {
        let mut conditions = Vec::with_capacity(wanted.len());
        let mut fewest: Option<&Vec<usize>> = None;
        for (axis, label) in wanted {
            let Some(place) = self.axes.keys().position(|known| known == axis) else { return Vec::new() };
            let by_label = &self.axes[axis];
            let Some(&number) = by_label.numbers.get(&key(label)) else { return Vec::new() };
            conditions.push((place, number));
            let cells = &by_label.labels[number].1;
            fewest = Some(fewest.filter(|fewest| fewest.len() <= cells.len()).unwrap_or(cells));
        }
        let fits = |cell: &usize| conditions.iter().all(|&(place, number)| self.labels[*cell][place] == number);
        match fewest {
            Some(cells) => cells.iter().copied().filter(fits).collect(),
            None => (0..self.labels.len()).collect(),
        }
    }

    /// The labels of a cell.
    fn cell(&self, at: usize) -> MatrixCell {
        let label = |((axis, by_label), &number): ((&String, &ByLabel), &usize)| {
            (axis.clone(), by_label.labels[number].0.clone())
        };
        self.axes.iter().zip(&self.labels[at]).map(label).collect()
    }

    /// Checks that these cells have the labels in a name of their stage, and writes these as the cells do. The error is a
    /// message and what to do.
    pub fn narrow(&self, name: &mut StageName) -> Result<(), (String, String)> {
        let stage = &name.stage;
        for (axis, wanted) in &mut name.cell {
            let axes = || self.axes.keys().map(String::as_str);
            let Some(by_label) = self.axes.get(axis) else {
                let near = suggestion(axis, axes());
                let message = format!("`{}` has no axis `{}`{near}", cut(stage, LABEL), cut(axis, LABEL));
                return Err(match self.axes.is_empty() {
                    true => (message, format!("`{stage}` is the same in all cells; write its name alone.")),
                    false => (message, format!("Its axes are {}.", names(axes()))),
                });
            };
            let Some(&number) = by_label.numbers.get(&key(wanted)) else {
                let labels: BTreeSet<&str> = by_label.labels.iter().map(|(label, _)| label.as_str()).collect();
                let near = near(wanted, labels.iter().copied());
                let hint = format!("The values of `{axis}` are {}.", names(labels.iter().copied().take(SHOWN)));
                return Err((format!("`{stage}` has no cell with `{axis}={}`{near}", cut(wanted, LABEL)), hint));
            };
            wanted.clone_from(&by_label.labels[number].0);
        }
        Ok(())
    }

    /// The fault that no cell has all of these labels: a message and what to do.
    pub fn missing(&self, name: &StageName) -> (String, String) {
        let shown = 0..self.labels.len().min(SHOWN);
        let cells: Vec<String> = shown.map(|at| StageName::new(&name.stage, self.cell(at)).to_string()).collect();
        let left = self.labels.len() - cells.len();
        let more = if left > 0 { format!(", and {left} more") } else { String::new() };
        let hint = format!("The cells are {}{more}.", names(cells.iter().map(String::as_str)));
        (format!("The matrix has no cell `{name}`."), hint)
    }
}
