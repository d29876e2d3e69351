//! Figures that others published, as rows below those of a report.

use super::rows::MEAN_IOU;
use crate::params;
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
    }
}

/// The column that names a published figure.
pub const ROW: &str = "published";

/// The column that says where it was published.
pub const SOURCE: &str = "source";

/// The columns of a table with rows for published figures below. All other columns are empty there. Without such figures
/// the table stays as it is.
pub fn below(mut columns: Vec<(String, Values)>, published: &[PublishedFigure]) -> Vec<(String, Values)> {
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
            Values::Float(numbers) if name == MEAN_IOU => {
                numbers.extend(published.iter().map(|figure| figure.mean_iou.map(percent)));
            }
            Values::Float(numbers) => numbers.extend(published.iter().map(|_| None)),
        }
    }
    let texts = |text: fn(&PublishedFigure) -> &String| {
        let own = std::iter::repeat_n(None, rows);
        Values::Text(own.chain(published.iter().map(|figure| Some(text(figure).clone()))).collect())
    };
    columns.insert(0, (ROW.to_owned(), texts(|figure| &figure.row)));
    columns.push((SOURCE.to_owned(), texts(|figure| &figure.source)));
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
        let figure = PublishedFigure { row: "CRF".to_owned(), mean_iou: Some(0.75), source: "a paper".to_owned() };
        let text = |text: &str| Some(text.to_owned());
        let wanted = [
            (ROW, Values::Text(vec![None, text("CRF")])),
            ("prefilter", Values::Text(vec![text("Regular"), None])),
            (MEAN_IOU, Values::Float(vec![Some(70.0), Some(75.0)])),
            (SOURCE, Values::Text(vec![None, text("a paper")])),
        ];
        let lost = PublishedFigure { mean_iou: None, ..figure.clone() };
        let means = below(table(), &[lost]).into_iter().find(|(name, _)| name == MEAN_IOU);
        assert_eq!(means, Some((MEAN_IOU.to_owned(), Values::Float(vec![Some(70.0), None]))), "the cell is empty");
        assert_eq!(below(table(), &[figure]), wanted.map(|(name, values)| (name.to_owned(), values)));
    }
}
