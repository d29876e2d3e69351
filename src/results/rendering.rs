//! Renders stored tables in the formats that their publications ask for.

use super::error::{Error, Result};
use super::notes;
use crate::hash::Digest;
use crate::stage::Publication;
use crate::store::Store;
use crate::table::{self, ColumnKind, Style, Table};

/// Reads a stored table.
///
/// # Errors
/// An object that is missing, damaged or no table.
pub(super) fn read(store: &Store, digest: &Digest) -> Result<Table> {
    let unreadable = |error| Error::Unreadable { digest: *digest, error };
    Table::from_canonical(&store.read(digest)?).map_err(unreadable)
}

/// The digits that a publication asks for, in every column of floating-point numbers, and what is said below the table.
pub(super) fn style(table: &Table, publication: &Publication) -> Style {
    let plain = Style { notes: notes::of(table, publication.notes), ..Style::default() };
    let Some(digits) = publication.digits else { return plain };
    let floats = table.columns().iter().filter(|column| column.kind == ColumnKind::Float);
    floats.fold(plain, |style, column| style.with(column.name.clone(), digits))
}

/// A table in a format.
pub(super) fn bytes(table: &Table, publication: &Publication, format: &table::TableFormat) -> Result<Vec<u8>> {
    let unwritable = |error| Error::Unwritable { format: format.name, error };
    (format.render)(table, &style(table, publication)).map_err(unwritable)
}

/// A table as text of lines no longer than `width`, where there is one.
pub(super) fn text(table: &Table, publication: &Publication, width: Option<usize>) -> Result<String> {
    let unwritable = |error| Error::Unwritable { format: "text", error };
    table::to_terminal(table, &style(table, publication), width).map_err(unwritable)
}
