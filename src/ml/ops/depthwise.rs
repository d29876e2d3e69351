//! Depthwise convolution: each channel with its own small filter, or all with one, stride 1, `SAME` padding.
//!
//! `y[n, c, y, x] = sum_ij w[c, 0, i, j] x[n, c, y + i - before, x + j - before]`, zeros outside; taps in order. A
//! filter `[1, 1, KH, KW]` is shared by all channels.
//!
//! A plane is copied once with zeros around it, so that no tap needs to know of borders; then four rows of sixteen
//! outputs at a time are summed in registers over all taps.

use candle_core::Tensor;
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Operation, launch};
use super::shapes::filled;
use crate::ml::cpu::simd::{LANES, Loop, vectorised};
use crate::ml::error::{Error, Result};
use crate::ml::geometry::Padding;
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Absent, Activation, ActivationOutput, Input, Int, Output, Scratch};
use crate::ml::gpu::plan::{self, GpuPlan, Launch, Operands, ScratchSize};

/// How many rows are summed at a time.
const ROWS: usize = 4;

/// How many taps are summed at a time, for the gradient by the filter.
const TAPS: usize = 4;

/// How many planes are summed in one piece, for the gradient by the filter.
const PIECE: usize = 16;

/// How many pixels a block of a GPU sums, for the gradient by the filter.
const PIXELS: usize = 512;

/// The depthwise convolution of `x` with `weights`.
///
/// # Shapes
/// `x` `[N, C, H, W]`, `weights` `[C, 1, KH, KW]` or `[1, 1, KH, KW]` -> `[N, C, H, W]`.
pub fn forward(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let (shape, plane) = plane(x, weights)?;
    let y = activation::blank(shape, x)?;
    launch(&Forward { plane, channels: shape[1], rotated: false, mask: false }, &[x, weights], &y)?;
    Ok(y)
}

/// The gradient by the input from the gradient `g` of the output; zero where `mask` is not positive.
///
/// # Shapes
/// `g` and `mask` `[N, C, H, W]`, `weights` as in [`forward`] -> `[N, C, H, W]`.
pub fn backward_input(g: &Tensor, weights: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let (shape, plane) = plane(g, weights)?;
    let dx = activation::blank(shape, g)?;
    if let Some(mask) = mask {
        activation::check("The mask of a depthwise convolution's gradient", mask, &shape)?;
    }
    let inputs: Vec<&Tensor> = [g, weights].into_iter().chain(mask).collect();
    launch(&Forward { plane, channels: shape[1], rotated: true, mask: mask.is_some() }, &inputs, &dx)?;
    Ok(dx)
}

/// Writes the gradient by the weights, from the input `x` and the gradient `g` of the output, to `gradient`.
///
/// # Shapes
/// `x` and `g` `[N, C, H, W]`, `gradient` as the weights in [`forward`].
pub fn backward_weights(x: &Tensor, g: &Tensor, gradient: &Tensor) -> Result<()> {
    let (shape, plane) = plane(x, gradient)?;
    activation::check("The gradient of a depthwise convolution", g, &shape)?;
    launch(&Weights { plane, channels: shape[1] }, &[x, g], gradient)
}

/// The sizes of a plane and of the filters, the padding before, and how many filters there are.
#[derive(Clone, Copy)]
struct Plane {
    size: [usize; 2],
    kernel: [usize; 2],
    before: [usize; 2],
    filters: usize,
}

fn plane(x: &Tensor, weights: &Tensor) -> Result<([usize; 4], Plane)> {
    let shape = activation::sizes("The input of a depthwise convolution", x)?;
    let [filters, one, kh, kw] = filled("A depthwise filter", weights)?;
    let [_, channels, height, width] = shape;
    if one != 1 || (filters != 1 && filters != channels) {
        let expected = format!("[{channels}, 1, height, width], or [1, 1, height, width] for all channels");
        return Err(Error::Shape { what: "A depthwise filter".to_owned(), found: weights.dims().to_vec(), expected });
    }
    let before = [(height, kh), (width, kw)].map(|(size, kernel)| Padding::Same.along(size, kernel, 1, 1).before);
    Ok((shape, Plane { size: [height, width], kernel: [kh, kw], before, filters }))
}

