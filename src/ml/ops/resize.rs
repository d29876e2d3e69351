//! Bilinear resizing of tensors, and its gradient, by the positions of a [`Sampling`].

use candle_core::Tensor;
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Operation, launch};
use super::shapes::check_size;
use crate::ml::error::Result;
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{self, Float, Input, Int, Output};
use crate::ml::gpu::plan::{GpuPlan, Operands};
use crate::ml::resample::{Sampling, Tap};

/// `x` resized to `height` by `width`.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, C, height, width]`.
pub fn bilinear(x: &Tensor, height: usize, width: usize, sampling: Sampling) -> Result<Tensor> {
    let [_, _, h, w] = activation::sizes("The input of a resize", x)?;
    bilinear_at(x, [height, width], sampling, [sampling.scale(h, height), sampling.scale(w, width)])
}

/// As [`bilinear`], with outputs `steps` pixels of the input apart along each axis.
pub fn bilinear_at(x: &Tensor, size: [usize; 2], sampling: Sampling, steps: [f32; 2]) -> Result<Tensor> {
    let [n, c, h, w] = activation::sizes("The input of a resize", x)?;
    check_size("The output of a resize", size)?;
    let y = activation::blank([n, c, size[0], size[1]], x)?;
    launch(&Bilinear::new(c, [h, w], size, (sampling, steps)), &[x], &y)?;
    Ok(y)
}

/// The gradient by an input of `height` by `width` from the gradient `g` of a bilinear resize.
///
/// # Shapes
/// `g` `[N, C, H, W]` -> `[N, C, height, width]`.
pub fn bilinear_backward(g: &Tensor, height: usize, width: usize, sampling: Sampling) -> Result<Tensor> {
    let [n, c, h, w] = activation::sizes("The gradient of a resize", g)?;
    check_size("The input of a resize", [height, width])?;
    let dx = activation::blank([n, c, height, width], g)?;
    let steps = [sampling.scale(height, h), sampling.scale(width, w)];
    launch(&BilinearGradient(Bilinear::new(c, [height, width], [h, w], (sampling, steps))), &[g], &dx)?;
    Ok(dx)
}

/// What follows the operands of a resize's kernels: the sizes, the distances between outputs along each axis, and where in its
/// pixel an output stands.
pub(super) fn arguments(
    channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    (sampling, steps): (Sampling, [f32; 2]),
) -> [Argument<'static>; 8] {
    let [[h, w], [height, width]] = [from, to].map(|size| size.map(Int));
    [Int(channels), h, w, height, width, Float(steps[0]), Float(steps[1]), Float(sampling.centre())]
}

struct Bilinear {
    channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    sampling: Sampling,
    steps: [f32; 2],
    rows: Vec<Tap>,
    columns: Vec<Tap>,
}

impl Bilinear {
    fn new(channels: usize, from: [usize; 2], to: [usize; 2], (sampling, steps): (Sampling, [f32; 2])) -> Self {
        let [rows, columns] = [0, 1].map(|axis| sampling.taps_at(steps[axis], from[axis], to[axis]));
        Bilinear { channels, from, to, sampling, steps, rows, columns }
    }

    fn areas(&self) -> (usize, usize) {
        ((self.from[0] * self.from[1]).max(1), (self.to[0] * self.to[1]).max(1))
    }
}

// SAFETY: `bilinear` makes the output of the planes of the input, which have the sizes that the kernel has.
unsafe impl Operation for Bilinear {
    const NAME: &'static str = "bilinear resize";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (from, to) = self.areas();
        output.par_chunks_mut(to).zip(inputs[0].par_chunks(from)).for_each(|(out, plane)| {
            for (out, row) in out.chunks_exact_mut(self.to[1].max(1)).zip(&self.rows) {
                let line = |y: usize| &plane[y * self.from[1]..(y + 1) * self.from[1]];
                let (top, bottom) = (line(row.low), line(row.high));
                for (out, tap) in out.iter_mut().zip(&self.columns) {
                    let upper = top[tap.low] + (top[tap.high] - top[tap.low]) * tap.weight;
                    let lower = bottom[tap.low] + (bottom[tap.high] - bottom[tap.low]) * tap.weight;
                    *out = upper + (lower - upper) * row.weight;
                }
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let sizes = arguments(self.channels, self.from, self.to, (self.sampling, self.steps));
        GpuPlan::each(kernels::BILINEAR, operands.output, [&[Input(0), Output], &sizes[..]].concat())
    }
}

struct BilinearGradient(Bilinear);

// SAFETY: `bilinear_backward` makes the output of the planes of the gradient, which have the sizes that the kernel has.
unsafe impl Operation for BilinearGradient {
    const NAME: &'static str = "the gradient of bilinear resize";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let Bilinear { from: size, to: grid, rows, columns, .. } = &self.0;
        let (from, to) = self.0.areas();
        output.par_chunks_mut(from).zip(inputs[0].par_chunks(to)).for_each(|(out, g)| {
            out.fill(0.0);
            for (g, row) in g.chunks_exact(grid[1].max(1)).zip(rows) {
                for (g, tap) in g.iter().zip(columns) {
                    let mut add = |y: usize, x: usize, weight: f32| out[y * size[1] + x] += weight * g;
                    add(row.low, tap.low, (1.0 - row.weight) * (1.0 - tap.weight));
                    add(row.low, tap.high, (1.0 - row.weight) * tap.weight);
                    add(row.high, tap.low, row.weight * (1.0 - tap.weight));
                    add(row.high, tap.high, row.weight * tap.weight);
                }
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let sizes = arguments(self.0.channels, self.0.from, self.0.to, (self.0.sampling, self.0.steps));
        GpuPlan::each(kernels::BILINEAR_GRADIENT, operands.output, [&[Input(0), Output], &sizes[..]].concat())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::super::differences::{differences, quarters, weighted};
    use super::super::resize;
    use crate::ml::resample::Sampling;

    #[test]
    fn the_bilinear_resize_has_the_gradient_of_differences() {
        // Where the ratio is no power of two, so are the taps' weights, and differences are not exact.
        let sizes = [
            ([4, 5], [8, 10], 0.0),
            ([8, 4], [4, 8], 0.0),
            ([5, 7], [13, 9], 1e-4),
            ([9, 6], [4, 5], 1e-4),
            ([1, 3], [4, 1], 0.0),
            ([2, 3], [3, 2], 1e-4),
        ];
        let samplings = [Sampling::Legacy, Sampling::HalfPixel, Sampling::AlignCorners];
        for (([h, w], [height, width], exact), sampling) in
            sizes.into_iter().flat_map(|size| samplings.map(|s| (size, s)))
        {
            let tolerance = if sampling == Sampling::AlignCorners { 1e-4 } else { exact };
            let (x, r) = (quarters("x", &[2, 2, h, w]), quarters("r", &[2, 2, height, width]));
            let dx = resize::bilinear_backward(&r, h, w, sampling).unwrap();
            let what = format!("{sampling:?} of {h} x {w} to {height} x {width}");
            let f = |x: &Tensor| weighted(&resize::bilinear(x, height, width, sampling).unwrap(), &r);
            differences(&what, &x, &dx, 1.0, tolerance, f);
        }
    }
}
