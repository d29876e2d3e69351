//! Figures that others published, as rows below those of a report.

use std::collections::BTreeMap;

use super::rows::MEAN_IOU;
use crate::params;
use crate::stage::MatrixCell;
use crate::stage::params::FileRef;
use crate::stages::columns::Values;

params! {
    /// A figure that others published.
    pub struct PublishedFigure {
        /// What it is the figure of, as "multi-scale and CRF".
        row: String;
        /// The mean IoU. `None` leaves its cell empty: it was published, and is not at hand.
        mean_iou: Option<f64> = None, where min(0.0).max(1.0);
        /// Where it was published.
        source: String;
        /// The reproduced row that it stands beside in a table for a paper, by labels, as `{"prefilter": "Regular"}`: those
        /// of the matrix, or the pre-filter and the encoder as the table shows them. `{}`: it stands alone.
        of: BTreeMap<String, String> = BTreeMap::new(), where since("0.1.0");
    }

    /// A table that others published.
    pub struct PublishedTable {
        /// The file, written as those in `stages/published/`. Its figures are in percent.
        file: FileRef;
        /// The table in the file, as "table 1".
        table: String;
        /// The rows that are taken, by name and in this order. `[]`: all.
        rows: Vec<String> = Vec::new();
    }
}

/// A row that others published. Shares are in percent.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedRow {
    /// What it is called there.
    pub row: String,
    /// The labels of the reproduced row that it belongs to; none where it stands alone.
    pub of: MatrixCell,
    /// Where it was published.
    pub source: String,
    /// The figures by their columns. One that was not published is not here.
    pub figures: Vec<(String, f64)>,
}

impl PublishedFigure {
    /// The row of the figure.
    pub fn row(&self) -> PublishedRow {
        let figures = self.mean_iou.map(|value| (MEAN_IOU.to_owned(), percent(value))).into_iter().collect();
        PublishedRow { row: self.row.clone(), of: self.of.clone(), source: self.source.clone(), figures }
    }
}

impl PublishedRow {
    /// A figure, if it was published.
    pub fn value(&self, figure: &str) -> Option<f64> {
        self.figures.iter().find(|(name, _)| name == figure).map(|(_, value)| *value)
    }
}

/// The column that names a published figure.
pub const ROW: &str = "published";

/// The column that says where it was published.
pub const SOURCE: &str = "source";

/// The columns of a table with the published rows below. All columns but those of their figures are empty there. A figure
/// that no other row has gets no column, but for the mean IoU. Without such rows the table stays as it is.
pub fn below(mut columns: Vec<(String, Values)>, published: &[PublishedRow]) -> Vec<(String, Values)> {
    if published.is_empty() {
        return columns;
    }
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    if columns.iter().all(|(name, _)| name != MEAN_IOU) {
        columns.push((MEAN_IOU.to_owned(), Values::Float(vec![None; rows])));
    }
    for (name, values) in &mut columns {
        match values {
            Values::Text(texts) => texts.extend(published.iter().map(|_| None)),
            Values::Int(numbers) => numbers.extend(published.iter().map(|_| None)),
            Values::Float(numbers) => numbers.extend(published.iter().map(|row| row.value(name))),
            Values::Bool(truths) => truths.extend(published.iter().map(|_| None)),
        }
    }
    let texts = |text: fn(&PublishedRow) -> &String| {
        let own = std::iter::repeat_n(None, rows);
        Values::Text(own.chain(published.iter().map(|row| Some(text(row).clone()))).collect())
    };
    columns.insert(0, (ROW.to_owned(), texts(|row| &row.row)));
    columns.push((SOURCE.to_owned(), texts(|row| &row.source)));
    columns
}

/// A share in percent, with the digits that people state: 0.7793 is 77.93, not 77.92999999999999.
fn percent(share: f64) -> f64 {
    (1e8 * share).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_figures_stand_below_and_nothing_else_changes() {
        let table = || {
            vec![
                ("prefilter".to_owned(), Values::Text(vec![Some("Regular".to_owned())])),
                (MEAN_IOU.to_owned(), Values::Float(vec![Some(70.0)])),
            ]
        };
        assert_eq!(below(table(), &[]), table());
        let of = MatrixCell::new();
        let figure = PublishedFigure { row: "CRF".to_owned(), mean_iou: Some(0.75), source: "a paper".to_owned(), of };
        let text = |text: &str| Some(text.to_owned());
        let wanted = [
            (ROW, Values::Text(vec![None, text("CRF")])),
            ("prefilter", Values::Text(vec![text("Regular"), None])),
            (MEAN_IOU, Values::Float(vec![Some(70.0), Some(75.0)])),
            (SOURCE, Values::Text(vec![None, text("a paper")])),
        ];
        let lost = PublishedFigure { mean_iou: None, ..figure.clone() }.row();
        let means = below(table(), &[lost]).into_iter().find(|(name, _)| name == MEAN_IOU);
        assert_eq!(means, Some((MEAN_IOU.to_owned(), Values::Float(vec![Some(70.0), None]))), "the cell is empty");
        let mut row = figure.row();
        // A figure that the table has no column for stays out.
        row.figures.push(("IoU cat".to_owned(), 1.0));
        assert_eq!(below(table(), &[row]), wanted.map(|(name, values)| (name.to_owned(), values)));
    }
}