impl Plane {
    fn area(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The height and width of a plane with zeros around it: rows and columns that whole tiles may read.
    fn padded(&self) -> [usize; 2] {
        let [height, width] = self.size;
        [height.next_multiple_of(ROWS) + self.kernel[0] - 1, width.next_multiple_of(LANES) + self.kernel[1] - 1]
    }

    /// Writes the plane to `out`, of the padded size, `before` rows and columns from its start.
    fn pad(&self, plane: &[f32], before: [usize; 2], out: &mut Vec<f32>) {
        let [height, pitch] = self.padded();
        out.clear();
        out.resize(height * pitch, 0.0);
        for (y, row) in plane.chunks_exact(self.size[1].max(1)).enumerate() {
            out[(y + before[0]) * pitch + before[1]..][..row.len()].copy_from_slice(row);
        }
    }

    /// Where a tap reads in the padded plane, from the place of its output.
    fn offset(&self, tap: usize, rotated: bool) -> usize {
        let [kh, kw] = self.kernel;
        let (i, j) = (tap / kw, tap % kw);
        let (i, j) = if rotated { (kh - 1 - i, kw - 1 - j) } else { (i, j) };
        i * self.padded()[1] + j
    }

    fn before(&self, rotated: bool) -> [usize; 2] {
        let after = |axis: usize| self.kernel[axis] - 1 - self.before[axis];
        if rotated { [after(0), after(1)] } else { self.before }
    }
}

/// Inputs: source, weights, and optionally a mask.
struct Forward {
    plane: Plane,
    channels: usize,
    rotated: bool,
    mask: bool,
}

// SAFETY: `plane` and the mask's check compare the shapes of all operands, and the output is made as the input.
unsafe impl Operation for Forward {
    const NAME: &'static str = "depthwise conv2d";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let Plane { filters, size, .. } = self.plane;
        let (area, taps, pitch) = (self.plane.area().max(1), self.plane.taps(), self.plane.padded()[1]);
        let offsets: Vec<usize> = (0..taps).map(|tap| self.plane.offset(tap, self.rotated)).collect();
        output.par_chunks_mut(area).enumerate().for_each_init(Vec::new, |padded, (at, out)| {
            self.plane.pad(&inputs[0][at * area..(at + 1) * area], self.plane.before(self.rotated), padded);
            let weights = &inputs[1][at % filters * taps..][..taps];
            vectorised(Correlate { padded, pitch, weights, offsets: &offsets, out, size });
            if self.mask {
                let mask = &inputs[2][at * area..];
                out.iter_mut().zip(mask).for_each(|(y, m)| *y = if *m > 0.0 { *y } else { 0.0 });
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let mask = if self.mask { Activation(2) } else { Absent };
        let [top, left] = self.plane.before(self.rotated);
        let ([height, width], [kh, kw]) = (self.plane.size, self.plane.kernel);
        let (filters, rotated) = (self.plane.filters, usize::from(self.rotated));
        let sizes = [filters, self.channels, height, width, kh, kw, top, left, rotated].map(Int);
        GpuPlan::each(
            kernels::DEPTHWISE,
            operands.output,
            [&[Activation(0), Input(1), mask, ActivationOutput], &sizes[..]].concat(),
        )
    }
}

/// Writes to `out`, of size `size`, the sums over all taps, a tile of outputs at a time.
struct Correlate<'a> {
    padded: &'a [f32],
    pitch: usize,
    weights: &'a [f32],
    offsets: &'a [usize],
    out: &'a mut [f32],
    size: [usize; 2],
}

impl Loop for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Correlate { padded, pitch, weights, offsets, out, size: [height, width] } = self;
        for y in (0..height).step_by(ROWS) {
            for x in (0..width).step_by(LANES) {
                let mut sums = [[0.0_f32; LANES]; ROWS];
                for (&weight, &offset) in weights.iter().zip(offsets) {
                    let tile = &padded[y * pitch + x + offset..][..(ROWS - 1) * pitch + LANES];
                    // Only with indices does the compiler keep the sums in registers.
                    for row in 0..ROWS {
                        let source = &tile[row * pitch..row * pitch + LANES];
                        for lane in 0..LANES {
                            sums[row][lane] += weight * source[lane];
                        }
                    }
                }
                for (row, sums) in sums.iter().enumerate().take(height - y) {
                    let len = LANES.min(width - x);
                    out[(y + row) * width + x..][..len].copy_from_slice(&sums[..len]);
                }
            }
        }
    }
}

