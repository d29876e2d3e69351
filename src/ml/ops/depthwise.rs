//! Depthwise convolution: each channel with its own small filter, stride 1, `SAME` padding.
//!
//! `y[n, c, y, x] = sum_ij w[c, 0, i, j] x[n, c, y + i - before, x + j - before]`, zeros outside; taps in order.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Kernel, check, launch, nchw, same, zeros};
use crate::ml::error::Result;

/// The depthwise convolution of `x` with `weights`.
///
/// # Shapes
/// `x` `[N, C, H, W]`, `weights` `[C, 1, KH, KW]` -> `[N, C, H, W]`.
pub fn forward(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let (shape, plane) = plane(x, weights)?;
    let y = zeros(&shape, x.device())?;
    launch(&Forward { plane, turned: false, mask: false }, &[x, weights], &y)?;
    Ok(y)
}

/// The gradient by the input from the gradient `g` of the output; zero where `mask` is not positive.
///
/// # Shapes
/// `g` and `mask` `[N, C, H, W]`, `weights` `[C, 1, KH, KW]` -> `[N, C, H, W]`.
pub fn backward_input(g: &Tensor, weights: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let (shape, plane) = plane(g, weights)?;
    let dx = zeros(&shape, g.device())?;
    let inputs: Vec<&Tensor> = [g, weights].into_iter().chain(mask).collect();
    launch(&Forward { plane, turned: true, mask: mask.is_some() }, &inputs, &dx)?;
    Ok(dx)
}

/// Writes the gradient by the weights, from the input `x` and the gradient `g` of the output, to `gradient`.
///
/// # Shapes
/// `x` and `g` `[N, C, H, W]`, `gradient` `[C, 1, KH, KW]`.
pub fn backward_weights(x: &Tensor, g: &Tensor, gradient: &Tensor) -> Result<()> {
    let (shape, plane) = plane(x, gradient)?;
    check("The gradient of a depthwise convolution", g, &shape)?;
    launch(&Weights { plane, images: shape[0] }, &[x, g], gradient)
}

/// The sizes of a plane and of the filter, and the padding before.
#[derive(Clone, Copy)]
struct Plane {
    size: [usize; 2],
    kernel: [usize; 2],
    before: [usize; 2],
    channels: usize,
}

fn plane(x: &Tensor, weights: &Tensor) -> Result<([usize; 4], Plane)> {
    let shape = nchw("The input of a depthwise convolution", x)?;
    let [_, _, kh, kw] = nchw("A depthwise filter", weights)?;
    let [_, channels, height, width] = shape;
    check("A depthwise filter", weights, &[channels, 1, kh, kw])?;
    let before = [same(height, kh, 1, 1).before, same(width, kw, 1, 1).before];
    Ok((shape, Plane { size: [height, width], kernel: [kh, kw], before, channels }))
}

impl Plane {
    /// Calls `body` with the rows that tap `(i, j)` connects: starts in output and input, and the length.
    fn rows(&self, i: usize, j: usize, turned: bool, mut body: impl FnMut(usize, usize, usize)) {
        let shift = |axis: usize, tap: usize| {
            let forward = tap as isize - self.before[axis] as isize;
            if turned { -forward } else { forward }
        };
        let (dy, dx) = (shift(0, i), shift(1, j));
        let [height, width] = self.size.map(|size| size as isize);
        let (x0, x1) = ((-dx).max(0), (width - dx).min(width));
        if x0 >= x1 {
            return;
        }
        for y in (-dy).max(0)..(height - dy).min(height) {
            body((y * width + x0) as usize, ((y + dy) * width + x0 + dx) as usize, (x1 - x0) as usize);
        }
    }
}

/// Inputs: source, weights, and optionally a mask.
struct Forward {
    plane: Plane,
    turned: bool,
    mask: bool,
}

impl Kernel for Forward {
    const NAME: &'static str = "depthwise conv2d";

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let [kh, kw] = self.plane.kernel;
        let area = self.plane.size[0] * self.plane.size[1];
        output.par_chunks_mut(area.max(1)).enumerate().for_each(|(at, out)| {
            let source = &inputs[0][at * area..(at + 1) * area];
            let weights = &inputs[1][at % self.plane.channels * kh * kw..][..kh * kw];
            out.fill(0.0);
            for (tap, &weight) in weights.iter().enumerate() {
                self.plane.rows(tap / kw, tap % kw, self.turned, |to, from, len| {
                    let (out, source) = (&mut out[to..to + len], &source[from..from + len]);
                    out.iter_mut().zip(source).for_each(|(y, x)| *y += weight * x);
                });
            }
            if self.mask {
                let mask = &inputs[2][at * area..];
                out.iter_mut().zip(mask).for_each(|(y, m)| *y = if *m > 0.0 { *y } else { 0.0 });
            }
        });
    }
}

/// Inputs: source and gradient of the output. Sums run over images, then rows, each row in eight interleaved chains.
struct Weights {
    plane: Plane,
    images: usize,
}

impl Kernel for Weights {
    const NAME: &'static str = "the gradient of depthwise conv2d by its weights";

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let [kh, kw] = self.plane.kernel;
        let area = self.plane.size[0] * self.plane.size[1];
        output.par_chunks_mut((kh * kw).max(1)).enumerate().for_each(|(channel, out)| {
            for (tap, out) in out.iter_mut().enumerate() {
                let mut sum = 0.0;
                for image in 0..self.images {
                    let start = (image * self.plane.channels + channel) * area;
                    let (x, g) = (&inputs[0][start..start + area], &inputs[1][start..start + area]);
                    self.plane.rows(tap / kw, tap % kw, false, |to, from, len| {
                        sum += dot(&g[to..to + len], &x[from..from + len]);
                    });
                }
                *out = sum;
            }
        });
    }
}

/// The sum of products, in eight interleaved chains that are then added in order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut chains = [0.0; 8];
    let (whole, rest) = (a.chunks_exact(8), a.len() / 8 * 8);
    for (a, b) in whole.zip(b.chunks_exact(8)) {
        for i in 0..8 {
            chains[i] += a[i] * b[i];
        }
    }
    let tail: f32 = a[rest..].iter().zip(&b[rest..]).map(|(a, b)| a * b).sum();
    chains.iter().sum::<f32>() + tail
}
