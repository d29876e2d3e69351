//! Files of published figures, as those in `stages/published`.
//!
//! Invariants:
//! - a figure stands as it was printed; shares are in percent;
//! - what was not published is `None`, and stays without a figure;
//! - every fault of a file is told at its line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::published::PublishedRow;
use super::rows::is_share;
use crate::fsio;
use crate::stage::{DataFault, MatrixCell, StageError};
use crate::syntax::{self, Diagnostic, Diagnostics, Form, Shape, Tree, names, suggestion};

/// The largest file that is read.
const BYTES: u64 = 1 << 20;

/// How such a file is written.
const EXAMPLE: &str = "The files in `stages/published/` are examples.";

/// A file of published figures: the rows of each of its tables, in their order.
#[derive(Debug)]
pub struct PublishedFile(BTreeMap<String, Vec<PublishedRow>>);

impl PublishedFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It is missing, or it is no such file: all of its faults.
    pub fn read(path: &Path) -> Result<Self, StageError> {
        let text = fsio::read_to_string_within(path, BYTES)
            .map_err(|error| DataFault::new(path.display(), error.to_string(), error.hint()))?;
        PublishedFile::parse(&path.display().to_string(), &text).map_err(|found| {
            let fault = |fault: &Diagnostic| {
                let (line, column) = fault.position();
                DataFault::new(format_args!("{}:{line}:{column}", fault.file()), &fault.message, &fault.hint)
            };
            StageError::Data(found.faults.iter().map(fault).collect())
        })
    }

    /// The rows of a table, or those of them that have these names, in the order of `rows`; `place` names the file in errors.
    ///
    /// # Errors
    /// There is no such table or row.
    pub fn rows(&self, place: &str, table: &str, rows: &[String]) -> Result<Vec<PublishedRow>, StageError> {
        let lacks = |what: &str, wanted: &str, known: Vec<&str>| -> StageError {
            let near = suggestion(wanted, known.iter().copied());
            let message = format!("The file has no {what} `{wanted}`{near}");
            DataFault::new(place, message, format!("There are {}.", names(known))).into()
        };
        let all =
            self.0.get(table).ok_or_else(|| lacks("table", table, self.0.keys().map(String::as_str).collect()))?;
        if rows.is_empty() {
            return Ok(all.clone());
        }
        let find = |name: &String| {
            let known = || all.iter().map(|row| row.row.as_str()).collect();
            all.iter().find(|row| row.row == *name).cloned().ok_or_else(|| lacks("row", name, known()))
        };
        rows.iter().map(find).collect()
    }

    fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        syntax::read(name, text, EXAMPLE, |shape, tree| {
            let [source, figures, tables] = shape.fields(tree, "Published", ["source", "figures", "tables"], 3)?;
            let source = source.and_then(|tree| shape.text(tree));
            let figures = named(shape, figures?);
            let mut found = BTreeMap::new();
            for (table, tree) in tables.and_then(|tree| shape.map(tree)).unwrap_or_default() {
                let source = source.as_ref().map(|source| format!("{source}, {}", table.text)).unwrap_or_default();
                let mut rows: Vec<PublishedRow> = Vec::new();
                for tree in shape.list(tree).unwrap_or_default() {
                    let Some(row) = row(shape, tree, &figures, &source) else { continue };
                    if rows.iter().any(|other| other.row == row.row) {
                        shape.fault(&tree.span, format!("There are two rows `{}` in one table.", row.row));
                    }
                    rows.push(row);
                }
                found.insert(table.text, rows);
            }
            Some(PublishedFile(found))
        })
    }
}

/// The names of the figures.
fn named(shape: &mut Shape<'_>, tree: &Tree) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut figures = Vec::new();
    for tree in shape.list(tree).unwrap_or_default() {
        let name = shape.text(tree).unwrap_or_default();
        if !known.insert(name.clone()) {
            shape.fault(&tree.span, format!("The figure `{name}` is named twice."));
        }
        figures.push(name);
    }
    figures
}

