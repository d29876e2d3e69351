//! `Report`: the figures of several stages and runs in one table.

use std::collections::BTreeMap;

use crate::params;
use crate::stage::params::{Param, Ref};
use crate::stage::schema::Structure;
use crate::stage::{InputNode, Job, Kind, Produced, Publication, StageError, Value};
use crate::table::Table;

use super::columns::{self, Values};
use super::subject::SUBJECT;
use super::support;

params! {
    /// Gathers the figures of validations and effective receptive fields into one table: a row a model and data
    /// set, with its mean IoU, pixel accuracy, the best constant prediction's mean IoU, the IoU of each class (all in
    /// percent), and the figures of its effective receptive field.
    pub struct ReportParams {
        /// What to gather: stages, or stages of other runs, as `run:voc_regular/validate`. A row has the order of its
        /// first mention.
        from: Vec<Ref>, where to(&["metrics", "erf"]).nonempty();
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
        1
    }

    fn schema(&self) -> Structure {
        support::structure(ReportParams::ty())
    }

    fn yields(&self) -> &'static str {
        "report"
    }

    fn publish(&self, params: &Value) -> Vec<Publication> {
        let Some(p) = ReportParams::read(params) else { return Vec::new() };
        let name = |format: &TableFormat| match format {
            TableFormat::Markdown {} => "Markdown",
            TableFormat::Latex {} => "Latex",
            TableFormat::Csv {} => "Csv",
            TableFormat::Parquet {} => "Parquet",
        };
        let formats: Vec<&str> = p.formats.iter().map(name).collect();
        vec![Publication {
            digits: Some(usize::from(p.digits)),
            print: p.print,
            ..Publication::table("table", &formats)
        }]
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let mut rows = Rows::default();
        // Slots are `from[0]`, `from[1]`, …: in the order of their numbers, not of their texts.
        for at in 0.. {
            let Some(nodes) = job.inputs.get(&format!("from[{at}]")) else { break };
            for node in nodes {
                rows.gather(node)?;
            }
        }
        let mut produced = Produced::default();
        support::write_table(job, &mut produced, "table", &rows.table()?)?;
        produced.metrics.insert("rows".to_owned(), rows.subjects.len() as f64);
        Ok(produced)
    }
}

/// The column with the number of classes that a mean is over.
const COUNT: &str = "classes";

/// The rows in the making: models in the order of their first mention, columns likewise.
#[derive(Default)]
struct Rows {
    subjects: Vec<Vec<String>>,
    columns: Vec<String>,
    values: BTreeMap<(usize, String), f64>,
}

impl Rows {
    /// Adds the figures of one node to the row of its model and data set.
    fn gather(&mut self, node: &InputNode) -> Result<(), StageError> {
        if node.outputs.contains_key("summary") {
            let summary = support::table(node, "summary")?;
            let row = self.subject(&summary)?;
            for (name, column) in [
                ("mIoU", "mean_iou"),
                ("pixel accuracy", "pixel_accuracy"),
                ("best constant mIoU", "constant_mean_iou"),
            ] {
                self.set(row, name, percent(first(&columns::numbers(&summary, column)?)));
            }
            self.set(row, COUNT, first(&columns::numbers(&summary, "classes_present")?));
            let classes = support::table(node, "classes")?;
            let (names, ious) = (columns::texts(&classes, "name")?, columns::numbers(&classes, "iou")?);
            for (name, iou) in names.iter().zip(&ious) {
                self.set(row, &format!("IoU {}", name.as_deref().unwrap_or_default()), percent(*iou));
            }
        }
        if node.outputs.contains_key("figures") {
            let figures = support::table(node, "figures")?;
            let row = self.subject(&figures)?;
            let target = columns::texts(&figures, "target")?.first().cloned().flatten();
            let target = target.filter(|target| target != "image").map_or(String::new(), |target| format!(" {target}"));
            let named = |name: &str| SUBJECT.contains(&name) || name == "target";
            for column in figures.columns().iter().filter(|column| !named(&column.name)) {
                let value = first(&columns::numbers(&figures, &column.name)?);
                // Shares are in percent, as the scores; the radius is in pixels.
                let value = if column.name == "radius" { value } else { percent(value) };
                self.set(row, &format!("ERF{target} {}", column.name), value);
            }
        }
        Ok(())
    }

    /// The row of the model and the data set that a table names.
    fn subject(&mut self, table: &Table) -> Result<usize, StageError> {
        let column = table.position("model").map(|at| table.cell(0, at));
        if column.is_none() || table.rows() == 0 {
            return Err(StageError::Bug("A table of figures names no model.".into()));
        }
        let texts = |name: &&str| -> Result<String, StageError> {
            let at = table.position(name).ok_or_else(|| StageError::Bug(format!("A table lacks `{name}`.")))?;
            let cell = table.cell(0, at);
            Ok(cell.text().map_or_else(|| cell.number().map_or(String::new(), |n| n.to_string()), str::to_owned))
        };
        let subject: Vec<String> = SUBJECT.iter().map(texts).collect::<Result<_, _>>()?;
        let known = self.subjects.iter().position(|known| *known == subject);
        Ok(known.unwrap_or_else(|| {
            self.subjects.push(subject);
            self.subjects.len() - 1
        }))
    }

    fn set(&mut self, row: usize, column: &str, value: Option<f64>) {
        if !self.columns.iter().any(|known| known == column) {
            self.columns.push(column.to_owned());
        }
        if let Some(value) = value {
            self.values.insert((row, column.to_owned()), value);
        }
    }

    fn table(&self) -> Result<Table, StageError> {
        let rows = 0..self.subjects.len();
        let subject = |at: usize| self.subjects.iter().map(move |subject| subject[at].clone());
        let shown = [("prefilter", 2), ("encoder", 1), ("model", 0), ("data", 3)];
        let mut columns: Vec<(String, Values)> = shown
            .iter()
            .map(|(name, at)| ((*name).to_owned(), Values::Text(subject(*at).map(Some).collect())))
            .collect();
        for (name, at) in [("seed", 4), ("iteration", 5), ("step", 6)] {
            let numbers = subject(at).map(|text| text.parse::<i64>().ok()).collect();
            columns.push((name.to_owned(), Values::Int(numbers)));
        }
        for column in &self.columns {
            let value = |row: usize| self.values.get(&(row, column.clone())).copied();
            let values: Vec<Option<f64>> = rows.clone().map(value).collect();
            // Counts are whole numbers and read as such.
            let counts = column == COUNT;
            columns.push(match counts {
                true => (column.clone(), Values::Int(values.iter().map(|value| value.map(|v| v as i64)).collect())),
                false => (column.clone(), Values::Float(values)),
            });
        }
        columns::new_table(columns)
    }
}

fn first(values: &[Option<f64>]) -> Option<f64> {
    values.first().copied().flatten()
}

fn percent(value: Option<f64>) -> Option<f64> {
    value.map(|value| 100.0 * value)
}
