//! How data sets differ: which samples were added, removed or changed.

use std::collections::BTreeMap;

use super::comparison::DataRow;
use super::pairs::StageRow;
use super::side::Side;
use crate::table::Table;

/// The table of a data set's samples.
const INDEX: &str = "index";

/// What a reference to a data set yields.
const YIELDS: &str = "dataset";

/// A sample: the digests of its image and its label.
type Sample = [Option<String>; 2];

/// The data sets that differ from the reference's. `label` names a run. Notes tell what cannot be read.
pub(super) fn of_sets(
    sides: &[Side<'_>],
    rows: &[StageRow<'_>],
    label: &dyn Fn(usize) -> String,
    notes: &mut Vec<String>,
) -> Vec<DataRow> {
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| row.last.nodes.iter().flatten().any(|node| node.yields == YIELDS)) {
        let index = |at: usize| row.last.nodes[at].and_then(|node| node.outputs.get(INDEX)).map(|made| made.digest);
        let Some(reference) = index(0) else { continue };
        for at in 1..sides.len() {
            let Some(other) = index(at).filter(|other| *other != reference) else { continue };
            let read = |at: usize, digest| sides[at].table(digest).and_then(|table| samples(&table));
            match (read(0, &reference), read(at, &other)) {
                (Ok(a), Ok(b)) => found.extend(compared(&row.path, label(at), &a, &b)),
                (Err(why), _) | (_, Err(why)) => {
                    notes.push(format!("The samples of `{}` are not compared. {why}", row.path));
                }
            }
        }
    }
    found
}

/// The samples of an index, in its order, and by name.
fn samples(table: &Table) -> Result<(Vec<String>, BTreeMap<String, Sample>), String> {
    let at = |name: &str| table.position(name).ok_or_else(|| format!("Its index has no column `{name}`."));
    let (id, image, label) = (at("id")?, at("image_digest")?, at("label_digest")?);
    let text = |row: usize, column: usize| table.cell(row, column).text().map(str::to_owned);
    let order: Vec<String> = (0..table.rows()).filter_map(|row| text(row, id)).collect();
    let samples = order.iter().enumerate().map(|(row, name)| (name.clone(), [text(row, image), text(row, label)]));
    Ok((order.clone(), samples.collect()))
}

fn compared(
    path: &str,
    run: String,
    (order_a, a): &(Vec<String>, BTreeMap<String, Sample>),
    (order_b, b): &(Vec<String>, BTreeMap<String, Sample>),
) -> Option<DataRow> {
    let only = |of: &BTreeMap<String, Sample>, other: &BTreeMap<String, Sample>| -> Vec<String> {
        of.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
    };
    let changed = |part: usize| -> Vec<String> {
        let differs =
            |(name, sample): &(&String, &Sample)| b.get(*name).is_some_and(|other| other[part] != sample[part]);
        a.iter().filter(differs).map(|(name, _)| name.clone()).collect()
    };
    let common = |order: &[String], other: &BTreeMap<String, Sample>| -> Vec<String> {
        order.iter().filter(|name| other.contains_key(*name)).cloned().collect()
    };
    let row = DataRow {
        path: path.to_owned(),
        run,
        samples: [order_a.len(), order_b.len()],
        added: only(b, a),
        removed: only(a, b),
        images_changed: changed(0),
        labels_changed: changed(1),
        reordered: common(order_a, b) != common(order_b, a),
    };
    let same = row.added.is_empty() && row.removed.is_empty() && row.images_changed.is_empty();
    (!same || !row.labels_changed.is_empty() || row.reordered).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Cell, Column};

    fn index(rows: &[(&str, &str, &str)]) -> (Vec<String>, BTreeMap<String, Sample>) {
        let columns = ["id", "image_digest", "label_digest"].map(Column::text).to_vec();
        let rows = rows.iter().map(|(id, image, label)| vec![Cell::from(*id), (*image).into(), (*label).into()]);
        samples(&Table::new(columns, rows.collect()).unwrap()).unwrap()
    }

    #[test]
    fn samples_are_added_removed_changed_and_reordered() {
        let a = index(&[("a", "1", "1"), ("b", "2", "2"), ("c", "3", "3"), ("d", "4", "4")]);
        let b = index(&[("d", "4", "9"), ("b", "8", "2"), ("e", "5", "5"), ("a", "1", "1")]);
        let row = compared("set", "B".into(), &a, &b).unwrap();
        assert_eq!((row.added, row.removed), (vec!["e".to_owned()], vec!["c".to_owned()]));
        assert_eq!((row.images_changed, row.labels_changed), (vec!["b".to_owned()], vec!["d".to_owned()]));
        assert!(row.reordered);
        assert_eq!(compared("set", "B".into(), &a, &a), None);
        // What is added in front changes no order.
        let more = index(&[("0", "0", "0"), ("a", "1", "1"), ("b", "2", "2"), ("c", "3", "3"), ("d", "4", "4")]);
        assert!(!compared("set", "B".into(), &a, &more).unwrap().reordered);
    }
}