fn row(shape: &mut Shape<'_>, tree: &Tree, figures: &[String], source: &str) -> Option<PublishedRow> {
    let [name, of, values] = shape.fields(tree, "Row", ["row", "of", "values"], 1)?;
    let row = name.and_then(|tree| shape.text(tree));
    let mut labels = MatrixCell::new();
    for (axis, tree) in of.and_then(|tree| shape.map(tree)).unwrap_or_default() {
        labels.insert(axis.text, shape.text(tree).unwrap_or_default());
    }
    let mut found = Vec::new();
    if let Some(tree) = values
        && let Some(values) = shape.list(tree)
    {
        if values.len() != figures.len() {
            let message = format!("There are {} values, but {} figures are named.", values.len(), figures.len());
            shape.fault(&tree.span, message);
        }
        for (name, tree) in figures.iter().zip(values) {
            if matches!(&tree.form, Form::Word(word) if word.text == "None") {
                continue;
            }
            let Some(value) = shape.number(tree) else { continue };
            if is_share(name) && !(0.0..=100.0).contains(&value) {
                shape.fault(&tree.span, format!("`{name}` is in percent, from 0 to 100, but {value} is stated."));
            }
            found.push((name.clone(), value));
        }
    }
    Some(PublishedRow { row: row?, of: labels, source: source.to_owned(), figures: found })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"Published(
    source: "A paper",
    figures: ["IoU cat", "mIoU"],
    tables: {
        "table 1": [(row: "a", of: {"prefilter": "Regular"}, values: [50.5, None]), (row: "b")],
        "table 2": [(row: "c", values: [1, 2.5])],
    },
)"#;

    fn told(text: &str) -> String {
        let found = PublishedFile::parse("x.ron", text).unwrap_err();
        let fault = |fault: &Diagnostic| format!("{}:{}: {}", fault.position().0, fault.position().1, fault.message);
        found.faults.iter().map(fault).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_not_published_stays_empty() {
        let file = PublishedFile::parse("x.ron", GOOD).unwrap();
        let rows = file.rows("x.ron", "table 1", &[]).unwrap();
        assert_eq!(rows[0].figures, [("IoU cat".to_owned(), 50.5)]);
        assert_eq!((rows[0].source.as_str(), rows[0].of["prefilter"].as_str()), ("A paper, table 1", "Regular"));
        assert_eq!((rows.len(), rows[1].figures.len(), rows[1].of.len()), (2, 0, 0));
        let picked = file.rows("x.ron", "table 1", &["b".to_owned()]).unwrap();
        assert_eq!((picked.len(), picked[0].row.as_str()), (1, "b"));
        let lacks = |table: &str, rows: &[String]| file.rows("x.ron", table, rows).unwrap_err().to_string();
        assert!(lacks("tabel 1", &[]).contains("no table `tabel 1`, did you mean `table 1`?"));
        assert!(lacks("table 1", &["z".to_owned()]).contains("no row `z`"));
    }

    #[test]
    fn each_fault_is_told_at_its_place() {
        assert_eq!(told(&GOOD.replace("50.5, None", "50.5")), "5:70: There are 1 values, but 2 figures are named.");
        assert_eq!(
            told(&GOOD.replace("50.5", "150.5").replace("\"c\"", "3")),
            "5:71: `IoU cat` is in percent, from 0 to 100, but 150.5 is stated.\n\
             6:27: Expected a text in quotes, found the integer 3."
        );
        assert_eq!(told(&GOOD.replace("\"mIoU\"", "\"IoU cat\"")), "3:26: The figure `IoU cat` is named twice.");
        assert_eq!(told(&GOOD.replace("\"b\"", "\"a\"")), "5:85: There are two rows `a` in one table.");
        assert_eq!(told(&GOOD.replace("source: ", "sources: ")).lines().count(), 2);
        assert_eq!(
            told(&GOOD.replace("values: [1", "value: [1")),
            "6:32: Unknown field `value`, did you mean `values`?"
        );
    }

    #[test]
    fn the_shipped_files_read_and_the_means_are_those_of_the_classes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/published");
        let mut rows = 0;
        for name in fsio::list(&folder).unwrap() {
            let file = PublishedFile::read(&folder.join(name)).unwrap();
            for row in file.0.values().flatten().filter(|row| row.figures.len() == 22) {
                let (classes, mean) = row.figures.split_at(21);
                let sum: f64 = classes.iter().map(|(_, value)| value).sum();
                // Each figure is printed with one digit.
                assert!((sum / 21.0 - mean[0].1).abs() <= 0.1, "{row:?}");
                rows += 1;
            }
        }
        assert_eq!(rows, 8);
    }
}
