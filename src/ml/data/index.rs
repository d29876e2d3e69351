//! The index of a data set: what lies where, checked as a whole, with digests to check it again when it is used.

use std::path::PathBuf;

use rayon::prelude::*;

use super::labels::Coding;
use super::list::Sample;
use super::orientation::Orientation;
use super::{Error, Fault, all, both, jpeg, photo, read, strange};
use crate::hash::Digest;
use crate::syntax;

/// How many ids that are no class a fault states.
const STATED: usize = 5;

/// Gives a sample's file by its relative path.
pub type Resolve<'a> = dyn Fn(&str) -> PathBuf + Sync + 'a;

/// One checked sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The paths.
    pub sample: Sample,
    /// The digest of the image file.
    pub image_digest: Digest,
    /// The digest of the label file, where there is one.
    pub label_digest: Option<Digest>,
    /// What the values in the label file are.
    pub coding: Coding,
    /// Which rule gives the pixels of the image file: see [`jpeg::rule`].
    pub rule: u64,
    /// How the pixels of the image file are turned when it is read.
    pub orientation: Orientation,
    /// Whether the image file states another orientation. An index does not keep this.
    pub shown_otherwise: bool,
    /// The height in pixels, of the image as it is turned.
    pub height: usize,
    /// The width in pixels, of the image as it is turned.
    pub width: usize,
    /// The number of pixels of each class; zeros where there is no label.
    pub pixels: Vec<u64>,
    /// The number of pixels that are ignored.
    pub ignored: u64,
    /// The number of those that are ignored because their id is no class. An index does not keep this.
    pub beyond: u64,
}

/// What the labels of a data set may hold, and how its images are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// What the values in label files are.
    pub coding: Coding,
    /// The number of classes.
    pub classes: usize,
    /// The id of pixels that count nowhere.
    pub ignore: u8,
    /// Whether images are turned as their EXIF orientation says.
    pub turn: bool,
}

impl Allowed {
    /// Ids of so many classes, and `ignore`. Images are read as they lie in their files.
    pub fn ids(classes: usize, ignore: u8) -> Self {
        Allowed { coding: Coding::Ids, classes, ignore, turn: false }
    }
}

/// Reads and checks every file of `samples`: image and label are there, decode, and have the same size; every id is
/// one that is allowed. Rows and faults come in the order of the samples, whatever the number of threads.
pub fn build(samples: &[Sample], resolve: &Resolve<'_>, allowed: Allowed) -> Result<Vec<Row>, Error> {
    all(samples.par_iter().map(|sample| row(sample, resolve, &allowed)).collect())
}

fn row(sample: &Sample, resolve: &Resolve<'_>, allowed: &Allowed) -> Result<Row, Error> {
    let label = sample.label.as_deref().map(|path| label(path, resolve, allowed)).transpose();
    let (image, label) = both(image(&sample.image, resolve), label)?;
    let orientation = if allowed.turn { image.stated } else { Orientation::Upright };
    let (height, width) = orientation.shown(image.size);
    let unlabelled =
        Label { digest: None, size: (height, width), pixels: vec![0; allowed.classes], ignored: 0, beyond: 0 };
    let Label { digest: label_digest, size, pixels, ignored, beyond } = label.unwrap_or(unlabelled);
    if size != (height, width) {
        let place = sample.label.as_deref().unwrap_or_default();
        return Err(other_size(size, &image, orientation, place).into());
    }
    let (sample, coding) = (sample.clone(), allowed.coding.clone());
    let Image { digest: image_digest, rule, stated, .. } = image;
    let shown_otherwise = stated != orientation;
    Ok(Row {
        sample,
        image_digest,
        label_digest,
        coding,
        rule,
        orientation,
        shown_otherwise,
        height,
        width,
        pixels,
        ignored,
        beyond,
    })
}

/// The fault of a label that is not as large as its image.
fn other_size(label: (usize, usize), image: &Image, orientation: Orientation, place: &str) -> Fault {
    let (height, width) = orientation.shown(image.size);
    let message = format!("The label is {} x {} pixels, the image {width} x {height}.", label.1, label.0);
    let number = image.stated.number();
    if orientation == image.stated && label == image.size {
        let message = format!("{message} The image was turned as its EXIF orientation {number} says.");
        return Fault::new(
            place,
            message,
            "Leave `orientation: Apply` out: the label was drawn on the image as it lies in its file.",
        );
    }
    if orientation != image.stated && label == image.stated.shown(image.size) {
        let message = format!("{message} The image states the EXIF orientation {number}, and viewers show it turned.");
        return Fault::new(
            place,
            message,
            "Write `orientation: Apply` in the data set, so that images are turned as viewers show them.",
        );
    }
    Fault::new(place, message, "Each pixel of the image needs its label.")
}

