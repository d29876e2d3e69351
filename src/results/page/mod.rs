//! The report page of runs: what their nodes left, and what only their records say.
//!
//! Invariants:
//! - nothing is computed again: records and outputs are read, from the store or from archives;
//! - what cannot be shown is a note of the page. An output of the store that is damaged or gone is an error.

mod about;
mod sources;
mod stages;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::diff::{self, Side};
use super::error::{Error, Result};
use crate::page::{self, Fault, Page, Section, Wanted};
use crate::stage::{Registry, Value};

pub use write::{Kept, marked, write};

/// What is asked of a page of runs.
pub struct PageOf<'a> {
    /// The kinds.
    pub registry: &'a Registry,
    /// The runs, side by side.
    pub sides: &'a [Side<'a>],
    /// The title; none: the names of the runs.
    pub title: Option<String>,
    /// How many images are shown at most.
    pub images: usize,
    /// The folders of data roots by name, for photographs.
    pub roots: &'a BTreeMap<String, PathBuf>,
}

impl PageOf<'_> {
    /// Makes the page.
    ///
    /// # Errors
    /// An output that is damaged or gone, one that cannot be shown, and runs that have nothing to show.
    pub fn page(&self) -> Result<Page> {
        let mut notes = Vec::new();
        let labels = labels(self.sides);
        let mut sources = Vec::new();
        for (side, label) in self.sides.iter().zip(&labels) {
            let run = if self.sides.len() > 1 { label.as_str() } else { "" };
            sources.extend(sources::of(side, run, self.registry, self.roots, &mut notes)?);
        }
        let names: Vec<String> = self.sides.iter().map(|side| side.run.full_name()).collect();
        let title = self.title.clone().unwrap_or_else(|| names.join(", "));
        let over = self.sides.iter().flat_map(|side| repeated(side, self.registry)).collect();
        let wanted = Wanted { title, over, images: self.images, named: true, most: None };
        let page = page::gather(&wanted, &sources).map_err(own)?;
        if page.sections.is_empty() {
            let ids: Vec<String> = self.sides.iter().map(|side| format!("`{}`", side.run.id)).collect();
            return Err(Error::NoFigures { runs: ids.join(", ") });
        }
        notes.extend(page.notes);
        // What differs is what two runs are put side by side for.
        let mut sections: Vec<Section> = about::differences(self.registry, self.sides)?.into_iter().collect();
        sections.extend(page.sections);
        for (at, (side, label)) in self.sides.iter().zip(&labels).enumerate() {
            sections.push(stages::section(side, if self.sides.len() > 1 { label } else { "" }, at));
        }
        sections.push(about::environment(self.sides, &labels));
        sections.extend(about::reproduce(self.registry, self.sides, &labels));
        Ok(Page { lead: lead(self.sides, &labels), sections, notes, ..page })
    }
}

/// An error of the page: one of this room, or what is wrong with an output.
fn own(fault: Fault) -> Error {
    match fault.downcast::<Error>() {
        Ok(error) => *error,
        Err(fault) => Error::Unshown(fault.to_string()),
    }
}

/// What the runs are called: as they were asked for. The folder of an archive is left out.
fn labels(sides: &[Side<'_>]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for side in sides {
        let name = side.asked.rsplit('/').next().unwrap_or(&side.asked);
        let name = name.strip_suffix(".tar.zst").unwrap_or(name);
        let numbered = |count: usize| if count == 0 { name.to_owned() } else { format!("{name} ({})", count + 1) };
        labels.extend((0..).map(numbered).find(|label| !labels.contains(label)));
    }
    labels
}

/// Which runs are shown, in a sentence each.
fn lead(sides: &[Side<'_>], labels: &[String]) -> String {
    let one = |(side, label): (&Side<'_>, &String)| {
        let run = &side.run;
        let trial = run.trial().map_or(String::new(), |words| format!(" (a trial: {words})"));
        let name = if sides.len() > 1 { format!("{label}: run") } else { "Run".to_owned() };
        format!("{name} {} of {}{trial}, started {}.", run.id, run.full_name(), run.started)
    };
    sides.iter().zip(labels).map(one).collect::<Vec<_>>().join(" ")
}

/// The axes whose cells repeat one another: those of seeds, and those that a stage averages over.
fn repeated(side: &Side<'_>, registry: &Registry) -> BTreeSet<String> {
    let mut axes = diff::seed_axes(side, registry);
    for params in side.run.params.values() {
        for field in ["over", "across"] {
            if let Some(Value::List(items)) = params.field(field) {
                let text = |item: &Value| if let Value::Str(text) = item { Some(text.clone()) } else { None };
                axes.extend(items.iter().filter_map(text));
            }
        }
    }
    axes
}
