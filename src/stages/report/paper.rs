//! A table for a paper: a row for each method, its figures over the seeds, what is best, what is significant, and what
//! others published.
//!
//! Invariants:
//! - the table holds raw figures; its layout alone says how they are shown;
//! - published figures are never best, never marked as significant, and in no mean.

use super::beside::{DIFFERENCE, beside, letter};
use super::choice::{CLASSES, Choice, choose};
use super::groups::{groups, last};
use super::line::{Line, Shown, best, repeated};
use super::marks::{DAGGER, marks};
use super::params::{Paper, PaperRows};
use super::published::{PublishedRow, SOURCE};
use super::rows::{CLASS, COUNT, Row, Rows};
use crate::stage::StageError;
use crate::stages::columns::Values;
use crate::table::{Layout, LayoutColumn};

/// A table for a paper, and how it is shown.
#[derive(Debug, PartialEq)]
pub struct PaperTable {
    /// The columns.
    pub columns: Vec<(String, Values)>,
    /// How they are shown.
    pub layout: Layout,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The column with the marks of published rows.
pub const SOURCE_MARK: &str = "source mark";

/// The column that numbers the rows that belong together.
pub const BLOCK: &str = "block";

/// The table of `rows`, averaged over the axes in `over`, beside the `published` rows.
///
/// # Errors
/// A column that no row has; a comparison of rows that were validated on different data.
pub fn table(p: &Paper, rows: &Rows, over: &[String], published: &[PublishedRow]) -> Result<PaperTable, StageError> {
    let all: Vec<&Row> = rows.rows.iter().collect();
    let wanted = match p.rows {
        PaperRows::Last {} => last(&all),
        PaperRows::All {} => all,
    };
    let groups = groups(&wanted, over);
    let columns = choose(p, rows, &groups)?;
    let figures: Vec<&str> = columns
        .iter()
        .filter(|(_, choice)| matches!(choice, Choice::Figure(_)))
        .map(|(name, _)| name.as_str())
        .collect();
    let marks = marks(&groups, &figures, over, &p.baseline)?;

    let mut lines: Vec<Line> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let shown = |figure: &&str| {
            let significant = marks.marked.contains(&(number, (*figure).to_owned()));
            Shown { mark: significant.then(|| DAGGER.to_owned()), ..repeated(group, figure) }
        };
        let figures = figures.iter().map(shown).collect();
        let labels = names(&columns, |choice| choice.label(group));
        let (n, source) = (Some(group.len() as i64), "reproduced".to_owned());
        lines.push(Line { block: number as i64, labels, source, mark: None, n, figures });
    }
    best(&mut lines, &figures, usize::from(p.digits));
    let mut sources = Vec::new();
    let (lines, warnings) = beside(lines, &groups, &figures, published, &mut sources);

    let mut notes: Vec<String> =
        sources.iter().enumerate().map(|(at, source)| format!("{}: {source}.", letter(at))).collect();
    if lines.iter().any(|line| line.source == DIFFERENCE) {
        notes.push("The difference is the reproduced figure less the published one.".to_owned());
    }
    notes.extend(marks.notes);
    let late = figures.iter().filter(|figure| rows.rows.iter().all(|row| row.value(figure).is_none()));
    let late = late.map(|figure| format!("No row has a figure `{figure}`: validations of earlier versions lack it."));
    let warnings = warnings.into_iter().chain(late).collect();
    let compared = !published.is_empty();
    Ok(PaperTable {
        layout: layout(p, &columns, compared, notes),
        columns: values(&columns, compared, &lines),
        warnings,
    })
}

/// A text for each column that names rows.
fn names<T>(columns: &[(String, Choice)], text: impl Fn(&Choice) -> T) -> Vec<T> {
    columns.iter().filter(|(_, choice)| choice.names_rows()).map(|(_, choice)| text(choice)).collect()
}

