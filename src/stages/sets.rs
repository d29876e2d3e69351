//! The data sets of a pipeline, looked at without a run and without a store.
//!
//! Invariant: a data set is read by the code of the kind `Dataset`, so that its faults and warnings are those of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dataset::{Examined, examine};
use super::params::dataset::{DatasetParams, KIND};
use super::params::train::{self, TrainParams};
use super::support;
use super::train::batching;
use crate::hash::Digest;
use crate::ml::data::augment::{Channels, Normalise};
use crate::ml::data::crop::Crop;
use crate::ml::data::raster::{Labels, Rgb};
use crate::ml::data::sampler::Sampler;
use crate::ml::data::source::Images;
use crate::stage::expansion::files;
use crate::stage::{
    Cancel, DataRoot, DeviceSpec, Event, Events, Job, Param, Produced, StageError, Value, in_root, locate,
};

/// The kind whose stages are data sets.
pub const DATASET: &str = KIND;

/// The kind whose stages train on them.
pub const TRAIN: &str = train::KIND;

/// A data set whose files were all read.
pub struct Set {
    examined: Examined,
    /// What the user should know of it, as sentences.
    pub warnings: Vec<String>,
}

/// A class and how much there is of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// The colour that it is shown in.
    pub color: [u8; 3],
    /// Its pixels.
    pub pixels: u64,
    /// The labels that have some.
    pub labels: usize,
}

struct Silent;

impl Events for Silent {
    fn emit(&self, _event: Event) {}
}

impl Set {
    /// Reads every file of the data set with these parameters. `roots` gives the folders of data roots. What has to be unpacked
    /// or drawn goes below `temp`, which the caller removes when the set is of no use any more.
    ///
    /// # Errors
    /// All faults of the data that were found; a data root that is not known.
    pub fn read(params: &Value, roots: &DataRoot<'_>, temp: &Path, threads: usize) -> Result<Self, StageError> {
        let bug = || StageError::Bug("The parameters of a data set do not read.".to_owned());
        let p = DatasetParams::read(params).ok_or_else(bug)?;
        let mut folders: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
        if let Some(name) = p.source.root() {
            folders.insert(name.to_owned(), roots(name)?);
        }
        for (slot, text) in files(params) {
            named.insert(slot, locate(&text, roots)?);
            if let Some((name, _)) = in_root(&text) {
                folders.insert(name.to_owned(), roots(name)?);
            }
        }
        let job = Job {
            params,
            inputs: &BTreeMap::new(),
            files: &named,
            roots: &folders,
            out: &temp.join("out"),
            temp,
            scratch: temp,
            device: &DeviceSpec::Cpu,
            threads,
            read: &|_| None,
            events: &Silent,
            cancel: &Cancel::default(),
        };
        let mut produced = Produced::default();
        let examined = examine(&p, &job, &mut produced)?;
        Ok(Set { examined, warnings: produced.warnings })
    }

    /// The ids of its images, in the order of the list.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.examined.rows.iter().map(|row| row.sample.id.as_str())
    }

    /// Whether it has labels.
    pub fn is_labelled(&self) -> bool {
        self.examined.rows.iter().any(|row| row.label_digest.is_some())
    }

    /// The classes, in the order of their ids.
    pub fn shares(&self) -> Vec<Share> {
        let info = &self.examined.info;
        let one = |(class, (name, color)): (usize, (&String, &[u8; 3]))| {
            let counts = self.examined.rows.iter().map(|row| row.pixels[class]);
            let labels = counts.clone().filter(|pixels| *pixels > 0).count();
            Share { name: name.clone(), color: *color, pixels: counts.sum(), labels }
        };
        info.classes.iter().zip(&info.colors).enumerate().map(one).collect()
    }

    /// The pixels that are ignored, and how many labels have some.
    pub fn ignored(&self) -> (u64, usize) {
        let counts = self.examined.rows.iter().map(|row| row.ignored);
        (counts.clone().sum(), counts.filter(|pixels| *pixels > 0).count())
    }

    /// The ids of the images whose content is also in `other`.
    pub fn shared_with<'a>(&'a self, other: &Set) -> Vec<&'a str> {
        let known: Vec<Digest> = {
            let mut digests: Vec<Digest> = other.examined.rows.iter().map(|row| row.image_digest).collect();
            digests.sort_unstable();
            digests
        };
        let rows = self.examined.rows.iter().filter(|row| known.binary_search(&row.image_digest).is_ok());
        rows.map(|row| row.sample.id.as_str()).collect()
    }

    /// The image of a sample and its labels, where it has some.
    ///
    /// # Errors
    /// A file changed since it was read.
    pub fn sample(&self, at: usize) -> Result<(Rgb, Option<Labels>), StageError> {
        let Examined { root, rows, .. } = &self.examined;
        let resolve = |path: &str| root.join(path);
        let images = Images::new(rows, &resolve);
        let wrong = |fault| support::faults(vec![fault]);
        let labels = rows[at].label_digest.map(|_| images.labels(at)).transpose().map_err(wrong)?;
        Ok((images.image(at).map_err(wrong)?, labels))
    }

    /// The value of ignored pixels in [`Set::sample`].
    pub fn ignore(&self) -> u8 {
        self.examined.info.ignore
    }
}

