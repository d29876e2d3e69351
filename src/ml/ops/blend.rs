//! The small depthwise filters of pre-filters: `c0 delta + c1 average + c2 Gaussian + c3 (separable + delta)`, some of
//! which may be missing, and its gradients by what it is made from.
//!
//! These are a few thousand numbers at most, computed in 64-bit arithmetic where they lie, so that a step on a GPU does
//! not wait for the processor to see them. A filter has `side` by `side` taps; average and Gaussian have `inner` by
//! `inner`, in its middle as `SAME` padding has it: `(K - 1) / 2` taps before the centre, rounded down.
//!
//! With `r` the distance from the centre, the Gaussian is `exp(-r^2 / 2 sigma^2)`, or, where there is an offset `w`,
//! `exp(-r^2) + w`, divided by its sum. For even `inner` the grid starts at `-(inner - 1) / 2`, rounded towards zero.

use candle_core::{Device, Tensor};

use super::dispatch::{Operation, blank, launch};
use crate::ml::error::{Error, Result};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{self, Absent, Float, Input, Int, Output};
use crate::ml::gpu::plan::{GpuPlan, Launch, Operands};

/// What a filter is made from.
#[derive(Debug, Clone, Copy)]
pub struct Blend<'a> {
    /// Taps along each axis of the filter.
    pub side: usize,
    /// Taps along each axis of average and Gaussian.
    pub inner: usize,
    /// The factors.
    pub factors: Factors<'a>,
    /// The averages of all channels, `[C, 1, inner, inner]`.
    pub means: Option<&'a Tensor>,
    /// The Gaussian.
    pub gaussian: Option<Gaussian<'a>>,
    /// The separable filter, `[1, 1, side, side]`.
    pub separable: Option<&'a Tensor>,
}

/// The factors of what is added up, and where among them those of average and Gaussian stand.
#[derive(Debug, Clone, Copy)]
pub enum Factors<'a> {
    /// The factor of that number is 1, and the others are 0. The Gaussian's is number 2.
    Only(usize),
    /// `[4]`, the average's and the Gaussian's place.
    Learned(&'a Tensor, [usize; 2]),
}

/// A Gaussian.
#[derive(Debug, Clone, Copy)]
pub struct Gaussian<'a> {
    /// The standard deviation, where it is not learned. A GPU takes it as a 32-bit float.
    pub sigma: f64,
    /// The standard deviation, where it is learned, `[1]`.
    pub learned: Option<&'a Tensor>,
    /// What is added before it is normalised, `[1, 1, inner, inner]`; then the standard deviation cancels.
    pub offset: Option<&'a Tensor>,
}

impl Blend<'_> {
    /// The filter, `[channels, 1, side, side]`: one for all channels, where there are no averages.
    pub fn filter(&self, device: &Device) -> Result<Tensor> {
        let filter = blank(&[self.filters(), 1, self.side, self.side], device)?;
        self.run(What::Filter, None, &filter)?;
        Ok(filter)
    }

    /// Writes the gradient by the separable filter, from the gradient `g` by the filter.
    pub fn by_separable(&self, g: &Tensor, gradient: &Tensor) -> Result<()> {
        self.run(What::Separable, Some(g), gradient)
    }

    /// Writes the gradient by the averages.
    pub fn by_means(&self, g: &Tensor, gradient: &Tensor) -> Result<()> {
        self.run(What::Means, Some(g), gradient)
    }

    /// Adds the gradient by the factors; all of the four must be there.
    pub fn by_factors(&self, g: &Tensor, gradient: &Tensor) -> Result<()> {
        self.run(What::Factors, Some(g), gradient)
    }

    /// Writes, or adds, the gradient by the standard deviation.
    pub fn by_sigma(&self, g: &Tensor, gradient: &Tensor, add: bool) -> Result<()> {
        self.run(What::Sigma { add }, Some(g), gradient)
    }

    fn run(&self, what: What, g: Option<&Tensor>, output: &Tensor) -> Result<()> {
        self.check(what, g, output)?;
        let inputs: Vec<&Tensor> = self.operands().into_iter().flatten().chain(g).collect();
        launch(&Op { blend: self, what }, &inputs, output)
    }

    /// As many filters as there are averages, or one for all channels.
    fn filters(&self) -> usize {
        self.means.map_or(1, |means| means.dims().first().copied().unwrap_or(0))
    }

    /// An error unless there is what is asked for, and all operands have their lengths.
    fn check(&self, what: What, g: Option<&Tensor>, output: &Tensor) -> Result<()> {
        let Blend { side, inner, means, gaussian, separable, .. } = *self;
        let (taps, inside) = (side * side, inner * inner);
        let places = match self.factors {
            Factors::Only(only) => vec![only],
            Factors::Learned(_, places) => places.to_vec(),
        };
        let there = match what {
            What::Filter => true,
            What::Separable => separable.is_some(),
            What::Means => means.is_some(),
            What::Factors => means.is_some() && gaussian.is_some() && separable.is_some(),
            What::Sigma { .. } => gaussian.is_some(),
        };
        if !there || inner == 0 || inner > side || places.iter().any(|&place| place > 3) {
            return Err(Error::Model(format!(
                "No filter of {side} and {inner} taps has {what:?} from factors {places:?}."
            )));
        }
        let lens = [4, self.filters() * inside, taps, inside, 1];
        let written = match what {
            What::Filter => self.filters() * taps,
            What::Separable => taps,
            What::Means => self.filters() * inside,
            What::Factors => 4,
            What::Sigma { .. } => 1,
        };
        let operands = self.operands().into_iter().zip(lens);
        for (operand, len) in operands.chain([(g, self.filters() * taps), (Some(output), written)]) {
            if let Some(operand) = operand.filter(|operand| operand.elem_count() != len || len == 0) {
                return Err(Error::Shape {
                    what: "An operand of the filter of a pre-filter".to_owned(),
                    found: operand.dims().to_vec(),
                    expected: format!("a tensor of {len} elements"),
                });
            }
        }
        Ok(())
    }

    /// Factors, averages, separable filter, offset, and the learned deviation.
    fn operands(&self) -> [Option<&Tensor>; 5] {
        let factors = match self.factors {
            Factors::Only(_) => None,
            Factors::Learned(factors, _) => Some(factors),
        };
        let gaussian = self.gaussian.as_ref();
        [
            factors,
            self.means,
            self.separable,
            gaussian.and_then(|gaussian| gaussian.offset),
            gaussian.and_then(|gaussian| gaussian.learned),
        ]
    }

    /// The places of the average's factor and of the Gaussian's.
    fn places(&self) -> [usize; 2] {
        match self.factors {
            Factors::Only(_) => [1, 2],
            Factors::Learned(_, places) => places,
        }
    }
}

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Filter,
    Separable,
    Means,
    Factors,
    Sigma { add: bool },
}

