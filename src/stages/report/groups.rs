//! Which rows are repetitions of one another, and what their figures come to.
//!
//! Invariant: sums are in the order of the rows.

use std::collections::BTreeMap;

use super::rows::{ITERATION, Row};
use crate::stage::MatrixCell;

/// The rows that differ in the axes `over` alone, in the order of their first rows: those of one stage and iteration that
/// agree in all other axes.
pub fn groups<'a>(rows: &[&'a Row], over: &[String]) -> Vec<Vec<&'a Row>> {
    let leads = leads(rows);
    let key = |row: &Row| -> (Option<usize>, String, MatrixCell) {
        let rest = row.cell.iter().filter(|(axis, _)| !over.contains(axis));
        let rest = rest.map(|(axis, label)| (axis.clone(), label.clone())).collect();
        (lead(&leads, row), row.subject[ITERATION].clone(), rest)
    };
    let mut groups: Vec<(_, Vec<&Row>)> = Vec::new();
    for &row in rows {
        let key = key(row);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(row),
            None => groups.push((key, vec![row])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Of the rows of one stage and cell, those of the last iteration.
pub fn last<'a>(rows: &[&'a Row]) -> Vec<&'a Row> {
    let leads = leads(rows);
    let iteration = |row: &Row| row.subject[ITERATION].parse::<u64>().ok();
    let mut lasts: BTreeMap<(Option<usize>, &MatrixCell), Option<u64>> = BTreeMap::new();
    for row in rows {
        let last = lasts.entry((lead(&leads, row), &row.cell)).or_default();
        *last = (*last).max(iteration(row));
    }
    let is_last = |row: &&Row| lasts.get(&(lead(&leads, row), &row.cell)) == Some(&iteration(row));
    rows.iter().copied().filter(is_last).collect()
}

/// For each stage the first that it shares rows with: a row that lacks the stage that the others were first met by still
/// belongs to them.
fn leads(rows: &[&Row]) -> BTreeMap<usize, usize> {
    let mut leads: BTreeMap<usize, usize> = BTreeMap::new();
    for row in rows {
        for &role in &row.roles {
            let lead = leads.entry(role).or_insert(role);
            *lead = row.roles.iter().copied().fold(*lead, usize::min);
        }
    }
    leads
}

fn lead(leads: &BTreeMap<usize, usize>, row: &Row) -> Option<usize> {
    row.roles.first().and_then(|role| leads.get(role)).copied()
}

/// The mean of figures.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample, over n - 1. One value has none.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::rows::Rows;
    use super::super::rows::tests::entry;
    use super::*;

    #[test]
    fn the_last_iteration_is_that_of_each_cell() {
        let cell = [("seed", "1")];
        let mut entries = vec![
            entry("a", 1, &cell, 0, &[("mIoU", 10.0)]),
            entry("b", 1, &cell, 0, &[("mIoU", 20.0)]),
            entry("c", 1, &[("seed", "2")], 0, &[("mIoU", 30.0)]),
            entry("d", 1, &[], 1, &[("mIoU", 40.0)]),
        ];
        entries[1].subject[ITERATION] = "10".to_owned();
        entries[3].subject[ITERATION] = String::new();
        let rows = Rows::new(entries);
        let all: Vec<&Row> = rows.rows.iter().collect();
        let models: Vec<&str> = last(&all).iter().map(|row| row.subject[0].as_str()).collect();
        assert_eq!(models, ["b", "c", "d"], "iteration 10 comes after 1, and a model without iterations stays");
    }
}
