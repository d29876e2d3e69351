//! `Report`: the figures of several stages and runs in one table.
//!
//! An input does not say which cell of a matrix it is from. Expansion adds what the table shows of the cells to the
//! parameters: the labels of each node, and which inputs are cells of the same stage.

mod beside;
mod choice;
mod groups;
mod judged;
#[cfg(test)]
mod kdd_tests;
mod line;
mod marks;
mod means;
mod paper;
mod params;
mod published;
mod published_file;
mod rows;
mod verdicts;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::fsio;
use crate::stage::params::Param;
use crate::stage::{
    Extents, Format, Formats, Job, MatrixCell, NodeSpec, Note, Output, ParamFault, Produced, Publish, Reason,
    StageError, StageName, TypedKind, Yield,
};

use super::columns;
use super::support;
use super::yields::{REPORT, TABLE};
use crate::table::Layout;
use params::{ReportParams, TableFormat};
use published::{PublishedFigure, PublishedRow};
use published_file::PublishedFile;
use rows::{Entry, Origin, Rows};

/// The means over some axes of the matrix.
const MEANS: Output = Output::table(
    "means",
    "means.table",
    &[Format::Markdown, Format::Csv],
    "Mean and standard deviation of each figure, where `over` states axes.",
)
.optional();

/// The table for a paper.
const PAPER: Output = Output::table(
    "paper",
    "paper.table",
    &[Format::Markdown, Format::Csv],
    "The table for a paper, where `paper` asks for one: each figure with its deviation, whether it is best, and its mark.",
)
.optional();

/// How the table for a paper is shown.
const LAYOUT: Output =
    Output::file("layout", "layout.json", "How the table for a paper is shown: columns, headers, caption and notes.")
        .optional();

/// The verdicts of claims.
const CLAIMS: Output = Output::table(
    "claims",
    "claims.table",
    &[Format::Markdown, Format::Csv],
    "A row for each claim with its verdict and what that rests on, where `claims` names stages.",
)
.optional();

/// How the verdicts of claims are shown.
const CLAIMS_LAYOUT: Output =
    Output::file("claims_layout", "claims_layout.json", "How the verdicts of claims are shown.").optional();

/// What is said below the table.
const NOTES: [Note; 1] =
    [Note { when: Reason::Missing { columns: "IoU " }, text: "Neither labels nor predictions have a pixel of" }];

/// The kind.
pub struct Report;

