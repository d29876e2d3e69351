//! Convolutions with filters of three by three taps, by Winograd's minimal algorithm: tiles of three by three outputs
//! take 25 products where their definition takes 81.
//!
//! With the points 0, 1, -1, 2 and infinity (Lavin and Gray, CVPR 2016; matrices by Toom and Cook), for a tile `x` of five by
//! five inputs and a filter `w`, summed over channels:
//! - forward: `y = A'(sum_c (G w G') * (B' x B)) A`, `*` element by element: 25 matrix products over all tiles;
//! - gradient by the input: the same with the filter rotated by half a circle, over the gradient of the output;
//! - gradient by the weights: `dw = A'(sum_tiles (G g G') * (B' x B)) A`, `g` the three by three gradients of a tile.
//!
//! A dilated convolution is an undilated one on each of its phases, the pixels `dilation` apart. Tiles of all phases are
//! rows of the same products, so that it costs no more.
//!
//! What is transformed lies with sixteen channels of a pixel side by side, so that every tile is arithmetic of whole
//! vectors, wherever its pixels are: inputs `[25, tiles, C]`, filters `[25, C, O]`, products `[25, tiles, O]`.
//!
//! Rounding grows, from some 3e-7 of the greatest value to 2e-6 (the tests of `ops::conv` hold it against 64-bit arithmetic).

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::epilogue::{Finish, Sums};
use super::gemm::{self, ByRows, COLUMNS, Left, Panel};
use super::isa::Isa;
use super::scratch::ScratchBuffer;
use super::shared::Shared;
use super::simd::{LANES, Lanes, Loop, vectorised};
use super::tiles::{OfFilter, OfInputs, OfProducts, Transform, tile};
use super::transpose::{transpose, transpose_to};
use crate::ml::geometry::SlidingWindow;

/// Products of a tile.
const PRODUCTS: usize = 25;

/// Channels below which the products are too thin to pay for the transformations.
const THIN: usize = 32;

/// The tiles of a convolution of stride 1.
#[derive(Debug, Clone)]
pub(in crate::ml) struct Winograd {
    /// Channels of the input, and of the output.
    channels: [usize; 2],
    source: [usize; 2],
    grid: [usize; 2],
    dilation: usize,
    /// The first output row of every row of tiles, and the first output column of every column of tiles.
    starts: [Vec<usize>; 2],
}

impl Winograd {
    /// Where `window` is of three by three taps with stride 1, and tiles pay.
    pub fn of(window: &SlidingWindow, outputs: usize) -> Option<Self> {
        let SlidingWindow { channels, source, grid, dilation, .. } = *window;
        let pad = dilation as isize;
        let plain = window.kernel == [3, 3] && window.step == 1 && window.divide == 1 && window.pad == [pad, pad];
        if !plain || channels < THIN || outputs < THIN {
            return None;
        }
        let starts = grid.map(|size| {
            (0..dilation.min(size)).flat_map(|phase| (phase..size).step_by(3 * dilation)).collect::<Vec<_>>()
        });
        // Two thirds of the products of the definition, at most.
        let pays = PRODUCTS * starts[0].len() * starts[1].len() <= 6 * grid[0] * grid[1];
        pays.then_some(Winograd { channels: [channels, outputs], source, grid, dilation, starts })
    }

