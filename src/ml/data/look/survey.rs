//! What a bounded number of images and labels hold: sizes and formats, and how many pixels have each value.
//!
//! The samples that are opened lie evenly among all.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use crate::ml::data::fault::Fault;
use crate::ml::data::list::Sample;
use crate::ml::data::orientation::Orientation;
use crate::ml::data::{format, labels, photo, read};

/// How many images are opened.
pub const IMAGES: usize = 64;

/// How many labels are opened.
pub const LABELS: usize = 1000;

/// How many colours of one mask are counted.
const COLOURS: usize = 4096;

/// How the pixels of a label are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A PNG file with a palette.
    Palette,
    /// A PNG file of grey values.
    Grey,
    /// A PNG file of colours.
    Colours,
}

impl Sort {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Palette => "PNG with a palette",
            Sort::Grey => "grey PNG",
            Sort::Colours => "PNG of colours",
        }
    }
}

/// The values of a label, each with its number of pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Numbers.
    Ids(BTreeMap<u8, u64>),
    /// Colours.
    Colours(BTreeMap<[u8; 3], u64>),
}

/// A label that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which of the samples.
    pub sample: usize,
    /// How it is stored.
    pub sort: Sort,
    /// What it holds.
    pub values: Values,
}

/// What was seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Survey {
    /// How many images were opened without a fault.
    pub images: usize,
    /// How many have each width and height.
    pub sizes: BTreeMap<(usize, usize), usize>,
    /// How many are of each format.
    pub formats: BTreeMap<&'static str, usize>,
    /// The labels that were opened without a fault, in the order of the samples.
    pub labels: Vec<Label>,
    /// The faults of images, of labels, and of pairs that differ in size.
    pub faults: Vec<Fault>,
    /// How many faults are of labels.
    pub bad_labels: usize,
    /// The ids of images that state an EXIF orientation.
    pub turned: Vec<String>,
    /// Whether labels have the sizes of their images only if these are turned as they state.
    pub turn: bool,
}

/// A label and its size, or what is wrong with it.
type Opened = Result<(Label, (usize, usize)), Fault>;

/// Opens some of the samples below `root`. With `colours`, masks of any sort are read as colours.
pub fn of(root: &Path, samples: &[Sample], colours: bool) -> Survey {
    let labels: BTreeMap<usize, Opened> = even(samples.len(), LABELS)
        .into_par_iter()
        .filter_map(|at| Some((at, label(root, samples[at].label.as_deref()?, at, colours))))
        .collect();
    let images: Vec<(usize, Result<Image, Fault>)> =
        even(samples.len(), IMAGES).into_par_iter().map(|at| (at, image(root, &samples[at].image))).collect();
    let mut survey = Survey::default();
    let (mut upright, mut lying) = (0, 0);
    for (at, found) in images {
        let sample = &samples[at];
        let Image { format, size: (height, width), stated } = match found {
            Ok(image) => image,
            Err(fault) => {
                survey.faults.push(fault);
                continue;
            }
        };
        survey.images += 1;
        *survey.sizes.entry((width, height)).or_default() += 1;
        *survey.formats.entry(format).or_default() += 1;
        if stated != Orientation::Upright {
            survey.turned.push(sample.id.clone());
        }
        let Some(Ok((_, size))) = labels.get(&at) else { continue };
        if *size == (height, width) {
            upright += usize::from(stated != Orientation::Upright && stated.shown(*size) != *size);
        } else if *size == stated.shown((height, width)) {
            lying += 1;
        } else {
            let message = format!("The label is {} x {} pixels, the image {width} x {height}.", size.1, size.0);
            let place = sample.label.as_deref().unwrap_or_default();
            survey.faults.push(Fault::new(place, message, "Each pixel of the image needs its label."));
        }
    }
    survey.turn = lying > 0 && upright == 0;
    for found in labels.into_values() {
        match found {
            Ok((label, _)) => survey.labels.push(label),
            Err(fault) => {
                survey.bad_labels += 1;
                survey.faults.push(fault);
            }
        }
    }
    survey
}

/// At most `most` numbers below `count`, evenly apart.
pub fn even(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (0..taken).map(|at| at * count / taken).collect()
}

struct Image {
    format: &'static str,
    /// Height and width as it lies in the file.
    size: (usize, usize),
    stated: Orientation,
}

