//! What differs between two tables whose rows are matched by key columns.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cell::Cell;
use super::error::Error;
use super::frame::Table;

/// What differs between an old and a new table. Empty lists throughout: the tables say the same.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TableDifference {
    /// Columns that only the new table has.
    pub columns_added: Vec<String>,
    /// Columns that only the old table has.
    pub columns_removed: Vec<String>,
    /// Cells of rows and columns that both have.
    pub changed: Vec<CellChange>,
    /// The keys of rows that only the new table has.
    pub rows_added: Vec<Vec<Cell>>,
    /// The keys of rows that only the old table has.
    pub rows_removed: Vec<Vec<Cell>>,
}

impl TableDifference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == TableDifference::default()
    }
}

/// A cell that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellChange {
    /// The row's key.
    pub key: Vec<Cell>,
    /// The column.
    pub column: String,
    /// The old value.
    pub old: Cell,
    /// The new value.
    pub new: Cell,
    /// New less old, where both are numbers and the difference is finite.
    pub absolute: Option<f64>,
    /// The difference as a share of the old value's magnitude, where that is not zero.
    pub relative: Option<f64>,
}

/// Compares two tables. Rows are matched by their values in the columns `keys`; where several rows have the same key the
/// first is matched with the first, the second with the second. Row order does not matter otherwise. A key that one
/// of the tables does not have is an error.
pub fn difference(old: &Table, new: &Table, keys: &[&str]) -> Result<TableDifference, Error> {
    let (old_keys, new_keys) = (positions(old, keys)?, positions(new, keys)?);
    let mut found = TableDifference {
        columns_added: only_in(new, old),
        columns_removed: only_in(old, new),
        ..TableDifference::default()
    };
    let columns: Vec<(usize, usize)> = old
        .columns()
        .iter()
        .enumerate()
        .filter(|(at, _)| !old_keys.contains(at))
        .filter_map(|(at, column)| Some((at, new.position(&column.name)?)))
        .collect();
    let mut unmatched = by_key(new, &new_keys);
    for (name, (row, key)) in in_order(by_key(old, &old_keys)) {
        let Some((new_row, _)) = unmatched.remove(&name) else {
            found.rows_removed.push(key);
            continue;
        };
        for &(old_at, new_at) in &columns {
            let (before, after) = (old.cell(row, old_at), new.cell(new_row, new_at));
            if before != after {
                found.changed.push(change(key.clone(), &old.columns()[old_at].name, before, after));
            }
        }
    }
    found.rows_added = in_order(unmatched).into_iter().map(|(_, (_, key))| key).collect();
    Ok(found)
}

fn positions(table: &Table, keys: &[&str]) -> Result<Vec<usize>, Error> {
    let missing = |key: &str| Error::Shape(format!("The table has no column `{key}` to match rows by."));
    keys.iter().map(|key| table.position(key).ok_or_else(|| missing(key))).collect()
}

fn only_in(table: &Table, other: &Table) -> Vec<String> {
    let names = table.columns().iter().map(|column| &column.name);
    names.filter(|name| other.position(name).is_none()).cloned().collect()
}

/// A key as text, and how many rows before had the same.
type Name = (String, usize);
/// A row's number and its key.
type Keyed = (usize, Vec<Cell>);

fn by_key(table: &Table, keys: &[usize]) -> BTreeMap<Name, Keyed> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for row in 0..table.rows() {
        let key: Vec<Cell> = keys.iter().map(|&at| table.cell(row, at)).collect();
        let text = format!("{key:?}");
        let time = times.entry(text.clone()).or_default();
        rows.insert((text, *time), (row, key));
        *time += 1;
    }
    rows
}

fn in_order(rows: BTreeMap<Name, Keyed>) -> Vec<(Name, Keyed)> {
    let mut rows: Vec<(Name, Keyed)> = rows.into_iter().collect();
    rows.sort_by_key(|(_, (row, _))| *row);
    rows
}

fn change(key: Vec<Cell>, column: &str, old: Cell, new: Cell) -> CellChange {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let absolute = old.number().zip(new.number()).and_then(|(old, new)| finite(new - old));
    let relative = absolute.zip(old.number()).and_then(|(difference, old)| finite(difference / old.abs()));
    CellChange { key, column: column.to_owned(), old, new, absolute, relative }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Column;
    use super::super::testing::{random, sample};
    use super::*;

    fn scores(rows: &[(&str, Option<f64>)]) -> Table {
        let rows = rows.iter().map(|(class, iou)| vec![(*class).into(), (*iou).into()]).collect();
        Table::new(vec![Column::text("class"), Column::float("iou")], rows).unwrap()
    }

    #[test]
    fn a_table_equals_itself_in_any_order_of_rows() {
        assert!(difference(&sample(), &sample(), &["class"]).unwrap().is_empty());
        let (a, b) = ([("x", Some(f64::NAN)), ("y", None)], [("y", None), ("x", Some(f64::NAN))]);
        assert!(difference(&scores(&a), &scores(&b), &["class"]).unwrap().is_empty());
        for index in 0..50 {
            assert!(difference(&random(index), &random(index), &["column 0"]).unwrap().is_empty(), "{index}");
        }
    }

    #[test]
    fn changes_carry_both_differences() {
        let old = scores(&[("dog", Some(0.5)), ("cat", Some(0.0)), ("cow", None), ("gone", None)]);
        let new = scores(&[("new", None), ("dog", Some(0.75)), ("cat", Some(0.25)), ("cow", Some(1.0))]);
        let found = difference(&old, &new, &["class"]).unwrap();
        let seen: Vec<_> = found.changed.iter().map(|c| (c.key[0].text().unwrap(), c.absolute, c.relative)).collect();
        assert_eq!(seen, [("dog", Some(0.25), Some(0.5)), ("cat", Some(0.25), None), ("cow", None, None)]);
        assert_eq!((&found.rows_added[0][0], &found.rows_removed[0][0]), (&"new".into(), &"gone".into()));
        let json = serde_json::to_value(&found.changed[2]).unwrap();
        assert_eq!(json["old"], serde_json::Value::Null);
        assert_eq!(json["new"], 1.0);
    }

    #[test]
    fn doubles_are_matched_in_their_order_and_columns_are_compared() {
        let old = scores(&[("a", Some(1.0)), ("a", Some(2.0))]);
        let new = scores(&[("a", Some(1.0)), ("a", Some(3.0)), ("a", None)]);
        let found = difference(&old, &new, &["class"]).unwrap();
        assert_eq!((found.changed.len(), found.rows_added.len()), (1, 1));
        let wider = old.labelled(Column::int("seed"), 1_i64).unwrap();
        assert_eq!(difference(&old, &wider, &["class"]).unwrap().columns_added, ["seed"]);
        assert_eq!(difference(&wider, &old, &["class"]).unwrap().columns_removed, ["seed"]);
        assert!(difference(&old, &wider, &["seed"]).unwrap_err().to_string().contains("no column `seed`"));
    }
}