/// A sample as a training sees it.
pub struct Cropped {
    /// The colours. They mean nothing where the crop is padded.
    pub image: Rgb,
    /// The ids.
    pub labels: Labels,
    /// Where the crop reaches over the edge of the image, and is filled: 1 there, else 0.
    pub padding: Labels,
    /// How it was made, in words.
    pub words: String,
}

/// How a training draws its crops.
pub struct Drawing {
    params: TrainParams,
    sampler: Sampler,
    images: u64,
}

impl Drawing {
    /// The crops of a training with these parameters on so many images.
    ///
    /// # Errors
    /// The parameters do not read, which is an error of the program.
    pub fn new(params: &Value, images: usize) -> Result<Self, StageError> {
        let bug = || StageError::Bug("The parameters of a training do not read.".to_owned());
        let params = TrainParams::read(params).ok_or_else(bug)?;
        let images = u32::try_from(images).ok().filter(|images| *images > 0).ok_or_else(bug)?;
        Ok(Drawing { sampler: Sampler::new(params.seed, images), params, images: u64::from(images) })
    }

    /// The crop of a sample in the pass `pass` over all images, counted from 0, from the first step of the training on.
    pub fn crop(&mut self, at: usize, pass: u64, image: &Rgb, labels: &Labels, ignore: u8) -> Cropped {
        let plan = batching(&self.params, ignore);
        let batches = self.params.first_step.saturating_mul(u64::from(self.params.accumulate));
        let first = batches.saturating_mul(u64::from(self.params.batch)).div_ceil(self.images);
        let passes = (first + pass) * self.images..(first + pass + 1) * self.images;
        // Each pass is a permutation, so that the sample is in it.
        let position = passes.clone().find(|k| self.sampler.at(*k) == at).unwrap_or(passes.start);
        let draws = plan.augment.draws(plan.seed, position);
        let (height, width) = plan.crop;
        let crop = Crop::new(&draws, image.size(), plan.crop);
        let as_they_are = Normalise { channels: Channels::Rgb, mean: [0.0; 3], deviation: [1.0; 3] };
        let (mut levels, mut ids) = (vec![0.0; 3 * height * width], vec![0; height * width]);
        crop.image(image, &as_they_are, &mut levels);
        crop.labels(labels, ignore, &mut ids);
        let mut padding = vec![0; height * width];
        crop.labels(&labels.map(|_| 0), 1, &mut padding);
        let level = |c: usize, y: usize, x: usize| (levels[(c * height + y) * width + x] + 0.5) as u8;
        let raster = |pixels: Vec<u8>| Labels::from_fn(height, width, |y, x| pixels[y * width + x]);
        let scale = draws.scale.map_or("as it is".to_owned(), |scale| format!("x {scale:.2}"));
        Cropped {
            image: Rgb::from_fn(height, width, |y, x| [0, 1, 2].map(|c| level(c, y, x))),
            labels: raster(ids),
            padding: raster(padding),
            words: format!("{scale}{}", if draws.mirrored { ", mirrored" } else { "" }),
        }
    }

    /// Height and width of the crops.
    pub fn size(&self) -> (u32, u32) {
        self.params.crop
    }
}

/// The stage that a training with these parameters is on, as its reference names it; none where they do not read.
pub fn trained_on(params: &Value) -> Option<String> {
    TrainParams::read(params).map(|params| params.data.0)
}
