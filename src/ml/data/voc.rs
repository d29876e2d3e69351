//! PASCAL VOC 2012 with the augmented labels: lists that follow from the folders, and what they must come to.

use std::collections::BTreeMap;
use std::path::Path;

use super::bounds::{Faults, NAME};
use super::list::{Expected, Sample, check};
use super::spelling::{is_stray, without};
use super::{Error, Fault, read};
use crate::fsio;
use crate::syntax::shown;

/// The folder of the images.
const IMAGES: &str = "JPEGImages";
/// The folder of the augmented labels.
pub const LABELS: &str = "SegmentationClassAug";

/// A part of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Every id in `SegmentationClassAug` that is not in the list of the validation set.
    TrainAug,
    /// The ids of the list of the validation set.
    Val,
    /// The ids of the list of the test set, of the test archive; images only.
    Test,
}

impl Part {
    /// VOC's own list that the part follows from, below the root.
    pub fn list(self) -> &'static str {
        match self {
            Part::TrainAug | Part::Val => "ImageSets/Segmentation/val.txt",
            Part::Test => "ImageSets/Segmentation/test.txt",
        }
    }

    /// The part in words.
    pub fn name(self) -> &'static str {
        match self {
            Part::TrainAug => "augmented training set",
            Part::Val => "validation set",
            Part::Test => "test set",
        }
    }
}

/// The samples of a part below `root`, sorted by id, checked against `expected`. The ids that are `given`, with the name of
/// their file, stand in place of those of [`Part::list`].
pub fn samples(
    root: &Path,
    part: Part,
    given: Option<(&str, Vec<String>)>,
    expected: &[Expected],
) -> Result<Vec<Sample>, Error> {
    let (place, mut listed) = match given {
        Some(given) => given,
        None => (part.list(), ids(root, part.list())?),
    };
    listed.sort_unstable();
    listed.dedup();
    let images = Spelled::new(fsio::list(&root.join(IMAGES)).unwrap_or_default(), ".jpg");
    let sample = |id: &str, label: Option<String>| {
        let label = label.map(|name| format!("{LABELS}/{name}"));
        Sample { id: id.to_owned(), image: format!("{IMAGES}/{}", images.name(id)), label }
    };
    let labels = || fsio::list(&root.join(LABELS));
    let (place, samples): (&str, Vec<Sample>) = match part {
        Part::Test => (place, listed.iter().map(|id| sample(id, None)).collect()),
        Part::Val => {
            let labels = Spelled::new(labels().unwrap_or_default(), ".png");
            (place, listed.iter().map(|id| sample(id, Some(labels.name(id)))).collect())
        }
        Part::TrainAug => {
            let names = labels().map_err(|error| {
                let hint = format!("Name the folder that holds it as the root. {}", origin(LABELS).unwrap_or_default());
                Fault::new(LABELS, error.to_string(), hint)
            })?;
            let mut train = BTreeMap::new();
            for name in names.into_iter().filter(|name| !is_stray(name)) {
                let Some(id) = without(&name, ".png").map(str::to_owned) else { continue };
                if listed.binary_search(&id).is_ok() {
                    continue;
                }
                if let Some(other) = train.insert(id, name.clone()) {
                    let message = format!("`{}` and `{}` are labels of one id.", shown(&other), shown(&name));
                    return Err(Fault::new(LABELS, message, "Remove one of them.").into());
                }
            }
            (LABELS, train.into_iter().map(|(id, name)| sample(&id, Some(name))).collect())
        }
    };
    if samples.is_empty() {
        return Err(Fault::new(place, "No sample follows from it.", "Unpack the whole data set again.").into());
    }
    check(&samples, expected, place)?;
    Ok(samples)
}

/// The names of files that spell their ending in another case, by id.
struct Spelled {
    ending: &'static str,
    others: BTreeMap<String, String>,
}

impl Spelled {
    fn new(names: Vec<String>, ending: &'static str) -> Self {
        let other = |name: &String| {
            let id = without(name, ending).filter(|_| !is_stray(name))?;
            let usual = format!("{id}{ending}");
            // Names are sorted.
            names.binary_search(&usual).is_err().then(|| (id.to_owned(), name.clone()))
        };
        Spelled { ending, others: names.iter().filter_map(other).collect() }
    }

    /// The name of the file of an id.
    fn name(&self, id: &str) -> String {
        self.others.get(id).cloned().unwrap_or_else(|| format!("{id}{}", self.ending))
    }
}

