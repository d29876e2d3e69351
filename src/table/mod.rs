//! Tables: typed columns over a polars frame, their canonical rows, their renderings and their differences.
//!
//! Invariants:
//! - a table's identity is the digest of its canonical rows ([`Table::to_canonical`]), never that of a rendering;
//! - the order of rows and columns is part of a table; every value is of its column's kind or null;
//! - every rendering is one entry of [`FORMATS`].

mod canonical;
mod cell;
mod difference;
mod error;
mod frame;
mod render;
#[cfg(test)]
mod testing;

pub use cell::{Cell, Column, ColumnKind};
pub use difference::{CellChange, TableDifference, difference};
pub use error::Error;
pub use frame::Table;
pub use render::{FORMATS, Style, TableFormat, format, to_terminal};
