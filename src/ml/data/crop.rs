//! A sample as it enters a batch, in one pass over the pixels that it keeps: scale, mirror, crop and mean at once.
//!
//! Invariant: the bits are those of the steps one after the other, as the tests do them. Here no step's image is ever
//! written, and only pixels that the crop shows are computed.

use std::ops::Range;

use super::augment::{self, Channels, Draws, Normalise};
use super::raster::{Labels, Rgb};
use crate::ml::cpu::simd::{Loop, vectorised};
use crate::ml::resample::{Tap, bilinear_taps};

/// Where the pixels of a crop come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Crop {
    /// Height and width, the padding included.
    size: (usize, usize),
    /// For each row above the padding: the two rows that it is mixed of.
    rows: Vec<Tap>,
    /// The same for the columns beside the padding.
    columns: Vec<Tap>,
}

impl Crop {
    /// The crop that `draws` make of an image of height and width `from`.
    pub fn new(draws: &Draws, from: (usize, usize), size: (usize, usize)) -> Self {
        let scaled = augment::scaled(from, draws);
        let (top, left) = augment::offset(draws, scaled, size);
        let mut columns = bilinear_taps(from.1, scaled.1);
        if draws.mirrored {
            columns.reverse();
        }
        let cut = |taps: Vec<Tap>, at: usize, side: usize| taps.into_iter().skip(at).take(side).collect();
        Crop { size, rows: cut(bilinear_taps(from.0, scaled.0), top, size.0), columns: cut(columns, left, size.1) }
    }

    /// The columns of the image that the crop shows.
    fn shown(&self) -> Range<usize> {
        let low = self.columns.iter().map(|tap| tap.low).min().unwrap_or(0);
        low..self.columns.iter().map(|tap| tap.high + 1).max().unwrap_or(low)
    }

    /// Writes the crop of an image; 0 where it is padded.
    ///
    /// # Shapes
    /// `out` `[3, H, W]`.
    pub fn image(&self, image: &Rgb, normalise: &Normalise, out: &mut [f32]) {
        vectorised(Render { crop: self, image, shown: self.shown(), normalise, out });
    }

    /// Writes the crop of the labels; `ignore` where it is padded.
    ///
    /// # Shapes
    /// `out` `[H, W]`.
    pub fn labels(&self, labels: &Labels, ignore: u8, out: &mut [u8]) {
        out.fill(ignore);
        for (out, tap) in out.chunks_exact_mut(self.size.1.max(1)).zip(&self.rows) {
            let row = labels.row(tap.low);
            for (out, tap) in out.iter_mut().zip(&self.columns) {
                *out = row[tap.low];
            }
        }
    }
}

/// The three channels of a pixel, and nothing: four numbers are loaded and computed at once.
type Pixel = [f32; 4];

struct Render<'a> {
    crop: &'a Crop,
    image: &'a Rgb,
    /// The columns that are read.
    shown: Range<usize>,
    normalise: &'a Normalise,
    out: &'a mut [f32],
}

impl Render<'_> {
    /// The row `y` of the image, as the network sees it. The last pixel stands twice if it is the image's last: the
    /// neighbour of every pixel is the next.
    #[inline(always)]
    fn line(&self, y: usize, line: &mut [Pixel]) {
        let Normalise { mean: [mean0, mean1, mean2], deviation: [deviation0, deviation1, deviation2], channels } =
            *self.normalise;
        let (mean, deviation) = ([mean0, mean1, mean2, 0.0], [deviation0, deviation1, deviation2, 1.0]);
        let bgr = channels == Channels::Bgr;
        for (line, &[r, g, b]) in line.iter_mut().zip(&self.image.row(y)[self.shown.clone()]) {
            let [first, second, third] = if bgr { [b, g, r] } else { [r, g, b] };
            let levels = [f32::from(first), f32::from(second), f32::from(third), 0.0];
            *line = std::array::from_fn(|c| (levels[c] - mean[c]) / deviation[c]);
        }
        if let [.., before, last] = line {
            *last = *before;
        }
    }

    /// The row `y` of the image brought to the width of the crop.
    #[inline(always)]
    fn widened(&self, y: usize, line: &mut [Pixel], columns: &[(usize, f32)], row: &mut [Pixel]) {
        self.line(y, line);
        for (out, &(low, share)) in row.iter_mut().zip(columns) {
            let [a, b] = [line[low], line[low + 1]];
            for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
                *out = a + (b - a) * share;
            }
        }
    }
}

