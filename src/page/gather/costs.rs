//! What networks cost: the measurements of `Cost`.

use std::collections::BTreeSet;

use super::columns::first;
use super::group::{Group, facets, groups};
use super::labels::labels;
use super::source::{Fault, Source};
use crate::page::model::{Block, Cell, Grid, Section};
use crate::table::{self, Table};

/// The columns that are shown: what each is called, its digits, and by what it is multiplied.
const COLUMNS: [(&str, &str, usize, f64); 5] = [
    ("seconds_per_step", "seconds per step", 4, 1.0),
    ("images_per_s", "images per second", 2, 1.0),
    ("memory_mib", "memory (MiB)", 0, 1.0),
    ("gflop", "GFLOP per step", 1, 1.0),
    ("parameters", "parameters (millions)", 2, 1e-6),
];

/// A row for each measurement.
///
/// # Errors
/// A table cannot be read.
pub(super) fn section(sources: &[Source<'_>], named: bool) -> Result<Option<Section>, Fault> {
    let groups = groups(sources, |source| source.has(&["cost", "measurements"]), &BTreeSet::new());
    let tables: Vec<Table> =
        groups.iter().map(|group| group.repeats[0].last().table("cost")).collect::<Result<_, Fault>>()?;
    let place = |group: &Group<'_, '_>| groups.iter().position(|other| std::ptr::eq(other, group)).unwrap_or_default();
    let facets = facets(&groups, named, |group| {
        let text = |(name, column): (&str, &str)| (name.to_owned(), first(&tables[place(group)], column));
        [("encoder", "encoder"), ("pre-filter", "prefilter"), ("work", "work")].map(text).to_vec()
    });
    let names = labels(&facets, |at| first(&tables[at], "prefilter"));
    let number = |table: &Table, (name, _, digits, scale): &(&str, &str, usize, f64)| {
        let cell = table.position(name).filter(|_| table.rows() > 0).map(|column| table.cell(0, column));
        let value = match cell {
            Some(table::Cell::Int(value)) => Some(value as f64),
            Some(cell) => cell.number(),
            None => None,
        };
        let value = value.filter(|value| value.is_finite()).map(|value| scale * value);
        Cell { text: value.map_or("–".to_owned(), |value| format!("{value:.digits$}")), number: value, best: false }
    };
    let row = |(name, table): (String, &Table)| {
        let text = |text: String| Cell { text, ..Cell::default() };
        let work = text(first(table, "work"));
        [text(name), work].into_iter().chain(COLUMNS.iter().map(|column| number(table, column))).collect()
    };
    let rows: Vec<Vec<Cell>> = names.into_iter().zip(&tables).map(row).collect();
    let heads = ["", "work"].into_iter().chain(COLUMNS.iter().map(|column| column.1)).map(str::to_owned).collect();
    Ok((!rows.is_empty()).then(|| Section {
        id: "costs".to_owned(),
        title: "Costs".to_owned(),
        lead: "Time and memory as they were measured, the median over repeats.".to_owned(),
        blocks: vec![Block::Table(Grid { heads, rows, ..Grid::default() })],
        folded: false,
    }))
}