impl TypedKind for Report {
    type Params = ReportParams;
    const NAME: &'static str = "Report";
    const VERSION: u32 = 3;
    const YIELDS: Yield = REPORT;
    const OUTPUTS: &'static [Output] = &[TABLE, MEANS, PAPER, LAYOUT, CLAIMS, CLAIMS_LAYOUT];
    const EXAMPLE: &'static str = r#""table": Report(
    from: ["validate", "erf"], over: ["seed"],
    formats: [Markdown, Latex, Csv],
),"#;

    fn outputs(&self, p: &ReportParams) -> Vec<Output> {
        let formats: Vec<Format> = p.formats.iter().map(TableFormat::format).collect();
        let (formats, digits) = (Formats::of(&formats), Some(usize::from(p.digits)));
        let stated = |output: Output| {
            let is = |other: &Output| output.name == other.name;
            // A mean may be missing for other reasons.
            let notes: &[Note] = if is(&TABLE) { &NOTES } else { &[] };
            // A table for a paper is printed in place of the others. A run prints the verdicts of claims itself.
            let print = p.print && (p.paper.is_none() || is(&PAPER)) && !is(&CLAIMS);
            let shown_by = [(PAPER, "layout"), (CLAIMS, "claims_layout")];
            let layout = shown_by.iter().find(|(output, _)| is(output)).map(|(_, layout)| *layout);
            let publish = Publish::Table { formats, digits, print, notes, layout };
            Output { publish, optional: false, ..output }
        };
        let means = (!p.over.is_empty()).then_some(MEANS);
        let paper = p.paper.is_some().then_some(PAPER);
        let layout = p.paper.is_some().then_some(LAYOUT);
        let (claims, claims_layout) = match p.claims.is_empty() {
            true => (None, None),
            false => (Some(CLAIMS), Some(CLAIMS_LAYOUT)),
        };
        let layouts = layout.into_iter().chain(claims_layout).map(|output| Output { optional: false, ..output });
        [TABLE].into_iter().chain(means).chain(paper).chain(claims).map(stated).chain(layouts).collect()
    }

    fn check(&self, p: &ReportParams) -> Vec<ParamFault> {
        let label =
            p.paper.iter().map(|paper| &paper.label).filter(|label| !label.is_empty() && !Layout::is_label(label));
        let fault = |label: &String| {
            let message = format!("`{label}` cannot be a label in LaTeX.");
            ParamFault::new(
                "paper.label",
                message,
                "A label has only ASCII letters, digits and `:-_./+`, as \"tab:kdd\".",
            )
        };
        label.map(fault).collect()
    }

    fn expand(&self, p: &ReportParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let names: Vec<Vec<StageName>> = p.from.iter().map(|reference| extents.cells(&reference.0)).collect();
        let axes: BTreeSet<&String> = names.iter().flatten().flat_map(|name| name.cell.keys()).collect();
        let fault = |(at, axis): (usize, &String)| ParamFault {
            field: format!("over[{at}]"),
            message: format!("Nothing that is gathered is in cells of an axis `{axis}`."),
            hint: match axes.is_empty() {
                true => "Only axes of the pipeline's matrix can be averaged over.".to_owned(),
                false => {
                    format!("The axes are {}.", axes.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", "))
                }
            },
        };
        let names_of_columns = [published::ROW, published::SOURCE, paper::BLOCK, paper::SOURCE_MARK];
        if let Some(taken) = names_of_columns.iter().find(|name| axes.iter().any(|axis| axis == *name))
            && !(p.published.is_empty() && p.published_tables.is_empty())
        {
            let message =
                format!("The matrix has an axis `{taken}`, which is the name of a column of published figures.");
            return Err(vec![ParamFault::new("published", message, "Give the axis another name.")]);
        }
        let mut faults: Vec<ParamFault> =
            p.over.iter().enumerate().filter(|(_, axis)| !axes.contains(axis)).map(fault).collect();
        if let Some(paper) = &p.paper {
            let cells: Vec<&MatrixCell> = names.iter().flatten().map(|name| &name.cell).collect();
            faults.extend(choice::faults(paper, &p.over, &cells));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut node = NodeSpec::only(&p.write());
        if !axes.is_empty() {
            let cells: Vec<Vec<MatrixCell>> =
                names.iter().map(|slot| slot.iter().map(|name| name.cell.clone()).collect()).collect();
            node.set.push((support::CELLS, cells.write()));
            node.set.push((support::ROLES, support::roles(&p.from, extents).write()));
        }
        Ok(vec![node])
    }

    fn parts(&self, _slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        // The only files are those of published tables: their faults are told before anything runs. The engine says what is
        // missing.
        if fsio::exists(&path) {
            PublishedFile::read(&path)?;
        }
        Ok(vec![path])
    }

    fn run(&self, p: &ReportParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let cells = support::cells(job)?;
        let roles: Vec<usize> = job.set(support::ROLES)?.unwrap_or_default();
        let compares = p.paper.as_ref().is_some_and(|paper| !paper.baseline.is_empty());
        let mut entries: Vec<Entry> = Vec::new();
        // Slots are `from[0]`, `from[1]`, …: in the order of their numbers, not of their texts.
        for slot in 0.. {
            let Some(nodes) = job.inputs.get(&format!("from[{slot}]")) else { break };
            for (at, node) in nodes.iter().enumerate() {
                let cell = cells.get(slot).and_then(|cells| cells.get(at)).cloned().unwrap_or_default();
                let role = roles.get(slot).copied().unwrap_or(slot);
                entries.extend(Entry::of(node, &Origin { cell, role }, compares)?);
            }
        }
        let rows = Rows::new(entries);
        let mut produced = Produced::default();
        let published = published(p, job)?;
        let table = published::below(rows.columns(), &published);
        support::write_table(job, &mut produced, &TABLE, &columns::new_table(table)?)?;
        if !p.over.is_empty() {
            support::write_table(job, &mut produced, &MEANS, &columns::new_table(means::columns(&rows, &p.over))?)?;
        }
        if let Some(paper) = &p.paper {
            let found = support::pool(job.threads)?.install(|| paper::table(paper, &rows, &p.over, &published))?;
            support::write_table(job, &mut produced, &PAPER, &columns::new_table(found.columns)?)?;
            LAYOUT.write(job, &mut produced, found.layout.to_json().as_bytes())?;
            let mut warnings = Vec::new();
            found.warnings.into_iter().for_each(|text| job.warn(&mut warnings, text));
            produced.warnings = warnings;
        }
        if !p.claims.is_empty() {
            let (table, layout) = verdicts::gather(job)?;
            support::write_table(job, &mut produced, &CLAIMS, &table)?;
            CLAIMS_LAYOUT.write(job, &mut produced, layout.to_json().as_bytes())?;
        }
        produced.metrics.insert("rows".to_owned(), rows.rows.len() as f64);
        Ok(produced)
    }
}

/// The rows that others published, in the order in which they are stated.
fn published(p: &ReportParams, job: &Job<'_>) -> Result<Vec<PublishedRow>, StageError> {
    let mut rows: Vec<PublishedRow> = p.published.iter().map(PublishedFigure::row).collect();
    for (at, table) in p.published_tables.iter().enumerate() {
        let slot = format!("published_tables[{at}].file");
        let lost = || StageError::Bug(format!("`{slot}` was not handed over."));
        let path = job.files.get(&slot).ok_or_else(lost)?;
        rows.extend(PublishedFile::read(path)?.rows(&path.display().to_string(), &table.table, &table.rows)?);
    }
    Ok(rows)
}
