//! Indexed samples, opened, checked again, and batched.
//!
//! A file whose digest is no longer the index's is a fault: nothing is computed from data other than those in the key.
//! The items of a batch are decoded in parallel and stacked in their order.

use std::ops::Range;

use candle_core::{Device, Tensor};
use candle_datasets::Batcher;
use rayon::prelude::*;

use super::augment::{Augment, Normalise};
use super::crop::Crop;
use super::index::{Resolve, Row};
use super::raster::{Labels, Rgb};
use super::sampler::Sampler;
use super::{Error, Fault, all, both, photo, read};
use crate::hash::Digest;

/// The samples of an index, to be opened one by one or in batches.
pub struct Images<'a> {
    rows: &'a [Row],
    resolve: &'a Resolve<'a>,
}

impl<'a> Images<'a> {
    /// The samples of `rows`, whose files `resolve` finds.
    pub fn new(rows: &'a [Row], resolve: &'a Resolve<'a>) -> Self {
        Images { rows, resolve }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the index says of a sample.
    pub fn row(&self, index: usize) -> &'a Row {
        &self.rows[index]
    }

    /// The decoded image of a sample, turned as the index says.
    pub fn image(&self, index: usize) -> Result<Rgb, Fault> {
        let row = &self.rows[index];
        let image = photo::decode(&self.verified(&row.sample.image, row.image_digest)?, &row.sample.image)?;
        Ok(row.orientation.apply(image))
    }

    /// The ids of a sample; a sample without a label is a fault.
    pub fn labels(&self, index: usize) -> Result<Labels, Fault> {
        let row = &self.rows[index];
        match (&row.sample.label, row.label_digest) {
            (Some(path), Some(digest)) => row.coding.decode(&self.verified(path, digest)?, path),
            _ => {
                let hint = "Use a data set with labels here.";
                Err(Fault::new(&row.sample.image, "The sample has no label.", hint))
            }
        }
    }

    fn verified(&self, path: &str, digest: Digest) -> Result<Vec<u8>, Fault> {
        let bytes = read(&(self.resolve)(path), path)?;
        if Digest::of(&bytes) == digest {
            return Ok(bytes);
        }
        let hint = "Run again: the data set will be prepared anew.";
        Err(Fault::new(path, "The file changed since the data set was prepared.", hint))
    }

    /// The batches of the training steps in `steps`.
    pub fn batches(&'a self, plan: &Batching, steps: Range<u64>) -> Batches<'a> {
        let sampler = Sampler::new(plan.seed, self.len() as u32);
        Batches { images: self, plan: *plan, share: 0..plan.batch, sampler, steps }
    }
}

/// How a stream of batches is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Batching {
    /// The seed of order and augmentation.
    pub seed: u64,
    /// The samples of a batch.
    pub batch: usize,
    /// Height and width of the crops.
    pub crop: (usize, usize),
    /// From colours to numbers.
    pub normalise: Normalise,
    /// What is varied at random.
    pub augment: Augment,
    /// The label value of pixels that count for nothing.
    pub ignore: u8,
}

/// An iterator over batches: images `[B, 3, H, W]` of `f32` and labels `[B, H, W]` of `u8`, on the processor. The
/// batch of a step is a function of seed and step, so an iterator may start anywhere. A batch with faults is an error
/// that names them all.
pub struct Batches<'a> {
    images: &'a Images<'a>,
    plan: Batching,
    /// The samples of each batch that are made.
    share: Range<usize>,
    sampler: Sampler,
    steps: Range<u64>,
}

