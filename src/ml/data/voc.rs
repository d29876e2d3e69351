//! PASCAL VOC 2012 with the augmented labels: lists that follow from the folders, and what they must come to.

use std::path::Path;

use super::bounds::{Faults, NAME, shown};
use super::list::{Expected, Sample, check};
use super::{Error, Fault, read};
use crate::fsio;

/// The folder of the augmented labels.
pub const LABELS: &str = "SegmentationClassAug";

/// A part of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Every id in `SegmentationClassAug` that is not in `ImageSets/Segmentation/val.txt`.
    TrainAug,
    /// The ids of `ImageSets/Segmentation/val.txt`.
    Val,
    /// The ids of `ImageSets/Segmentation/test.txt`, of the test archive; images only.
    Test,
}

/// The samples of a part below `root`, sorted by id, checked against `expected`.
pub fn samples(root: &Path, part: Part, expected: &[Expected]) -> Result<Vec<Sample>, Error> {
    let (place, ids) = match part {
        Part::Val => ("ImageSets/Segmentation/val.txt", ids(root, "val")?),
        Part::Test => ("ImageSets/Segmentation/test.txt", ids(root, "test")?),
        Part::TrainAug => {
            let val = ids(root, "val")?;
            let names = fsio::list(&root.join(LABELS))
                .map_err(|error| Fault::new(LABELS, error.to_string(), "Name the folder that holds it as the root."))?;
            let labels = names.iter().filter_map(|name| name.strip_suffix(".png"));
            let train = labels.filter(|id| val.binary_search_by(|v| v.as_str().cmp(id)).is_err());
            (LABELS, train.map(str::to_owned).collect())
        }
    };
    let labels = (part != Part::Test).then_some(LABELS);
    let samples: Vec<Sample> = ids.iter().map(|id| Sample::voc(id, labels)).collect();
    if samples.is_empty() {
        return Err(Fault::new(place, "No sample follows from it.", "Unpack the whole data set again.").into());
    }
    check(&samples, expected, place)?;
    Ok(samples)
}

/// The ids of one of VOC's own lists, sorted. Every line that is no id is a fault.
fn ids(root: &Path, name: &str) -> Result<Vec<String>, Error> {
    let place = format!("ImageSets/Segmentation/{name}.txt");
    let text = String::from_utf8_lossy(&read(&root.join(&place), &place)?).into_owned();
    let lines = || text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())).filter(|(_, id)| !id.is_empty());
    let plain = |id: &str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let is_id = |id: &str| plain(id) && id.len() + ".jpg".len() <= NAME;
    let told = |(n, id): (usize, &str)| {
        Fault::new(format_args!("{place}:{n}:1"), format!("`{}` is not an id.", shown(id)), "One id a line.")
    };
    let mut faults = Faults::default();
    faults.extend(lines().filter(|(_, id)| !is_id(id)).map(told));
    if !faults.is_empty() {
        return Err(Error::Faults(faults.into_vec()));
    }
    let mut ids: Vec<String> = lines().map(|(_, id)| id.to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::data::list::digest_of_ids;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for id in ["2007_1", "2007_2", "2007_3"] {
            fsio::write_atomic(&root.path().join(format!("{LABELS}/{id}.png")), b"").unwrap();
        }
        fsio::write_atomic(&root.path().join("ImageSets/Segmentation/val.txt"), b"2007_2\n2007_9\n").unwrap();
        root
    }

    #[test]
    fn train_aug_is_every_label_that_is_not_in_val() {
        let root = root();
        let of = |part| samples(root.path(), part, &[]).unwrap();
        let ids: Vec<String> = of(Part::TrainAug).into_iter().map(|s| s.id).collect();
        assert_eq!(ids, ["2007_1", "2007_3"]);
        assert_eq!(of(Part::Val)[0], Sample::voc("2007_2", Some(LABELS)));
        assert!(samples(root.path(), Part::Test, &[]).unwrap_err().to_string().contains("is not there"));
    }

    #[test]
    fn another_set_than_the_published_one_is_a_fault() {
        let root = root();
        let digest = digest_of_ids(["2007_1", "2007_3"]);
        let expected = |count| [Expected { labels: None, count, digest }];
        assert!(samples(root.path(), Part::TrainAug, &expected(2)).is_ok());
        let error = samples(root.path(), Part::Val, &expected(1449)).unwrap_err();
        assert!(error.to_string().contains("The set has 2 ids"), "{error}");
    }
}
