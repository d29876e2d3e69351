//! A list of runs as a table: which columns it has, which rows, and in what order.

use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::column::{Column, Fact};
use super::condition::Condition;
use super::figures::names;
use super::order::Key;
use super::rows::Row;
use crate::store::{RunLine, RunSummary};
use crate::syntax::suggestion;
use crate::table::{self, Cell, ColumnKind, Style, Table};

/// The values of the columns of a row by name, for JSON.
pub struct Object<'a> {
    table: &'a Table,
    row: usize,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.table.columns().iter().map(|column| &column.name);
        serializer.collect_map(names.zip(self.table.row(self.row)))
    }
}

/// The rows of a table as objects, in the order of its columns.
pub fn objects(table: &Table) -> Vec<Object<'_>> {
    (0..table.rows()).map(|row| Object { table, row }).collect()
}

/// The digits after the point of a figure that is no whole number.
const DIGITS: usize = 4;

/// The same of shares in percent.
const PERCENT: usize = 2;

/// A column with the name that it was asked for by.
type Named = (String, Column);

/// What is asked of a list.
pub struct Listing {
    /// The columns that are shown, and behind them those that only conditions and keys need.
    columns: Vec<Named>,
    /// How many are shown.
    shown: usize,
    conditions: Vec<Condition>,
    keys: Vec<(Key, Column)>,
    /// The numbers of the columns of stages that the user named. If there are some, a run may have several rows.
    asked: Vec<usize>,
}

impl Listing {
    /// A list with the columns `shown`, which the user named if `explicit`. If not, what conditions and keys name is shown
    /// as well.
    ///
    /// # Errors
    /// A name that is none: a sentence.
    pub fn new(shown: Vec<Named>, explicit: bool, conditions: Vec<Condition>, keys: Vec<Key>) -> Result<Self, String> {
        let keys = keys.into_iter().map(|key| Column::read(&key.name).map(|column| (key, column)));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let mut columns: Vec<Named> = Vec::new();
        for named in shown {
            if !columns.iter().any(|(_, known)| *known == named.1) {
                columns.push(named);
            }
        }
        let mut asked: Vec<usize> = if explicit { (0..columns.len()).collect() } else { Vec::new() };
        let (mut shown, describes) = (columns.len(), columns.iter().any(|(_, column)| *column == Column::Described));
        let of_conditions = conditions.iter().map(|condition| (&condition.name, &condition.column));
        for (name, column) in of_conditions.chain(keys.iter().map(|(key, column)| (&key.name, column))) {
            let is_described = matches!(column, Column::Fact(Fact::Pipeline | Fact::Profile | Fact::Trial));
            let at = match columns.iter().position(|(_, known)| known == column) {
                Some(at) => at,
                None if describes && is_described => continue,
                None => {
                    columns.push((name.clone(), column.clone()));
                    columns.len() - 1
                }
            };
            asked.push(at);
        }
        if !explicit {
            shown = columns.len();
        }
        asked.retain(|at| columns[*at].1.is_of_stages());
        Ok(Listing { columns, shown, conditions, keys, asked })
    }

    /// Whether a run fulfils the conditions on its facts. Those on its stages are not looked at.
    pub fn may_show(&self, line: &RunLine) -> bool {
        let run = Rc::new(RunSummary { line: line.clone(), figures: Rc::default(), params: Rc::default() });
        let rows = Row::of(&run, std::iter::empty(), false);
        let facts = self.conditions.iter().filter(|condition| matches!(condition.column, Column::Fact(_)));
        rows.iter().all(|row| facts.clone().all(|condition| condition.holds(&row.value(0, &condition.column))))
    }

