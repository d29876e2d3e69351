//! Maximum over 3x3 windows at stride 2 with padding that never wins, as after the network's stem.
//!
//! The gradient of a window goes to its first maximum in row-major order.

use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::activation;
use super::dispatch::{Operation, launch};
use crate::ml::cpu::simd::{Loop, vectorised};
use crate::ml::error::Result;
use crate::ml::geometry::{Axis, Padding};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{self, Activation, ActivationOutput, Int};
use crate::ml::gpu::plan::{GpuPlan, Operands};

const KERNEL: usize = 3;
const STRIDE: usize = 2;

/// Where the windows of the max pool lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum MaxPool {
    /// By TensorFlow's padding `SAME`.
    #[default]
    Same,
    /// From one pixel before the border on, as many as begin within the image and end at most one pixel behind it: PyTorch's
    /// padding of 1.
    Symmetric,
    /// From one pixel before the border on, as many as are needed to cover the image: PyTorch's padding of 1 with `ceil_mode`,
    /// and Caffe's. Every window begins within the image or the padding before it.
    SymmetricCeil,
}

impl MaxPool {
    /// The maxima along an axis of `size` inputs.
    pub fn outputs(self, size: usize) -> usize {
        self.along(size).outputs
    }

    /// The windows along an axis of `size` inputs.
    pub fn along(self, size: usize) -> Axis {
        match self {
            MaxPool::Same => Padding::Same.along(size, KERNEL, STRIDE, 1),
            MaxPool::Symmetric => Padding::Symmetric.along(size, KERNEL, STRIDE, 1),
            MaxPool::SymmetricCeil => {
                let before = Padding::Symmetric.along(size, KERNEL, STRIDE, 1).before;
                let outputs = (size + 2 * before).saturating_sub(KERNEL).div_ceil(STRIDE) + 1;
                // The last window must not begin in the padding behind.
                let excess = usize::from((outputs - 1) * STRIDE >= size + before);
                Axis { before, outputs: outputs - excess }
            }
        }
    }

    /// The maxima.
    ///
    /// # Shapes
    /// `[N, C, H, W]` -> `[N, C, OH, OW]`, the sizes of [`MaxPool::outputs`].
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        let [n, c, height, width] = activation::sizes("The input of a max pool", x)?;
        let pool = Pool::new(self, c, [height, width]);
        let y = activation::blank([n, c, pool.out[0], pool.out[1]], x)?;
        launch(&Forward(pool), &[x], &y)?;
        Ok(y)
    }

    /// The gradient by the input `x` from the gradient `g` of the output; with `mask`, zero where `x` is not positive, as
    /// it must be where `x` comes from a ReLU.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `g` `[N, C, OH, OW]` -> `[N, C, H, W]`.
    pub fn backward(self, x: &Tensor, g: &Tensor, mask: bool) -> Result<Tensor> {
        let [n, c, height, width] = activation::sizes("The input of a max pool", x)?;
        let pool = Pool::new(self, c, [height, width]);
        activation::check("The gradient of a max pool", g, &[n, c, pool.out[0], pool.out[1]])?;
        let dx = activation::blank([n, c, height, width], x)?;
        launch(&Backward { pool, mask }, &[x, g], &dx)?;
        Ok(dx)
    }
}

#[derive(Clone, Copy)]
struct Pool {
    channels: usize,
    size: [usize; 2],
    out: [usize; 2],
    before: [usize; 2],
}

impl Pool {
    fn new(pool: MaxPool, channels: usize, size: [usize; 2]) -> Self {
        let [y, x] = size.map(|size| pool.along(size));
        Pool { channels, size, out: [y.outputs, x.outputs], before: [y.before, x.before] }
    }

    /// The channels, the sizes of input and output and the padding before, for a GPU.
    fn sizes(&self) -> [Argument<'static>; 7] {
        let ([h, w], [height, width], [top, left]) = (self.size, self.out, self.before);
        [self.channels, h, w, height, width, top, left].map(Int)
    }

    fn areas(&self) -> (usize, usize) {
        (self.size[0] * self.size[1], self.out[0] * self.out[1])
    }
}

/// The windows of one row of outputs.
struct Windows<'a> {
    pool: &'a Pool,
    /// A row of the input between values that never win.
    line: Vec<f32>,
    /// Its values at even places, and at odd ones.
    split: [Vec<f32>; 2],
    /// The maximum of each window.
    best: Vec<f32>,
    /// The index of the first of them in the plane.
    place: Vec<u32>,
}

impl<'a> Windows<'a> {
    fn new(pool: &'a Pool) -> Self {
        let pairs = pool.out[1] + 1;
        let (line, split) = (vec![f32::NEG_INFINITY; 2 * pairs], [vec![0.0; pairs], vec![0.0; pairs]]);
        Windows { pool, line, split, best: vec![0.0; pool.out[1]], place: vec![0; pool.out[1]] }
    }

    /// Finds the maxima of output row `oy` of `plane`. What is not a number wins.
    fn find(&mut self, plane: &[f32], oy: usize) {
        vectorised(Find { windows: self, plane, oy });
    }
}

struct Find<'a, 'b> {
    windows: &'a mut Windows<'b>,
    plane: &'a [f32],
    oy: usize,
}