/// The columns of the table.
fn values(columns: &[(String, Choice)], compared: bool, lines: &[Line]) -> Vec<(String, Values)> {
    let texts = |text: &dyn Fn(&Line) -> Option<String>| Values::Text(lines.iter().map(text).collect());
    let ints = |int: &dyn Fn(&Line) -> Option<i64>| Values::Int(lines.iter().map(int).collect());
    let mut all: Vec<(String, Values)> = Vec::new();
    if compared {
        all.push((BLOCK.to_owned(), ints(&|line| Some(line.block))));
    }
    let (mut label, mut figure) = (0, 0);
    for (name, choice) in columns {
        match choice {
            Choice::Axis(_) | Choice::Subject(_) => {
                all.push((name.clone(), texts(&|line| line.labels[label].clone())));
                label += 1;
            }
            Choice::Repetitions => all.push((name.clone(), ints(&|line| line.n))),
            Choice::Figure(_) => {
                let at = figure;
                let floats = |float: &dyn Fn(&Shown) -> Option<f64>| {
                    Values::Float(lines.iter().map(|line| float(&line.figures[at])).collect())
                };
                all.push((name.clone(), floats(&|shown| shown.value)));
                all.push((format!("{name} std"), floats(&|shown| shown.spread)));
                all.push((
                    format!("{name} best"),
                    Values::Bool(lines.iter().map(|line| Some(line.figures[at].best)).collect()),
                ));
                all.push((format!("{name} mark"), texts(&|line| line.figures[at].mark.clone())));
                figure += 1;
            }
        }
    }
    if compared {
        all.push((SOURCE.to_owned(), texts(&|line| Some(line.source.clone()))));
        all.push((SOURCE_MARK.to_owned(), texts(&|line| line.mark.clone())));
    }
    if !columns.iter().any(|(_, choice)| *choice == Choice::Repetitions) {
        all.push(("n".to_owned(), ints(&|line| line.n)));
    }
    all
}

