//! Frozen batch norm whose `gamma` and `beta` training changes: its factors and summands of channels, and the gradient by `gamma`.
//!
//! With the statistics `mean` and `rate = 1 / sqrt(variance + epsilon)` a channel's factor is `scale = gamma rate` and its summand
//! `shift = beta - mean scale`. Both operations stay on the device that has the parameters, so that no step waits for them.

use candle_core::Tensor;
use rayon::prelude::*;

use super::dispatch::{Operation, blank, launch};
use super::shapes::check;
use crate::ml::error::{Error, Result};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Float, Input, Int, Output};
use crate::ml::gpu::plan::{GpuPlan, Launch, Operands};

/// The statistics of a batch norm, a value a channel.
#[derive(Debug, Clone, Copy)]
pub struct Statistics<'a> {
    /// The mean: `[C]`.
    pub mean: &'a Tensor,
    /// One over the deviation: `[C]`.
    pub rate: &'a Tensor,
}

/// The factors of channels in the first row, and their summands in the second. A factor of exactly zero becomes `nothing`.
///
/// # Shapes
/// `gamma` and `beta` `[C]` -> `[2, C]`.
pub fn fold(gamma: &Tensor, beta: &Tensor, statistics: Statistics<'_>, nothing: f32) -> Result<Tensor> {
    let channels = channels(gamma)?;
    let Statistics { mean, rate } = statistics;
    for tensor in [beta, mean, rate] {
        check("A part of a batch norm", tensor, &[channels])?;
    }
    let folded = blank(&[2, channels], gamma.device())?;
    launch(&Fold { channels, nothing }, &[gamma, beta, mean, rate], &folded)?;
    Ok(folded)
}

/// The gradient by `gamma`, from the filter before the batch norm, the gradient by that, the factors of channels, and the gradient
/// by `beta`. What the factor multiplies is linear in the channel's filter. So, by Euler's theorem, the gradient by the factor is
/// the inner product of the filter and its gradient, over the factor; the factor stands in the summand too, times the mean.
///
/// # Shapes
/// `weights` and `by_weights` `[C, …]`, `scale` and `by_beta` `[C]` -> `[C]`.
pub fn by_gamma(
    [weights, by_weights]: [&Tensor; 2],
    scale: &Tensor,
    by_beta: &Tensor,
    statistics: Statistics<'_>,
) -> Result<Tensor> {
    let channels = channels(scale)?;
    let Statistics { mean, rate } = statistics;
    for tensor in [by_beta, mean, rate] {
        check("A part of a batch norm", tensor, &[channels])?;
    }
    check("The gradient of a filter before a batch norm", by_weights, weights.dims())?;
    let in_order = weights.is_contiguous() && by_weights.is_contiguous();
    if weights.dims().first() != Some(&channels) || weights.elem_count() == 0 || !in_order {
        let expected = format!("a contiguous filter [{channels}, inputs, height, width], for as many channels");
        let what = "A filter before a batch norm".to_owned();
        return Err(Error::Shape { what, found: weights.dims().to_vec(), expected });
    }
    let gradient = blank(&[channels], scale.device())?;
    let operation = ByGamma { row: weights.elem_count() / channels };
    launch(&operation, &[weights, by_weights, scale, by_beta, mean, rate], &gradient)?;
    Ok(gradient)
}

/// The number of channels of a value for each; an error where there is none.
fn channels(of: &Tensor) -> Result<usize> {
    match *of.dims() {
        [channels] if channels > 0 => Ok(channels),
        _ => Err(Error::Shape {
            what: "A part of a batch norm".to_owned(),
            found: of.dims().to_vec(),
            expected: "a value for each channel".to_owned(),
        }),
    }
}

/// Inputs: gamma, beta, mean and rate.
struct Fold {
    channels: usize,
    nothing: f32,
}