/// An image file.
struct Image {
    digest: Digest,
    /// Which rule gives its pixels.
    rule: u64,
    /// The orientation that it states.
    stated: Orientation,
    /// Height and width as it lies in the file.
    size: (usize, usize),
}

/// Reads an image. It is decoded as a whole, so that a file cut short is found here and not in the middle of a training.
fn image(path: &str, resolve: &Resolve<'_>) -> Result<Image, Fault> {
    let bytes = read(&resolve(path), path)?;
    let size = photo::decode(&bytes, path)?.size();
    Ok(Image { digest: Digest::of(&bytes), rule: jpeg::rule(&bytes), stated: Orientation::of(&bytes), size })
}

struct Label {
    digest: Option<Digest>,
    size: (usize, usize),
    pixels: Vec<u64>,
    ignored: u64,
    beyond: u64,
}

fn label(path: &str, resolve: &Resolve<'_>, allowed: &Allowed) -> Result<Label, Fault> {
    let &Allowed { ref coding, classes, ignore, .. } = allowed;
    let bytes = read(&resolve(path), path)?;
    let (ids, beyond) = coding.counted(&bytes, path)?;
    let mut counts = [0_u64; 256];
    for &id in ids.pixels() {
        counts[usize::from(id)] += 1;
    }
    let ignored = if usize::from(ignore) < classes { 0 } else { std::mem::take(&mut counts[usize::from(ignore)]) };
    let strange: Vec<String> = (classes..256)
        .filter(|&id| counts[id] > 0)
        .map(|id| format!("{} ({} pixels)", coding.stated(id), counts[id]))
        .collect();
    if strange.is_empty() {
        return Ok(Label {
            digest: Some(Digest::of(&bytes)),
            size: ids.size(),
            pixels: counts[..classes].to_vec(),
            ignored,
            beyond,
        });
    }
    let at = ids.pixels().iter().position(|&id| usize::from(id) >= classes && id != ignore).unwrap_or(0);
    let message = format!(
        "The label holds ids that are no class: {}, first at row {}, column {}.",
        syntax::first_of(&strange, STATED),
        at / ids.width(),
        at % ids.width()
    );
    counts[usize::from(ignore)] += ignored;
    Err(Fault::new(path, message, strange::advice(&counts, coding, classes, ignore)))
}

#[cfg(test)]
mod tests {
    use super::super::raster::{Labels, Rgb};
    use super::super::{cityscapes, labels};
    use super::*;
    use crate::fsio;