/// How the columns are shown.
fn layout(p: &Paper, columns: &[(String, Choice)], compared: bool, notes: Vec<String>) -> Layout {
    let renamed = |name: &str| p.names.get(name).cloned();
    let mut first = true;
    let column = |(name, choice): &(String, Choice)| {
        let class = name.strip_prefix(CLASS).filter(|_| matches!(choice, Choice::Figure(_)));
        let header = renamed(name).unwrap_or_else(|| class.unwrap_or(name).to_owned());
        let column = LayoutColumn::named(name, header);
        match choice {
            Choice::Figure(_) => LayoutColumn {
                spread: Some(format!("{name} std")),
                bold: Some(format!("{name} best")),
                mark: Some(format!("{name} mark")),
                digits: Some(if name == COUNT { 0 } else { usize::from(p.digits) }),
                group: class.map(|_| renamed(CLASSES).unwrap_or_else(|| CLASSES.to_owned())),
                ..column
            },
            Choice::Repetitions => column,
            Choice::Axis(_) | Choice::Subject(_) => {
                let mark = std::mem::take(&mut first) && compared;
                LayoutColumn { mark: mark.then(|| SOURCE_MARK.to_owned()), ..column }
            }
        }
    };
    let stated = |text: &String| (!text.is_empty()).then(|| text.clone());
    Layout {
        columns: columns.iter().map(column).collect(),
        row_group: compared.then(|| BLOCK.to_owned()),
        caption: stated(&p.caption),
        label: stated(&p.label),
        width_pt: p.width_pt,
        transposed: p.transposed,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::rows::tests::entry;
    use super::*;
    use crate::stage::Param;
    use crate::stage::value::{Record, Value};

    /// The parameters of a table with these columns.
    pub fn paper(columns: &[&str]) -> Paper {
        let none = Value::Struct(Record { name: "Paper".to_owned(), fields: BTreeMap::new() });
        let mut paper = Paper::read(&Paper::ty().complete(&none)).unwrap();
        paper.columns = columns.iter().map(|name| (*name).to_owned()).collect();
        paper
    }

    fn published(row: &str, of: &[(&str, &str)], figures: &[(&str, f64)]) -> PublishedRow {
        let of = of.iter().map(|(axis, label)| ((*axis).to_owned(), (*label).to_owned())).collect();
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        PublishedRow { row: row.to_owned(), of, source: "A paper, table 1".to_owned(), figures }
    }

    fn seeds() -> Rows {
        let cell = |filter, seed| [("prefilter", filter), ("seed", seed)];
        Rows::new(vec![
            entry("a", 1, &cell("A", "1"), 0, &[("mIoU", 70.0), ("IoU cat", 50.0), ("ERF radius", 9.0)]),
            entry("b", 2, &cell("A", "2"), 0, &[("mIoU", 71.0), ("IoU cat", 54.0), ("ERF radius", 9.0)]),
            entry("c", 1, &cell("B", "1"), 0, &[("mIoU", 70.52), ("IoU cat", 60.0), ("ERF radius", 8.0)]),
            entry("d", 2, &cell("B", "2"), 0, &[("mIoU", 70.52), ("IoU cat", 61.0), ("ERF radius", 8.0)]),
        ])
    }

    fn column(found: &PaperTable, name: &str) -> Values {
        let values = found.columns.iter().find(|(other, _)| other == name);
        values.map(|(_, values)| values.clone()).unwrap_or_else(|| panic!("no column `{name}`"))
    }

    #[test]
    fn a_row_has_the_mean_of_its_seeds_and_the_best_is_bold_as_far_as_digits_tell() {
        let over = ["seed".to_owned()];
        let found = table(&paper(&["prefilter", "n", "IoU", "mIoU", "ERF radius"]), &seeds(), &over, &[]).unwrap();
        assert_eq!(column(&found, "prefilter"), Values::Text(vec![Some("A".into()), Some("B".into())]));
        assert_eq!(column(&found, "mIoU"), Values::Float(vec![Some(70.5), Some(70.52)]));
        assert_eq!(column(&found, "mIoU std"), Values::Float(vec![Some(0.5_f64.sqrt()), Some(0.0)]));
        assert_eq!(column(&found, "n"), Values::Int(vec![Some(2), Some(2)]));
        let best = |name: &str| column(&found, &format!("{name} best"));
        let truths = |a, b| Values::Bool(vec![Some(a), Some(b)]);
        // 70.50 and 70.52 are the same in one digit, and where all are alike none is best; a small radius is best.
        assert_eq!(
            (best("mIoU"), best("IoU cat"), best("ERF radius")),
            (truths(false, false), truths(false, true), truths(false, true))
        );
        let class = &found.layout.columns[2];
        assert_eq!((class.header.as_str(), class.group.as_deref()), ("cat", Some("IoU")));
        assert_eq!(found.layout.row_group, None);
        let mut digits = paper(&["mIoU"]);
        digits.digits = 2;
        let best = column(&table(&digits, &seeds(), &over, &[]).unwrap(), "mIoU best");
        assert_eq!(best, truths(false, true));
    }

    #[test]
    fn published_rows_stand_below_theirs_with_the_difference() {
        let rows = [
            published("theirs", &[("prefilter", "B")], &[("mIoU", 70.3)]),
            published("lost", &[("prefilter", "A")], &[]),
            published("other", &[("prefilter", "C")], &[("mIoU", 99.0)]),
            published("alone", &[], &[("mIoU", 1.0)]),
        ];
        let paper = Paper { digits: 2, ..paper(&["prefilter", "mIoU"]) };
        let found = table(&paper, &seeds(), &["seed".to_owned()], &rows).unwrap();
        let names = ["A", "lost", "B", "theirs", "difference", "other", "alone"].map(|name| Some(name.to_owned()));
        assert_eq!(column(&found, "prefilter"), Values::Text(names.to_vec()));
        let values = [Some(70.5), None, Some(70.52), Some(70.3), Some(0.22), Some(99.0), Some(1.0)];
        assert_eq!(column(&found, "mIoU"), Values::Float(values.to_vec()));
        let best = [false, false, true, false, false, false, false].map(Some);
        assert_eq!(column(&found, "mIoU best"), Values::Bool(best.to_vec()), "what is published is never best");
        assert_eq!(column(&found, "block"), Values::Int([0, 0, 1, 1, 1, 2, 2].map(Some).to_vec()));
        assert_eq!(
            found.layout.notes,
            ["a: A paper, table 1.", "The difference is the reproduced figure less the published one."]
        );
        assert_eq!(
            found.warnings,
            ["The published row `other` (A paper, table 1) belongs to no row: none is of `prefilter=C`."]
        );
    }

    #[test]
    fn columns_that_no_row_has_are_told_and_those_of_later_validations_stay_empty() {
        let refused = table(&paper(&["prefilter", "IoU cta"]), &seeds(), &["seed".to_owned()], &[]).unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("No row of the report has a `IoU cta`, did you mean `IoU cat`?"), "{told}");
        let found = table(&paper(&["prefilter", "boundary IoU"]), &seeds(), &["seed".to_owned()], &[]).unwrap();
        assert_eq!(column(&found, "boundary IoU"), Values::Float(vec![None, None]));
        assert_eq!(found.warnings, ["No row has a figure `boundary IoU`: validations of earlier versions lack it."]);
        // No columns stated: what tells the rows apart, the classes, and the mean.
        let found = table(&paper(&[]), &seeds(), &["seed".to_owned()], &[]).unwrap();
        let shown: Vec<&str> = found.layout.columns.iter().map(|column| column.value.as_str()).collect();
        assert_eq!(shown, ["prefilter", "IoU cat", "mIoU"]);
    }
}