/// Inputs: source and gradient of the output. A plane is summed in sixteen interleaved chains, row by row; the planes
/// of a filter are then added in order, in 64-bit arithmetic.
struct Weights {
    plane: Plane,
    channels: usize,
}

impl Weights {
    /// The planes of filter `filter`, in order.
    fn planes(&self, filter: usize, planes: usize) -> impl Iterator<Item = usize> {
        let step = if self.plane.filters == 1 { 1 } else { self.channels };
        (filter..planes).step_by(step.max(1))
    }
}

// SAFETY: `backward_weights` compares the shapes of all operands.
unsafe impl Operation for Weights {
    const NAME: &'static str = "the gradient of depthwise conv2d by its weights";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (area, taps) = (self.plane.area().max(1), self.plane.taps());
        let (planes, pitch) = (inputs[0].len() / area, self.plane.padded()[1]);
        let offsets: Vec<usize> = (0..taps).map(|tap| self.plane.offset(tap, false)).collect();
        let mut parts = vec![0.0; planes * taps];
        parts.par_chunks_mut(PIECE * taps.max(1)).enumerate().for_each_init(
            || (Vec::new(), Vec::new()),
            |(source, gradient), (piece, parts)| {
                for (at, part) in parts.chunks_exact_mut(taps).enumerate() {
                    let of = |input: &'_ [f32]| {
                        (piece * PIECE + at) * area..input.len().min((piece * PIECE + at + 1) * area)
                    };
                    self.plane.pad(&inputs[0][of(inputs[0])], self.plane.before, source);
                    self.plane.pad(&inputs[1][of(inputs[1])], [0, 0], gradient);
                    let Plane { size, .. } = self.plane;
                    vectorised(Products { source, gradient, size, pitch, offsets: &offsets, out: part });
                }
            },
        );
        output.par_chunks_mut(taps.max(1)).enumerate().for_each(|(filter, out)| {
            for (tap, out) in out.iter_mut().enumerate() {
                *out =
                    self.planes(filter, planes).map(|plane| f64::from(parts[plane * taps + tap])).sum::<f64>() as f32;
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let ([height, width], [kh, kw], [top, left]) = (self.plane.size, self.plane.kernel, self.plane.before);
        let (taps, area) = (self.plane.taps(), self.plane.area().max(1));
        let pieces = operands.inputs[0] / (area * self.channels).max(1) * area.div_ceil(PIXELS);
        let sizes = [self.channels, height, width, kh, kw, top, left, PIXELS].map(Int);
        let products = [&[Activation(0), Activation(1), Scratch(0)], &sizes[..]].concat();
        let step = if self.plane.filters == 1 { 1 } else { self.channels };
        let sums = [&[Scratch(0), Output], &[taps, step, pieces * self.channels].map(Int)[..]].concat();
        let blocks = pieces * self.channels.div_ceil(plan::CHANNELS);
        GpuPlan {
            scratch: vec![ScratchSize::Bytes(pieces * self.channels * taps * size_of::<f64>())],
            launches: vec![
                Launch::blocks(kernels::DEPTHWISE_PRODUCTS, blocks, products),
                Launch::blocks(kernels::SUM_PLANES, operands.output, sums),
            ],
        }
    }
}

/// Writes to `out`, for each tap, the sum of the products of the gradient with what the tap reads.
struct Products<'a> {
    source: &'a [f32],
    gradient: &'a [f32],
    size: [usize; 2],
    pitch: usize,
    offsets: &'a [usize],
    out: &'a mut [f32],
}