    /// Two good samples and one with a fault of each sort.
    fn data() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| fsio::write_atomic(&dir.path().join(path), bytes).unwrap();
        let image = |h, w| jpeg::encode(&Rgb::from_fn(h, w, |y, x| [y as u8, x as u8, 0]), 90, "x").unwrap();
        let label = |h, w, id| labels::encode_grey(&Labels::from_fn(h, w, |y, _| if y == 0 { id } else { 1 }), "x");
        for (id, first) in [("a", 255), ("b", 0), ("strange", 9)] {
            write(&format!("JPEGImages/{id}.jpg"), &image(20, 30));
            write(&format!("L/{id}.png"), &label(20, 30, first).unwrap());
        }
        write("JPEGImages/small.jpg", &image(20, 30));
        write("L/small.png", &label(20, 31, 0).unwrap());
        write("JPEGImages/cut.jpg", &image(20, 30)[..300]);
        dir
    }

    #[test]
    fn rows_hold_digests_sizes_and_counts() {
        let dir = data();
        let resolve = |path: &str| dir.path().join(path);
        let samples = [Sample::voc("a", Some("L")), Sample::voc("b", Some("L")), Sample::voc("b", None)];
        let rows = build(&samples, &resolve, Allowed::ids(3, 255)).unwrap();
        assert_eq!((rows[0].height, rows[0].width, rows[0].ignored), (20, 30, 30));
        assert_eq!(rows[0].pixels, [0, 570, 0]);
        assert_eq!((rows[1].pixels[0], rows[1].ignored), (30, 0));
        assert_eq!(rows[1].image_digest, Digest::from(fsio::blake3(&resolve("JPEGImages/b.jpg")).unwrap()));
        assert_eq!((rows[2].label_digest, rows[2].pixels.len()), (None, 3));
    }

    #[test]
    fn ids_beyond_the_classes_are_ignored_on_request() {
        let dir = data();
        let resolve = |path: &str| dir.path().join(path);
        let samples = [Sample::voc("strange", Some("L")), Sample::voc("a", Some("L"))];
        let coding = Coding::IdsBelow { classes: 3, ignore: 255 };
        let rows = build(&samples, &resolve, Allowed { coding, ..Allowed::ids(3, 255) }).unwrap();
        assert_eq!(rows.iter().map(|row| (row.ignored, row.beyond)).collect::<Vec<_>>(), [(30, 30), (30, 0)]);
        let images = super::super::source::Images::new(&rows, &resolve);
        assert_eq!(
            images.labels(0).unwrap(),
            images.labels(1).unwrap(),
            "whoever reads the label sees the ignore value"
        );
    }

    #[test]
    fn every_fault_is_found_in_order() {
        let dir = data();
        let samples = ["strange", "a", "small", "cut", "gone"].map(|id| Sample::voc(id, Some("L")));
        let error = build(&samples, &|path: &str| dir.path().join(path), Allowed::ids(3, 255)).unwrap_err();
        let faults = error.faults();
        let places: Vec<&str> = faults.iter().map(|f| f.place.as_str()).collect();
        assert_eq!(
            places,
            ["L/strange.png", "L/small.png", "JPEGImages/cut.jpg", "L/cut.png", "JPEGImages/gone.jpg", "L/gone.png"]
        );
        assert_eq!(
            faults[0].message,
            "The label holds ids that are no class: 9 (30 pixels), first at row 0, column 0."
        );
        assert_eq!(faults[1].message, "The label is 31 x 20 pixels, the image 30 x 20.");
    }

    #[test]
    fn cityscapes_trees_are_read_as_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| fsio::write_atomic(&dir.path().join(path), bytes).unwrap();
        let image = labels::encode_rgb(&Rgb::from_fn(4, 6, |y, x| [y as u8, x as u8, 7]), "x").unwrap();
        for (id, extra) in [("ulm_000000_000019", 255), ("ulm_000001_000019", 99)] {
            write(&format!("leftImg8bit/train/ulm/{id}_leftImg8bit.png"), &image);
            let values = Labels::from_fn(4, 6, |y, _| [7, 33, 3, extra][y]);
            write(&format!("gtFine/train/ulm/{id}_gtFine_labelIds.png"), &labels::encode_grey(&values, "x").unwrap());
        }
        let resolve = |path: &str| dir.path().join(path);
        let samples = cityscapes::samples(dir.path(), cityscapes::Part::TrainFine, &[]).unwrap();
        let allowed = Allowed { coding: Coding::CityscapesLabelIds, ..Allowed::ids(19, 255) };
        let rows = build(&samples[..1], &resolve, allowed.clone()).unwrap();
        assert_eq!((rows[0].pixels[0], rows[0].pixels[18], rows[0].ignored), (6, 6, 12));
        let images = super::super::source::Images::new(&rows, &resolve);
        assert_eq!(images.labels(0).unwrap().row(1), [18; 6]);
        assert_eq!(images.image(0).unwrap().at(3, 5), [3, 5, 7]);
        let error = build(&samples, &resolve, allowed).unwrap_err();
        assert_eq!(error.faults()[0].place, "gtFine/train/ulm/ulm_000001_000019_gtFine_labelIds.png");
        assert!(error.to_string().contains("The label holds 99"), "{error}");
    }

    #[test]
    fn small_sets_of_real_photographs_pass() {
        for (name, classes, images) in [("voc-mini", 21, 40), ("camvid-mini", 11, 55)] {
            let Some(root) = crate::ml::golden::folder(&format!("../data/{name}")) else { return };
            let mut rows = Vec::new();
            for list in ["train.txt", "val.txt"] {
                let text = fsio::read_to_string(&root.join(list)).unwrap();
                let samples = super::super::list::parse(&text, list, super::super::list::Form::Labelled).unwrap();
                rows.extend(build(&samples, &|path: &str| root.join(path), Allowed::ids(classes, 255)).unwrap());
            }
            assert_eq!(rows.len(), images);
            assert!(rows.iter().all(|r| r.pixels.iter().sum::<u64>() + r.ignored == (r.height * r.width) as u64));
        }
    }
}
