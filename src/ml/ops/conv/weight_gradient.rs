//! Gradients of convolutions by their weights: `dw[o, k] = sum_p g[o, p] col(x)[k, p]`, images in order, with `col` the im2col
//! matrix of the image (see [`crate::ml::geometry`]).

use std::ops::Range;

use rayon::prelude::*;

use super::super::dispatch::Operation;
use super::gpu;
use crate::ml::cpu::epilogue::Sums;
use crate::ml::cpu::gemm::{self, ByRows, Left, Right};
use crate::ml::cpu::isa::Isa;
use crate::ml::cpu::scratch::ScratchBuffer;
use crate::ml::cpu::shared::Shared;
use crate::ml::cpu::taps::Taps;
use crate::ml::cpu::tasks::{Grid, pitch};
use crate::ml::cpu::transpose::transpose;
use crate::ml::cpu::winograd::Winograd;
use crate::ml::geometry::SlidingWindow;
use crate::ml::gpu::plan::{GpuPlan, Operands};

/// The gradient by the weights. Inputs: the convolution's input, the gradient of its output, and optionally a factor
/// for each output channel.
pub(super) struct WeightGradient {
    pub images: usize,
    pub outputs: usize,
    pub window: SlidingWindow,
    /// Whether there are factors.
    pub factors: bool,
}

// SAFETY: `Conv2d` compares the shapes of all operands, and the plan's scratch buffers have the sizes of the same window.
unsafe impl Operation for WeightGradient {
    const NAME: &'static str = "the gradient of conv2d by its weights";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        if let Some(taps) = Taps::of(&self.window, self.outputs) {
            return taps.weight_gradient(self.images, inputs[0], inputs[1], inputs.get(2).copied(), output);
        }
        if let Some(tiles) = Winograd::of(&self.window, self.outputs) {
            return tiles.weight_gradient(self.images, inputs[0], inputs[1], inputs.get(2).copied(), output);
        }
        if self.window.is_identity() {
            return self.of_one_tap(inputs[0], inputs[1], inputs.get(2).copied(), output);
        }
        let (isa, taps, area) = (Isa::detect(), self.window.rows(), self.window.columns());
        let source = inputs[0].len() / self.images.max(1);
        let out = Shared::of(output);
        for image in 0..self.images {
            let g = &inputs[1][image * self.outputs * area..(image + 1) * self.outputs * area];
            let pixels = &inputs[0][image * source..(image + 1) * source];
            let left = Left::by_rows(g, area, area);
            let (first, last) = (image == 0, image + 1 == self.images);
            let sums = Sums::scaled(out, taps, first, inputs.get(2).copied().filter(|_| last));
            Grid::new(1, self.outputs, taps, isa).run(|_, rows, columns, panel| {
                let right = TransposedPatches { window: &self.window, image: pixels };
                // SAFETY: a grid's tasks differ in the rows or the columns; the first image's sums overwrite.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
        }
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let sizes = gpu::Sizes { images: self.images, outputs: self.outputs, window: &self.window };
        gpu::weight_gradient(sizes, self.factors, operands)
    }
}

impl WeightGradient {
    /// `dw[o, c] = sum_p g[o, p] x[c, p]`. Of the two, the one with fewer channels is transposed, once for all rows.
    fn of_one_tap(&self, x: &[f32], g: &[f32], scale: Option<&[f32]>, output: &mut [f32]) {
        let (isa, channels, area) = (Isa::detect(), self.window.channels, self.window.columns());
        let across = channels > self.outputs;
        let ((many, rows), (few, columns)) = match across {
            true => ((x, channels), (g, self.outputs)),
            false => ((g, self.outputs), (x, channels)),
        };
        let pitch = pitch(columns);
        let mut transposed = ScratchBuffer::new(area * pitch);
        let mut sums = ScratchBuffer::new(if across { rows * columns } else { 0 });
        let out = if across { sums.shared() } else { Shared::of(output) };
        for image in 0..self.images {
            transposed.as_mut_slice().par_chunks_mut(64 * pitch).enumerate().for_each(|(block, to)| {
                let from = &few[image * columns * area + block * 64..];
                transpose(from, area, columns, to.len() / pitch, to, pitch);
            });
            let left = Left::by_rows(&many[image * rows * area..], area, area);
            let right = ByRows { data: transposed.as_slice(), pitch };
            let (first, last) = (image == 0, image + 1 == self.images);
            let sums = Sums::scaled(out, columns, first, scale.filter(|_| last && !across));
            Grid::new(1, rows, columns, isa).run(|_, rows, columns, panel| {
                // SAFETY: a grid's tasks differ in the rows or the columns; the first image's sums overwrite.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
        }
        if !across {
            return;
        }
        let sums = sums.as_slice();
        output.par_chunks_mut(16 * channels).enumerate().for_each(|(block, to)| {
            transpose(&sums[block * 16..], columns, channels, to.len() / channels, to, channels);
            for (row, to) in to.chunks_exact_mut(channels).enumerate() {
                let scale = scale.map_or(1.0, |scale| scale[block * 16 + row]);
                to.iter_mut().for_each(|w| *w *= scale);
            }
        });
    }
}

/// The im2col matrix of an image, transposed, as right operand.
struct TransposedPatches<'a> {
    window: &'a SlidingWindow,
    image: &'a [f32],
}

impl Right for TransposedPatches<'_> {
    fn fill(&self, terms: Range<usize>, columns: Range<usize>, panel: &mut [f32], pitch: usize) {
        let mut patches = ScratchBuffer::new(columns.len() * terms.len());
        let patches = patches.as_mut_slice();
        self.window.im2col(self.image, columns.clone(), terms.clone(), patches, terms.len());
        transpose(patches, terms.len(), columns.len(), terms.len(), panel, pitch);
    }
}
