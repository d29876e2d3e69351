//! Data sets between stages: the index as a table, and the files behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::agree;
use super::columns::{Values, ints, new_table, texts};
use super::support;
use super::yields::{INDEX, INFO, SET_FILES};
use crate::fsio;
use crate::hash::Digest;
use crate::ml::data::advice;
use crate::ml::data::index::Row;
pub use crate::ml::data::info::Info;
use crate::ml::data::list::Sample;
use crate::ml::data::orientation::Orientation;
use crate::stage::{DataFault, InputNode, Job, ParamFault, StageError};
use crate::table::Table;

/// A data set as a consumer sees it: its rows, what it says of itself, and where its files are.
pub struct Data {
    /// The index.
    pub rows: Vec<Row>,
    /// Classes and ignore value.
    pub info: Info,
    /// The digest of the index: the data set's identity.
    pub digest: Digest,
    /// The files that are in the store.
    files: BTreeMap<String, (PathBuf, Digest)>,
    root: Option<PathBuf>,
}

impl Data {
    /// Opens the data set of a slot.
    pub fn open(job: &Job<'_>, slot: &str) -> Result<Self, StageError> {
        Data::of(support::input(job, slot)?)
    }

    /// The data set that a node made.
    pub fn of(node: &InputNode) -> Result<Self, StageError> {
        let info: Info = support::json(node, &INFO)?;
        let rows = rows(&support::table(node, &INDEX)?, &info)?;
        let tree = SET_FILES.of(node).map(|files| &files.tree);
        let files = tree.into_iter().flatten();
        let files = files.filter_map(|(name, file)| Some((name.clone(), (file.path.clone()?, file.digest)))).collect();
        let digest = support::artifact(node, &INDEX)?.digest;
        Ok(Data { rows, info, digest, files, root: node.root.clone() })
    }

    /// Where a file of the set is.
    pub fn resolve(&self, relative: &str) -> PathBuf {
        match (self.files.get(relative), &self.root) {
            (Some((path, _)), _) => path.clone(),
            (None, Some(root)) => root.join(relative),
            (None, None) => Path::new(relative).to_owned(),
        }
    }

    /// The files of the set that are outside the store, with their digests.
    pub fn outside(&self) -> Vec<(PathBuf, Digest)> {
        let files = self.rows.iter().flat_map(|row| {
            let label = row.sample.label.as_ref().zip(row.label_digest);
            std::iter::once((&row.sample.image, row.image_digest)).chain(label)
        });
        files
            .filter(|(name, _)| !self.files.contains_key(*name))
            .map(|(name, digest)| (self.resolve(name), digest))
            .collect()
    }

    /// The error of a stage that read the set's files. If a file in the store does not have its digest, that is the error:
    /// the stage that made it runs again. Every other fault is told to the user.
    pub fn blame(&self, error: StageError) -> StageError {
        let StageError::Data(faults) = &error else { return error };
        let stored = faults.iter().filter_map(|fault| self.files.get(&fault.place));
        let sound = |path: &Path, digest: &Digest| fsio::blake3(path).is_ok_and(|found| Digest::from(found) == *digest);
        let corrupt = stored.into_iter().find(|(path, digest)| !sound(path, digest));
        corrupt.map_or(error.clone(), |(_, digest)| StageError::CorruptInput { digest: *digest })
    }

    /// A warning of images that are also among those that the model of a slot was trained on; none where there are none, and
    /// where what it was trained on is not known.
    pub fn trained_on(&self, job: &Job<'_>, slot: &str) -> Option<String> {
        let model = support::input(job, slot).ok()?;
        let index = model.made_from.get(&format!("data.{}", INDEX.name))?;
        if *index == self.digest {
            return Some(
                "The model was trained on this very data set: the figures say nothing of images that it has not seen."
                    .to_owned(),
            );
        }
        let known = Table::from_canonical(&(job.read)(index)?).ok()?;
        let known: BTreeSet<String> = texts(&known, "image_digest").ok()?.into_iter().flatten().collect();
        let both = self.rows.iter().filter(|row| known.contains(&row.image_digest.to_string()));
        let ids: Vec<&str> = both.map(|row| row.sample.id.as_str()).collect();
        (!ids.is_empty()).then(|| {
            format!(
                "{} of {} images have the same content as images that the model was trained on: {}. The figures are better \
                 than those of images that it has not seen.",
                ids.len(),
                self.rows.len(),
                advice::listed(&ids)
            )
        })
    }

    /// An error unless a model was trained on these very classes, in this order.
    pub fn same_classes(&self, classes: &[String]) -> Result<(), StageError> {
        agree::other_classes(&self.info.classes, classes).map_or(Ok(()), |fault| Err(at_fault(fault)))
    }