/// Inputs: those of [`Blend::operands`] that there are, and for a gradient the one by the filter.
struct Op<'a> {
    blend: &'a Blend<'a>,
    what: What,
}

/// What a filter is made from, as numbers.
struct Parts<'a> {
    factors: [f64; 4],
    average: usize,
    gaussian: usize,
    means: &'a [f32],
    separable: &'a [f32],
    /// The Gaussian's weights, and their derivatives by its deviation.
    weights: Vec<f64>,
    slopes: Vec<f64>,
    /// Where the taps of average and Gaussian lie in the filter.
    inner: Vec<usize>,
}

impl<'a> Parts<'a> {
    fn new(blend: &Blend<'_>, inputs: &mut impl Iterator<Item = &'a [f32]>) -> Self {
        let [factors, means, separable, offset, learned] =
            blend.operands().map(|operand| operand.and_then(|_| inputs.next()));
        let factors = match (factors, blend.factors) {
            (Some(factors), _) => std::array::from_fn(|at| f64::from(factors[at])),
            (None, Factors::Only(only)) => std::array::from_fn(|at| if at == only { 1.0 } else { 0.0 }),
            (None, Factors::Learned(..)) => [0.0; 4],
        };
        let [average, gaussian] = blend.places();
        let (outer, inner) = (blend.side, blend.inner);
        let first = (outer - 1) / 2 - (inner - 1) / 2;
        let places = (0..inner * inner).map(|tap| (first + tap / inner) * outer + first + tap % inner);
        let (weights, slopes) = blend.gaussian.map_or_else(Default::default, |gaussian| {
            gaussian_weights(inner, learned.map_or(gaussian.sigma, |learned| f64::from(learned[0])), offset)
        });
        Parts {
            factors,
            average,
            gaussian,
            means: means.unwrap_or_default(),
            separable: separable.unwrap_or_default(),
            weights,
            slopes,
            inner: places.collect(),
        }
    }
}

/// The weights of a Gaussian, and their derivatives by `sigma`.
fn gaussian_weights(side: usize, sigma: f64, offset: Option<&[f32]>) -> (Vec<f64>, Vec<f64>) {
    let first = -((side as f64 - 1.0) / 2.0).trunc();
    let square = |tap: usize| (first + (tap / side) as f64).powi(2) + (first + (tap % side) as f64).powi(2);
    let squares: Vec<f64> = (0..side * side).map(square).collect();
    let values: Vec<f64> = match offset {
        Some(offset) => squares.iter().zip(offset).map(|(r, w)| libm::exp(-r) + f64::from(*w)).collect(),
        None => squares.iter().map(|r| libm::exp(-r / (2.0 * sigma * sigma))).collect(),
    };
    let sum: f64 = values.iter().sum();
    let weights: Vec<f64> = values.iter().map(|value| value / sum).collect();
    if offset.is_some() {
        return (weights, vec![0.0; side * side]);
    }
    let mean: f64 = squares.iter().zip(&weights).map(|(r, w)| r * w).sum();
    let slopes = squares.iter().zip(&weights).map(|(r, w)| w * (r - mean) / sigma.powi(3)).collect();
    (weights, slopes)
}

