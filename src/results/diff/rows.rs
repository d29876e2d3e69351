//! How the rows of two tables differ, in words.

use std::collections::BTreeSet;

use crate::table::{self, ColumnKind, Table};

/// How the rows of two tables differ, told by the columns of texts that name the same rows in both. A column with other
/// texts in the two, as a model's digest, is part of the difference and names no row.
pub(super) fn of_tables(a: &Table, b: &Table) -> String {
    let texts = |table: &Table, name: &str| -> BTreeSet<String> {
        let cells = table.position(name).map(|at| (0..table.rows()).map(move |row| table.cell(row, at)));
        cells.into_iter().flatten().filter_map(|cell| cell.text().map(str::to_owned)).collect()
    };
    let names = a.columns().iter().filter(|column| column.kind == ColumnKind::Text).map(|column| column.name.as_str());
    let keys: Vec<&str> = names.filter(|name| texts(a, name) == texts(b, name)).collect();
    match table::difference(a, b, &keys) {
        Ok(diff) => {
            let largest = diff.changed.iter().filter_map(|change| change.absolute).map(f64::abs).fold(0.0, f64::max);
            let (changed, added, removed) = (diff.changed.len(), diff.rows_added.len(), diff.rows_removed.len());
            format!("{changed} cells changed (at most by {largest:.4}), {added} rows added, {removed} removed")
        }
        // Rows that no text names apart are compared by their number alone.
        Err(_) => format!("{} rows -> {}", a.rows(), b.rows()),
    }
}
