//! The rows of a list: a run is a row, or a row for each cell of its matrix, or for each stage in a cell.
//!
//! Invariants:
//! - a value stands in the rows of the cells that its stage's cell covers: what one training has is in the rows of all its
//!   validations;
//! - cells come in the order of their labels, and stages by name, whatever the order of the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::column::{Column, Fact};
use super::figures::{Owned, figure, owned};
use crate::cli::format::word;
use crate::stage::MatrixCell;
use crate::stage::name::{covers, in_words};
use crate::store::{RunLine, RunSummary};
use crate::syntax::cut;
use crate::table::Cell;

/// How many characters describe a run, so that its id stands beside them; the column `trial` has all.
const DESCRIBED: usize = 48;

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    /// The run.
    pub run: Rc<RunSummary>,
    /// The cell that it tells of.
    pub cell: MatrixCell,
    /// The stage that it tells of, where several stages of the cell have a metric.
    stage: Option<String>,
    /// Those stages.
    split: BTreeSet<String>,
    /// Whether the run has other rows.
    is_one_of_several: bool,
    /// What stages have in the columns, in the order of these.
    owned: Rc<Vec<Vec<Owned>>>,
}

impl Row {
    /// The rows of a run for columns; a single one unless `expand`.
    pub fn of<'a>(run: &Rc<RunSummary>, columns: impl Iterator<Item = &'a Column>, expand: bool) -> Vec<Row> {
        let owned: Rc<Vec<Vec<Owned>>> = Rc::new(columns.map(|column| owned(run, column)).collect());
        let all: BTreeSet<&MatrixCell> = owned.iter().flatten().map(|owned| &owned.stage.cell).collect();
        // A cell that is a part of another one has no row of its own.
        let most = |cell: &&MatrixCell| !all.iter().any(|other| other != cell && covers(cell, other));
        let cells: Vec<MatrixCell> = all.iter().filter(|cell| most(cell)).map(|cell| (*cell).clone()).collect();
        let row = Row {
            run: run.clone(),
            cell: common(&cells),
            stage: None,
            split: BTreeSet::new(),
            is_one_of_several: false,
            owned: owned.clone(),
        };
        if !expand || !owned.iter().any(|one| one.len() > 1) {
            return vec![row];
        }
        let mut rows = Vec::new();
        for cell in cells {
            let row = Row { cell, is_one_of_several: true, ..row.clone() };
            let here = |one: &Vec<Owned>| -> BTreeSet<String> {
                let here = one.iter().filter(|one| covers(&one.stage.cell, &row.cell));
                here.map(|one| one.stage.stage.clone()).filter(|stage| !stage.is_empty()).collect()
            };
            let split = owned.iter().map(here).find(|stages| stages.len() > 1).unwrap_or_default();
            if split.is_empty() {
                rows.push(row);
                continue;
            }
            rows.extend(split.iter().map(|stage| Row {
                stage: Some(stage.clone()),
                split: split.clone(),
                ..row.clone()
            }));
        }
        rows
    }

    /// The value in the column of that number, which is `column`.
    pub fn value(&self, number: usize, column: &Column) -> Cell {
        match column {
            Column::Fact(fact) => fact_of(&self.run.line, *fact),
            Column::Described => described(&self.run.line).into(),
            Column::Cell => Some(in_words(&self.cell)).filter(|words| !words.is_empty()).into(),
            Column::Stage => Some(self.stages()).filter(|stages| !stages.is_empty()).into(),
            Column::Bare(_) => self.found(number, false),
            Column::Of(name, _) => self.found(number, !name.cell.is_empty()),
        }
    }

    /// Whether any stage has something in the column of that number.
    pub fn has(&self, number: usize) -> bool {
        self.owned.get(number).is_some_and(|all| !all.is_empty())
    }

    /// Whether several stages or cells have something in the column of that number, of which the row shows nothing.
    pub fn hides(&self, number: usize) -> bool {
        !self.is_one_of_several && self.owned.get(number).is_some_and(|all| all.len() > 1)
    }

    /// The stage that the row tells of, where several stages of the cell have a metric.
    pub fn is_split(&self) -> bool {
        self.stage.is_some()
    }

    /// The one value that the row has in the column. `everywhere` where the column names its cell, so that its value stands
    /// in the rows of all cells.
    fn found(&self, number: usize, everywhere: bool) -> Cell {
        let all = self.owned.get(number).map_or(&[][..], Vec::as_slice);
        let here = |one: &&Owned| {
            let of_row = everywhere && all.len() == 1 || covers(&one.stage.cell, &self.cell);
            of_row && (self.stage.as_ref() == Some(&one.stage.stage) || !self.split.contains(&one.stage.stage))
        };
        let found: Vec<&Owned> = all.iter().filter(|one| !self.is_one_of_several || here(one)).collect();
        match found.as_slice() {
            [one] => one.value.clone(),
            _ => Cell::Null,
        }
    }

    /// The stages whose values the row shows.
    fn stages(&self) -> String {
        if let Some(stage) = &self.stage {
            return stage.clone();
        }
        let of_row = |one: &&Owned| !self.is_one_of_several || covers(&one.stage.cell, &self.cell);
        let all = self.owned.iter().flatten().filter(of_row).map(|one| one.stage.stage.as_str());
        let all: BTreeSet<&str> = all.filter(|stage| !stage.is_empty()).collect();
        all.into_iter().collect::<Vec<_>>().join(",")
    }
}