/// What a file of the data set is and where the whole comes from, by its path below the root; none if it is no part of it.
pub fn origin(path: &str) -> Option<&'static str> {
    let path = path.trim_start_matches('/');
    if path == Part::Test.list() {
        return Some(
            "It is VOC's list of the test set, and comes in VOC2012test.tar. Or name a file of these ids by `ids`.",
        );
    }
    Some(match path.split('/').next()? {
        "ImageSets" => {
            "It is VOC's list of the validation set, and comes in VOCtrainval_11-May-2012.tar. Or name a file of these ids \
             by `ids`."
        }
        IMAGES => {
            "Images of VOC 2012 come in VOCtrainval_11-May-2012.tar, those of the test set in VOC2012test.tar. The data \
             root is the folder VOCdevkit/VOC2012."
        }
        LABELS => {
            "It holds the masks of VOC 2012 and of SBD (Hariharan et al.) as ids of classes, mostly shared as \
             SegmentationClassAug.zip. It belongs beside JPEGImages; VOC's own archives do not hold it."
        }
        _ => return None,
    })
}

/// The ids of one of VOC's own lists. Every line that is no id is a fault.
fn ids(root: &Path, place: &str) -> Result<Vec<String>, Error> {
    let bytes = read(&root.join(place), place).map_err(|fault| match fsio::exists(&root.join(place)) {
        true => fault,
        false => Fault { hint: origin(place).unwrap_or_default().to_owned(), ..fault },
    })?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
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
    Ok(lines().map(|(_, id)| id.to_owned()).collect())
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
        let of = |part| samples(root.path(), part, None, &[]).unwrap();
        let ids: Vec<String> = of(Part::TrainAug).into_iter().map(|s| s.id).collect();
        assert_eq!(ids, ["2007_1", "2007_3"]);
        assert_eq!(of(Part::Val)[0], Sample::voc("2007_2", Some(LABELS)));
        assert!(samples(root.path(), Part::Test, None, &[]).unwrap_err().to_string().contains("is not there"));
    }

    #[test]
    fn strays_are_no_samples_and_endings_may_be_in_any_case() {
        let root = root();
        let add = |path: &str| fsio::write_atomic(&root.path().join(path), b"").unwrap();
        for path in ["._2007_1.png", ".DS_Store", "Thumbs.db", "2007_4.PNG"] {
            add(&format!("{LABELS}/{path}"));
        }
        for path in ["2007_1.JPG", "2007_3.jpg", "._2007_4.JPG"] {
            add(&format!("{IMAGES}/{path}"));
        }
        let train = samples(root.path(), Part::TrainAug, None, &[]).unwrap();
        let paths: Vec<(&str, &str)> = train.iter().map(|s| (s.image.as_str(), s.label.as_deref().unwrap())).collect();
        assert_eq!(
            paths,
            [
                ("JPEGImages/2007_1.JPG", "SegmentationClassAug/2007_1.png"),
                ("JPEGImages/2007_3.jpg", "SegmentationClassAug/2007_3.png"),
                ("JPEGImages/2007_4.jpg", "SegmentationClassAug/2007_4.PNG"),
            ]
        );
        add(&format!("{LABELS}/2007_3.Png"));
        let error = samples(root.path(), Part::TrainAug, None, &[]).unwrap_err();
        assert!(error.to_string().contains("`2007_3.Png` and `2007_3.png` are labels of one id"), "{error}");
    }

    #[test]
    fn ids_may_be_given_and_a_missing_file_says_where_it_comes_from() {
        let root = root();
        fsio::remove_dir_all(&root.path().join("ImageSets")).unwrap();
        let error = samples(root.path(), Part::Val, None, &[]).unwrap_err().to_string();
        assert!(error.contains("VOCtrainval_11-May-2012.tar") && error.contains("by `ids`"), "{error}");
        let of = |part| samples(root.path(), part, Some(("val.txt", vec!["2007_2".to_owned()])), &[]).unwrap();
        let ids = |part| of(part).into_iter().map(|sample| sample.id).collect::<Vec<String>>();
        assert_eq!(
            (ids(Part::Val), ids(Part::TrainAug)),
            (vec!["2007_2".into()], vec!["2007_1".into(), "2007_3".into()])
        );
        assert!(origin("/JPEGImages/x.jpg").unwrap().contains("VOC2012test.tar"));
        assert_eq!(origin("x.jpg"), None);
    }

    #[test]
    fn another_set_than_the_published_one_is_a_fault() {
        let root = root();
        let digest = digest_of_ids(["2007_1", "2007_3"]);
        let expected = |count| [Expected { labels: None, count, digest }];
        assert!(samples(root.path(), Part::TrainAug, None, &expected(2)).is_ok());
        let error = samples(root.path(), Part::Val, None, &expected(1449)).unwrap_err();
        assert!(error.to_string().contains("The set has 2 ids"), "{error}");
    }
}
