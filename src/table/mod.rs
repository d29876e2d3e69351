//! Tables: typed columns over a polars frame, their canonical rows, their renderings and their differences.
//!
//! Invariants:
//! - a table's identity is the digest of its canonical rows ([`Table::to_canonical`]), never that of a rendering;
//! - the order of rows and columns is part of a table; every value is of its column's kind or null;
//! - every rendering is one entry of [`FORMATS`];
//! - a [`Layout`] says how people see a table. Formats for programs do not heed it.

mod canonical;
mod cell;
mod difference;
mod error;
mod fold;
mod frame;
mod html;
mod interchange;
mod latex;
mod layout;
mod markdown;
mod pages;
mod render;
mod sheet;
mod terminal;
#[cfg(test)]
mod testing;
mod text;

pub use cell::{Cell, Column, ColumnKind};
pub use difference::{CellChange, TableDifference, difference};
pub use error::Error;
pub use fold::folded;
pub use frame::Table;
pub use interchange::{DIGESTS, from_csv};
pub use layout::{Layout, LayoutColumn};
pub use markdown::escape as markdown_escape;
pub use pages::{PagePart, to_page};
pub use render::{FORMATS, TableFormat, format};
pub use sheet::Sheet;
pub use terminal::to_terminal;
pub use text::{Style, is_control, padded, visible, width};