/// The labels that all cells share.
fn common(cells: &[MatrixCell]) -> MatrixCell {
    let Some((first, others)) = cells.split_first() else { return MatrixCell::new() };
    let shared = |(axis, label): &(&String, &String)| others.iter().all(|cell| cell.get(*axis) == Some(label));
    first.iter().filter(shared).map(|(axis, label)| (axis.clone(), label.clone())).collect()
}

/// The pipeline, with the profile and the trial in brackets where there are such.
fn described(line: &RunLine) -> String {
    let parts: Vec<String> = line.profile.iter().cloned().chain(line.trial()).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) };
    cut(&format!("{}{parts}", line.pipeline), DESCRIBED).into_owned()
}

/// A fact of a run. What a run does not have is an empty text, or no number.
fn fact_of(line: &RunLine, fact: Fact) -> Cell {
    let text = |text: Option<&String>| Cell::Text(text.cloned().unwrap_or_default());
    let count = |count: usize| Cell::Int(i64::try_from(count).unwrap_or(i64::MAX));
    match fact {
        Fact::Run => line.id.as_str().into(),
        Fact::Number => i64::try_from(line.number).unwrap_or(i64::MAX).into(),
        Fact::Pipeline => line.pipeline.as_str().into(),
        Fact::Profile => text(line.profile.as_ref()),
        Fact::Trial => line.trial().unwrap_or_default().into(),
        Fact::Status => word(line.status).into(),
        Fact::Started => line.started.as_str().into(),
        Fact::Finished => text(line.finished.as_ref()),
        Fact::Seconds => line.seconds.into(),
        Fact::Device => line.device.as_str().into(),
        Fact::Ran => count(line.ran),
        Fact::Cached => count(line.cached),
        Fact::Failed => count(line.failed),
        Fact::Running => count(line.running),
        Fact::Waiting => count(line.waiting),
        Fact::Warnings => count(line.warnings),
    }
}

