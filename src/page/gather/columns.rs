//! The columns of tables that stages left, by name.

use super::source::Fault;
use crate::table::{Cell, Table};

/// The cells of a column.
///
/// # Errors
/// The table has no such column.
fn cells<T>(table: &Table, name: &str, read: impl Fn(Cell) -> T) -> Result<Vec<T>, Fault> {
    let missing = || Fault::from(format!("A table of the page has no column `{name}`."));
    let column = table.position(name).ok_or_else(missing)?;
    Ok((0..table.rows()).map(|row| read(table.cell(row, column))).collect())
}

/// A column of texts. A cell without a value is an empty text.
pub(super) fn texts(table: &Table, name: &str) -> Result<Vec<String>, Fault> {
    cells(table, name, |cell| cell.text().unwrap_or_default().to_owned())
}

/// A column of numbers. What is not finite is none.
pub(super) fn numbers(table: &Table, name: &str) -> Result<Vec<Option<f64>>, Fault> {
    cells(table, name, |cell| cell.number().filter(|number| number.is_finite()))
}

/// A column of counts.
pub(super) fn counts(table: &Table, name: &str) -> Result<Vec<Option<u64>>, Fault> {
    cells(table, name, |cell| if let Cell::Int(value) = cell { u64::try_from(value).ok() } else { None })
}

/// The first cell of a column as a text; empty where there is none.
pub(super) fn first(table: &Table, name: &str) -> String {
    let cell = table.position(name).filter(|_| table.rows() > 0).map(|column| table.cell(0, column));
    cell.and_then(|cell| cell.text().map(str::to_owned)).unwrap_or_default()
}

/// The first cell of a column as a number.
pub(super) fn figure(table: &Table, name: &str) -> Option<f64> {
    let column = table.position(name).filter(|_| table.rows() > 0)?;
    table.cell(0, column).number().filter(|number| number.is_finite())
}
