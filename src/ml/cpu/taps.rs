//! Convolutions to few channels, tap by tap: the head's, from 2048 channels to as many as there are classes.
//!
//! With `w_t[o, c]` the weights of tap `t` and `s_t` the shift by its place:
//! - forward: `y[o] = sum_t s_t(sum_c w_t[o, c] x[c])`: one product of all taps' weights with the image as it lies, then a
//!   sum of shifted planes, taps in order;
//! - gradient by the input: `dx[c] = sum_t,o w_t'[o, c] s_t'(g[o])`, `t'` the taps rotated by half a circle: one product of
//!   all taps' weights with the shifted gradients;
//! - gradient by the weights: `dw_t[o, c] = sum_p x[c, p] s_t'(g[o])[p]`: one product of the image with the shifted gradients.
//!
//! No image of many channels is unrolled, and what a tap would take from beyond the upper or lower border is not computed.

use std::ops::Range;

use rayon::prelude::*;

use super::epilogue::{Finish, Sums};
use super::gemm::{self, ByRows, Left};
use super::isa::Isa;
use super::scratch::ScratchBuffer;
use super::shared::{Shared, zeroed};
use super::tasks::{Grid, pitch};
use super::transpose::transpose;
use crate::ml::geometry::SlidingWindow;

/// Outputs up to which taps pay.
const FEW: usize = 32;

/// A convolution of stride 1, tap by tap, or the gradient of one by its input.
#[derive(Debug, Clone, Copy)]
pub(in crate::ml) struct Taps<'a> {
    window: &'a SlidingWindow,
    /// The channels of the output, or of the source where that has few.
    few: usize,
}

impl<'a> Taps<'a> {
    /// Where `window` has several taps with stride 1, and many channels for few outputs.
    pub fn of(window: &'a SlidingWindow, outputs: usize) -> Option<Self> {
        Self::between(window, window.channels, outputs)
    }

    /// Where `window` is that of the gradient of such a convolution by its input: `outputs` are many.
    pub fn of_gradient(window: &'a SlidingWindow, outputs: usize) -> Option<Self> {
        Self::between(window, outputs, window.channels)
    }

    fn between(window: &'a SlidingWindow, many: usize, few: usize) -> Option<Self> {
        let several = window.kernel != [1, 1] && window.step == 1 && window.divide == 1;
        (several && few <= FEW && many >= 2 * FEW).then_some(Taps { window, few })
    }

