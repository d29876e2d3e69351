//! The classes of pixels and their cross entropy, from logits that are smaller than the image.
//!
//! Invariant: the bits are those of [`resize::bilinear`] followed by [`super::loss::argmax`] or
//! [`super::loss::cross_entropy`]. On the processor the resized logits are never in memory: a row of logits is brought to the
//! width of the image once, for all the rows of the image that are mixed of it.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Operation, blank, launch, values};
use super::resize;
use super::shapes::{check_classes, check_labels, check_size};
use crate::ml::cpu::simd::{Loop, vectorised};
use crate::ml::error::Result;
use crate::ml::gpu::kernels::{self, Kernel};
use crate::ml::gpu::plan::Argument::{self, Bytes, Input, Int, Output, Scratch, Written};
use crate::ml::gpu::plan::{GpuPlan, Launch, Operands, ScratchSize};
use crate::ml::resample::{Sampling, Tap};

/// Rows of the image that one task takes.
const PIECE: usize = 16;
/// Pixels of a row that are read at once.
const TILE: usize = 64;

/// The class of the greatest logit at each pixel of images of `height` by `width`, the first of equals.
///
/// # Shapes
/// `[N, C, h, w]` -> `[N, height, width]`.
///
/// # Errors
/// More than 256 classes: a prediction is an id of 8 bits.
pub fn argmax(logits: &Tensor, height: usize, width: usize, sampling: Sampling) -> Result<Vec<u8>> {
    let [n, classes, h, w] = activation::sizes("The logits", logits)?;
    check_size("The size of classes", [height, width])?;
    check_classes(classes)?;
    let out = Tensor::zeros(n * height * width, DType::U8, logits.device())?;
    let resize = Resize { classes, from: [h, w], to: [height, width], sampling };
    launch(&Argmax { resize }, &[logits], &out)?;
    values(&out)
}

/// The loss at each pixel of images of `height` by `width`, zero where the label is ignored.
///
/// # Shapes
/// `logits` `[N, C, h, w]`, `labels` `[N, height, width]` -> `[N, height, width]`.
pub fn cross_entropy(
    logits: &Tensor,
    labels: &[u8],
    height: usize,
    width: usize,
    sampling: Sampling,
) -> Result<Tensor> {
    let [n, classes, h, w] = activation::sizes("The logits", logits)?;
    check_size("The size of losses", [height, width])?;
    check_labels(labels, [n, height, width])?;
    let losses = blank(&[n, height, width], logits.device())?;
    let resize = Resize { classes, from: [h, w], to: [height, width], sampling };
    launch(&CrossEntropy { labels, resize }, &[logits], &losses)?;
    Ok(losses)
}

/// How logits are brought to the size of the image.
struct Resize {
    classes: usize,
    from: [usize; 2],
    to: [usize; 2],
    sampling: Sampling,
}

impl Resize {
    /// The launches of a GPU: there the resized logits are in a scratch buffer, from which `kernel` makes an element for each
    /// pixel.
    fn plan<'a>(&self, operands: Operands<'_>, kernel: Kernel, rest: &[Argument<'a>]) -> GpuPlan<'a> {
        let resized = operands.output * self.classes;
        let steps = [0, 1].map(|axis| self.sampling.scale(self.from[axis], self.to[axis]));
        let sizes = resize::arguments(self.classes, self.from, self.to, (self.sampling, steps));
        GpuPlan {
            scratch: vec![ScratchSize::Bytes(resized * size_of::<f32>())],
            launches: vec![
                Launch::each(kernels::BILINEAR, resized, [&[Input(0), Scratch(0)], &sizes[..]].concat()),
                Launch::each(kernel, operands.output, [&[Scratch(0)], rest, &[Int(self.classes)]].concat()),
            ],
        }
    }
}

struct Argmax {
    resize: Resize,
}

// SAFETY: `argmax` makes the output of a class for each pixel; the scratch buffer has the resized logits.
unsafe impl Operation for Argmax {
    const NAME: &'static str = "argmax at the size of the image";
    type Output = u8;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [u8]) {
        Logits::new(inputs[0], &self.resize).read(&Classes, output);
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        self.resize.plan(operands, kernels::ARGMAX, &[Written(DType::U8)])
    }
}