    /// The convolution of `images` images `x` with a filter.
    pub fn correlate(&self, images: usize, x: &[f32], filter: Filter<'_>, output: Shared<'_>, finish: Finish<'_>) {
        let ([channels, outputs], [c, o]) = (self.channels, self.pitches());
        let (tiles, isa) = (self.count(), Isa::detect());
        let filters = filter.transformed(channels, outputs);
        let (of_inputs, of_filters, of_products) = (stride(tiles, c), stride(channels, o), stride(tiles, o));
        let mut products = ScratchBuffer::new(PRODUCTS * of_products);
        for image in 0..images {
            let area = self.source[0] * self.source[1];
            let inputs = self.inputs(&x[image * channels * area..(image + 1) * channels * area]);
            let out = products.shared();
            each_product(tiles, outputs, |product, rows, columns, panel| {
                let left = Left::by_rows(&inputs.as_slice()[product * of_inputs..], c, channels);
                let right = ByRows { data: &filters.as_slice()[product * of_filters..], pitch: o };
                let sums = Sums::scaled(out.from(product * of_products), o, true, None);
                // SAFETY: tasks differ in the product, or in the rows or the columns.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
            drop(inputs);
            let area = self.grid[0] * self.grid[1];
            (0..outputs).into_par_iter().step_by(LANES).for_each(|first| {
                let (start, here) = ((image * outputs + first) * area, LANES.min(outputs - first));
                // SAFETY: tasks differ in channels.
                let planes = unsafe { output.slice(start, here * area) };
                vectorised(Collect { tiles: self, products: products.as_slice(), first, planes });
                // SAFETY: all of them were just written, line by line.
                let planes = unsafe { planes.assume_init_mut() };
                for (channel, plane) in planes.chunks_exact_mut(area).enumerate() {
                    finish.apply(plane, first + channel, start + channel * area);
                }
            });
        }
    }

    /// The gradient by the weights `[O, C, 3, 3]`, each output channel times `scale`, from the inputs `x` and the
    /// gradients `g` of the output.
    pub fn weight_gradient(&self, images: usize, x: &[f32], g: &[f32], scale: Option<&[f32]>, output: &mut [f32]) {
        let ([channels, outputs], [c, o]) = (self.channels, self.pitches());
        let (tiles, isa) = (self.count(), Isa::detect());
        let (of_inputs, of_gradients, of_sums) = (stride(tiles, c), stride(tiles, o), stride(outputs, c));
        let mut sums = ScratchBuffer::new(PRODUCTS * of_sums);
        let out = sums.shared();
        for image in 0..images {
            let part = |of: &'_ [f32]| image * of.len() / images..(image + 1) * of.len() / images;
            let inputs = self.inputs(&x[part(x)]);
            let gradients = self.gradients(&g[part(g)]);
            each_product(outputs, channels, |product, rows, columns, panel| {
                let left = Left::by_columns(&gradients.as_slice()[product * of_gradients..], o, tiles);
                let right = ByRows { data: &inputs.as_slice()[product * of_inputs..], pitch: c };
                let sums = Sums::scaled(out.from(product * of_sums), c, image == 0, None);
                // SAFETY: tasks differ in the product, or in the rows or the columns; the first image's sums overwrite.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
        }
        let sums = sums.as_slice();
        output.par_chunks_mut(9 * channels).enumerate().for_each(|(row, out)| {
            let scale = scale.map_or(1.0, |scale| scale[row]);
            vectorised(FilterGradients { sums, row, channels, outputs, pitch: c, scale, out });
        });
    }

    fn count(&self) -> usize {
        self.starts[0].len() * self.starts[1].len()
    }

    /// From the values of one tile to those of the next, of the input and of the output: whole vectors.
    fn pitches(&self) -> [usize; 2] {
        self.channels.map(|channels| channels.next_multiple_of(LANES))
    }

    /// `B' x B` of every tile of an image.
    fn inputs(&self, image: &[f32]) -> ScratchBuffer {
        self.spread(OfInputs, image, self.source, self.dilation)
    }

    /// `G g G'` of every tile of an output's gradient.
    fn gradients(&self, image: &[f32]) -> ScratchBuffer {
        self.spread(OfFilter, image, self.grid, 0)
    }

    /// The tiles of planes of `size`, each of which begins `lead` pixels before its first output, transformed.
    fn spread<const N: usize>(
        &self,
        of: impl Transform<N, 5>,
        image: &[f32],
        size: [usize; 2],
        lead: usize,
    ) -> ScratchBuffer {
        let area = size[0] * size[1];
        let channels = image.len() / area;
        let pitch = channels.next_multiple_of(LANES);
        let mut to = ScratchBuffer::new(PRODUCTS * stride(self.count(), pitch));
        let shared = to.shared();
        image.par_chunks(LANES * area).enumerate().for_each(|(block, planes)| {
            vectorised(Spread { tiles: self, of, planes, size, lead, first: block * LANES, pitch, to: shared });
        });
        to
    }
}

/// From the values of a product to those of the next: a cache line more than they take, so that what is read and
/// written together does not fall into one set of a cache.
fn stride(rows: usize, pitch: usize) -> usize {
    rows * pitch + LANES
}

/// Calls `task` with every product, and with one half of its sums: of the columns, since all rows then share a panel, or of
/// the rows where columns are few.
fn each_product(rows: usize, columns: usize, task: impl Fn(usize, Range<usize>, Range<usize>, &mut Panel) + Sync) {
    let by_columns = columns > 2 * COLUMNS;
    let half = match by_columns {
        true => columns.div_ceil(2).next_multiple_of(COLUMNS),
        false => rows.div_ceil(2).next_multiple_of(8).min(rows),
    };
    (0..2 * PRODUCTS).into_par_iter().for_each_init(Panel::default, |panel, at| match (by_columns, at % 2) {
        (true, 0) => task(at / 2, 0..rows, 0..half, panel),
        (true, _) => task(at / 2, 0..rows, half..columns, panel),
        (false, 0) => task(at / 2, 0..half, 0..columns, panel),
        (false, _) => task(at / 2, half..rows, 0..columns, panel),
    });
}

/// A filter of a convolution.
#[derive(Clone, Copy)]
pub(in crate::ml) enum Filter<'a> {
    /// `[O, C, 3, 3]`.
    Plain(&'a [f32]),
    /// That of the gradient by the input, `[C, O, 3, 3]`, rotated by half a circle, with a factor for each `C`.
    Rotated(&'a [f32], Option<&'a [f32]>),
}

impl Filter<'_> {
    /// `G w G'`.
    fn transformed(self, channels: usize, outputs: usize) -> ScratchBuffer {
        let pitch = outputs.next_multiple_of(LANES);
        let mut to = ScratchBuffer::new(PRODUCTS * stride(channels, pitch));
        let shared = to.shared();
        (0..channels).into_par_iter().for_each(|channel| {
            vectorised(FilterRow { filter: self, channel, channels, outputs, pitch, to: shared });
        });
        to
    }

    #[inline(always)]
    fn taps(self, output: usize, channel: usize, channels: usize, outputs: usize) -> [f32; 9] {
        match self {
            Filter::Plain(weights) => {
                let mut taps = [0.0; 9];
                taps.copy_from_slice(&weights[(output * channels + channel) * 9..][..9]);
                taps
            }
            Filter::Rotated(weights, scale) => {
                let scale = scale.map_or(1.0, |scale| scale[channel]);
                let mut taps = [0.0; 9];
                taps.copy_from_slice(&weights[(channel * outputs + output) * 9..][..9]);
                taps.reverse();
                taps.map(|tap| tap * scale)
            }
        }
    }
}

/// Transforms the filters of one channel of the input.
struct FilterRow<'a> {
    filter: Filter<'a>,
    channel: usize,
    channels: usize,
    outputs: usize,
    pitch: usize,
    to: Shared<'a>,
}

impl Loop for FilterRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let FilterRow { filter, channel, channels, outputs, pitch, to } = self;
        for first in (0..outputs).step_by(LANES) {
            let mut taps = [Lanes([0.0; LANES]); 9];
            for lane in 0..LANES.min(outputs - first) {
                let values = filter.taps(first + lane, channel, channels, outputs);
                for (tap, value) in taps.iter_mut().zip(values) {
                    tap.0[lane] = value;
                }
            }
            tile(
                OfFilter,
                |i, j| taps[i * 3 + j],
                |i, j, values| {
                    let at = (i * 5 + j) * stride(channels, pitch) + channel * pitch + first;
                    // SAFETY: tasks differ in channels.
                    unsafe { to.slice(at, LANES) }.write_copy_of_slice(values);
                },
            );
        }
    }
}

