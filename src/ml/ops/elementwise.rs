//! Sums, masks and tests over whole tensors.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Operation, launch, order, values};
use super::shapes::check;
use crate::ml::cpu::simd::{LANES, Loop, vectorised};
use crate::ml::error::{Error, Result};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Activation, ActivationOutput, Int, Output, Scratch, Written};
use crate::ml::gpu::plan::{self, GpuPlan, Launch, Operands, ScratchSize, THREADS};

/// Elements that are summed in one piece.
const PIECE: usize = 1 << 14;
/// On a GPU a sum over a whole tensor is cut into at most so many parts, a block each.
const PARTS: usize = 512;
/// The least number of elements of a part.
const PART: usize = 16 * THREADS;
/// How many pixels a block of a GPU sums, of some channels.
const PIXELS: usize = 128;

/// `g` where `by` is positive, else zero: the gradient below a ReLU whose output is `by`.
pub fn masked(g: &Tensor, by: &Tensor) -> Result<Tensor> {
    let shape = activation::sizes("A mask", by)?;
    activation::check("A gradient to be masked", g, &shape)?;
    let out = activation::blank(shape, g)?;
    launch(&Masked, &[g, by], &out)?;
    Ok(out)
}

/// The sum of two activations.
///
/// # Shapes
/// Both of one shape, which is that of the sum.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let shape = activation::sizes("A term of a sum", a)?;
    activation::check("A term of a sum", b, &shape)?;
    let out = activation::blank(shape, a)?;
    launch(&Added, &[a, b], &out)?;
    Ok(out)
}

/// Writes `from` to `to`, which has the same type and shape and lies in the same order.
pub fn copy(from: &Tensor, to: &Tensor) -> Result<()> {
    check("A tensor to be copied", from, to.dims())?;
    if from.stride() != to.stride() {
        return Err(Error::Model(format!("A copy of {:?} was to change its order in memory.", from.dims())));
    }
    launch(&Copy, &[from], to)
}

/// Writes the sum over images and pixels of each channel to `sums`: the gradient by a bias.
///
/// # Shapes
/// `g` `[N, C, H, W]`, `sums` `[C]`.
pub fn sum_by_channel(g: &Tensor, sums: &Tensor) -> Result<()> {
    let [_, channels, height, width] = activation::sizes("A gradient to be summed", g)?;
    check("The gradient of a bias", sums, &[channels])?;
    launch(&ChannelSums { channels, area: height * width }, &[g], sums)
}

/// The sum of squares, in 64-bit arithmetic.
pub fn sum_of_squares(x: &Tensor) -> Result<f64> {
    sum_of_all_squares(std::slice::from_ref(x))
}

/// The sum of the squares of all tensors, in 64-bit arithmetic.
pub fn sum_of_all_squares(tensors: &[Tensor]) -> Result<f64> {
    Ok(sums(tensors, Term::Square)?.iter().fold(0.0, |all, sum| all + sum))
}

/// The sum, in 64-bit arithmetic.
pub fn sum_of(x: &Tensor) -> Result<f64> {
    Ok(sums(std::slice::from_ref(x), Term::Value)?.iter().sum())
}

/// Whether every element is finite.
pub fn is_finite(x: &Tensor) -> Result<bool> {
    Ok(sums(std::slice::from_ref(x), Term::NotFinite)? == [0.0])
}

/// The sum of a term over each of `tensors`, in 64-bit arithmetic. They are read once all are summed, so that a GPU is waited
/// for once.
fn sums(tensors: &[Tensor], term: Term) -> Result<Vec<f64>> {
    let Some(first) = tensors.first() else { return Ok(Vec::new()) };
    let parts = Tensor::zeros((tensors.len(), PARTS), DType::F64, first.device())?;
    for (at, tensor) in tensors.iter().enumerate() {
        let has_gaps = !tensor.is_contiguous() && !order(tensor.device()).is_of(tensor);
        let tensor = if has_gaps { tensor.contiguous()? } else { tensor.clone() };
        launch(&Sum { term }, &[&tensor], &parts.narrow(0, at, 1)?)?;
    }
    Ok(values::<f64>(&parts)?.chunks(PARTS).map(|parts| parts.iter().sum()).collect())
}

/// What is added up over a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    /// The elements.
    Value = 0,
    /// Their squares.
    Square = 1,
    /// One for each that is not finite. The processor gives 1 however many these are.
    NotFinite = 2,
}

/// A sum over a tensor, in parts whose sum it is: on the processor the first one is all of it.
struct Sum {
    term: Term,
}

// SAFETY: the kernel stops at the input's length, and has no more blocks than the output of `sums` has parts.
unsafe impl Operation for Sum {
    const NAME: &'static str = "a sum";
    type Output = f64;

