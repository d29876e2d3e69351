//! The fully connected conditional random field that sharpens a segmentation by the image's colours.
//!
//! Every pair of pixels is connected. Two that differ in class cost the sum of a Gaussian of their distance
//! (smoothness) and a Gaussian of their distance in place and colour (appearance); mean-field iterations look for class
//! probabilities that make the cost small, each message being a Gaussian filter (Krähenbühl and Koltun: "Efficient
//! inference in fully connected CRFs with Gaussian edge potentials", NeurIPS 2011). No Rust crate offers it, so the
//! filter is ours: [`lattice`].
//!
//! As in the authors' code, and unlike the paper's formula, a pixel's message reaches itself, and each kernel is
//! normalised: see [`Normalization`]. Over 21 classes of a made scene of 284x433 pixels, with the default parameters, one
//! pixel of 122,972 gets another class than by pydensecrf 1.0rc3, and the mean difference in probability is 1e-7.
//!
//! Ten iterations over 21 classes of a scene of 356x542 pixels take 0.8 s on two cores after 0.2 s for the lattices, and
//! 1.2 s after 0.6 s over noise, where the lattice is as large as it gets (`cargo bench --bench crf`). A third of it
//! is the softmax, half the appearance kernel, where every pixel reads and writes six far rows of the lattice.
//! Memory grows with pixels times classes, and most with noise: up to six vertices a pixel.
//!
//! Invariants:
//! - the result has the same bits for any number of threads, and classes in another order give the same bits in that
//!   order: what depends on all classes at once, a maximum and a sum, is exact;
//! - where no class is preferred anywhere, nothing changes.

mod lattice;
mod simplex;
#[cfg(test)]
mod tests;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use self::lattice::{Field, Lane, Lattice, each_row};
use crate::ml::data::Rgb;
use crate::ml::error::{Error, Result};
use crate::ml::ops;

/// The unit in which probabilities are added: sums of multiples of it are exact in any order.
const UNIT: f64 = (1_u64 << 40) as f64;

/// The least deviation of a kernel: with less, places in the lattice would leave the integers' range.
pub const LEAST_DEVIATION: f32 = 0.01;

/// A dense CRF: its two kernels and how long it iterates. The default has the values of DeepLab-v2 with ResNet-101.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crf {
    /// The number of mean-field iterations.
    pub iterations: u32,
    /// The weight of the smoothness kernel, w2 in the paper.
    pub smoothness_weight: f32,
    /// The deviation of the smoothness kernel in pixels, theta gamma in the paper.
    pub smoothness_xy: f32,
    /// The weight of the appearance kernel, w1 in the paper.
    pub appearance_weight: f32,
    /// The deviation of the appearance kernel in pixels, theta alpha in the paper.
    pub appearance_xy: f32,
    /// The deviation of the appearance kernel in levels of 0 to 255, theta beta in the paper.
    pub appearance_rgb: f32,
    /// How kernels are normalised.
    pub normalization: Normalization,
}

/// How a kernel K is normalised, where n is what it makes of ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalization {
    /// K / n: every pixel gets a weighted mean. The authors' first code, and DeepLab-v2's.
    Pixel,
    /// K / sqrt(n n'): the kernel stays symmetric. The authors' second code, and pydensecrf's default.
    Symmetric,
}

impl Default for Crf {
    fn default() -> Self {
        Crf {
            iterations: 10,
            smoothness_weight: 3.0,
            smoothness_xy: 1.0,
            appearance_weight: 4.0,
            appearance_xy: 67.0,
            appearance_rgb: 3.0,
            normalization: Normalization::Pixel,
        }
    }
}

impl Crf {
    /// The class probabilities of an image's pixels after the last iteration, on the processor. `logits` are
    /// log-probabilities up to a summand a pixel, as a network gives them.
    ///
    /// # Shapes
    /// `logits` `[1, C, H, W]` -> `[1, C, H, W]`, where `image` is H by W.
    pub fn refine(&self, logits: &Tensor, image: &Rgb) -> Result<Tensor> {
        self.check()?;
        let (height, width) = image.size();
        let classes = match *logits.dims() {
            [1, classes, h, w] if (h, w) == (height, width) && classes * h * w > 0 => classes,
            _ => {
                return Err(Error::Shape {
                    what: "The logits of a dense CRF".to_owned(),
                    found: logits.dims().to_vec(),
                    expected: format!("[1, classes, {height}, {width}] with the image's height and width, none zero,"),
                });
            }
        };
        let logits = logits.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
        if !ops::read("dense CRF", &logits, |logits| logits.par_iter().all(|x| x.is_finite()))? {
            return Err(Error::Model(
                "The logits of a dense CRF are not all finite; check the network's weights.".into(),
            ));
        }
        let unary = ops::read("dense CRF", &logits, |logits| to_rows(logits, classes))?;
        let probabilities = self.infer(&unary, classes, image);
        Ok(Tensor::from_vec(to_planes(&probabilities, classes), (1, classes, height, width), &Device::Cpu)?)
    }

