//! Bilinear resizing of tensors, and its gradient, by the positions of [`resample`](crate::ml::resample).

use candle_core::Tensor;
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Kernel, Portable, launch};
use super::shapes::check_size;
use crate::ml::error::Result;
use crate::ml::gpu::plan::Argument::{self, Float, Input, Int, Output};
use crate::ml::gpu::plan::Plan;
use crate::ml::resample::{Tap, bilinear_taps};

/// `x` resized to `height` by `width`.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, C, height, width]`.
pub fn bilinear(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let [n, c, h, w] = activation::sizes("The input of a resize", x)?;
    check_size("The output of a resize", [height, width])?;
    let y = activation::blank([n, c, height, width], x)?;
    launch(&Bilinear::new(c, [h, w], [height, width]), &[x], &y)?;
    Ok(y)
}

/// The gradient by an input of `height` by `width` from the gradient `g` of a bilinear resize.
///
/// # Shapes
/// `g` `[N, C, H, W]` -> `[N, C, height, width]`.
pub fn bilinear_backward(g: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let [n, c, h, w] = activation::sizes("The gradient of a resize", g)?;
    check_size("The input of a resize", [height, width])?;
    let dx = activation::blank([n, c, height, width], g)?;
    launch(&BilinearGradient(Bilinear::new(c, [height, width], [h, w])), &[g], &dx)?;
    Ok(dx)
}

struct Bilinear {
    channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    rows: Vec<Tap>,
    columns: Vec<Tap>,
}

impl Bilinear {
    fn new(channels: usize, from: [usize; 2], to: [usize; 2]) -> Self {
        Bilinear { channels, from, to, rows: bilinear_taps(from[0], to[0]), columns: bilinear_taps(from[1], to[1]) }
    }

    /// What either pass is given on a GPU.
    fn arguments(&self) -> Vec<Argument<'static>> {
        let scale = |axis: usize| Float(self.from[axis] as f32 / self.to[axis] as f32);
        let ([h, w], [height, width]) = (self.from, self.to);
        [&[Input(0), Output], &[self.channels, h, w, height, width].map(Int)[..], &[scale(0), scale(1)]].concat()
    }

    fn areas(&self) -> (usize, usize) {
        ((self.from[0] * self.from[1]).max(1), (self.to[0] * self.to[1]).max(1))
    }
}

impl Kernel for Bilinear {
    const NAME: &'static str = "bilinear resize";

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
}

// SAFETY: `bilinear` makes the output of the planes of the input, which have the sizes that the kernel has.
unsafe impl Portable for Bilinear {
    fn cuda(&self, _: &[usize], output: usize) -> Plan<'_> {
        Plan::each("bilinear", output, self.arguments())
    }
}

struct BilinearGradient(Bilinear);

impl Kernel for BilinearGradient {
    const NAME: &'static str = "the gradient of bilinear resize";

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
}

// SAFETY: `bilinear_backward` makes the output of the planes of the gradient, which have the sizes that the kernel has.
unsafe impl Portable for BilinearGradient {
    fn cuda(&self, _: &[usize], output: usize) -> Plan<'_> {
        Plan::each("bilinear_gradient", output, self.0.arguments())
    }
}