    fn cpu(&self, inputs: &[&[f32]], parts: &mut [f64]) {
        let x = inputs[0];
        parts.fill(0.0);
        parts[0] = match self.term {
            Term::Value => sum(x, |v| v),
            Term::Square => sum(x, |v| v * v),
            Term::NotFinite if x.par_chunks(PIECE).all(|x| vectorised(Finite(x))) => 0.0,
            Term::NotFinite => 1.0,
        };
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let len = operands.inputs[0];
        let arguments = [Activation(0), Written(DType::F64), Int(self.term as usize), Int(len)];
        GpuPlan::one(Launch::blocks(kernels::SUM, len.div_ceil(PART).min(PARTS), arguments))
    }
}

fn sum(x: &[f32], term: impl Fn(f64) -> f64 + Sync) -> f64 {
    let pieces: Vec<f64> = x.par_chunks(PIECE).map(|piece| vectorised(SumOf(piece, &term))).collect();
    pieces.iter().sum()
}

/// The sum of a term over a piece, in sixteen interleaved chains that are then added in order.
struct SumOf<'a, F>(&'a [f32], F);

impl<F: Fn(f64) -> f64> Loop for SumOf<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let SumOf(piece, term) = self;
        let (all, rest) = piece.as_chunks::<LANES>();
        let mut chains = [0.0; LANES];
        for values in all {
            chains.iter_mut().zip(values).for_each(|(sum, &value)| *sum += term(f64::from(value)));
        }
        chains.iter_mut().zip(rest).for_each(|(sum, &value)| *sum += term(f64::from(value)));
        chains.iter().sum()
    }
}

/// Whether all values of a piece are finite.
struct Finite<'a>(&'a [f32]);

impl Loop for Finite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        // The exponent of what is not finite is all ones; without a way out of the loop it is a loop of whole vectors.
        let exponents = f32::INFINITY.to_bits();
        self.0.iter().fold(0, |most, value| (value.to_bits() & exponents).max(most)) < exponents
    }
}

struct Masked;

// SAFETY: `masked` compares the shapes of its operands, and makes the output of that shape.
unsafe impl Operation for Masked {
    const NAME: &'static str = "mask";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        for ((out, g), by) in output.iter_mut().zip(inputs[0]).zip(inputs[1]) {
            *out = if *by > 0.0 { *g } else { 0.0 };
        }
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::MASKED, operands.output, [Activation(0), Activation(1), ActivationOutput])
    }
}

struct Added;

// SAFETY: `add` compares the shapes of its operands, and makes the output of that shape.
unsafe impl Operation for Added {
    const NAME: &'static str = "sum of two";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        for ((out, a), b) in output.iter_mut().zip(inputs[0]).zip(inputs[1]) {
            *out = a + b;
        }
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::ADDED, operands.output, [Activation(0), Activation(1), ActivationOutput])
    }
}

struct Copy;

// SAFETY: `copy` compares the shapes of both.
unsafe impl Operation for Copy {
    const NAME: &'static str = "copy";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        output.copy_from_slice(inputs[0]);
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::COPY, operands.output, [Activation(0), ActivationOutput])
    }
}

struct ChannelSums {
    channels: usize,
    area: usize,
}

// SAFETY: `sum_by_channel` compares the channels of both.
unsafe impl Operation for ChannelSums {
    const NAME: &'static str = "the gradient of a bias";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let mut sums = vec![0.0_f64; output.len()];
        for (at, plane) in inputs[0].chunks_exact(self.area.max(1)).enumerate() {
            sums[at % output.len()] += plane.iter().map(|&g| f64::from(g)).sum::<f64>();
        }
        output.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let pixels = operands.inputs[0] / self.channels.max(1);
        let pieces = pixels.div_ceil(PIXELS);
        let sums = [&[Activation(0), Scratch(0)], &[self.channels, PIXELS, pixels].map(Int)[..]].concat();
        let all = [&[Scratch(0), Output], &[1, self.channels, pieces * self.channels].map(Int)[..]].concat();
        let blocks = pieces * self.channels.div_ceil(plan::CHANNELS);
        GpuPlan {
            scratch: vec![ScratchSize::Bytes(pieces * self.channels * size_of::<f64>())],
            launches: vec![
                Launch::blocks(kernels::CHANNEL_SUMS, blocks, sums),
                Launch::blocks(kernels::SUM_PLANES, operands.output, all),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::super::differences::{STEP, differences, like, quarters, weighted};
    use super::super::elementwise;

    #[test]
    fn a_bias_has_the_gradient_of_differences() {
        let (x, r, b) = (quarters("x", &[2, 3, 4, 5]), quarters("r", &[2, 3, 4, 5]), quarters("b", &[3]));
        let db = like(&b);
        elementwise::sum_by_channel(&r, &db).unwrap();
        let y = |b: &Tensor| x.broadcast_add(&b.reshape((1, 3, 1, 1)).unwrap()).unwrap();
        differences("bias", &b, &db, STEP, 0.0, |b| weighted(&y(b), &r));
    }
}