    /// Whether a run may have several rows.
    fn expands(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether every run has to be read before the first row is known.
    pub fn needs_all(&self) -> bool {
        self.expands() || !self.keys.is_empty()
    }

    /// Whether the parameters of stages may be needed.
    pub fn needs_params(&self) -> bool {
        self.columns.iter().any(|(_, column)| matches!(column, Column::Of(..)))
    }

    /// The rows of runs, whether or not they fulfil the conditions.
    pub fn rows(&self, runs: &[Rc<RunSummary>]) -> Vec<Row> {
        let columns = || self.columns.iter().map(|(_, column)| column);
        runs.iter().flat_map(|run| Row::of(run, columns(), self.expands())).collect()
    }

    /// The rows that fulfil the conditions, in the order that is asked for; at most `limit`.
    ///
    /// # Errors
    /// A condition that asks for the order of texts: a sentence.
    pub fn select(&self, rows: Vec<Row>, limit: usize) -> Result<Vec<Row>, String> {
        for condition in &self.conditions {
            let values = || rows.iter().map(|row| self.value(row, &condition.column));
            if values().any(|value| condition.misfits(&value)) && !values().any(|value| value.number().is_some()) {
                return Err(condition.no_number());
            }
        }
        let holds =
            |row: &Row| self.conditions.iter().all(|condition| condition.holds(&self.value(row, &condition.column)));
        let mut rows: Vec<Row> = rows.into_iter().filter(holds).collect();
        // The last key first: the sort is stable.
        for (key, column) in self.keys.iter().rev() {
            rows.sort_by(|a, b| key.compare(&self.value(a, column), &self.value(b, column)));
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// The first name that the user gave and that no stage has anything under, in the rows of these runs; with the nearest
    /// name that there is.
    pub fn unknown(&self, rows: &[Row]) -> Option<String> {
        let has = |at: usize| rows.iter().any(|row| row.has(at));
        let name = &self.columns[*self.asked.iter().find(|at| !has(**at))?].0;
        let mut known: Vec<String> = rows.iter().flat_map(|row| names(&row.run)).collect();
        known.extend(Fact::ALL.map(|(name, _)| name.to_owned()));
        known.sort();
        known.dedup();
        Some(format!("No run has a column `{name}`{}", suggestion(name, known.iter().map(String::as_str))))
    }

    /// The value of a row in a column.
    fn value(&self, row: &Row, column: &Column) -> Cell {
        let at = self.columns.iter().position(|(_, known)| known == column);
        row.value(at.unwrap_or(usize::MAX), column)
    }

    /// The rows as a table, and how people see it. Of the columns that the user did not name, those of `optional` are left
    /// out that say nothing in any row.
    ///
    /// # Errors
    /// As those of [`Table::new`], which are faults of this program.
    pub fn table(&self, rows: &[Row], optional: &[Column]) -> Result<(Table, Style), table::Error> {
        let (mut columns, mut cells, mut style) = (Vec::new(), Vec::new(), Style::default());
        for (at, (name, column)) in self.columns[..self.shown].iter().enumerate() {
            let values: Vec<Cell> = rows.iter().map(|row| row.value(at, column)).collect();
            let says_nothing = match column {
                Column::Cell => !self.expands() || values.iter().all(is_empty),
                Column::Stage => !rows.iter().any(Row::is_split),
                _ => values.iter().all(is_empty),
            };
            if says_nothing && optional.contains(column) && !self.asked.contains(&at) {
                continue;
            }
            let (kind, values) = uniform(values, column);
            let is_whole = |value: &Cell| value.number().is_none_or(|number| number.fract() == 0.0);
            if kind == ColumnKind::Float && !values.iter().all(is_whole) {
                let is_percent = name.ends_with("iou") || name.ends_with("accuracy");
                style = style.with(name, if is_percent { PERCENT } else { DIGITS });
            }
            columns.push(table::Column::new(name, kind));
            cells.push(values.into_iter());
        }
        if let Some(name) = self.hidden(rows) {
            style.notes.push(format!(
                "`{name}` is empty where several stages or cells have it; `--columns run,cell,{name}` gives each a row."
            ));
        }
        let rows = (0..rows.len()).map(|_| cells.iter_mut().filter_map(Iterator::next).collect()).collect();
        Ok((Table::new(columns, rows)?, style))
    }

    /// The first column that is shown and has values that no row shows.
    fn hidden(&self, rows: &[Row]) -> Option<&str> {
        let hidden = |(at, _): &(usize, &Named)| rows.iter().any(|row| row.hides(*at));
        self.columns[..self.shown].iter().enumerate().find(hidden).map(|(_, (name, _))| name.as_str())
    }
}

/// Whether a value says nothing: it is missing, an empty text, or a count of nothing.
fn is_empty(value: &Cell) -> bool {
    match value {
        Cell::Null | Cell::Int(0) => true,
        Cell::Text(text) => text.is_empty(),
        _ => false,
    }
}

/// Values as one kind: numbers where all are, else texts.
fn uniform(values: Vec<Cell>, column: &Column) -> (ColumnKind, Vec<Cell>) {
    let mut kinds: Vec<ColumnKind> = values.iter().filter_map(Cell::kind).collect();
    kinds.dedup();
    let is_number = |kind: &ColumnKind| matches!(kind, ColumnKind::Int | ColumnKind::Float);
    let kind = match kinds.as_slice() {
        [] if column.is_of_stages() => ColumnKind::Float,
        [] => ColumnKind::Text,
        [kind] => *kind,
        kinds if kinds.iter().all(is_number) => ColumnKind::Float,
        _ => ColumnKind::Text,
    };
    let convert = |value: Cell| match (kind, value) {
        (ColumnKind::Float, Cell::Int(value)) => Cell::Float(value as f64),
        (ColumnKind::Text, Cell::Int(value)) => Cell::Text(value.to_string()),
        (ColumnKind::Text, Cell::Float(value)) => Cell::Text(value.to_string()),
        (ColumnKind::Text, Cell::Bool(value)) => Cell::Text(value.to_string()),
        (_, value) => value,
    };
    (kind, values.into_iter().map(convert).collect())
}