    fn check(&self) -> Result<()> {
        for (name, deviation) in [
            ("smoothness_xy", self.smoothness_xy),
            ("appearance_xy", self.appearance_xy),
            ("appearance_rgb", self.appearance_rgb),
        ] {
            if !(deviation.is_finite() && deviation >= LEAST_DEVIATION) {
                return Err(Error::Model(format!(
                    "The deviation {name} of a dense CRF is {deviation}; give a number of at least {LEAST_DEVIATION}."
                )));
            }
        }
        for (name, weight) in
            [("smoothness_weight", self.smoothness_weight), ("appearance_weight", self.appearance_weight)]
        {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::Model(format!("The {name} of a dense CRF is {weight}; give a number from 0 on.")));
            }
        }
        Ok(())
    }

    /// Mean-field inference (algorithm 1 of the paper) over rows of lanes, a row a pixel.
    fn infer(&self, unary: &[Lane], classes: usize, image: &Rgb) -> Vec<Lane> {
        let lanes = classes.div_ceil(Lane::default().len());
        let kernels = self.kernels(image);
        let mut fields: Vec<Field> = kernels.iter().map(|_| Field::default()).collect();
        let mut probabilities = unary.to_vec();
        each_row(&mut probabilities, lanes).for_each(|row| softmax(&mut row.as_flattened_mut()[..classes]));
        for _ in 0..self.iterations {
            for (kernel, field) in kernels.iter().zip(&mut fields) {
                kernel.gather(&probabilities, lanes, field);
            }
            each_row(&mut probabilities, lanes).zip(unary.par_chunks_exact(lanes)).enumerate().for_each(
                |(pixel, (row, unary))| {
                    row.copy_from_slice(unary);
                    for (kernel, field) in kernels.iter().zip(&fields) {
                        kernel.slice(field, pixel, row);
                    }
                    softmax(&mut row.as_flattened_mut()[..classes]);
                },
            );
        }
        probabilities
    }

    /// The kernels that weigh anything.
    fn kernels(&self, image: &Rgb) -> Vec<Lattice> {
        let (area, width) = (image.pixels().len(), image.width());
        let place =
            |pixel: usize, deviation: f32| [pixel % width, pixel / width].map(|x| x as f64 / f64::from(deviation));
        let mut kernels = Vec::new();
        if self.smoothness_weight > 0.0 {
            let lattice = Lattice::new::<2, 3>(area, |pixel| place(pixel, self.smoothness_xy));
            kernels.push(self.normalization.apply(lattice, area, self.smoothness_weight));
        }
        if self.appearance_weight > 0.0 {
            let lattice = Lattice::new::<5, 6>(area, |pixel| {
                let [x, y] = place(pixel, self.appearance_xy);
                let [r, g, b] = image.pixels()[pixel].map(|level| f64::from(level) / f64::from(self.appearance_rgb));
                [x, y, r, g, b]
            });
            kernels.push(self.normalization.apply(lattice, area, self.appearance_weight));
        }
        kernels
    }
}

impl Normalization {
    /// The normalised kernel, times `weight`.
    fn apply(self, mut lattice: Lattice, points: usize, weight: f32) -> Lattice {
        let mut field = Field::default();
        lattice.gather(&vec![[1.0; 8]; points], 1, &mut field);
        // A point's own share makes every sum at least a tenth.
        let sum = |point| {
            let mut row = [Lane::default()];
            lattice.slice(&field, point, &mut row);
            row[0][0]
        };
        let sums: Vec<f32> = (0..points).into_par_iter().map(sum).collect();
        let (before, after): (Vec<f32>, Vec<f32>) = match self {
            Normalization::Pixel => sums.iter().map(|sum| (1.0, weight / sum)).unzip(),
            Normalization::Symmetric => sums.iter().map(|sum| (1.0 / sum.sqrt(), weight / sum.sqrt())).unzip(),
        };
        lattice.scale(&before, &after);
        lattice
    }
}

/// Planes of classes as rows of lanes, a row a pixel; lanes without a class hold zeros.
fn to_rows(planes: &[f32], classes: usize) -> Vec<Lane> {
    let area = planes.len() / classes;
    let lanes = classes.div_ceil(Lane::default().len());
    let mut rows = vec![Lane::default(); area * lanes];
    each_row(&mut rows, lanes).enumerate().for_each(|(pixel, row)| {
        for (class, x) in row.as_flattened_mut()[..classes].iter_mut().enumerate() {
            *x = planes[class * area + pixel];
        }
    });
    rows
}

/// What [`to_rows`] was made from.
fn to_planes(rows: &[Lane], classes: usize) -> Vec<f32> {
    let stride = classes.div_ceil(Lane::default().len()) * Lane::default().len();
    let rows = rows.as_flattened();
    let mut planes = vec![0.0; rows.len() / stride * classes];
    planes.par_chunks_exact_mut(rows.len() / stride).enumerate().for_each(|(class, plane)| {
        for (x, row) in plane.iter_mut().zip(rows.chunks_exact(stride)) {
            *x = row[class];
        }
    });
    planes
}

/// Turns energies' negatives into probabilities, the same for any order.
fn softmax(row: &mut [f32]) {
    let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0_i64;
    for x in row.iter_mut() {
        *x = libm::expf(*x - greatest);
        total += (f64::from(*x) * UNIT) as i64;
    }
    let scale = UNIT / total as f64;
    for x in row {
        *x = (f64::from(*x) * scale) as f32;
    }
}
