//! Cityscapes (Cordts et al., CVPR 2016): the official table of labels, and lists that follow from the original tree.
//!
//! Images are `leftImg8bit/SPLIT/CITY/ID.png` with ids as `aachen_000000_000019_leftImg8bit`; their labels are
//! `gtFine/SPLIT/CITY/…_gtFine_labelIds.png` and `gtCoarse/SPLIT/CITY/…_gtCoarse_labelIds.png`. Fine and coarse labels
//! share ids: of which labels a list is, an expectation for their folder says.

use std::path::Path;

use super::list::{Expected, Sample, check};
use super::raster::Labels;
use super::spelling::{is_stray, without};
use super::{Error, Fault};
use crate::fsio;

/// The folder of the images.
const IMAGES: &str = "leftImg8bit";
/// How an image's file name ends.
const IMAGE_END: &str = "_leftImg8bit";

/// A row of the official table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The name.
    pub name: &'static str,
    /// The id in files of labels and for the evaluation server; the license plate's, -1, is never drawn.
    pub id: i8,
    /// The class that networks are trained on; none counts nowhere.
    pub train: Option<u8>,
    /// The name of the category.
    pub category: &'static str,
    /// The colour.
    pub color: [u8; 3],
}

const fn row(name: &'static str, id: i8, train: i16, category: &'static str, color: [u8; 3]) -> Label {
    Label { name, id, train: if train < 0 || train == 255 { None } else { Some(train as u8) }, category, color }
}

/// The official 35 rows (`labels.py` of the Cityscapes scripts): name, id, trainId, category, colour.
pub const LABELS: [Label; 35] = [
    row("unlabeled", 0, 255, "void", [0, 0, 0]),
    row("ego vehicle", 1, 255, "void", [0, 0, 0]),
    row("rectification border", 2, 255, "void", [0, 0, 0]),
    row("out of roi", 3, 255, "void", [0, 0, 0]),
    row("static", 4, 255, "void", [0, 0, 0]),
    row("dynamic", 5, 255, "void", [111, 74, 0]),
    row("ground", 6, 255, "void", [81, 0, 81]),
    row("road", 7, 0, "flat", [128, 64, 128]),
    row("sidewalk", 8, 1, "flat", [244, 35, 232]),
    row("parking", 9, 255, "flat", [250, 170, 160]),
    row("rail track", 10, 255, "flat", [230, 150, 140]),
    row("building", 11, 2, "construction", [70, 70, 70]),
    row("wall", 12, 3, "construction", [102, 102, 156]),
    row("fence", 13, 4, "construction", [190, 153, 153]),
    row("guard rail", 14, 255, "construction", [180, 165, 180]),
    row("bridge", 15, 255, "construction", [150, 100, 100]),
    row("tunnel", 16, 255, "construction", [150, 120, 90]),
    row("pole", 17, 5, "object", [153, 153, 153]),
    row("polegroup", 18, 255, "object", [153, 153, 153]),
    row("traffic light", 19, 6, "object", [250, 170, 30]),
    row("traffic sign", 20, 7, "object", [220, 220, 0]),
    row("vegetation", 21, 8, "nature", [107, 142, 35]),
    row("terrain", 22, 9, "nature", [152, 251, 152]),
    row("sky", 23, 10, "sky", [70, 130, 180]),
    row("person", 24, 11, "human", [220, 20, 60]),
    row("rider", 25, 12, "human", [255, 0, 0]),
    row("car", 26, 13, "vehicle", [0, 0, 142]),
    row("truck", 27, 14, "vehicle", [0, 0, 70]),
    row("bus", 28, 15, "vehicle", [0, 60, 100]),
    row("caravan", 29, 255, "vehicle", [0, 0, 90]),
    row("trailer", 30, 255, "vehicle", [0, 0, 110]),
    row("train", 31, 16, "vehicle", [0, 80, 100]),
    row("motorcycle", 32, 17, "vehicle", [0, 0, 230]),
    row("bicycle", 33, 18, "vehicle", [119, 11, 32]),
    row("license plate", -1, -1, "vehicle", [0, 0, 142]),
];

/// The rows of the 19 classes, in the order of their trainIds.
pub fn classes() -> impl Iterator<Item = &'static Label> {
    // The official table lists classes in this order.
    LABELS.iter().filter(|label| label.train.is_some())
}

/// The row of a value in a file of labels; 255 is -1 in 8 bits. None where the table has no such row.
pub fn label(value: u8) -> Option<&'static Label> {
    LABELS.iter().find(|label| label.id as u8 == value)
}

/// The id of pixels that no class of [`classes`] holds.
pub const IGNORE: u8 = 255;