// SAFETY: `fold` compares the lengths of all operands, and makes the output of two values a channel.
unsafe impl Operation for Fold {
    const NAME: &'static str = "the factors of a batch norm";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let [gamma, beta, mean, rate] = [0, 1, 2, 3].map(|number: usize| inputs[number]);
        let (scales, shifts) = output.split_at_mut(self.channels);
        for (c, (scale, shift)) in scales.iter_mut().zip(shifts).enumerate() {
            let product = rate[c] * gamma[c];
            *scale = if product == 0.0 { self.nothing } else { product };
            *shift = beta[c] - mean[c] * *scale;
        }
    }

    fn gpu(&self, _: Operands<'_>) -> GpuPlan<'_> {
        let arguments = [Input(0), Input(1), Input(2), Input(3), Output, Float(self.nothing)];
        GpuPlan::each(kernels::NORM_FOLD, self.channels, arguments)
    }
}

/// Inputs: the filter, its gradient, the factors, the gradient by beta, mean and rate. Sums are of 64 bits.
struct ByGamma {
    /// Elements of a channel's filter.
    row: usize,
}

// SAFETY: `by_gamma` compares the lengths of all operands, and makes the output of a value a channel.
unsafe impl Operation for ByGamma {
    const NAME: &'static str = "the gradient of a batch norm by gamma";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let [weights, by_weights, scale, by_beta, mean, rate] = [0, 1, 2, 3, 4, 5].map(|number: usize| inputs[number]);
        let filters = weights.par_chunks_exact(self.row).zip(by_weights.par_chunks_exact(self.row));
        output.par_iter_mut().zip(filters).enumerate().for_each(|(c, (out, (weights, by_weights)))| {
            let products = weights.iter().zip(by_weights).map(|(a, b)| f64::from(*a) * f64::from(*b));
            let by_scale = products.sum::<f64>() / f64::from(scale[c]) - f64::from(mean[c]) * f64::from(by_beta[c]);
            *out = (by_scale * f64::from(rate[c])) as f32;
        });
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let arguments = [Input(0), Input(1), Input(2), Input(3), Input(4), Input(5), Output, Int(self.row)];
        GpuPlan::one(Launch::blocks(kernels::NORM_BY_GAMMA, operands.output, arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::{Conv2d, Epilogue};
    use super::super::differences::{differences, like, quarters, tensor, values, weighted};
    use super::super::elementwise;
    use super::*;

    /// Through a convolution and its batch norm, one factor of which is zero.
    #[test]
    fn a_batch_norm_has_the_gradient_of_differences_by_gamma() {
        let (x, w, r) = (quarters("x", &[2, 3, 5, 6]), quarters("w", &[4, 3, 3, 3]), quarters("r", &[2, 4, 5, 6]));
        let (gamma, beta) = (tensor(&[4], vec![1.0, -0.5, 0.0, 2.0]), quarters("beta", &[4]));
        let (mean, rate) = (quarters("mean", &[4]), tensor(&[4], vec![0.5, 1.0, 2.0, 0.25]));
        let statistics = Statistics { mean: &mean, rate: &rate };
        let folded = |gamma: &Tensor, nothing: f32| {
            let folded = fold(gamma, &beta, statistics, nothing).unwrap();
            [0, 1].map(|row: usize| folded.get(row).unwrap())
        };
        let [scale, shift] = folded(&gamma, 0.0);
        assert_eq!(values(&scale), [0.5, -0.5, 0.0, 0.5]);
        let [b, m] = [&beta, &mean].map(values);
        assert_eq!(values(&shift), [b[0] - m[0] * 0.5, b[1] + m[1] * 0.5, b[2], b[3] - m[3] * 0.5]);

        let op = Conv2d::default();
        let forward = |gamma: &Tensor| {
            let [scale, shift] = folded(gamma, 0.0);
            let epilogue = Epilogue { scale: Some(&scale), shift: Some(&shift), ..Epilogue::default() };
            op.forward(&x, &w, epilogue).unwrap()
        };
        let [scale, _] = folded(&gamma, 1e-12);
        let (dw, by_beta) = (like(&w), like(&beta));
        op.backward_weights(&x, &r, Some(&scale), &dw).unwrap();
        elementwise::sum_by_channel(&r, &by_beta).unwrap();
        let gradient = by_gamma([&w, &dw], &scale, &by_beta, statistics).unwrap();
        differences("gamma", &gamma, &gradient, 1.0, 1e-5, |gamma| weighted(&forward(gamma), &r));
    }
}