/// `A' m A` of the summed products of one output: gradients of its filters.
struct FilterGradients<'a> {
    sums: &'a [f32],
    row: usize,
    channels: usize,
    outputs: usize,
    pitch: usize,
    scale: f32,
    out: &'a mut [f32],
}

impl Loop for FilterGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let FilterGradients { sums, row, channels, outputs, pitch, scale, out } = self;
        for first in (0..channels).step_by(LANES) {
            let here = LANES.min(channels - first);
            let load =
                |i: usize, j: usize| Lanes::of(&sums[(i * 5 + j) * stride(outputs, pitch) + row * pitch + first..]);
            tile(OfProducts, load, |i, j, values| {
                let out = out[first * 9 + i * 3 + j..].iter_mut().step_by(9);
                out.zip(&values[..here]).for_each(|(out, value)| *out = value * scale);
            });
        }
    }
}

/// Transforms the tiles of at most sixteen planes of `size`, the first of which is channel `first`.
struct Spread<'a, const N: usize, F: Transform<N, 5>> {
    tiles: &'a Winograd,
    of: F,
    planes: &'a [f32],
    size: [usize; 2],
    lead: usize,
    first: usize,
    pitch: usize,
    to: Shared<'a>,
}

impl<const N: usize, F: Transform<N, 5>> Loop for Spread<'_, N, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Spread { tiles, of, planes, size: [height, width], lead, first, pitch, to } = self;
        let (d, [ys, xs], area, count) = (tiles.dilation, &tiles.starts, height * width, tiles.count());
        // Pixels with zeros around them, as far as tiles reach.
        let [high, wide] = [0, 1].map(|axis| (lead + self.size[axis]).max(tiles.grid[axis] + N * d));
        let mut pixels = ScratchBuffer::new(high * wide * LANES);
        let pixels = pixels.as_mut_slice();
        pixels.fill(0.0);
        for y in 0..height {
            let to = &mut pixels[((y + lead) * wide + lead) * LANES..];
            transpose(&planes[y * width..], area, planes.len() / area, width, to, LANES);
        }
        let starts = ys.iter().flat_map(|y| xs.iter().map(move |x| y * wide + x));
        for (at, start) in starts.enumerate() {
            let load = |i: usize, j: usize| Lanes::of(&pixels[(start + (i * wide + j) * d) * LANES..]);
            tile(of, load, |i, j, values| {
                let at = (i * 5 + j) * stride(count, pitch) + at * pitch + first;
                // SAFETY: tasks differ in channels.
                unsafe { to.slice(at, LANES) }.write_copy_of_slice(values);
            });
        }
    }
}