/// All metrics of a run, each at its last iteration, as `validate[seed=1].mean_iou`; shares are in percent.
pub fn metrics(run: &RunSummary) -> BTreeMap<String, f64> {
    let mut last = BTreeMap::new();
    for node in run.figures.iter() {
        for (metric, value) in &node.metrics {
            let name = format!("{}.{metric}", node.stage);
            let entry = last.entry(name).or_insert((node.iteration, *value));
            if node.iteration >= entry.0 {
                *entry = (node.iteration, figure(node, metric, *value));
            }
        }
    }
    last.into_iter().map(|(name, (_, value))| (name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{NodeFigures, RunStatus};

    /// A run of nodes: stage, iteration, metric and value.
    fn run(nodes: &[(&str, Option<u32>, &str, f64)]) -> Rc<RunSummary> {
        let node = |(stage, iteration, metric, value): &(&str, Option<u32>, &str, f64)| NodeFigures {
            stage: (*stage).to_owned(),
            iteration: *iteration,
            kind: if stage.starts_with('t') { "Train" } else { "Validate" }.to_owned(),
            metrics: BTreeMap::from([((*metric).to_owned(), *value)]),
        };
        let line = RunLine {
            number: 1,
            id: "r".into(),
            pipeline: "p".into(),
            profile: Some("tiny".into()),
            sets: vec!["a=1".into()],
            only: vec!["b".into()],
            status: RunStatus::Done,
            started: String::new(),
            finished: None,
            seconds: None,
            device: "cpu".into(),
            ran: 1,
            cached: 2,
            failed: 0,
            running: 0,
            waiting: 0,
            warnings: 0,
        };
        Rc::new(RunSummary { line, figures: Rc::new(nodes.iter().map(node).collect()), params: Rc::default() })
    }

    /// The rows as text.
    fn rows(run: &Rc<RunSummary>, names: &[&str]) -> Vec<String> {
        let columns: Vec<Column> = names.iter().map(|name| Column::read(name).unwrap()).collect();
        let text = |cell: Cell| match cell {
            Cell::Text(text) => text,
            Cell::Null => "-".to_owned(),
            other => other.number().unwrap_or_default().to_string(),
        };
        let row = |row: Row| -> String {
            let cells = columns.iter().enumerate().map(|(at, column)| text(row.value(at, column)));
            cells.collect::<Vec<_>>().join(" ")
        };
        Row::of(run, columns.iter(), true).into_iter().map(row).collect()
    }

    #[test]
    fn a_run_is_a_row_with_its_last_iterations_in_percent() {
        let run = run(&[
            ("train", Some(1), "last_loss", 0.5),
            ("train", Some(10), "last_loss", 0.25),
            ("train", Some(2), "last_loss", 0.4),
            ("validate", Some(1), "mean_iou", 0.3),
            ("validate", Some(2), "mean_iou", 0.7793),
        ]);
        let names = ["run", "trial", "last_loss", "mean_iou", "validate[1].mean_iou", "stage", "cell", "nothing"];
        assert_eq!(rows(&run, &names), ["r a=1; only b 0.25 77.93 30 train,validate - -"]);
        assert_eq!(
            metrics(&run),
            BTreeMap::from([("train.last_loss".into(), 0.25), ("validate.mean_iou".into(), 77.93)])
        );
        assert_eq!(described(&run.line), "p (tiny; a=1; only b)");
    }

    #[test]
    fn a_metric_in_several_cells_has_a_row_in_each() {
        let cell = |stage: &str, cell: &str, value| (format!("{stage}[{cell}]"), value);
        let of = [
            cell("train", "seed=2", 0.2),
            cell("train", "seed=10", 0.1),
            cell("validate", "prefilter=B,seed=10", 0.5),
            cell("validate", "prefilter=A,seed=2", 0.25),
            cell("validate", "prefilter=A,seed=10", 0.125),
        ];
        let metric = |stage: &str| if stage.starts_with('t') { "last_loss" } else { "mean_iou" };
        let nodes: Vec<_> = of.iter().map(|(stage, value)| (stage.as_str(), None, metric(stage), *value)).collect();
        let run = run(&nodes);
        // What one training has stands beside all of its validations.
        assert_eq!(
            rows(&run, &["cell", "prefilter", "seed", "mean_iou", "last_loss"]),
            ["prefilter=A,seed=10 A 10 12.5 0.1", "prefilter=A,seed=2 A 2 25 0.2", "prefilter=B,seed=10 B 10 50 0.1"]
        );
        assert_eq!(rows(&run, &["cell", "last_loss"]), ["seed=10 0.1", "seed=2 0.2"]);
        assert_eq!(rows(&run, &["seed"]), ["10", "2"]);
        // One cell that is named is one value.
        assert_eq!(rows(&run, &["cell", "validate[prefilter=B].mean_iou"]), ["prefilter=B,seed=10 50"]);
        let both = ["cell", "validate[prefilter=B].mean_iou", "last_loss"];
        assert_eq!(rows(&run, &both), ["prefilter=B,seed=10 50 0.1", "seed=2 50 0.2"]);
    }

    #[test]
    fn a_metric_of_several_stages_has_a_row_for_each_and_lends_none_to_another() {
        let run = run(&[
            ("train", None, "last_loss", 0.5),
            ("val", None, "mean_iou", 0.25),
            ("test", None, "mean_iou", 0.5),
            ("test", None, "loss", 0.75),
        ]);
        assert_eq!(rows(&run, &["stage", "mean_iou", "last_loss", "loss"]), ["test 50 0.5 0.75", "val 25 0.5 -"]);
        assert_eq!(rows(&run, &["val.mean_iou", "test.mean_iou"]), ["25 50"]);
        let columns = [Column::read("mean_iou").unwrap()];
        let [row] = Row::of(&run, columns.iter(), false).try_into().unwrap();
        assert!(row.hides(0) && row.value(0, &columns[0]) == Cell::Null, "no value stands for several");
    }
}
