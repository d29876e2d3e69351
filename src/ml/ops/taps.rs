//! Convolutions to few channels, tap by tap: the head's, from 2048 channels to as many as there are classes.
//!
//! With `w_t[o, c]` the weights of tap `t` and `s_t` the shift by its place:
//! - forward: `y[o] = sum_t s_t(sum_c w_t[o, c] x[c])`: one product of all taps' weights with the image as it lies, then a
//!   sum of shifted planes, taps in order;
//! - gradient by the weights: `dw_t[o, c] = sum_p s_t'(g[o])[p] x[c, p]`: one product of the shifted gradients with the image.
//!
//! No image of many channels is unrolled.

use rayon::prelude::*;

use super::Shared;
use super::conv::Grid;
use super::epilogue::{Finish, Sums};
use super::gemm::{self, ByColumns, ByRows, Isa, Left};
use super::scratch::Lines;
use super::window::Window;

/// Outputs up to which taps pay.
const FEW: usize = 32;

/// A convolution of stride 1, tap by tap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taps<'a> {
    window: &'a Window,
    outputs: usize,
}

impl<'a> Taps<'a> {
    /// Where `window` has several taps with stride 1, and many channels for few outputs.
    pub fn of(window: &'a Window, outputs: usize) -> Option<Self> {
        let several = window.kernel != [1, 1] && window.step == 1 && window.divide == 1;
        (several && outputs <= FEW && window.channels >= 2 * FEW).then_some(Taps { window, outputs })
    }

    /// The convolution of `images` images `x` with `weights` `[O, C, KH, KW]`.
    pub fn correlate(&self, images: usize, x: &[f32], weights: &[f32], output: Shared, finish: Finish<'_>) {
        let Window { channels, source, grid, .. } = *self.window;
        let (rows, isa, pixels, area) = (self.rows(), Isa::detect(), source[0] * source[1], grid[0] * grid[1]);
        let mut by_tap = Lines::new(rows * channels);
        by_tap.as_mut_slice().par_chunks_mut(channels).enumerate().for_each(|(row, to)| {
            let (tap, o) = (row / self.outputs, row % self.outputs);
            let from = weights[o * channels * self.taps() + tap..].iter().step_by(self.taps());
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        });
        let mut products = Lines::new(rows * pixels);
        let out = products.shared();
        for image in 0..images {
            let sums = Sums::scaled(out, pixels, true, None);
            let left = Left::by_rows(by_tap.as_slice(), channels, channels);
            let right = ByRows { data: &x[image * channels * pixels..(image + 1) * channels * pixels], pitch: pixels };
            Grid::new(1, rows, pixels, isa).run(|_, rows, columns, panel| {
                gemm::multiply(isa, left, rows, &right, columns, panel, &sums);
            });
            let products = products.as_slice();
            (0..self.outputs).into_par_iter().for_each(|o| {
                let start = (image * self.outputs + o) * area;
                // SAFETY: tasks differ in the plane.
                let plane = unsafe { output.slice(start, area) };
                plane.fill(0.0);
                for tap in 0..self.taps() {
                    let from = &products[(tap * self.outputs + o) * pixels..][..pixels];
                    self.shifted(tap, |at, source, len| {
                        let sums = plane[at..at + len].iter_mut();
                        sums.zip(&from[source..]).for_each(|(sum, value)| *sum += value);
                    });
                }
                finish.apply(plane, o, start);
            });
        }
    }

    /// The gradient by the weights `[O, C, KH, KW]`, each output channel times `scale`, from the inputs `x` and the
    /// gradients `g` of the output.
    pub fn weight_gradient(&self, images: usize, x: &[f32], g: &[f32], scale: Option<&[f32]>, output: &mut [f32]) {
        let Window { channels, source, grid, .. } = *self.window;
        let (rows, isa, pixels, area) = (self.rows(), Isa::detect(), source[0] * source[1], grid[0] * grid[1]);
        let mut sums = Lines::new(rows * channels);
        let out = sums.shared();
        let mut shifted = Lines::new(rows * pixels);
        for image in 0..images {
            shifted.as_mut_slice().par_chunks_mut(pixels).enumerate().for_each(|(row, to)| {
                let plane = &g[(image * self.outputs + row % self.outputs) * area..][..area];
                to.fill(0.0);
                self.shifted(row / self.outputs, |at, source, len| {
                    to[source..source + len].copy_from_slice(&plane[at..at + len]);
                });
            });
            let left = Left::by_rows(shifted.as_slice(), pixels, pixels);
            let right =
                ByColumns { data: &x[image * channels * pixels..(image + 1) * channels * pixels], pitch: pixels };
            let sums = Sums::scaled(out, channels, image == 0, None);
            Grid::new(1, rows, channels, isa).run(|_, rows, columns, panel| {
                gemm::multiply(isa, left, rows, &right, columns, panel, &sums);
            });
        }
        let sums = sums.as_slice();
        output.par_chunks_mut(channels * self.taps()).enumerate().for_each(|(o, out)| {
            let scale = scale.map_or(1.0, |scale| scale[o]);
            for tap in 0..self.taps() {
                let from = &sums[(tap * self.outputs + o) * channels..][..channels];
                out[tap..].iter_mut().step_by(self.taps()).zip(from).for_each(|(to, from)| *to = from * scale);
            }
        });
    }

    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    fn rows(&self) -> usize {
        self.taps() * self.outputs
    }

    /// Calls `run` with the runs of outputs that see the source through a tap: the first output's place, that of what it
    /// sees, and how many there are.
    fn shifted(&self, tap: usize, mut run: impl FnMut(usize, usize, usize)) {
        let Window { source: [height, width], grid, kernel, dilation, pad, .. } = *self.window;
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
