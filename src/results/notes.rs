//! What is said below tables for people: sentences that the kinds declare, each with the names that its reason leads to.

use std::collections::BTreeMap;

use crate::stage::{Note, Reason};
use crate::syntax;
use crate::table::{Cell, Table};

/// How many names one note has.
const NAMED: usize = 12;

/// The notes that the cells of a table give reason to.
pub(super) fn of(table: &Table, notes: &[Note]) -> Vec<String> {
    notes.iter().flat_map(|note| one(table, note)).collect()
}

fn one(table: &Table, note: &Note) -> Vec<String> {
    match note.when {
        Reason::Zero { count, name } => {
            let (Some(count), Some(name)) = (table.position(count), table.position(name)) else { return Vec::new() };
            let zero = |row: &usize| matches!(table.cell(*row, count), Cell::Int(0));
            let text = |row| table.cell(row, name).text().unwrap_or_default().to_owned();
            let names: Vec<String> = (0..table.rows()).filter(zero).map(text).collect();
            if names.is_empty() { Vec::new() } else { vec![sentence(note, &names, "")] }
        }
        Reason::Missing { columns } => {
            let columns: Vec<(usize, &str)> = (table.columns().iter().enumerate())
                .filter_map(|(at, column)| Some((at, column.name.strip_prefix(columns)?)))
                .collect();
            // The rows by what they lack. A row that has no figure of this sort lacks none.
            let mut rows: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
            let mut any = 0;
            for row in 0..table.rows() {
                let lacks = |(at, _): &&(usize, &str)| matches!(table.cell(row, *at), Cell::Null);
                let lacking: Vec<String> = columns.iter().filter(lacks).map(|(_, name)| (*name).to_owned()).collect();
                if lacking.len() < columns.len() {
                    any += 1;
                    rows.entry(lacking).or_default().push(row + 1);
                }
            }
            rows.remove(&Vec::new());
            let told = |(names, rows): (&Vec<String>, &Vec<usize>)| {
                let numbers: Vec<String> = rows.iter().map(usize::to_string).collect();
                let of = match rows.len() {
                    all if all == any => String::new(),
                    1 => format!("Row {}: ", numbers.concat()),
                    _ => format!("Rows {}: ", numbers.join(", ")),
                };
                sentence(note, names, &of)
            };
            rows.iter().map(told).collect()
        }
    }
}

fn sentence(note: &Note, names: &[String], of: &str) -> String {
    format!("{of}{} {}.", note.text, syntax::first_of(names, NAMED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    #[test]
    fn rows_with_a_count_of_zero_are_named() {
        let columns = vec![Column::text("name"), Column::int("truth")];
        let rows = [("cat", 3), ("dog", 0), ("cow", 0)];
        let rows = rows.map(|(name, count): (&str, i64)| vec![name.into(), Cell::Int(count)]);
        let table = Table::new(columns, rows.into()).unwrap();
        let note = Note { when: Reason::Zero { count: "truth", name: "name" }, text: "No pixel is of" };
        assert_eq!(of(&table, &[note]), ["No pixel is of dog, cow."]);
        let other = Note { when: Reason::Zero { count: "predicted", name: "name" }, text: "" };
        assert!(of(&table, &[other]).is_empty(), "the column is not there");
    }

    #[test]
    fn figures_that_a_row_lacks_are_named_with_its_number() {
        let columns = vec![Column::text("model"), Column::float("IoU cat"), Column::float("IoU dog")];
        let table = |rows: &[[Option<f64>; 2]]| {
            let row = |[cat, dog]: &[Option<f64>; 2]| vec!["m".into(), (*cat).into(), (*dog).into()];
            Table::new(columns.clone(), rows.iter().map(row).collect()).unwrap()
        };
        let notes = [Note { when: Reason::Missing { columns: "IoU " }, text: "No IoU of" }];
        let of = |rows: &[[Option<f64>; 2]]| of(&table(rows), &notes);
        assert!(of(&[[Some(1.0), Some(2.0)], [None, None]]).is_empty());
        assert_eq!(of(&[[Some(1.0), None], [None, None]]), ["No IoU of dog."]);
        assert_eq!(of(&[[Some(1.0), None], [Some(1.0), Some(2.0)]]), ["Row 1: No IoU of dog."]);
    }
}
