//! Convolutions of images in NCHW, and their gradients by the input, as products of weights and image patches.
//!
//! With `col` the im2col matrix of the image (see [`crate::ml::geometry`]), for one image:
//! - forward: `y[o, p] = sum_k w[o, k] col(x)[k, p]`, `k = (c, i, j)`;
//! - gradient by the input: the same with the filter rotated by half a circle, `w'[c, (o, i, j)] =
//!   w[o, c, KH-1-i, KW-1-j]`, over the gradient of the output, with the padding `(K-1) d - before`, and where the
//!   stride is not 1 only at the source positions that it divides.
//!
//! Three taps by three between many channels are tiles of fewer products ([`crate::ml::cpu::winograd`]), and several taps to
//! few channels are shifted sums ([`crate::ml::cpu::taps`]).

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::super::dispatch::{Make, Operation};
use super::{Epilogue, gpu};
use crate::ml::cpu::epilogue::{Finish, Sums};
use crate::ml::cpu::gemm::{self, ByRows, Left, Right};
use crate::ml::cpu::isa::Isa;
use crate::ml::cpu::scratch::ScratchBuffer;
use crate::ml::cpu::shared::{Shared, zeroed};
use crate::ml::cpu::taps::Taps;
use crate::ml::cpu::tasks::{Grid, pitch};
use crate::ml::cpu::winograd::{Filter, Winograd};
use crate::ml::geometry::SlidingWindow;
use crate::ml::gpu::plan::{GpuPlan, Operands};

/// A convolution, or the gradient of one by its input. Inputs: the source, the weights, those of the epilogue that there are,
/// and for a gradient the factors of the output's channels, if any.
pub(super) struct Correlate<'a> {
    pub images: usize,
    /// The channels of the convolution's output.
    pub outputs: usize,
    /// That of the convolution, also where this is its gradient.
    pub window: SlidingWindow,
    /// Whether this is the gradient of the convolution by its input: then the source is the gradient of its output.
    pub of_gradient: bool,
    /// Whether there are factors.
    pub factors: bool,
    pub epilogue: Epilogue<'a>,
}

// SAFETY: `Conv2d` compares the shapes of all operands, and the plan's scratch buffers have the sizes of the same window.
unsafe impl Operation for Correlate<'_> {
    const NAME: &'static str = "conv2d";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        // SAFETY: the elements are the same, and nothing but numbers is written to them.
        self.fill(inputs, unsafe { &mut *(std::ptr::from_mut(output) as *mut [MaybeUninit<f32>]) });
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let sizes = gpu::Sizes { images: self.images, outputs: self.outputs, window: &self.window };
        if self.of_gradient {
            gpu::input_gradient(sizes, self.factors, &self.epilogue, operands)
        } else {
            gpu::forward(sizes, &self.epilogue, operands)
        }
    }
}

// SAFETY: every way writes every element: that of tiles and those plane by plane do so by themselves, and products are stored
// for all rows and columns of all images, be it of no terms.
unsafe impl Make for Correlate<'_> {
    fn fill(&self, inputs: &[&[f32]], output: &mut [MaybeUninit<f32>]) {
        let mut rest = inputs[2..].iter().copied();
        let finish = self.epilogue.finish(&mut rest);
        let factors = if self.factors { rest.next() } else { None };
        let out = Shared::new(output);
        let (gradient, window, made) = (self.of_gradient, self.sliding(), self.made());
        let taps = if gradient { Taps::of_gradient } else { Taps::of };
        match taps(&window, made) {
            Some(taps) if gradient => {
                return taps.input_gradient(self.images, inputs[0], (inputs[1], factors), out, finish);
            }
            Some(taps) => return taps.correlate(self.images, inputs[0], inputs[1], out, finish),
            None => {}
        }
        if let Some(tiles) = Winograd::of(&window, made).filter(|_| !self.epilogue.exact) {
            let filter = if gradient { Filter::Rotated(inputs[1], factors) } else { Filter::Plain(inputs[1]) };
            return tiles.correlate(self.images, inputs[0], filter, out, finish);
        }
        if gradient && window.kernel == [1, 1] && window.divide > 1 {
            return self.with_gaps(&window, [inputs[0], inputs[1]], factors, out, finish);
        }
        let (terms, one_tap) = (window.rows(), window.kernel == [1, 1]);
        let weights = match (gradient, one_tap) {
            (false, _) => None,
            (true, true) => Some(scaled(inputs[1], made, factors)),
            (true, false) => Some(rotated(inputs[1], made, window.kernel, factors)),
        };
        let left = match &weights {
            None => Left::by_rows(inputs[1], terms, terms),
            Some(weights) if one_tap => Left::by_columns(weights.as_slice(), pitch(made), terms),
            Some(weights) => Left::by_rows(weights.as_slice(), terms, terms),
        };

        let (isa, area, source) = (Isa::detect(), window.columns(), inputs[0].len() / self.images.max(1));
        let tasks = Grid::new(self.images, made, area, isa);
        tasks.run(|image, rows, columns, panel| {
            let at = image * made * area;
            let right = Patches { window: &window, image: &inputs[0][image * source..(image + 1) * source] };
            let sums = Sums { out, start: at, pitch: area, first: true, finish };
            // SAFETY: a grid's tasks differ in the image, or in the rows or the columns.
            unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
        });
    }
}