struct CrossEntropy<'a> {
    labels: &'a [u8],
    resize: Resize,
}

// SAFETY: `cross_entropy` compares the labels with the output, which it makes of a loss for each pixel; the scratch buffer has
// the resized logits.
unsafe impl Operation for CrossEntropy<'_> {
    const NAME: &'static str = "cross entropy at the size of the image";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let losses = Losses { labels: self.labels, classes: self.resize.classes };
        Logits::new(inputs[0], &self.resize).read(&losses, output);
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        self.resize.plan(operands, kernels::CROSS_ENTROPY, &[Bytes(self.labels), Output])
    }
}

/// Logits, and where the pixels of the image read them.
struct Logits<'a> {
    logits: &'a [f32],
    classes: usize,
    from: [usize; 2],
    rows: Vec<Tap>,
    columns: Vec<Tap>,
}

/// A computation on the logits of neighbouring pixels.
trait Reader: Sync {
    /// The result for a pixel.
    type Out: Send;
    /// Writes the results of at most `TILE` pixels of a row. `first` is the first pixel's number among all images' pixels.
    fn tile(&self, first: usize, mixed: &Mixed<'_>, out: &mut [Self::Out]);
}

/// The logits of neighbouring pixels: a class's are `upper + (lower - upper) * share`.
struct Mixed<'a> {
    upper: &'a [f32],
    lower: &'a [f32],
    share: f32,
    classes: usize,
    width: usize,
    at: usize,
}

impl Mixed<'_> {
    #[inline(always)]
    fn of(&self, class: usize, values: &mut [f32]) {
        let at = class * self.width + self.at;
        for ((value, &a), &b) in values.iter_mut().zip(&self.upper[at..]).zip(&self.lower[at..]) {
            *value = a + (b - a) * self.share;
        }
    }
}

impl<'a> Logits<'a> {
    fn new(logits: &'a [f32], resize: &Resize) -> Self {
        let Resize { classes, from, to, sampling } = *resize;
        let [rows, columns] = [0, 1].map(|axis| sampling.taps(from[axis], to[axis]));
        Logits { logits, classes, from, rows, columns }
    }

    fn read<R: Reader>(&self, reader: &R, out: &mut [R::Out]) {
        let (height, width) = (self.rows.len(), self.columns.len());
        let images = out.par_chunks_mut((height * width).max(1)).enumerate();
        images.for_each(|(image, out)| {
            let pieces = out.par_chunks_mut((PIECE * width).max(1)).enumerate();
            pieces.for_each(|(piece, out)| {
                vectorised(Piece { logits: self, reader, image, first: piece * PIECE, out });
            });
        });
    }
}

struct Piece<'a, R: Reader> {
    logits: &'a Logits<'a>,
    reader: &'a R,
    image: usize,
    first: usize,
    out: &'a mut [R::Out],
}

impl<R: Reader> Piece<'_, R> {
    /// The logits of the row `y`, brought to the width of the image: `[C, width]`.
    #[inline(always)]
    fn widened(&self, y: usize, wide: &mut [f32]) {
        let Logits { logits, classes, from: [h, w], columns, .. } = self.logits;
        for (class, wide) in wide.chunks_exact_mut(columns.len()).enumerate() {
            let line = &logits[((self.image * classes + class) * h + y) * w..][..*w];
            for (out, tap) in wide.iter_mut().zip(columns) {
                *out = line[tap.low] + (line[tap.high] - line[tap.low]) * tap.weight;
            }
        }
    }
}

impl<R: Reader> Loop for Piece<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let Logits { classes, rows, columns, .. } = self.logits;
        let (classes, width) = (*classes, columns.len());
        let mut upper = (usize::MAX, vec![0.0; classes * width]);
        let mut lower = upper.clone();
        let out = std::mem::take(&mut self.out);
        for ((y, row), out) in rows.iter().enumerate().skip(self.first).zip(out.chunks_exact_mut(width.max(1))) {
            if lower.0 == row.low {
                std::mem::swap(&mut upper, &mut lower);
            }
            for (y, wide) in [(row.low, &mut upper), (row.high, &mut lower)] {
                if wide.0 != y {
                    self.widened(y, &mut wide.1);
                    wide.0 = y;
                }
            }
            let first = (self.image * rows.len() + y) * width;
            for (tile, out) in out.chunks_mut(TILE).enumerate() {
                let at = tile * TILE;
                let mixed = Mixed { upper: &upper.1, lower: &lower.1, share: row.weight, classes, width, at };
                self.reader.tile(first + at, &mixed, out);
            }
        }
    }
}