impl Loop for Render<'_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let (height, width) = self.crop.size;
        let columns: Vec<(usize, f32)> =
            self.crop.columns.iter().map(|tap| (tap.low - self.shown.start, tap.weight)).collect();
        let mut line = vec![[0.0; 4]; self.shown.len() + 1];
        // The two rows that are mixed, and which rows of the image they are: the next row often needs them again.
        let mut upper = (usize::MAX, vec![[0.0; 4]; columns.len()]);
        let mut lower = upper.clone();
        let out = std::mem::take(&mut self.out);
        let (first, rest) = out.split_at_mut(height * width);
        let (second, third) = rest.split_at_mut(height * width);
        let mut rows =
            first.chunks_exact_mut(width).zip(second.chunks_exact_mut(width)).zip(third.chunks_exact_mut(width));
        for (&Tap { low: top, high: bottom, weight: share }, ((first, second), third)) in
            self.crop.rows.iter().zip(&mut rows)
        {
            if lower.0 == top {
                std::mem::swap(&mut upper, &mut lower);
            }
            for (y, row) in [(top, &mut upper), (bottom, &mut lower)] {
                if row.0 != y {
                    self.widened(y, &mut line, &columns, &mut row.1);
                    row.0 = y;
                }
            }
            let mixed = upper.1.iter().zip(&lower.1);
            for (((first, second), third), (a, b)) in first.iter_mut().zip(&mut *second).zip(&mut *third).zip(mixed) {
                *first = a[0] + (b[0] - a[0]) * share;
                *second = a[1] + (b[1] - a[1]) * share;
                *third = a[2] + (b[2] - a[2]) * share;
            }
            for row in [first, second, third] {
                row[columns.len()..].fill(0.0);
            }
        }
        for ((first, second), third) in rows {
            for row in [first, second, third] {
                row.fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::data::Rgb;
    use crate::ml::data::augment::Augment;
    use crate::ml::data::steps::apply;
    use crate::rng::Rng;

    #[test]
    fn a_crop_has_the_bits_of_its_steps() {
        let mut rng = Rng::new(5, "pixels", 0);
        let rgb = Normalise { channels: Channels::Rgb, mean: [1.5, 127.25, 255.0], deviation: [57.5, 1.0, 0.3] };
        for (k, &from) in [(37, 52), (1, 1), (90, 41), (8, 130)].iter().cycle().take(60).enumerate() {
            let colours = Rgb::from_fn(from.0, from.1, |_, _| [0; 3].map(|_: u8| rng.below(256) as u8));
            let ids = Labels::from_fn(from.0, from.1, |_, _| rng.below(21) as u8);
            let normalise = if k % 3 == 0 { rgb } else { Normalise::default() };
            let augment = Augment { scale: (k % 5 > 0).then_some((0.3, 3.0)), mirror: k % 2 == 0 };
            let draws = augment.draws(11, k as u64);
            for size in [(33, 41), (64, 1), (1, 80)] {
                let (image, labels) = apply(normalise.apply(&colours), ids.clone(), &draws, size, 255);
                let crop = Crop::new(&draws, from, size);
                let mut found = (vec![f32::NAN; 3 * size.0 * size.1], vec![7; size.0 * size.1]);
                crop.image(&colours, &normalise, &mut found.0);
                crop.labels(&ids, 255, &mut found.1);
                let expected = image.to_tensor().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&found.0), bits(&expected), "{k} {draws:?}");
                assert_eq!(found.1, labels.pixels(), "{k} {draws:?}");
            }
        }
    }
}