impl Batches<'_> {
    /// These samples of each batch alone, counted from 0.
    pub fn share(self, share: Range<usize>) -> Self {
        Batches { share, ..self }
    }

    /// One sample: its position in the stream and its number in the index.
    fn item(&self, position: u64, index: usize) -> Result<(Tensor, Tensor), Error> {
        let Batching { seed, crop, normalise, augment, ignore, .. } = &self.plan;
        let draws = augment.draws(*seed, position);
        let (image, labels) = both(self.images.image(index), self.images.labels(index))?;
        let (place, (height, width)) = (Crop::new(&draws, image.size(), *crop), *crop);
        let (mut pixels, mut ids) = (vec![0.0; 3 * height * width], vec![0; height * width]);
        place.image(&image, normalise, &mut pixels);
        place.labels(&labels, *ignore, &mut ids);
        let image = Tensor::from_vec(pixels, (3, height, width), &Device::Cpu)?;
        Ok((image, Tensor::from_vec(ids, (height, width), &Device::Cpu)?))
    }

    fn batch(&mut self, step: u64) -> Result<(Tensor, Tensor), Error> {
        let first = step * self.plan.batch as u64;
        let positions = first + self.share.start as u64..first + self.share.end as u64;
        let chosen: Vec<(u64, usize)> = positions.map(|k| (k, self.sampler.at(k))).collect();
        let items = all(chosen.into_par_iter().map(|(k, index)| self.item(k, index)).collect())?;
        // The batcher is handed whole batches, decoded and free of errors: given a stream of results, it loses the
        // error of an item that is followed by the stream's end.
        let stacked = Batcher::new2(items.into_iter()).batch_size(self.share.len()).next();
        stacked.unwrap_or_else(|| candle_core::bail!("a batch needs at least one sample")).map_err(Error::from)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<(Tensor, Tensor), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.steps.next()?;
        Some(self.batch(step))
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::Sample;
    use super::super::{index, jpeg, labels, shapes};
    use super::*;
    use crate::fsio;

    fn plan() -> Batching {
        Batching {
            seed: 5,
            batch: 3,
            crop: (48, 64),
            normalise: Normalise::default(),
            augment: Augment { scale: Some((0.5, 1.5)), mirror: true },
            ignore: 255,
        }
    }

    fn data() -> (tempfile::TempDir, Vec<Row>) {
        let dir = tempfile::tempdir().unwrap();
        let samples: Vec<Sample> = (0..5)
            .map(|i| {
                let scene = shapes::scene(1, i, &shapes::Shapes::default());
                let sample = Sample::voc(&format!("s{i}"), Some("L"));
                let write = |path: &str, bytes: &[u8]| fsio::write_atomic(&dir.path().join(path), bytes).unwrap();
                write(&sample.image, &jpeg::encode(&scene.image, 92, "x").unwrap());
                write(sample.label.as_deref().unwrap(), &labels::encode_grey(&scene.labels, "x").unwrap());
                sample
            })
            .collect();
        let rows = index::build(&samples, &|path: &str| dir.path().join(path), index::Allowed::ids(6, 255)).unwrap();
        (dir, rows)
    }

    #[test]
    fn batches_are_a_function_of_seed_and_step() {
        let (dir, rows) = data();
        let resolve = |path: &str| dir.path().join(path);
        let images = Images::new(&rows, &resolve);
        let flat = |item: Result<(Tensor, Tensor), Error>| {
            let (x, y) = item.unwrap();
            assert_eq!((x.dims(), y.dims()), (&[3, 3, 48, 64][..], &[3, 48, 64][..]));
            let x = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            (x, y.flatten_all().unwrap().to_vec1::<u8>().unwrap())
        };
        let all: Vec<_> = images.batches(&plan(), 0..4).map(flat).collect();
        assert_eq!(images.batches(&plan(), 2..4).map(flat).collect::<Vec<_>>(), all[2..]);
        assert_ne!(all[0], all[1]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| images.batches(&plan(), 0..4).map(flat).collect::<Vec<_>>()), all);
        let (x, y) = images.batches(&plan(), 1..2).share(1..3).next().unwrap().unwrap();
        let (x, y) = (x.flatten_all().unwrap(), y.flatten_all().unwrap());
        assert_eq!(x.to_vec1::<f32>().unwrap(), all[1].0[3 * 48 * 64..], "the later samples of a batch alone");
        assert_eq!(y.to_vec1::<u8>().unwrap(), all[1].1[48 * 64..]);
    }

    #[test]
    fn a_changed_file_is_an_error_that_names_it() {
        let (dir, rows) = data();
        let resolve = |path: &str| dir.path().join(path);
        for id in ["s1", "s3"] {
            fsio::write_atomic(&resolve(&format!("JPEGImages/{id}.jpg")), b"other").unwrap();
        }
        let images = Images::new(&rows, &resolve);
        let error = images.batches(&Batching { batch: 5, ..plan() }, 0..1).next().unwrap().unwrap_err();
        let faults = error.faults();
        let mut places: Vec<&str> = faults.iter().map(|f| f.place.as_str()).collect();
        places.sort_unstable();
        assert_eq!(places, ["JPEGImages/s1.jpg", "JPEGImages/s3.jpg"]);
        assert!(faults[0].message.contains("changed since the data set was prepared"));
    }
}