// SAFETY: `Blend::check` compares the lengths of all operands, and sees that there are those that the kernel reads.
unsafe impl Operation for Op<'_> {
    const NAME: &'static str = "the filter of a pre-filter";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let mut inputs = inputs.iter().copied();
        let Parts { factors: c, average, gaussian, means, separable, weights, slopes, inner } =
            Parts::new(self.blend, &mut inputs);
        let taps = self.blend.side * self.blend.side;
        let centre = taps / 2;
        let write = |output: &mut [f32], values: &mut dyn Iterator<Item = f64>| {
            output.iter_mut().zip(values).for_each(|(output, value)| *output = value as f32);
        };
        let Some(g) = inputs.next() else {
            let mut common = vec![0.0; taps];
            common.iter_mut().zip(separable).for_each(|(tap, w)| *tap = c[3] * f64::from(*w));
            common[centre] += c[0] + c[3];
            inner.iter().zip(&weights).for_each(|(&at, w)| common[at] += c[gaussian] * w);
            for (number, filter) in output.chunks_exact_mut(taps).enumerate() {
                let mut of_channel = common.clone();
                let means = means.chunks_exact(inner.len()).nth(number).unwrap_or_default();
                inner.iter().zip(means).for_each(|(&at, w)| of_channel[at] += c[average] * f64::from(*w));
                write(filter, &mut of_channel.into_iter());
            }
            return;
        };
        let mut sum = vec![0.0; taps];
        g.chunks_exact(taps).for_each(|g| sum.iter_mut().zip(g).for_each(|(sum, g)| *sum += f64::from(*g)));
        let by_weight = inner.iter().map(|&at| sum[at]);
        // One channel after another.
        let by_mean = g.chunks_exact(taps).flat_map(|g| inner.iter().map(|&at| f64::from(g[at])));
        match self.what {
            What::Filter => {}
            What::Separable => write(output, &mut sum.iter().map(|g| c[3] * g)),
            What::Means => write(output, &mut by_mean.map(|g| c[average] * g)),
            What::Factors => {
                let learned: f64 = separable.iter().zip(&sum).map(|(w, g)| f64::from(*w) * g).sum();
                let mut by_factors = [sum[centre], 0.0, 0.0, sum[centre] + learned];
                by_factors[average] = means.iter().zip(by_mean).map(|(w, g)| f64::from(*w) * g).sum();
                by_factors[gaussian] = weights.iter().zip(by_weight).map(|(w, g)| w * g).sum();
                output.iter_mut().zip(by_factors).for_each(|(output, g)| *output += g as f32);
            }
            What::Sigma { add } => {
                let g: f64 = slopes.iter().zip(by_weight).map(|(slope, g)| slope * (c[gaussian] * g)).sum();
                output[0] = if add { output[0] + g as f32 } else { g as f32 };
            }
        }
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let Blend { side, inner, factors, gaussian, .. } = *self.blend;
        let mut count = 0;
        let mut next = |there: bool| {
            count += usize::from(there);
            if there { Input(count - 1) } else { Absent }
        };
        let parts = self.blend.operands().map(|operand| next(operand.is_some()));
        // Which factor is the only one that is not 0; 4 stands for none, where the factors are learned.
        let only = if let Factors::Only(only) = factors { only } else { 4 };
        let [average_at, gaussian_at] = self.blend.places();
        let sizes = [usize::from(gaussian.is_some()), only, average_at, gaussian_at, inner, side].map(Int);
        let sigma = Float(gaussian.map_or(1.0, |gaussian| gaussian.sigma as f32));
        let blend = [&parts[..], &[sigma], &sizes[..]].concat();
        let with = |rest: &[Argument<'static>]| [&blend[..], rest].concat();
        let g = next(self.what != What::Filter);
        let filters = Int(operands.inputs.last().map_or(0, |g| g / (side * side)));
        let steps = vec![match self.what {
            What::Filter => Launch::each(kernels::BLEND, operands.output, with(&[Output])),
            What::Separable => {
                Launch::blocks(kernels::BLEND_BY_SEPARABLE, operands.output, with(&[g, Output, filters]))
            }
            What::Means => Launch::each(kernels::BLEND_BY_MEANS, operands.output, with(&[g, Output])),
            What::Factors => Launch::blocks(kernels::BLEND_BY_FACTORS, operands.output, with(&[g, Output, filters])),
            What::Sigma { add } => {
                Launch::blocks(kernels::BLEND_BY_SIGMA, 1, with(&[g, Output, Int(usize::from(add)), filters]))
            }
        }];
        GpuPlan { scratch: Vec::new(), launches: steps }
    }
}