impl Loop for Find<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Find { windows: Windows { pool, line, split: [even, odd], best, place }, plane, oy } = self;
        let ([height, width], [top, left]) = (pool.size, pool.before);
        let rows = (oy * STRIDE).saturating_sub(top)..(oy * STRIDE + KERNEL - top).min(height);
        best.fill(f32::NEG_INFINITY);
        for (ox, place) in place.iter_mut().enumerate() {
            *place = (rows.start * width + (ox * STRIDE).saturating_sub(left)) as u32;
        }
        for y in rows {
            line[left..left + width].copy_from_slice(&plane[y * width..(y + 1) * width]);
            for ((pair, even), odd) in line.chunks_exact(2).zip(even.iter_mut()).zip(odd.iter_mut()) {
                (*even, *odd) = (pair[0], pair[1]);
            }
            for (tap, values) in [&even[..], odd, &even[1..]].into_iter().enumerate() {
                let first = (y * width + tap).wrapping_sub(left) as u32;
                for (ox, ((best, place), &value)) in best.iter_mut().zip(place.iter_mut()).zip(values).enumerate() {
                    let wins = value > *best || value.is_nan() && !best.is_nan();
                    *best = if wins { value } else { *best };
                    *place = if wins { first.wrapping_add((ox * STRIDE) as u32) } else { *place };
                }
            }
        }
    }
}

struct Forward(Pool);

// SAFETY: `forward` makes the output of the planes of the input, whose sizes the kernel has.
unsafe impl Operation for Forward {
    const NAME: &'static str = "max pool";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (from, to) = self.0.areas();
        output.par_chunks_mut(to.max(1)).zip(inputs[0].par_chunks(from.max(1))).for_each(|(out, plane)| {
            let mut windows = Windows::new(&self.0);
            for (oy, out) in out.chunks_exact_mut(self.0.out[1].max(1)).enumerate() {
                windows.find(plane, oy);
                out.copy_from_slice(&windows.best);
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(
            kernels::MAX_POOL,
            operands.output,
            [&[Activation(0), ActivationOutput], &self.0.sizes()[..]].concat(),
        )
    }
}

struct Backward {
    pool: Pool,
    mask: bool,
}

// SAFETY: `backward` compares the shapes of input and gradient, and makes the output as the input.
unsafe impl Operation for Backward {
    const NAME: &'static str = "the gradient of max pool";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (from, to) = self.pool.areas();
        let planes = inputs[0].par_chunks(from.max(1)).zip(inputs[1].par_chunks(to.max(1)));
        output.par_chunks_mut(from.max(1)).zip(planes).for_each(|(out, (plane, g))| {
            out.fill(0.0);
            let mut windows = Windows::new(&self.pool);
            for (oy, g) in g.chunks_exact(self.pool.out[1].max(1)).enumerate() {
                windows.find(plane, oy);
                for ((g, best), at) in g.iter().zip(&windows.best).zip(&windows.place) {
                    if !self.mask || *best > 0.0 {
                        out[*at as usize] += g;
                    }
                }
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let mask = Int(usize::from(self.mask));
        let arguments = [&[Activation(0), Activation(1), ActivationOutput, mask], &self.pool.sizes()[..]].concat();
        GpuPlan::each(kernels::MAX_POOL_GRADIENT, operands.output, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::super::differences::{STEP, differences, quarters, tensor, values, weighted};
    use super::super::elementwise;
    use super::MaxPool;

    /// By PyTorch 1.13: `MaxPool2d(3, 2, 1)` and `MaxPool2d(3, 2, 1, ceil_mode=True)`.
    #[test]
    fn the_maxima_of_symmetric_padding_are_pytorchs() {
        let x = tensor(&[1, 1, 1, 6], vec![-5.0, -1.0, -2.0, -3.0, -4.0, -6.0]);
        assert_eq!(values(&MaxPool::Same.forward(&x).unwrap()), [-1.0, -2.0, -4.0]);
        assert_eq!(values(&MaxPool::Symmetric.forward(&x).unwrap()), [-1.0, -1.0, -3.0]);
        assert_eq!(values(&MaxPool::SymmetricCeil.forward(&x).unwrap()), [-1.0, -1.0, -3.0, -6.0]);
        let outputs = |pool: MaxPool| (1..=8).map(|size| pool.outputs(size)).collect::<Vec<_>>();
        assert_eq!(outputs(MaxPool::Symmetric), [1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(outputs(MaxPool::SymmetricCeil), [1, 2, 2, 3, 3, 4, 4, 5]);
    }

    #[test]
    fn the_max_pool_has_the_gradient_of_differences_and_gives_it_to_the_first_maximum() {
        let sizes = [[7, 7], [8, 8], [6, 9], [1, 2], [3, 1], [2, 3]];
        let pools = [MaxPool::Same, MaxPool::Symmetric, MaxPool::SymmetricCeil];
        for ([height, width], pool) in sizes.into_iter().flat_map(|size| pools.map(|pool| (size, pool))) {
            let what = format!("{pool:?} of {height} x {width}");
            let count = 2 * 3 * height * width;
            // All values differ by more than the step; half of them are negative.
            let data = (0..count).map(|i| (i * 7919 % count) as f32 - count as f32 / 2.0 + 0.5).collect();
            let x = tensor(&[2, 3, height, width], data);
            let r = quarters("r", &[2, 3, pool.outputs(height), pool.outputs(width)]);
            let dx = pool.backward(&x, &r, false).unwrap();
            differences(&what, &x, &dx, STEP, 0.0, |x| weighted(&pool.forward(x).unwrap(), &r));
            let masked = pool.backward(&x, &r, true).unwrap();
            assert_eq!(values(&masked), values(&elementwise::masked(&dx, &x).unwrap()), "{what}");
        }
        // An even size: no padding before, so that windows begin at 0 and 2.
        let ties = tensor(&[1, 1, 4, 4], vec![1.0; 16]);
        let g = tensor(&[1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]);
        let mut expected = vec![0.0; 16];
        (expected[0], expected[2], expected[8], expected[10]) = (1.0, 2.0, 3.0, 4.0);
        assert_eq!(values(&MaxPool::Same.backward(&ties, &g, true).unwrap()), expected);
    }
}
