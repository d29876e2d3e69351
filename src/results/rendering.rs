//! Renders stored tables in the formats that their publications ask for.

use super::error::{Error, Result};
use super::notes;
use crate::hash::Digest;
use crate::stage::Publication;
use crate::store::{RunNodeRecord, Store};
use crate::table::{self, ColumnKind, Layout, Style, Table};

/// A stored table that is published.
#[derive(Debug, Clone)]
pub(super) struct StoredTable {
    /// The table.
    pub digest: Digest,
    /// The layout that says how it is shown, if there is one.
    pub layout: Option<Digest>,
    /// How it is published.
    pub publication: Publication,
}

impl StoredTable {
    /// The table `digest` of a node, which is published so.
    pub fn new(node: &RunNodeRecord, digest: Digest, publication: &Publication) -> Self {
        let layout = publication.layout.as_ref().and_then(|output| node.outputs.get(output));
        StoredTable { digest, layout: layout.map(|artifact| artifact.digest), publication: publication.clone() }
    }

    /// The table in a format.
    ///
    /// # Errors
    /// An object that is missing, damaged or no table; a table that cannot be written so.
    pub fn bytes(&self, store: &Store, format: &table::TableFormat) -> Result<Vec<u8>> {
        let (table, style) = self.read(store)?;
        (format.render)(&table, &style).map_err(|error| Error::Unwritable { format: format.name, error })
    }

    /// The table as text of lines no longer than `width`, where there is one.
    ///
    /// # Errors
    /// As [`StoredTable::bytes`].
    pub fn text(&self, store: &Store, width: Option<usize>) -> Result<String> {
        let (table, style) = self.read(store)?;
        table::to_terminal(&table, &style, width).map_err(|error| Error::Unwritable { format: "text", error })
    }

    /// The table, and how it is shown: with the digits that the publication asks for in every column of floating-point
    /// numbers, by the layout, with the notes of both.
    fn read(&self, store: &Store) -> Result<(Table, Style)> {
        let read = |digest: &Digest| store.read(digest);
        let unreadable = |digest| move |error| Error::Unreadable { digest, error };
        let table = Table::from_canonical(&read(&self.digest)?).map_err(unreadable(self.digest))?;
        let layout = match self.layout {
            Some(digest) => Some(Layout::from_json(&read(&digest)?).map_err(unreadable(digest))?),
            None => None,
        };
        let mut notes = notes::of(&table, self.publication.notes);
        notes.extend(layout.iter().flat_map(|layout| layout.notes.clone()));
        let plain = Style { notes, layout, ..Style::default() };
        let Some(digits) = self.publication.digits else { return Ok((table, plain)) };
        let floats = table.columns().iter().filter(|column| column.kind == ColumnKind::Float);
        let style = floats.fold(plain, |style, column| style.with(column.name.clone(), digits));
        Ok((table, style))
    }
}
