//! The table itself: typed columns over a polars frame.

use std::collections::BTreeSet;

use polars::prelude::{AnyValue, DataFrame, DataType};

use super::cell::{Cell, Column, ColumnKind};
use super::error::Error;

/// Rows under typed columns.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    frame: DataFrame,
}

/// Equal columns and equal cells.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns && self.rows() == other.rows() && self.all_rows() == other.all_rows()
    }
}

impl Table {
    /// The table of `rows`. Errors: two columns of one name, a row of another length than the columns, a cell of
    /// another kind than its column.
    pub fn new(columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Result<Self, Error> {
        let mut names = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
            return Err(Error::Shape(format!("Two columns have the name `{}`.", twice.name)));
        }
        for (number, row) in rows.iter().enumerate() {
            fits(&columns, row).map_err(|why| Error::Shape(format!("Row {}: {why}.", number + 1)))?;
        }
        let count = rows.len();
        let mut by_column: Vec<Vec<Cell>> = columns.iter().map(|_| Vec::with_capacity(count)).collect();
        for row in rows {
            for (cells, cell) in by_column.iter_mut().zip(row) {
                cells.push(cell);
            }
        }
        let series = columns.iter().zip(by_column).map(|(column, cells)| series(column, cells)).collect();
        let frame = DataFrame::new(count, series)?;
        Ok(Table { columns, frame })
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// The polars frame, for whatever polars can do.
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The position of the column `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The value in a row of the column at a position; null outside of the table.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        let value = self.frame.columns().get(column).and_then(|column| column.get(row).ok());
        match value {
            Some(AnyValue::String(text)) => Cell::Text(text.to_owned()),
            Some(AnyValue::StringOwned(text)) => Cell::Text(text.to_string()),
            Some(AnyValue::Int64(value)) => Cell::Int(value),
            Some(AnyValue::Float64(value)) => Cell::Float(value),
            Some(AnyValue::Boolean(value)) => Cell::Bool(value),
            _ => Cell::Null,
        }
    }

    /// The cells of a row.
    pub fn row(&self, row: usize) -> Vec<Cell> {
        (0..self.columns.len()).map(|column| self.cell(row, column)).collect()
    }

    /// All rows.
    pub fn all_rows(&self) -> Vec<Vec<Cell>> {
        (0..self.rows()).map(|row| self.row(row)).collect()
    }

    /// The table that a polars frame holds. A column that is neither of texts, 64-bit numbers nor truth values is an
    /// error.
    pub fn from_frame(frame: DataFrame) -> Result<Self, Error> {
        let kind = |dtype: &DataType| match dtype {
            DataType::String => Some(ColumnKind::Text),
            DataType::Int64 => Some(ColumnKind::Int),
            DataType::Float64 => Some(ColumnKind::Float),
            DataType::Boolean => Some(ColumnKind::Bool),
            _ => None,
        };
        let columns = frame
            .columns()
            .iter()
            .map(|series| match kind(series.dtype()) {
                Some(kind) => Ok(Column::new(series.name().as_str(), kind)),
                None => Err(Error::Shape(format!("Column `{}` has type {}.", series.name(), series.dtype()))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Table { columns, frame })
    }

    /// The table with a first column `column` that has `value` in every row.
    pub fn labelled(&self, column: Column, value: impl Into<Cell>) -> Result<Self, Error> {
        let value = value.into();
        let columns = std::iter::once(column).chain(self.columns.iter().cloned()).collect();
        let rows = self.all_rows().into_iter().map(|row| std::iter::once(value.clone()).chain(row).collect()).collect();
        Table::new(columns, rows)
    }
}

/// Whether a row has the columns' length and kinds; if not, why.
fn fits(columns: &[Column], row: &[Cell]) -> Result<(), String> {
    if row.len() != columns.len() {
        return Err(format!("{} cells where there are {} columns", row.len(), columns.len()));
    }
    for (column, cell) in columns.iter().zip(row) {
        if cell.kind().is_some_and(|kind| kind != column.kind) {
            let kind = cell.kind().map_or("", ColumnKind::name);
            return Err(format!("a value of kind {kind} in column `{}` of kind {}", column.name, column.kind.name()));
        }
    }
    Ok(())
}

/// The cells, which are of the column's kind or null, as a polars column.
fn series(column: &Column, cells: Vec<Cell>) -> polars::prelude::Column {
    use polars::prelude::{Column, NamedFrom, Series};
    let name = column.name.as_str().into();
    let series = match column.kind {
        ColumnKind::Text => {
            let texts: Vec<Option<&str>> = cells.iter().map(Cell::text).collect();
            Series::new(name, texts)
        }
        ColumnKind::Int => {
            let int = |cell: &Cell| if let Cell::Int(value) = cell { Some(*value) } else { None };
            Series::new(name, cells.iter().map(int).collect::<Vec<_>>())
        }
        ColumnKind::Float => Series::new(name, cells.iter().map(Cell::number).collect::<Vec<_>>()),
        ColumnKind::Bool => {
            let bool = |cell: &Cell| if let Cell::Bool(value) = cell { Some(*value) } else { None };
            Series::new(name, cells.iter().map(bool).collect::<Vec<_>>())
        }
    };
    Column::from(series)
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample;
    use super::*;

    #[test]
    fn cells_come_back_as_they_were() {
        let table = sample();
        assert_eq!(table.row(0), vec!["dog".into(), 12_i64.into(), 0.625.into(), true.into()]);
        assert_eq!((table.cell(2, 0), table.cell(1, 2), table.cell(9, 0)), (Cell::Null, f64::NAN.into(), Cell::Null));
        assert_eq!(Table::from_frame(table.frame().clone()).unwrap(), table);
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words() {
        let refuse = |columns, rows| Table::new(columns, rows).unwrap_err().to_string();
        assert_eq!(refuse(vec![Column::int("a"), Column::text("a")], vec![]), "Two columns have the name `a`.");
        assert_eq!(
            refuse(vec![Column::int("a")], vec![vec![Cell::Null], vec![0.5.into()]]),
            "Row 2: a value of kind f64 in column `a` of kind i64."
        );
        assert_eq!(refuse(vec![Column::int("a")], vec![vec![]]), "Row 1: 0 cells where there are 1 columns.");
    }

    #[test]
    fn a_label_is_the_first_column_of_every_row() {
        let table = Table::new(vec![Column::float("a")], vec![vec![1.0.into()], vec![Cell::Null]]).unwrap();
        let labelled = table.labelled(Column::text("stage"), "train").unwrap();
        assert_eq!(labelled.all_rows(), [vec!["train".into(), 1.0.into()], vec!["train".into(), Cell::Null]]);
    }
}
