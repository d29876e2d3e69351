//! `Report`: the figures of several stages and runs in one table.
//!
//! A node's inputs tell nothing of the cells that they come from, so expansion adds to its parameters what the table
//! says of them: the labels of each node, and which inputs are cells of one stage.

mod means;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use crate::params;
use crate::stage::params::{Param, Ref};
use crate::stage::schema::Structure;
use crate::stage::{
    Cell, Extents, Fault, InputRef, Job, Kind, Name, Produced, Publication, StageError, Step, Value, kind,
};

use super::columns;
use super::support;
use rows::{Entry, Origin, Rows};

params! {
    /// Gathers the figures of validations and effective receptive fields into one table: a row a model, data set and
    /// way of inference, with its mean IoU, pixel accuracy, the best constant prediction's mean IoU, the IoU of each
    /// class (all in percent), and the figures of its effective receptive field. Models and data sets are named by the
    /// first digits of their digests, which `repro show` has too. Where the stages are in several cells of a matrix, all
    /// of them are gathered, and each axis that nothing else tells is a column. `validate[10]` gathers one iteration alone.
    pub struct ReportParams {
        /// What to gather: stages, or stages of other runs, as `run:voc_regular/validate`. A row has the order of its
        /// first mention.
        from: Vec<Ref>, where to(&["metrics", "erf"]).nonempty();
        /// Axes of the matrix over which a second table, `means`, has mean and standard deviation (over n - 1): a row for
        /// what all other axes have in common, with the number n of its rows. Where one of them lacks a figure, the
        /// mean is missing too.
        over: Vec<String> = Vec::new();
        /// How the table is written.
        formats: Vec<TableFormat> = vec![TableFormat::Markdown {}, TableFormat::Csv {}],
            where unkeyed();
        /// The digits after the point in Markdown, LaTeX and on the terminal.
        digits: u8 = 1, where max(12.0).unkeyed();
        /// Whether the table is printed at the end of a run.
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
    }
}

/// The kind.
pub struct Report;

impl Kind for Report {
    fn name(&self) -> &'static str {
        "Report"
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> Structure {
        support::structure(ReportParams::ty())
    }

    fn yields(&self) -> &'static str {
        "report"
    }

    fn publish(&self, params: &Value) -> Vec<Publication> {
        // Field by field, so that what an older program recorded is published as it asked for.
        fn field<P: Param>(params: &Value, name: &str) -> Option<P> {
            params.field(name).and_then(P::read)
        }
        let name = |format: &TableFormat| match format {
            TableFormat::Markdown {} => "Markdown",
            TableFormat::Latex {} => "Latex",
            TableFormat::Csv {} => "Csv",
            TableFormat::Parquet {} => "Parquet",
        };
        let known = |formats: &Value| match formats {
            Value::List(formats) => formats.iter().filter_map(TableFormat::read).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let formats = params.field("formats").map(known).unwrap_or_default();
        let formats: Vec<&str> = formats.iter().map(name).collect();
        let table = |output| Publication {
            digits: field::<u8>(params, "digits").map(usize::from),
            print: field(params, "print").unwrap_or_default(),
            ..Publication::table(output, &formats)
        };
        // There are means only where they were asked for.
        ["table", "means"].map(table).into()
    }

    fn expand(&self, params: &Value, extents: &dyn Extents) -> Result<Vec<Step>, Vec<Fault>> {
        let Some(p) = ReportParams::read(params) else { return Err(Vec::new()) };
        let names: Vec<Vec<Name>> = p.from.iter().map(|reference| extents.cells(&reference.0)).collect();
        let axes: BTreeSet<&String> = names.iter().flatten().flat_map(|name| name.cell.keys()).collect();
        let fault = |(at, axis): (usize, &String)| Fault {
            field: format!("over[{at}]"),
            message: format!("Nothing that is gathered is in cells of an axis `{axis}`."),
            hint: match axes.is_empty() {
                true => "Only axes of the pipeline's matrix can be averaged over.".to_owned(),
                false => {
                    format!("The axes are {}.", axes.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", "))
                }
            },
        };
        let faults: Vec<Fault> =
            p.over.iter().enumerate().filter(|(_, axis)| !axes.contains(axis)).map(fault).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut node = params.clone();
        if !axes.is_empty() {
            let cells: Vec<Vec<Cell>> =
                names.iter().map(|slot| slot.iter().map(|name| name.cell.clone()).collect()).collect();
            let stage = |slot: &Vec<Name>| slot.first().map(|name| name.stage.clone());
            let role =
                |slot: &Vec<Name>| names.iter().position(|first| stage(first) == stage(slot)).unwrap_or_default();
            node.set_field(support::CELLS, cells.write());
            node.set_field(ROLES, names.iter().map(role).collect::<Vec<usize>>().write());
        }
        let inputs = kind::references(params).into_iter().map(|(slot, name)| (slot, InputRef::Named(name))).collect();
        Ok(vec![Step { iteration: None, params: node, inputs, notes: BTreeMap::new() }])
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: ReportParams = support::read(job.params)?;
        let cells = support::cells(job);
        let roles: Vec<usize> = job.params.field(ROLES).and_then(Param::read).unwrap_or_default();
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
        support::write_table(job, &mut produced, "table", &columns::new_table(rows.columns())?)?;
        if !p.over.is_empty() {
            support::write_table(job, &mut produced, "means", &columns::new_table(means::columns(&rows, &p.over))?)?;
        }
        produced.metrics.insert("rows".to_owned(), rows.rows.len() as f64);
        Ok(produced)
    }
}

/// For each slot the first one that gathers the same stage.
const ROLES: &str = "roles";