    /// The convolution of `images` images `x` with `weights` `[O, C, KH, KW]`.
    pub fn correlate(&self, images: usize, x: &[f32], weights: &[f32], output: Shared<'_>, finish: Finish<'_>) {
        let SlidingWindow { channels, source, grid, dilation, pad, .. } = *self.window;
        let (rows, isa, pixels, area) = (self.rows(), Isa::detect(), source[0] * source[1], grid[0] * grid[1]);
        let by_tap = self.by_tap(weights, channels, channels, |tap, _| (tap, 1.0));
        let left = Left::by_rows(by_tap.as_slice(), channels, channels);
        let mut products = ScratchBuffer::new(rows * pixels);
        for image in 0..images {
            let sums = Sums::scaled(products.shared(), pixels, true, None);
            let right = ByRows { data: &x[image * channels * pixels..(image + 1) * channels * pixels], pitch: pixels };
            Grid::new(1, rows, pixels, isa).run(|_, rows, columns, panel| {
                // Line `y` of the source is seen from line `y + pad - i dilation` of the grid.
                let lines = columns.start / source[1]..(columns.end - 1) / source[1] + 1;
                let seen = (lines.start as isize + pad[0] - grid[0] as isize + 1)..(lines.end as isize + pad[0]);
                let seen = self.lines_of_taps(seen, dilation);
                let rows = rows.start.max(seen.start)..rows.end.min(seen.end);
                // SAFETY: a grid's tasks differ in the rows or the columns.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
            let products = products.as_slice();
            (0..self.few).into_par_iter().for_each(|o| {
                let start = (image * self.few + o) * area;
                // SAFETY: tasks differ in the plane.
                let plane = zeroed(unsafe { output.slice(start, area) });
                for tap in 0..self.taps() {
                    let from = &products[(tap * self.few + o) * pixels..][..pixels];
                    self.shifted(tap, |at, source, len| {
                        let sums = plane[at..at + len].iter_mut();
                        sums.zip(&from[source..]).for_each(|(sum, value)| *sum += value);
                    });
                }
                finish.apply(plane, o, start);
            });
        }
    }

    /// The gradient by the input of a convolution with `weights` `[O, C, KH, KW]`, each output channel times `scale`,
    /// from the gradients `g` of its output.
    pub fn input_gradient(
        &self,
        images: usize,
        g: &[f32],
        (weights, scale): (&[f32], Option<&[f32]>),
        output: Shared<'_>,
        finish: Finish<'_>,
    ) {
        let SlidingWindow { source, grid, dilation, pad, .. } = *self.window;
        let (rows, isa, pixels, area) = (self.rows(), Isa::detect(), source[0] * source[1], grid[0] * grid[1]);
        let channels = weights.len() / rows;
        let pitch = pitch(channels);
        let rotated = |tap, o: usize| (self.taps() - 1 - tap, scale.map_or(1.0, |scale| scale[o]));
        let by_tap = self.by_tap(weights, channels, pitch, rotated);
        let mut shifted = ScratchBuffer::new(rows * area);
        for image in 0..images {
            shifted.as_mut_slice().par_chunks_mut(area).enumerate().for_each(|(row, to)| {
                let plane = &g[(image * self.few + row % self.few) * pixels..][..pixels];
                to.fill(0.0);
                self.shifted(row / self.few, |at, source, len| {
                    to[at..at + len].copy_from_slice(&plane[source..source + len]);
                });
            });
            let (by_tap, shifted) = (by_tap.as_slice(), shifted.as_slice());
            let sums = Sums { out: output, start: image * channels * area, pitch: area, first: true, finish };
            Grid::new(1, channels, area, isa).run(|_, rows, columns, panel| {
                // Line `y` of the grid sees line `y + i dilation - pad` of the source.
                let lines = columns.start / grid[1]..(columns.end - 1) / grid[1] + 1;
                let seen = (pad[0] - lines.end as isize + 1)..(pad[0] - lines.start as isize + source[0] as isize);
                let seen = self.lines_of_taps(seen, dilation);
                let left = Left::by_columns(&by_tap[seen.start * pitch..], pitch, seen.len());
                let right = ByRows { data: &shifted[seen.start * area..], pitch: area };
                // SAFETY: a grid's tasks differ in the rows or the columns, and images in where their sums start.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
        }
    }

    /// The gradient by the weights `[O, C, KH, KW]`, each output channel times `scale`, from the inputs `x` and the
    /// gradients `g` of the output.
    pub fn weight_gradient(&self, images: usize, x: &[f32], g: &[f32], scale: Option<&[f32]>, output: &mut [f32]) {
        let SlidingWindow { channels, source, grid, .. } = *self.window;
        let (rows, isa, pixels, area) = (self.rows(), Isa::detect(), source[0] * source[1], grid[0] * grid[1]);
        let pitch = pitch(rows);
        let mut sums = ScratchBuffer::new(channels * pitch);
        let out = sums.shared();
        let (mut shifted, mut transposed) = (ScratchBuffer::new(rows * pixels), ScratchBuffer::new(pixels * pitch));
        for image in 0..images {
            shifted.as_mut_slice().par_chunks_mut(pixels).enumerate().for_each(|(row, to)| {
                let plane = &g[(image * self.few + row % self.few) * area..][..area];
                to.fill(0.0);
                self.shifted(row / self.few, |at, source, len| {
                    to[source..source + len].copy_from_slice(&plane[at..at + len]);
                });
            });
            transposed.as_mut_slice().par_chunks_mut(64 * pitch).enumerate().for_each(|(block, to)| {
                transpose(&shifted.as_slice()[block * 64..], pixels, rows, to.len() / pitch, to, pitch);
            });
            let left = Left::by_rows(&x[image * channels * pixels..(image + 1) * channels * pixels], pixels, pixels);
            let right = ByRows { data: transposed.as_slice(), pitch };
            let sums = Sums::scaled(out, pitch, image == 0, None);
            Grid::new(1, channels, rows, isa).run(|_, rows, columns, panel| {
                // SAFETY: a grid's tasks differ in the rows or the columns; the first image's sums overwrite.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
        }
        let sums = sums.as_slice();
        output.par_chunks_mut(channels * self.taps()).enumerate().for_each(|(o, out)| {
            let scale = scale.map_or(1.0, |scale| scale[o]);
            for (to, from) in out.chunks_exact_mut(self.taps()).zip(sums.chunks_exact(pitch)) {
                let from = from[o..].iter().step_by(self.few);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
            }
        });
    }

    /// The weights `[O, C, KH, KW]` tap by tap, rows `(tap, o)` of `channels` values at distance `pitch`: of the tap, and
    /// times the factor, that `of(tap, o)` tells.
    fn by_tap(
        &self,
        weights: &[f32],
        channels: usize,
        pitch: usize,
        of: impl Fn(usize, usize) -> (usize, f32) + Sync,
    ) -> ScratchBuffer {
        let mut by_tap = ScratchBuffer::new(self.rows() * pitch);
        by_tap.as_mut_slice().par_chunks_mut(pitch).enumerate().for_each(|(row, to)| {
            let o = row % self.few;
            let (tap, factor) = of(row / self.few, o);
            let from = weights[o * channels * self.taps() + tap..].iter().step_by(self.taps());
            to[..channels].iter_mut().zip(from).for_each(|(to, from)| *to = from * factor);
        });
        by_tap
    }

    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    fn rows(&self) -> usize {
        self.taps() * self.few
    }

    /// The rows of products that belong to those lines `i` of taps for which `i dilation` lies in `range`: of one line at
    /// least, whose products with zeros are the sums of what sees nothing.
    fn lines_of_taps(&self, range: Range<isize>, dilation: usize) -> Range<usize> {
        let [high, wide] = self.window.kernel;
        let up_to = |end: isize| end.max(0).unsigned_abs().div_ceil(dilation).min(high);
        let first = up_to(range.start).min(high - 1);
        let row = wide * self.few;
        first * row..up_to(range.end).max(first + 1) * row
    }

    /// Calls `run` with the runs of outputs that see the source through a tap: the first output's place, that of what it
    /// sees, and how many there are.
    fn shifted(&self, tap: usize, mut run: impl FnMut(usize, usize, usize)) {
        let SlidingWindow { source: [height, width], grid, kernel, dilation, pad, .. } = *self.window;
        let dy = (tap / kernel[1] * dilation) as isize - pad[0];
        let dx = (tap % kernel[1] * dilation) as isize - pad[1];
        let inside = |shift: isize, size: usize, outputs: usize| {
            let low = (-shift).clamp(0, outputs as isize) as usize;
            low..((size as isize - shift).clamp(low as isize, outputs as isize) as usize)
        };
        let xs = inside(dx, width, grid[1]);
        if xs.is_empty() {
            return;
        }
        for y in inside(dy, height, grid[0]) {
            let from = (y as isize + dy) as usize * width + (xs.start as isize + dx) as usize;
            run(y * grid[1] + xs.start, from, xs.len());
        }
    }
}
