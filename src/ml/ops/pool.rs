//! Maximum over 3x3 windows at stride 2 with `SAME` padding that never wins, as after the network's stem.
//!
//! The gradient of a window goes to its first maximum in row-major order.

use candle_core::Tensor;
use rayon::prelude::*;

use super::cuda::Argument::{self, Activation, ActivationOutput, Int};
use super::cuda::Plan;
use super::{Kernel, Portable, activation, launch, same};
use crate::ml::error::Result;

const KERNEL: usize = 3;
const STRIDE: usize = 2;

/// The maxima.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, C, ceil(H / 2), ceil(W / 2)]`.
pub fn forward(x: &Tensor) -> Result<Tensor> {
    let [n, c, height, width] = activation::sizes("The input of a max pool", x)?;
    let pool = Pool::new(c, [height, width]);
    let y = activation::blank([n, c, pool.out[0], pool.out[1]], x)?;
    launch(&Forward(pool), &[x], &y)?;
    Ok(y)
}

/// The gradient by the input `x` from the gradient `g` of the output; with `mask`, zero where `x` is not positive, as
/// it must be where `x` comes from a ReLU.
///
/// # Shapes
/// `x` `[N, C, H, W]`, `g` `[N, C, ceil(H / 2), ceil(W / 2)]` -> `[N, C, H, W]`.
pub fn backward(x: &Tensor, g: &Tensor, mask: bool) -> Result<Tensor> {
    let [n, c, height, width] = activation::sizes("The input of a max pool", x)?;
    let pool = Pool::new(c, [height, width]);
    activation::check("The gradient of a max pool", g, &[n, c, pool.out[0], pool.out[1]])?;
    let dx = activation::blank([n, c, height, width], x)?;
    launch(&Backward { pool, mask }, &[x, g], &dx)?;
    Ok(dx)
}

#[derive(Clone, Copy)]
struct Pool {
    channels: usize,
    size: [usize; 2],
    out: [usize; 2],
    before: [usize; 2],
}

impl Pool {
    fn new(channels: usize, size: [usize; 2]) -> Self {
        let [y, x] = size.map(|size| same(size, KERNEL, STRIDE, 1));
        Pool { channels, size, out: [y.outputs, x.outputs], before: [y.before, x.before] }
    }

    /// The index of the first maximum of the window of output `(oy, ox)`.
    fn first_maximum(&self, plane: &[f32], oy: usize, ox: usize) -> usize {
        let range = |axis: usize, at: usize| {
            let start = at * STRIDE;
            start.saturating_sub(self.before[axis])..(start + KERNEL - self.before[axis]).min(self.size[axis])
        };
        let columns = range(1, ox);
        let mut best = range(0, oy).start * self.size[1] + columns.start;
        for y in range(0, oy) {
            for x in columns.clone() {
                let at = y * self.size[1] + x;
                if plane[at] > plane[best] || plane[at].is_nan() && !plane[best].is_nan() {
                    best = at;
                }
            }
        }
        best
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

struct Forward(Pool);

impl Kernel for Forward {
    const NAME: &'static str = "max pool";

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (from, to) = self.0.areas();
        output.par_chunks_mut(to.max(1)).zip(inputs[0].par_chunks(from.max(1))).for_each(|(out, plane)| {
            for (p, out) in out.iter_mut().enumerate() {
                *out = plane[self.0.first_maximum(plane, p / self.0.out[1], p % self.0.out[1])];
            }
        });
    }
}

impl Portable for Forward {
    fn cuda(&self, _: &[usize], output: usize) -> Plan<'_> {
        Plan::each("max_pool", output, [&[Activation(0), ActivationOutput], &self.0.sizes()[..]].concat())
    }
}

struct Backward {
    pool: Pool,
    mask: bool,
}

impl Kernel for Backward {
    const NAME: &'static str = "the gradient of max pool";

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (from, to) = self.pool.areas();
        let planes = inputs[0].par_chunks(from.max(1)).zip(inputs[1].par_chunks(to.max(1)));
        output.par_chunks_mut(from.max(1)).zip(planes).for_each(|(out, (plane, g))| {
            out.fill(0.0);
            for (p, g) in g.iter().enumerate() {
                let at = self.pool.first_maximum(plane, p / self.pool.out[1], p % self.pool.out[1]);
                if !self.mask || plane[at] > 0.0 {
                    out[at] += g;
                }
            }
        });
    }
}

impl Portable for Backward {
    fn cuda(&self, _: &[usize], output: usize) -> Plan<'_> {
        let mask = Int(usize::from(self.mask));
        let arguments = [&[Activation(0), Activation(1), ActivationOutput, mask], &self.pool.sizes()[..]].concat();
        Plan::each("max_pool_gradient", output, arguments)
    }
}