/// Makes at most sixteen planes of the output, the first of which is channel `first`, from their products.
struct Collect<'a> {
    tiles: &'a Winograd,
    products: &'a [f32],
    first: usize,
    planes: &'a mut [MaybeUninit<f32>],
}

impl Loop for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Collect { tiles, products, first, planes } = self;
        let ([height, width], d, [ys, xs], [_, pitch]) = (tiles.grid, tiles.dilation, &tiles.starts, tiles.pitches());
        let (area, count, [high, wide]) = (height * width, tiles.count(), tiles.grid.map(|size| size + 3 * d));
        let mut pixels = ScratchBuffer::new(high * wide * LANES);
        let pixels = pixels.as_mut_slice();
        let starts = ys.iter().flat_map(|y| xs.iter().map(move |x| y * wide + x));
        for (at, start) in starts.enumerate() {
            let load =
                |i: usize, j: usize| Lanes::of(&products[(i * 5 + j) * stride(count, pitch) + at * pitch + first..]);
            tile(OfProducts, load, |i, j, values| {
                pixels[(start + (i * wide + j) * d) * LANES..][..LANES].copy_from_slice(values);
            });
        }
        let channels = planes.len() / area;
        for y in 0..height {
            transpose_to(&pixels[y * wide * LANES..], LANES, width, channels, &mut planes[y * width..], area);
        }
    }
}
