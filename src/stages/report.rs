//! `Report`: the figures of several stages and runs in one table.
//!
//! An input does not say which cell of a matrix it is from. Expansion adds what the table shows of the cells to the
//! parameters: the labels of each node, and which inputs are cells of the same stage.

mod means;
mod published;
mod rows;

use std::collections::BTreeSet;

use crate::params;
use crate::stage::params::{Param, Ref};
use crate::stage::{
    Extents, Format, Formats, Job, MatrixCell, NodeSpec, Note, Output, ParamFault, Produced, Publish, Reason,
    StageError, StageName, TypedKind, Yield,
};

use super::columns;
use super::support;
use super::yields::{ERF, METRICS, REPORT, TABLE};
use published::PublishedFigure;
use rows::{Entry, Origin, Rows};

params! {
    /// Gathers the figures of validations and effective receptive fields into one table. It has a row for each model,
    /// data set and way of inference. The figures are the mean IoU, the pixel accuracy, the mean IoU of the best
    /// constant prediction, the IoU of each class (all in percent), and those of the effective receptive field. Models
    /// and data sets are named by the first digits of their digests, as in `repro show`. If a stage is in several cells
    /// of a matrix, all of them are gathered. An axis whose values no other column shows has a column of its own.
    /// `validate[10]` gathers one iteration alone.
    pub struct ReportParams {
        /// The stages to gather, also of other runs, as `run:voc_regular/validate`. Rows stand in the order of their
        /// first mention.
        from: Vec<Ref>, where to(&[METRICS, ERF]).nonempty();
        /// Axes of the matrix to average over. If any are stated, a second table `means` has the mean and the standard
        /// deviation (over n - 1) of each figure. Each of its rows averages the rows of one stage and iteration that
        /// agree in all other axes, and states their number n. A mean is missing if one of these rows lacks the figure.
        over: Vec<String> = Vec::new();
        /// Figures that others published, to compare with. Each is a row of its own below the others, which the column
        /// `published` names; the column `source` says where it is from. The means leave these rows out.
        published: Vec<PublishedFigure> = Vec::new(), where since("0.1.0");
        /// The formats of the tables in the results.
        formats: Vec<TableFormat> = vec![TableFormat::Markdown {}, TableFormat::Csv {}],
            where unkeyed();
        /// The digits after the point in Markdown, in LaTeX and on the terminal.
        digits: u8 = 1, where max(12.0).unkeyed();
        /// Whether the tables are printed at the end of a run.
        print: bool = true, where unkeyed();
    }

    /// A format of tables.
    pub enum TableFormat {
        /// Markdown.
        Markdown {}
        /// LaTeX, with the package booktabs.
        Latex {}
        /// Comma-separated values, every digit kept.
        Csv {}
        /// Apache Parquet, every digit kept.
        Parquet {}
        /// HTML, a page of its own.
        Html {}
    }
}

impl TableFormat {
    fn format(&self) -> Format {
        match self {
            TableFormat::Markdown {} => Format::Markdown,
            TableFormat::Latex {} => Format::Latex,
            TableFormat::Csv {} => Format::Csv,
            TableFormat::Parquet {} => Format::Parquet,
            TableFormat::Html {} => Format::Html,
        }
    }
}

/// The means over some axes of the matrix.
const MEANS: Output = Output::table(
    "means",
    "means.table",
    &[Format::Markdown, Format::Csv],
    "Mean and standard deviation of each figure, where `over` states axes.",
)
.optional();

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
    const OUTPUTS: &'static [Output] = &[TABLE, MEANS];

    fn outputs(&self, p: &ReportParams) -> Vec<Output> {
        let formats: Vec<Format> = p.formats.iter().map(TableFormat::format).collect();
        let (digits, print) = (Some(usize::from(p.digits)), p.print);
        let stated = |output: Output| {
            // A mean may be missing for other reasons.
            let notes: &[Note] = if output.name == TABLE.name { &NOTES } else { &[] };
            let publish = Publish::Table { formats: Formats::of(&formats), digits, print, notes };
            Output { publish, optional: false, ..output }
        };
        let means = (!p.over.is_empty()).then_some(MEANS);
        [TABLE].into_iter().chain(means).map(stated).collect()
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
        if let Some(taken) =
            [published::ROW, published::SOURCE].iter().find(|name| axes.iter().any(|axis| axis == *name))
            && !p.published.is_empty()
        {
            let message =
                format!("The matrix has an axis `{taken}`, which is the name of a column of published figures.");
            return Err(vec![ParamFault::new("published", message, "Give the axis another name.")]);
        }
        let faults: Vec<ParamFault> =
            p.over.iter().enumerate().filter(|(_, axis)| !axes.contains(axis)).map(fault).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut node = NodeSpec::only(&p.write());
        if !axes.is_empty() {
            let cells: Vec<Vec<MatrixCell>> =
                names.iter().map(|slot| slot.iter().map(|name| name.cell.clone()).collect()).collect();
            let stage = |slot: &Vec<StageName>| slot.first().map(|name| name.stage.clone());
            let role =
                |slot: &Vec<StageName>| names.iter().position(|first| stage(first) == stage(slot)).unwrap_or_default();
            node.set.push((support::CELLS, cells.write()));
            node.set.push((ROLES, names.iter().map(role).collect::<Vec<usize>>().write()));
        }
        Ok(vec![node])
    }

    fn run(&self, p: &ReportParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let cells = support::cells(job)?;
        let roles: Vec<usize> = job.set(ROLES)?.unwrap_or_default();
        let mut entries: Vec<Entry> = Vec::new();
        // Slots are `from[0]`, `from[1]`, …: in the order of their numbers, not of their texts.
        for slot in 0.. {
            let Some(nodes) = job.inputs.get(&format!("from[{slot}]")) else { break };
            for (at, node) in nodes.iter().enumerate() {
                let cell = cells.get(slot).and_then(|cells| cells.get(at)).cloned().unwrap_or_default();
                let role = roles.get(slot).copied().unwrap_or(slot);
                entries.extend(Entry::of(node, &Origin { cell, role })?);
            }
        }
        let rows = Rows::new(entries);
        let mut produced = Produced::default();
        let table = published::below(rows.columns(), &p.published);
        support::write_table(job, &mut produced, &TABLE, &columns::new_table(table)?)?;
        if !p.over.is_empty() {
            support::write_table(job, &mut produced, &MEANS, &columns::new_table(means::columns(&rows, &p.over))?)?;
        }
        produced.metrics.insert("rows".to_owned(), rows.rows.len() as f64);
        Ok(produced)
    }
}

/// For each slot the first one that gathers the same stage.
const ROLES: &str = "roles";
