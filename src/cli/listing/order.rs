//! The order of rows.

use std::cmp::Ordering;

use crate::table::Cell;

/// A column to sort by: `mean_iou`, or `-mean_iou` for the greatest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of the column.
    pub name: String,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl Key {
    /// Reads a key.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let name = text.strip_prefix('-').unwrap_or(text);
        Key { name: name.to_owned(), descending: name.len() < text.len() }
    }

    /// How two values stand in this order. What is missing comes last, in either direction.
    pub fn compare(&self, a: &Cell, b: &Cell) -> Ordering {
        let missing = |cell: &Cell| match cell {
            Cell::Null => true,
            Cell::Text(text) => text.is_empty(),
            Cell::Float(value) => value.is_nan(),
            _ => false,
        };
        match (missing(a), missing(b)) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) if self.descending => natural(b, a),
            (false, false) => natural(a, b),
        }
    }
}

/// Numbers by size, then truth values, then texts.
fn natural(a: &Cell, b: &Cell) -> Ordering {
    let rank = |cell: &Cell| match cell {
        Cell::Int(_) | Cell::Float(_) => 0,
        Cell::Bool(_) => 1,
        _ => 2,
    };
    match (a, b) {
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => rank(a).cmp(&rank(b)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sorted_in_both_directions_and_missing_ones_come_last() {
        let cells = || vec![Cell::Null, 2.5.into(), "b".into(), f64::NAN.into(), 10_i64.into(), "".into(), "a".into()];
        let sorted = |key: &str| {
            let mut cells = cells();
            cells.sort_by(|a, b| Key::read(key).compare(a, b));
            cells
        };
        let up = [2.5.into(), 10_i64.into(), "a".into(), "b".into(), Cell::Null, f64::NAN.into(), "".into()];
        assert_eq!(sorted("x"), up);
        let down = ["b".into(), "a".into(), 10_i64.into(), 2.5.into(), Cell::Null, f64::NAN.into(), "".into()];
        assert_eq!(sorted("-x"), down);
    }
}