impl Correlate<'_> {
    /// The channels of what is made.
    fn made(&self) -> usize {
        if self.of_gradient { self.window.channels } else { self.outputs }
    }

    /// The window that slides over the source.
    fn sliding(&self) -> SlidingWindow {
        if self.of_gradient { self.window.of_gradient(self.outputs) } else { self.window }
    }

    /// The gradient where there is one tap and a stride above 1. The convolution has read only every `divide`-th pixel of a
    /// row and of a column: these get a product, and all others are zero.
    fn with_gaps(
        &self,
        window: &SlidingWindow,
        [g, weights]: [&[f32]; 2],
        factors: Option<&[f32]>,
        output: Shared<'_>,
        finish: Finish<'_>,
    ) {
        let (SlidingWindow { channels, source, grid, divide, .. }, made) = (*window, self.made());
        let (isa, small, area) = (Isa::detect(), source[0] * source[1], grid[0] * grid[1]);
        let weights = scaled(weights, made, factors);
        let left = Left::by_columns(weights.as_slice(), pitch(made), channels);
        let mut products = ScratchBuffer::new(made * small);
        for image in 0..self.images {
            let sums = Sums::scaled(products.shared(), small, true, None);
            let right = ByRows { data: &g[image * channels * small..], pitch: small };
            Grid::new(1, made, small, isa).run(|_, rows, columns, panel| {
                // SAFETY: a grid's tasks differ in the rows or the columns.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
            let products = products.as_slice();
            (0..made).into_par_iter().for_each(|channel| {
                let start = (image * made + channel) * area;
                // SAFETY: tasks differ in channels.
                let plane = zeroed(unsafe { output.slice(start, area) });
                // Outputs beyond the border, up to whole cells, have read nothing of the image.
                let read = grid[0].div_ceil(divide);
                for (y, line) in products[channel * small..][..small].chunks_exact(source[1]).enumerate().take(read) {
                    let to = plane[y * divide * grid[1]..][..grid[1]].iter_mut().step_by(divide);
                    to.zip(line).for_each(|(to, product)| *to = *product);
                }
                finish.apply(plane, channel, start);
            });
        }
    }
}

/// The weights `[O, C]` of one tap at distance [`pitch`], `w[o, c] scale[o]`.
fn scaled(weights: &[f32], channels: usize, scale: Option<&[f32]>) -> ScratchBuffer {
    let (outputs, pitch) = (weights.len() / channels.max(1), pitch(channels));
    let mut scaled = ScratchBuffer::new(outputs * pitch);
    let rows = scaled.as_mut_slice().par_chunks_mut(pitch).with_min_len(16).zip(weights.par_chunks(channels.max(1)));
    rows.enumerate().for_each(|(o, (to, from))| {
        let scale = scale.map_or(1.0, |scale| scale[o]);
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
    });
    scaled
}

/// The weights of the gradient by the input, `w'[c, (o, i, j)] = w[o, c, KH-1-i, KW-1-j] scale[o]`.
fn rotated(weights: &[f32], channels: usize, kernel: [usize; 2], scale: Option<&[f32]>) -> ScratchBuffer {
    let taps = kernel[0] * kernel[1];
    let outputs = weights.len() / (channels * taps).max(1);
    let mut rotated = ScratchBuffer::new(weights.len());
    let rows = rotated.as_mut_slice().par_chunks_mut((outputs * taps).max(1)).enumerate();
    rows.for_each(|(c, row)| {
        for (o, to) in row.chunks_exact_mut(taps).enumerate() {
            let scale = scale.map_or(1.0, |scale| scale[o]);
            let from = weights[(o * channels + c) * taps..][..taps].iter().rev();
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
        }
    });
    rotated
}

/// The im2col matrix of an image, as right operand.
struct Patches<'a> {
    window: &'a SlidingWindow,
    image: &'a [f32],
}

impl Right for Patches<'_> {
    fn fill(&self, terms: Range<usize>, columns: Range<usize>, panel: &mut [f32], pitch: usize) {
        self.window.im2col(self.image, terms, columns, panel, pitch);
    }

    fn rows(&self) -> Option<ByRows<'_>> {
        self.window.is_identity().then(|| ByRows { data: self.image, pitch: self.window.columns() })
    }
}