/// The class of the greatest logit.
struct Classes;

impl Reader for Classes {
    type Out = u8;

    #[inline(always)]
    fn tile(&self, _: usize, mixed: &Mixed<'_>, out: &mut [u8]) {
        let (mut best, mut values, mut winners) = ([0.0; TILE], [0.0; TILE], [0_u32; TILE]);
        mixed.of(0, &mut best[..out.len()]);
        for class in 1..mixed.classes {
            mixed.of(class, &mut values[..out.len()]);
            for ((best, winner), value) in best.iter_mut().zip(&mut winners).zip(values) {
                let better = value > *best;
                *winner = if better { class as u32 } else { *winner };
                *best = if better { value } else { *best };
            }
        }
        for (out, winner) in out.iter_mut().zip(winners) {
            *out = winner as u8;
        }
    }
}

/// The loss against the labels of all images.
struct Losses<'a> {
    labels: &'a [u8],
    classes: usize,
}

impl Reader for Losses<'_> {
    type Out = f32;

    #[inline(always)]
    fn tile(&self, first: usize, mixed: &Mixed<'_>, out: &mut [f32]) {
        let (mut greatest, mut sums, mut own, mut values) =
            ([f32::NEG_INFINITY; TILE], [0.0; TILE], [0.0; TILE], [0.0; TILE]);
        let labels = &self.labels[first..first + out.len()];
        for class in 0..self.classes {
            mixed.of(class, &mut values[..out.len()]);
            for (greatest, value) in greatest.iter_mut().zip(values) {
                *greatest = greatest.max(value);
            }
        }
        for class in 0..self.classes {
            mixed.of(class, &mut values[..out.len()]);
            for (at, &label) in labels.iter().enumerate() {
                if usize::from(label) < self.classes {
                    sums[at] += libm::expf(values[at] - greatest[at]);
                    own[at] = if usize::from(label) == class { values[at] } else { own[at] };
                }
            }
        }
        for (at, (out, &label)) in out.iter_mut().zip(labels).enumerate() {
            let counts = usize::from(label) < self.classes;
            *out = if counts { libm::logf(sums[at]) - (own[at] - greatest[at]) } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::super::loss;
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_bits_are_those_of_the_resized_logits() {
        let mut rng = Rng::new(1, "logits", 0);
        for (n, classes, from, to) in [(2, 21, [6, 9], [47, 70]), (1, 2, [1, 1], [1, 5]), (1, 19, [8, 33], [40, 259])] {
            // Whole numbers, so that classes tie.
            let data: Vec<f32> = (0..n * classes * from[0] * from[1]).map(|_| rng.below(5) as f32 - 2.0).collect();
            let labels: Vec<u8> = (0..n * to[0] * to[1]).map(|_| rng.below(24) as u8).collect();
            let logits = Tensor::from_vec(data, (n, classes, from[0], from[1]), &Device::Cpu).unwrap();
            for sampling in [Sampling::Legacy, Sampling::HalfPixel, Sampling::AlignCorners] {
                agrees(&logits, &labels, to, sampling);
            }
        }
    }

    fn agrees(logits: &Tensor, labels: &[u8], to: [usize; 2], sampling: Sampling) {
        let whole = resize::bilinear(logits, to[0], to[1], sampling).unwrap();
        let bits = |losses: Tensor| -> Vec<u32> {
            losses.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|loss| loss.to_bits()).collect()
        };
        let expected = (loss::argmax(&whole).unwrap(), bits(loss::cross_entropy(&whole, labels).unwrap()));
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| {
                let losses = cross_entropy(logits, labels, to[0], to[1], sampling).unwrap();
                (argmax(logits, to[0], to[1], sampling).unwrap(), bits(losses))
            });
            assert_eq!(found, expected, "{sampling:?}");
        }
    }
}