/// The trainIds of labelIds, and [`IGNORE`] for labels that count nowhere. A value that the table lacks is a fault of
/// `place`.
pub fn train_ids(values: &Labels, place: &str) -> Result<Labels, Fault> {
    let table: [Option<u8>; 256] =
        std::array::from_fn(|value| label(value as u8).map(|label| label.train.unwrap_or(IGNORE)));
    if let Some(at) = values.pixels().iter().position(|&value| table[usize::from(value)].is_none()) {
        let (value, row, column) = (values.pixels()[at], at / values.width(), at % values.width());
        let message = format!("The label holds {value}, which is no labelId, first at row {row}, column {column}.");
        let hint = "LabelIds are 0 to 33 and 255. Labels that hold ids of classes belong to a `Listed` source.";
        return Err(Fault::new(place, message, hint));
    }
    Ok(values.map(|value| table[usize::from(value)].unwrap_or(IGNORE)))
}

/// The labelIds of trainIds, as the evaluation server wants them; 0, unlabeled, for ids that are no class.
pub fn label_ids(ids: &Labels) -> Labels {
    let table: Vec<u8> = classes().map(|label| label.id as u8).collect();
    ids.map(|id| table.get(usize::from(id)).copied().unwrap_or(0))
}

/// A part of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The 2,975 training images with fine labels.
    TrainFine,
    /// The same images with coarse labels.
    TrainCoarse,
    /// The 19,998 extra images with coarse labels.
    TrainExtra,
    /// The training images with fine labels, then the extra images with coarse ones.
    TrainFineExtra,
    /// The 500 validation images with fine labels.
    Val,
    /// The same images with coarse labels.
    ValCoarse,
    /// The 1,525 test images, without labels.
    Test,
}

impl Part {
    /// The splits that it is made of, each with the folder of its labels.
    fn splits(self) -> &'static [(&'static str, Option<&'static str>)] {
        const FINE: Option<&str> = Some("gtFine");
        const COARSE: Option<&str> = Some("gtCoarse");
        match self {
            Part::TrainFine => &[("train", FINE)],
            Part::TrainCoarse => &[("train", COARSE)],
            Part::TrainExtra => &[("train_extra", COARSE)],
            Part::TrainFineExtra => &[("train", FINE), ("train_extra", COARSE)],
            Part::Val => &[("val", FINE)],
            Part::ValCoarse => &[("val", COARSE)],
            Part::Test => &[("test", None)],
        }
    }
}

/// The samples of a part below `root`: those of each split sorted by id, checked against `expected`.
pub fn samples(root: &Path, part: Part, expected: &[Expected]) -> Result<Vec<Sample>, Error> {
    let mut samples = Vec::new();
    for &(split, labels) in part.splits() {
        let folder = format!("{IMAGES}/{split}");
        let before = samples.len();
        for city in list(root, &folder)? {
            let images = format!("{folder}/{city}");
            if !fsio::stat(&root.join(&images))?.is_dir {
                continue;
            }
            let names = list(root, &images)?;
            samples.extend(names.iter().filter_map(|name| sample(&images, name, split, &city, labels)));
        }
        samples[before..].sort_by(|a, b| a.id.cmp(&b.id));
        if samples.len() == before {
            let hint = origin(&folder).unwrap_or_default();
            return Err(Fault::new(folder, "No image follows from it.", hint).into());
        }
    }
    check(&samples, expected, IMAGES)?;
    Ok(samples)
}

fn sample(folder: &str, name: &str, split: &str, city: &str, labels: Option<&str>) -> Option<Sample> {
    let id = without(name, ".png").filter(|_| !is_stray(name))?;
    let stem = id.strip_suffix(IMAGE_END)?;
    let label = labels.map(|labels| format!("{labels}/{split}/{city}/{stem}_{labels}_labelIds.png"));
    Some(Sample { id: id.to_owned(), image: format!("{folder}/{name}"), label })
}

/// The names in a folder below the root.
fn list(root: &Path, folder: &str) -> Result<Vec<String>, Fault> {
    fsio::list(&root.join(folder)).map_err(|error| {
        let hint =
            format!("Name the folder that holds `leftImg8bit` as the root. {}", origin(folder).unwrap_or_default());
        Fault::new(folder, error.to_string(), hint)
    })
}