    /// An error unless a model whose classes have no names has as many as the data.
    pub fn same_count(&self, classes: usize) -> Result<(), StageError> {
        agree::unnamed_classes(&self.info.classes, classes).map_or(Ok(()), |fault| Err(at_fault(fault)))
    }

    /// An error unless the network has as many classes as the data.
    pub fn fits(&self, classes: usize) -> Result<(), StageError> {
        agree::other_count(&self.info.classes, classes).map_or(Ok(()), |fault| Err(at_fault(fault)))
    }
}

fn at_fault(fault: ParamFault) -> StageError {
    DataFault::new(fault.field, fault.message, fault.hint).into()
}

/// The column of the rules that give the pixels of images. It is there only if a rule is not the first one. So a data set
/// whose images keep their pixels keeps its index, and all that was made from it.
const RULE: &str = "pixel_rule";

/// The column of how images are turned. It is there only if an image is.
const ORIENTATION: &str = "orientation";

/// The index as a table: a row for each sample, a column for the pixels of each class.
pub fn index_table(rows: &[Row], info: &Info) -> Result<Table, StageError> {
    let text = |f: &dyn Fn(&Row) -> Option<String>| Values::Text(rows.iter().map(f).collect());
    let number = |f: &dyn Fn(&Row) -> u64| Values::Int(rows.iter().map(|row| Some(f(row) as i64)).collect());
    let mut columns = vec![
        ("id".to_owned(), text(&|row| Some(row.sample.id.clone()))),
        ("image".to_owned(), text(&|row| Some(row.sample.image.clone()))),
        ("label".to_owned(), text(&|row| row.sample.label.clone())),
        ("image_digest".to_owned(), text(&|row| Some(row.image_digest.to_string()))),
        ("label_digest".to_owned(), text(&|row| row.label_digest.map(|digest| digest.to_string()))),
        ("height".to_owned(), number(&|row| row.height as u64)),
        ("width".to_owned(), number(&|row| row.width as u64)),
        ("ignored".to_owned(), number(&|row| row.ignored)),
    ];
    if rows.iter().any(|row| row.rule != 1) {
        columns.push((RULE.to_owned(), number(&|row| row.rule)));
    }
    if rows.iter().any(|row| row.orientation != Orientation::Upright) {
        columns.push((ORIENTATION.to_owned(), number(&|row| row.orientation.number())));
    }
    for (class, name) in info.classes.iter().enumerate() {
        columns.push((format!("{class} {name}"), number(&|row| row.pixels[class])));
    }
    new_table(columns)
}

fn rows(table: &Table, info: &Info) -> Result<Vec<Row>, StageError> {
    let (ids, images, labels) = (texts(table, "id")?, texts(table, "image")?, texts(table, "label")?);
    let (image_digests, label_digests) = (texts(table, "image_digest")?, texts(table, "label_digest")?);
    let (heights, widths, ignored) = (ints(table, "height")?, ints(table, "width")?, ints(table, "ignored")?);
    let rare = |name: &str| table.position(name).map(|_| ints(table, name)).transpose();
    let (rules, orientations) = (rare(RULE)?, rare(ORIENTATION)?);
    let at = |column: &Option<Vec<Option<i64>>>, i: usize| -> Option<u64> {
        column.as_ref().map_or(Some(1), |column| u64::try_from(column[i]?).ok())
    };
    let class = |(class, name): (usize, &String)| ints(table, &format!("{class} {name}"));
    let pixels: Vec<Vec<Option<i64>>> = info.classes.iter().enumerate().map(class).collect::<Result<_, _>>()?;
    let row = |i: usize| -> Option<Row> {
        let count = |column: &[Option<i64>]| u64::try_from(column[i]?).ok();
        let size = |column: &[Option<i64>]| usize::try_from(column[i]?).ok();
        Some(Row {
            sample: Sample { id: ids[i].clone()?, image: images[i].clone()?, label: labels[i].clone() },
            image_digest: image_digests[i].as_ref()?.parse().ok()?,
            label_digest: label_digests[i].as_ref().and_then(|digest| digest.parse().ok()),
            coding: info.coding.clone(),
            rule: at(&rules, i)?,
            orientation: Orientation::from_number(at(&orientations, i)?)?,
            shown_otherwise: false,
            beyond: 0,
            height: size(&heights)?,
            width: size(&widths)?,
            pixels: pixels.iter().map(|column| count(column)).collect::<Option<_>>()?,
            ignored: count(&ignored)?,
        })
    };
    (0..ids.len())
        .map(row)
        .collect::<Option<_>>()
        .ok_or_else(|| StageError::Bug("The index of a data set has gaps.".into()))
}
