//! Tables by column: how stages write them and read them back.

use crate::ml::metrics::Confusion;
use crate::stage::StageError;
use crate::table::{Cell, Column, Table};

/// A column's cells.
fn cells(table: &Table, name: &str) -> Result<Vec<Cell>, StageError> {
    let missing = || StageError::Bug(format!("A stored table lacks the column `{name}`."));
    let column = table.position(name).ok_or_else(missing)?;
    Ok((0..table.rows()).map(|row| table.cell(row, column)).collect())
}

/// A column of texts.
pub fn texts(table: &Table, name: &str) -> Result<Vec<Option<String>>, StageError> {
    Ok(cells(table, name)?.iter().map(|cell| cell.text().map(str::to_owned)).collect())
}

/// A column of integers.
pub fn ints(table: &Table, name: &str) -> Result<Vec<Option<i64>>, StageError> {
    let int = |cell: &Cell| if let Cell::Int(value) = cell { Some(*value) } else { None };
    Ok(cells(table, name)?.iter().map(int).collect())
}

/// A column of numbers.
pub fn numbers(table: &Table, name: &str) -> Result<Vec<Option<f64>>, StageError> {
    Ok(cells(table, name)?.iter().map(Cell::number).collect())
}

/// The values of a new column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Integers.
    Int(Vec<Option<i64>>),
    /// Floating-point numbers.
    Float(Vec<Option<f64>>),
    /// Truth values.
    Bool(Vec<Option<bool>>),
}

impl Values {
    /// How many cells there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Text(cells) => cells.len(),
            Values::Int(cells) => cells.len(),
            Values::Float(cells) => cells.len(),
            Values::Bool(cells) => cells.len(),
        }
    }
}

/// A table of columns of one length.
pub fn new_table(columns: Vec<(String, Values)>) -> Result<Table, StageError> {
    let head = columns.iter().map(|(name, values)| match values {
        Values::Text(_) => Column::text(name.as_str()),
        Values::Int(_) => Column::int(name.as_str()),
        Values::Float(_) => Column::float(name.as_str()),
        Values::Bool(_) => Column::bool(name.as_str()),
    });
    let cell = |values: &Values, row: usize| -> Option<Cell> {
        Some(match values {
            Values::Text(values) => values.get(row)?.clone().into(),
            Values::Int(values) => (*values.get(row)?).into(),
            Values::Float(values) => (*values.get(row)?).into(),
            Values::Bool(values) => (*values.get(row)?).into(),
        })
    };
    let mut rows = Vec::new();
    while let Some(row) = columns.iter().map(|(_, values)| cell(values, rows.len())).collect::<Option<Vec<Cell>>>() {
        rows.push(row);
        if columns.is_empty() {
            break;
        }
    }
    Table::new(head.collect(), rows).map_err(|error| StageError::Bug(error.to_string()))
}

/// The columns of a table with a row a class, from the names of the classes and the counts of pixels.
pub fn classes(names: Vec<Option<String>>, confusion: &Confusion) -> Vec<(String, Values)> {
    let all = 0..confusion.classes();
    let count = |f: &dyn Fn(usize) -> u64| Values::Int(all.clone().map(|class| Some(f(class) as i64)).collect());
    vec![
        ("class".to_owned(), count(&|class| class as u64)),
        ("name".to_owned(), Values::Text(names)),
        ("iou".to_owned(), Values::Float(all.clone().map(|class| confusion.iou(class)).collect())),
        ("right".to_owned(), count(&|class| confusion.at(class, class))),
        ("truth".to_owned(), count(&|class| confusion.truth(class))),
        ("predicted".to_owned(), count(&|class| confusion.predicted(class))),
    ]
}