impl Loop for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Products { source, gradient, size: [height, width], pitch, offsets, out } = self;
        for (offsets, out) in offsets.chunks(TAPS).zip(out.chunks_mut(TAPS)) {
            let mut sums = [[0.0_f32; LANES]; TAPS];
            for start in (0..height).flat_map(|y| (0..width).step_by(LANES).map(move |x| y * pitch + x)) {
                let g = &gradient[start..][..LANES];
                for (&offset, sums) in offsets.iter().zip(&mut sums) {
                    let source = &source[start + offset..][..LANES];
                    sums.iter_mut().zip(g).zip(source).for_each(|((sum, g), value)| *sum += g * value);
                }
            }
            out.iter_mut().zip(&sums).for_each(|(out, sums)| *out = sums.iter().sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::differences::{STEP, differences, like, quarters, values, weighted};
    use super::super::{depthwise, elementwise};

    #[test]
    fn depthwise_convolutions_have_the_gradients_of_differences() {
        let sizes = [(1, [4, 5]), (2, [6, 5]), (3, [7, 9]), (3, [2, 2]), (7, [5, 12]), (7, [9, 35])];
        for (filters, kernel, [height, width]) in sizes.into_iter().flat_map(|(k, size)| [(3, k, size), (1, k, size)]) {
            let what = format!("{filters} of {kernel} x {kernel} on {height} x {width}");
            let (x, w) = (quarters("x", &[2, 3, height, width]), quarters("w", &[filters, 1, kernel, kernel]));
            let (r, mask) = (quarters("r", x.dims()), quarters("mask", x.dims()));
            let dw = like(&w);
            depthwise::backward_weights(&x, &r, &dw).unwrap();
            differences(&format!("w of {what}"), &w, &dw, STEP, 0.0, |w| {
                weighted(&depthwise::forward(&x, w).unwrap(), &r)
            });
            let dx = depthwise::backward_input(&r, &w, None).unwrap();
            differences(&format!("x of {what}"), &x, &dx, STEP, 0.0, |x| {
                weighted(&depthwise::forward(x, &w).unwrap(), &r)
            });
            let masked = depthwise::backward_input(&r, &w, Some(&mask)).unwrap();
            assert_eq!(values(&masked), values(&elementwise::masked(&dx, &mask).unwrap()), "{what}");
        }
    }

    /// A filter for all channels does what equal filters of each do.
    #[test]
    fn a_shared_filter_is_that_of_every_channel() {
        let (x, w, g) = (quarters("x", &[2, 3, 8, 19]), quarters("w", &[1, 1, 3, 3]), quarters("g", &[2, 3, 8, 19]));
        let each = w.repeat((3, 1, 1, 1)).unwrap();
        assert_eq!(values(&depthwise::forward(&x, &w).unwrap()), values(&depthwise::forward(&x, &each).unwrap()));
        let (one, all) = (like(&w), like(&each));
        depthwise::backward_weights(&x, &g, &one).unwrap();
        depthwise::backward_weights(&x, &g, &all).unwrap();
        assert_eq!(values(&one), values(&all.sum_keepdim(0).unwrap()));
        assert!(
            depthwise::forward(&x, &quarters("w", &[2, 1, 3, 3])).unwrap_err().to_string().contains("for all channels")
        );
    }
}