/// What a file of the data set is and where the whole comes from, by its path below the root; none if it is no part of it.
pub fn origin(path: &str) -> Option<&'static str> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (folder, extra) = (parts.next()?, parts.next() == Some("train_extra"));
    Some(match (folder, extra) {
        (IMAGES, true) => "The extra images come in leftImg8bit_trainextra.zip, from the site of Cityscapes.",
        (IMAGES, false) => "Images come in leftImg8bit_trainvaltest.zip, from the site of Cityscapes.",
        ("gtFine", _) => "Fine labels come in gtFine_trainvaltest.zip, from the site of Cityscapes.",
        ("gtCoarse", _) => "Coarse labels come in gtCoarse.zip, from the site of Cityscapes.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::data::list::digest_of_ids;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let splits =
            [("train", "ulm", 2), ("train", "aachen", 1), ("train_extra", "bayreuth", 2), ("val", "lindau", 1)];
        for (split, city, count) in splits {
            for n in 0..count {
                let path = format!("leftImg8bit/{split}/{city}/{city}_000000_00000{n}_leftImg8bit.png");
                fsio::write_atomic(&root.path().join(path), b"").unwrap();
            }
        }
        for stray in ["lindau/Thumbs.db", "license.txt", "lindau/._lindau_000000_000000_leftImg8bit.png", ".DS_Store"] {
            fsio::write_atomic(&root.path().join("leftImg8bit/val").join(stray), b"").unwrap();
        }
        root
    }

    #[test]
    fn the_table_is_the_official_one() {
        let ids: Vec<i8> = LABELS.iter().map(|label| label.id).collect();
        assert_eq!(ids, (0..34).chain([-1]).collect::<Vec<_>>());
        let classes: Vec<&Label> = classes().collect();
        assert_eq!(classes.iter().filter_map(|label| label.train).collect::<Vec<_>>(), (0..19).collect::<Vec<_>>());
        let ids: Vec<i8> = classes.iter().map(|label| label.id).collect();
        assert_eq!(ids, [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]);
        assert_eq!(label(255).map(|label| (label.name, label.train)), Some(("license plate", None)));
        assert_eq!(label(34), None);
        let categories: std::collections::BTreeSet<&str> = LABELS.iter().map(|label| label.category).collect();
        assert_eq!(categories.len(), 8);
    }

    #[test]
    fn label_ids_become_train_ids_and_back() {
        let values = Labels::new(2, 3, vec![0, 7, 33, 255, 29, 26]).unwrap();
        let ids = train_ids(&values, "x").unwrap();
        assert_eq!(ids.pixels(), [255, 0, 18, 255, 255, 13]);
        assert_eq!(label_ids(&ids).pixels(), [0, 7, 33, 0, 0, 26]);
        let fault = train_ids(&Labels::new(2, 2, vec![1, 2, 3, 34]).unwrap(), "gtFine/x.png").unwrap_err();
        assert_eq!(fault.place, "gtFine/x.png");
        assert_eq!(fault.message, "The label holds 34, which is no labelId, first at row 1, column 1.");
    }

    #[test]
    fn lists_follow_from_the_tree() {
        let root = root();
        let of = |part| samples(root.path(), part, &[]).unwrap();
        let val = of(Part::Val);
        assert_eq!(
            val,
            [Sample {
                id: "lindau_000000_000000_leftImg8bit".into(),
                image: "leftImg8bit/val/lindau/lindau_000000_000000_leftImg8bit.png".into(),
                label: Some("gtFine/val/lindau/lindau_000000_000000_gtFine_labelIds.png".into()),
            }]
        );
        let coarse = "gtCoarse/val/lindau/lindau_000000_000000_gtCoarse_labelIds.png";
        assert_eq!(of(Part::ValCoarse)[0].label.as_deref(), Some(coarse));
        let ids: Vec<String> = of(Part::TrainFineExtra).into_iter().map(|sample| sample.id).collect();
        let cities: Vec<&str> = ids.iter().map(|id| id.split('_').next().unwrap()).collect();
        assert_eq!(cities, ["aachen", "ulm", "ulm", "bayreuth", "bayreuth"]);
        assert!(samples(root.path(), Part::Test, &[]).unwrap_err().to_string().contains("leftImg8bit/test"));
        let first = root.path().join("leftImg8bit/val/lindau/lindau_000000_000000_leftImg8bit.png");
        fsio::rename(&first, &first.with_extension("PNG")).unwrap();
        let renamed = of(Part::Val);
        assert_eq!((renamed.len(), renamed[0].id.as_str()), (1, "lindau_000000_000000_leftImg8bit"));
        assert!(renamed[0].image.ends_with(".PNG"), "{renamed:?}");
        assert!(origin("gtCoarse/train_extra/a/b.png").unwrap().contains("gtCoarse.zip"));
    }

    #[test]
    fn fine_and_coarse_labels_are_told_apart() {
        let root = root();
        let samples = |part, expected: &[Expected]| samples(root.path(), part, expected);
        let expected = |labels: &str, ids: &[&str]| Expected {
            labels: Some(labels.to_owned()),
            count: ids.len(),
            digest: digest_of_ids(ids.iter().copied()),
        };
        let val = ["lindau_000000_000000_leftImg8bit"];
        assert!(samples(Part::Val, &[expected("gtFine", &val)]).is_ok());
        let error = samples(Part::ValCoarse, &[expected("gtFine", &val)]).unwrap_err();
        assert!(error.to_string().contains("has 0 ids"), "{error}");
        let fine =
            ["aachen_000000_000000_leftImg8bit", "ulm_000000_000000_leftImg8bit", "ulm_000000_000001_leftImg8bit"];
        let extra = ["bayreuth_000000_000000_leftImg8bit", "bayreuth_000000_000001_leftImg8bit"];
        let both = [expected("gtFine", &fine), expected("gtCoarse", &extra)];
        assert!(samples(Part::TrainFineExtra, &both).is_ok());
        let error = samples(Part::TrainFineExtra, &both[..1]).unwrap_err();
        assert!(error.to_string().contains("2 samples"), "{error}");
    }
}
