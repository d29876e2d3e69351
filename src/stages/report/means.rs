//! Mean and standard deviation over axes of the matrix.
//!
//! Invariants:
//! - sums are in the order of the rows;
//! - a figure that one of the rows lacks has no mean: every mean of a row is over the same n rows.

use super::groups::{deviation, groups, mean};
use super::rows::{COUNT, Row, Rows, SHOWN, figure_column, subject_column};
use crate::stages::columns::Values;

/// The table of means over the axes in `over`: a row for the rows of one stage and iteration that agree in all other
/// axes.
pub fn columns(rows: &Rows, over: &[String]) -> Vec<(String, Values)> {
    let groups = groups(&rows.rows.iter().collect::<Vec<_>>(), over);
    let mut columns = Vec::new();
    let text = |at: usize| move |group: &Vec<&Row>| common(group.iter().map(|row| row.subject[at].clone()));
    let shown: Vec<(&str, usize)> = SHOWN
        .into_iter()
        .filter(|&(name, at)| name != "model" && groups.iter().all(|group| text(at)(group).is_some()))
        .collect();
    for axis in axes(rows).into_iter().filter(|axis| !over.contains(axis)) {
        let stated = rows.labels.iter().find(|(_, other)| *other == axis).map(|(name, _)| name);
        // An axis that a column tells needs one of its own only where that column is left out.
        let name = match stated {
            Some(name) => name.clone(),
            None if shown.iter().any(|(name, _)| *name == axis) => continue,
            None => axis.clone(),
        };
        let label = |group: &Vec<&Row>| group.first().and_then(|row| row.cell.get(&axis)).cloned();
        columns.push((name, Values::Text(groups.iter().map(label).collect())));
    }
    for (name, at) in shown {
        let texts: Vec<Option<String>> = groups.iter().map(text(at)).collect();
        columns.push((name.to_owned(), subject_column(name, texts.iter().map(Option::as_deref))));
    }
    columns.push(("n".to_owned(), Values::Int(groups.iter().map(|group| Some(group.len() as i64)).collect())));
    for name in &rows.figures {
        let values = |group: &Vec<&Row>| group.iter().map(|row| row.value(name)).collect::<Option<Vec<f64>>>();
        let each = || groups.iter().map(values);
        if name == COUNT {
            let same = |values: Vec<f64>| values.iter().all(|value| *value == values[0]).then(|| values[0]);
            columns.push((name.clone(), figure_column(name, each().map(|values| values.and_then(same)).collect())));
            continue;
        }
        columns.push((name.clone(), Values::Float(each().map(|values| values.map(|values| mean(&values))).collect())));
        let deviations = each().map(|values| values.and_then(|values| deviation(&values))).collect();
        columns.push((format!("{name} std"), Values::Float(deviations)));
    }
    columns
}

fn axes(rows: &Rows) -> Vec<String> {
    let mut axes: Vec<String> = rows.rows.iter().flat_map(|row| row.cell.keys().cloned()).collect();
    axes.sort();
    axes.dedup();
    axes
}

/// The text, if all of them are the same.
fn common(mut texts: impl Iterator<Item = String>) -> Option<String> {
    let first = texts.next()?;
    texts.all(|text| text == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::entry;
    use super::*;

    fn column(columns: &[(String, Values)], name: &str) -> Values {
        let found = columns.iter().find(|(other, _)| other == name);
        found.map(|(_, values)| values.clone()).unwrap_or_else(|| panic!("no column `{name}`"))
    }

    #[test]
    fn means_are_over_the_rows_that_agree_in_all_else() {
        let cell = |rate, seed| [("rate", rate), ("seed", seed)];
        let rows = Rows::new(vec![
            entry("a", 1, &cell("low", "1"), 0, &[("mIoU", 10.0), (COUNT, 5.0), ("IoU car", 1.0)]),
            entry("b", 2, &cell("low", "2"), 0, &[("mIoU", 20.0), (COUNT, 5.0)]),
            entry("c", 3, &cell("low", "3"), 0, &[("mIoU", 60.0), (COUNT, 5.0), ("IoU car", 2.0)]),
            entry("d", 1, &cell("high", "1"), 0, &[("mIoU", 7.0), (COUNT, 4.0), ("IoU car", 3.0)]),
        ]);
        let columns = columns(&rows, &["seed".to_owned()]);
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["rate", "prefilter", "encoder", "data", "iteration", "step", "n", "mIoU", "mIoU std", COUNT];
        assert_eq!(names, [&expected[..], &["IoU car", "IoU car std"]].concat());
        assert_eq!(column(&columns, "n"), Values::Int(vec![Some(3), Some(1)]));
        assert_eq!(column(&columns, "mIoU"), Values::Float(vec![Some(30.0), Some(7.0)]));
        let deviation = (f64::from(400 + 100 + 900) / 2.0).sqrt();
        assert_eq!(column(&columns, "mIoU std"), Values::Float(vec![Some(deviation), None]));
        assert_eq!(column(&columns, "IoU car"), Values::Float(vec![None, Some(3.0)]), "one row lacks it");
        assert_eq!(column(&columns, COUNT), Values::Int(vec![Some(5), Some(4)]));
    }

    #[test]
    fn stages_and_iterations_are_not_mixed() {
        let cell = [("seed", "1")];
        let rows = Rows::new(vec![
            entry("a", 1, &cell, 0, &[("mIoU", 10.0)]),
            entry("a", 1, &cell, 1, &[("mIoU", 20.0)]),
            entry("b", 2, &[("seed", "2")], 0, &[("mIoU", 30.0)]),
        ]);
        let columns = columns(&rows, &["seed".to_owned()]);
        assert_eq!(column(&columns, "mIoU"), Values::Float(vec![Some(20.0), Some(20.0)]));
        assert_eq!(column(&columns, "n"), Values::Int(vec![Some(2), Some(1)]));
    }

    #[test]
    fn a_row_that_lacks_a_stage_leaves_the_mean_missing() {
        let rows = Rows::new(vec![
            entry("a", 1, &[("seed", "1")], 0, &[("mIoU", 10.0)]),
            entry("a", 1, &[("seed", "1")], 1, &[("ERF", 1.0)]),
            entry("b", 2, &[("seed", "2")], 1, &[("ERF", 3.0)]),
        ]);
        let columns = columns(&rows, &["seed".to_owned()]);
        assert_eq!(column(&columns, "n"), Values::Int(vec![Some(2)]));
        assert_eq!(column(&columns, "mIoU"), Values::Float(vec![None]));
        assert_eq!(column(&columns, "ERF"), Values::Float(vec![Some(2.0)]));
    }
}