fn image(root: &Path, path: &str) -> Result<Image, Fault> {
    let bytes = read(&root.join(path), path)?;
    let format = match format::of(&bytes, path, "image")? {
        format::Format::Jpeg => "JPEG",
        format::Format::Png => "PNG",
    };
    Ok(Image { format, size: photo::decode(&bytes, path)?.size(), stated: Orientation::of(&bytes) })
}

/// Where a PNG file states its bits for each sample, and its sort behind that.
const DEPTH: usize = 24;

fn label(root: &Path, path: &str, sample: usize, colours: bool) -> Result<(Label, (usize, usize)), Fault> {
    let bytes = read(&root.join(path), path)?;
    let is_png = format::of(&bytes, path, "label")? == format::Format::Png;
    let sort = match bytes.get(DEPTH..DEPTH + 2) {
        Some([_, 2 | 6]) => Sort::Colours,
        Some([_, 3]) => Sort::Palette,
        _ => Sort::Grey,
    };
    if is_png && (colours || sort == Sort::Colours) {
        let mask = photo::png(&bytes, path, "label")?;
        let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
        // Neighbours mostly have one colour.
        for run in mask.pixels().chunk_by(|a, b| a == b) {
            *counts.entry(run[0]).or_default() += run.len() as u64;
            if counts.len() > COLOURS {
                let message = format!("The label has more than {COLOURS} colours.");
                return Err(Fault::new(path, message, MIXED));
            }
        }
        return Ok((Label { sample, sort, values: Values::Colours(counts) }, mask.size()));
    }
    let ids = labels::decode(&bytes, path)?;
    let mut counts: BTreeMap<u8, u64> = BTreeMap::new();
    for run in ids.pixels().chunk_by(|a, b| a == b) {
        *counts.entry(run[0]).or_default() += run.len() as u64;
    }
    Ok((Label { sample, sort, values: Values::Ids(counts) }, ids.size()))
}

/// What to do about masks of too many colours.
pub const MIXED: &str = "Is it a photograph, or a mask that was scaled or saved as JPEG? Take the original masks, and scale \
                         them by nearest neighbour alone.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsio;
    use crate::ml::colors;
    use crate::ml::data::{Labels, Rgb, jpeg};

    #[test]
    fn samples_are_opened_evenly() {
        assert_eq!(even(10, 4), [0, 2, 5, 7]);
        assert_eq!(even(2, 4), [0, 1]);
        assert_eq!(even(0, 4), [0; 0]);
    }

    #[test]
    fn labels_of_each_sort_are_counted_and_faults_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| fsio::write_atomic(&dir.path().join(path), bytes).unwrap();
        let sample = |id: &str| Sample { id: id.into(), image: format!("{id}.jpg"), label: Some(format!("{id}.png")) };
        let photograph = jpeg::encode(&Rgb::from_fn(4, 6, |_, _| [9; 3]), 90, "x").unwrap();
        let ids = Labels::from_fn(4, 6, |y, _| y as u8);
        for id in ["a", "b", "c", "d", "e"] {
            write(&format!("{id}.jpg"), &photograph);
        }
        write("a.png", &labels::encode_grey(&ids, "x").unwrap());
        write("b.png", &labels::encode_palette(&ids, &colors::VOC_MAP, "x").unwrap());
        write("c.png", &labels::encode_rgb(&ids.map(|id| [id, 0, 0]), "x").unwrap());
        write("d.png", &photograph);
        write("e.png", &labels::encode_grey(&Labels::from_fn(4, 5, |_, _| 0), "x").unwrap());
        let samples = ["a", "b", "c", "d", "e", "f"].map(sample);
        let survey = of(dir.path(), &samples, false);
        let sorts: Vec<Sort> = survey.labels.iter().map(|label| label.sort).collect();
        assert_eq!(sorts, [Sort::Grey, Sort::Palette, Sort::Colours, Sort::Grey]);
        assert_eq!(survey.labels[1].values, Values::Ids((0..4).map(|id| (id, 6)).collect()));
        assert_eq!((survey.images, survey.bad_labels, survey.sizes[&(6, 4)]), (5, 2, 5));
        let told: Vec<&str> = survey.faults.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(told, ["e.png", "f.jpg", "d.png", "f.png"]);
        let colours = of(dir.path(), &samples[1..2], true);
        assert_eq!(colours.labels[0].values, Values::Colours((0..4).map(|id| (colors::VOC_MAP[id], 6)).collect()));
    }
}
