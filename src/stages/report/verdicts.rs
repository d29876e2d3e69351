//! The claims of a report: the verdicts of the stages that it gathers, in one table.

use crate::stage::{DataFault, Job, StageError};
use crate::stages::support;
use crate::stages::yields::VERDICTS;
use crate::table::{Cell, Layout, LayoutColumn, Table};

/// The verdicts in the order of the stages, and how they are shown.
///
/// # Errors
/// The stages were run by programs of different versions, whose tables do not fit together.
pub fn gather(job: &Job<'_>) -> Result<(Table, Layout), StageError> {
    let mut all: Option<Table> = None;
    for slot in 0.. {
        let Some(nodes) = job.inputs.get(&format!("claims[{slot}]")) else { break };
        for node in nodes {
            let table = support::table(node, &VERDICTS)?;
            all = Some(match all {
                None => table,
                Some(first) => below(first, &table, slot)?,
            });
        }
    }
    let table = all.ok_or_else(|| StageError::Bug("A report of claims was handed none.".into()))?;
    let layout = layout(&table);
    Ok((table, layout))
}

/// Both tables, one below the other.
fn below(first: Table, second: &Table, slot: usize) -> Result<Table, StageError> {
    if first.columns() != second.columns() {
        let message = "The verdicts are not of the same form as those above: they were made by another version.";
        let hint = "Let the claims of both run again by this program.";
        return Err(DataFault::new(format_args!("claims[{slot}]"), message, hint).into());
    }
    let rows = first.all_rows().into_iter().chain(second.all_rows()).collect();
    Table::new(first.columns().to_vec(), rows).map_err(|error| StageError::Bug(error.to_string()))
}

/// What people see of verdicts: each claim as a title, below it the verdict and what it rests on.
fn layout(table: &Table) -> Layout {
    let shown = [("verdict", "Verdict"), ("effect", "Effect"), ("low", "from"), ("high", "to"), ("p_corrected", "p")];
    let column = |(value, header): (&str, &str)| LayoutColumn {
        digits: Some(if value == "p_corrected" { 4 } else { 2 }),
        signed: value == "effect",
        group: matches!(value, "low" | "high").then(|| "Interval".to_owned()),
        ..LayoutColumn::named(value, header)
    };
    let there = shown.into_iter().filter(|(value, _)| table.position(value).is_some());
    let text = |row: usize, name: &str| -> Option<String> {
        match table.cell(row, table.position(name)?) {
            Cell::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    };
    let mut notes = vec![
        "Effects and intervals are in percent points, and those of costs are factors. p is corrected by Holm."
            .to_owned(),
    ];
    for row in 0..table.rows() {
        let sentence = |text: String| if text.ends_with('.') { text } else { text + "." };
        let told = ["resampled", "settles", "note"].iter().filter_map(|name| text(row, name)).map(sentence);
        let told: Vec<String> = told.collect();
        if let Some(that) = text(row, "that").filter(|_| !told.is_empty()) {
            notes.push(format!("{that}: {}", told.join(" ")));
        }
    }
    let row_group = table.position("that").map(|_| "that".to_owned());
    Layout { columns: there.map(column).collect(), row_group, notes, ..Layout::default() }
}
