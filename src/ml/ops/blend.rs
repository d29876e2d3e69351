//! The small depthwise filters of pre-filters: a sum of terms, and its gradients by what the terms are made from.
//!
//! A term is a part times a factor. A part is one at the centre (the image itself), a filter of its own, or a Gaussian. A
//! part may be smaller than the whole: it then lies in the middle as `SAME` padding has it, with `(K - 1) / 2` taps before
//! the centre, rounded down. A factor is 1, or the sum of some numbers that training changes.
//!
//! These are a few thousand numbers at most. They are computed in 64-bit arithmetic where they lie, so that a step on a GPU
//! does not wait for the processor to see them.
//!
//! With `r` the distance from the centre, the Gaussian is `exp(-r^2 / 2 sigma^2)`, or, where there is an offset `w`,
//! `exp(-r^2) + w`, divided by its sum. For an even side `K` the grid starts at `-(K - 1) / 2`, rounded towards zero.

use candle_core::{Device, Tensor};

use super::dispatch::{Operation, blank, launch};
use crate::ml::error::{Error, Result};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{self, Absent, Float, Input, Int, Output, Scratch};
use crate::ml::gpu::plan::{GpuPlan, Launch, Operands, ScratchSize};

/// The factors that a GPU can tell apart: one a bit of an integer.
const FACTORS: usize = 31;

/// A filter as a sum of terms.
#[derive(Debug, Clone)]
pub struct Blend<'a> {
    /// Taps along each axis of the filter.
    pub side: usize,
    /// The numbers that make the factors, `[F]`; none where all factors are 1.
    pub factors: Option<&'a Tensor>,
    /// What is added up, in this order.
    pub terms: Vec<Term<'a>>,
}

/// A part and its factor.
#[derive(Debug, Clone, Copy)]
pub struct Term<'a> {
    /// The part.
    pub part: Part<'a>,
    /// The places among [`Blend::factors`] whose sum multiplies the part; none where the factor is 1.
    pub factors: &'a [usize],
}

/// A part of a filter.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// One at the centre: what is filtered, as it is.
    Centre,
    /// A filter, `[C, 1, K, K]`, or `[1, 1, K, K]` for all channels.
    Filter(&'a Tensor),
    /// A Gaussian, the same for all channels.
    Gaussian(Gaussian<'a>),
}

/// A Gaussian.
#[derive(Debug, Clone, Copy)]
pub struct Gaussian<'a> {
    /// Taps along each axis.
    pub side: usize,
    /// The standard deviation, where it is not learned. A GPU takes it as a 32-bit float.
    pub sigma: f64,
    /// The standard deviation, where it is learned, `[1]`.
    pub learned: Option<&'a Tensor>,
    /// What is added before it is normalised, `[1, 1, K, K]`; then the standard deviation cancels.
    pub offset: Option<&'a Tensor>,
}

impl<'a> Part<'a> {
    /// Taps along each axis; none where it has no square filters.
    fn side(&self) -> Option<usize> {
        match self {
            Part::Centre => Some(1),
            Part::Gaussian(gaussian) => Some(gaussian.side),
            Part::Filter(filter) => match *filter.dims() {
                [_, 1, height, width] if height == width => Some(width),
                _ => None,
            },
        }
    }

    /// How many filters it has.
    fn count(&self) -> usize {
        if let Part::Filter(filter) = self { filter.dims().first().copied().unwrap_or(0) } else { 1 }
    }

    /// The tensors that it is made from: the filter, or the learned deviation and the offset.
    fn operands(&self) -> [Option<&'a Tensor>; 2] {
        match *self {
            Part::Centre => [None, None],
            Part::Filter(filter) => [Some(filter), None],
            Part::Gaussian(Gaussian { learned, offset, .. }) => [learned, offset],
        }
    }
}

impl<'a> Blend<'a> {
    /// The filter, `[channels, 1, side, side]`: one for all channels, where every part is for all channels.
    ///
    /// # Errors
    /// The sizes of the parts do not belong together.
    pub fn filter(&self, device: &Device) -> Result<Tensor> {
        let filter = blank(&[self.filters(), 1, self.side, self.side], device)?;
        self.run(What::Filter, None, &filter)?;
        Ok(filter)
    }

    /// Writes the gradient by the filter of term `term`, from the gradient `g` by the whole filter.
    ///
    /// # Errors
    /// That term is no filter, or sizes do not belong together.
    pub fn by_part(&self, term: usize, g: &Tensor, gradient: &Tensor) -> Result<()> {
        self.run(What::Part(term), Some(g), gradient)
    }

    /// Adds the gradient by the factors.
    ///
    /// # Errors
    /// There are none, or sizes do not belong together.
    pub fn by_factors(&self, g: &Tensor, gradient: &Tensor) -> Result<()> {
        self.run(What::Factors, Some(g), gradient)
    }

    /// Writes, or adds, the gradient by the standard deviation of term `term`.
    ///
    /// # Errors
    /// That term is no Gaussian, or sizes do not belong together.
    pub fn by_sigma(&self, term: usize, g: &Tensor, gradient: &Tensor, add: bool) -> Result<()> {
        self.run(What::Sigma { term, add }, Some(g), gradient)
    }

    fn run(&self, what: What, g: Option<&Tensor>, output: &Tensor) -> Result<()> {
        self.check(what, g, output)?;
        let inputs: Vec<&Tensor> = self.operands().chain(g).collect();
        launch(&Op { blend: self, what }, &inputs, output)
    }

    /// As many filters as the parts have, or one for all channels.
    fn filters(&self) -> usize {
        self.terms.iter().map(|term| term.part.count()).max().unwrap_or(1)
    }

    /// The factors, then what each term is made from.
    fn operands(&self) -> impl Iterator<Item = &'a Tensor> {
        let parts = self.terms.iter().flat_map(|term| term.part.operands());
        std::iter::once(self.factors).chain(parts).flatten()
    }

    /// How many numbers make the factors.
    fn len_of_factors(&self) -> usize {
        self.factors.map_or(0, Tensor::elem_count)
    }

    /// An error unless there is what is asked for, and all operands have their sizes.
    fn check(&self, what: What, g: Option<&Tensor>, output: &Tensor) -> Result<()> {
        let (filters, taps, factors) = (self.filters(), self.side * self.side, self.len_of_factors());
        let fits = |term: &Term<'_>| {
            let side = term.part.side().is_some_and(|side| (1..=self.side).contains(&side));
            let count = term.part.count();
            side && (count == 1 || count == filters) && term.factors.iter().all(|&place| place < factors)
        };
        let part = |term: usize| self.terms.get(term).map(|term| term.part);
        let written = match what {
            What::Filter => Some(filters * taps),
            What::Factors => Some(factors),
            What::Part(term) => match part(term) {
                Some(Part::Filter(filter)) => Some(filter.elem_count()),
                _ => None,
            },
            What::Sigma { term, .. } => matches!(part(term), Some(Part::Gaussian(_))).then_some(1),
        };
        let all = !self.terms.is_empty() && self.terms.iter().all(fits) && factors <= FACTORS;
        let Some(written) = written.filter(|&len| all && len > 0) else {
            return Err(Error::Model(format!("No filter of {} taps a side has {what:?} from these terms.", self.side)));
        };
        let of_gaussian = |term: &Term<'a>| match term.part {
            Part::Gaussian(Gaussian { side, learned, offset, .. }) => [(learned, 1), (offset, side * side)],
            Part::Centre | Part::Filter(_) => [(None, 0); 2],
        };
        let operands = self.terms.iter().flat_map(of_gaussian).chain([(g, filters * taps), (Some(output), written)]);
        for (operand, len) in operands {
            if let Some(operand) = operand.filter(|operand| operand.elem_count() != len) {
                return Err(Error::Shape {
                    what: "An operand of the filter of a pre-filter".to_owned(),
                    found: operand.dims().to_vec(),
                    expected: format!("a tensor of {len} elements"),
                });
            }
        }
        Ok(())
    }
}

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Filter,
    Part(usize),
    Factors,
    Sigma { term: usize, add: bool },
}

/// Inputs: [`Blend::operands`], and for a gradient the one by the filter.
struct Op<'a> {
    blend: &'a Blend<'a>,
    what: What,
}

/// A term as numbers.
struct Numbers {
    factor: f64,
    /// The values of the part, filter by filter.
    values: Vec<f64>,
    /// The derivatives of a Gaussian's values by its deviation.
    slopes: Vec<f64>,
    /// Where the taps of the part lie in the whole filter.
    places: Vec<usize>,
}

impl Numbers {
    fn new(blend: &Blend<'_>, term: &Term<'_>, factors: &[f32], operands: [Option<&[f32]>; 2]) -> Self {
        let factor = match term.factors {
            [] => 1.0,
            places => places.iter().map(|&place| f64::from(factors[place])).sum(),
        };
        let (outer, inner) = (blend.side, term.part.side().unwrap_or(1));
        let first = (outer - 1) / 2 - (inner - 1) / 2;
        let places = (0..inner * inner).map(|tap| (first + tap / inner) * outer + first + tap % inner).collect();
        let (values, slopes) = match term.part {
            Part::Centre => (vec![1.0], Vec::new()),
            Part::Filter(_) => {
                (operands[0].unwrap_or_default().iter().map(|&value| f64::from(value)).collect(), Vec::new())
            }
            Part::Gaussian(gaussian) => {
                let sigma = operands[0].map_or(gaussian.sigma, |learned| f64::from(learned[0]));
                gaussian_weights(inner, sigma, operands[1])
            }
        };
        Numbers { factor, values, slopes, places }
    }

    /// The values of filter `number`.
    fn of(&self, number: usize) -> &[f64] {
        let len = self.places.len();
        if self.values.len() == len { &self.values } else { &self.values[number * len..(number + 1) * len] }
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

impl Op<'_> {
    /// Writes the filters.
    fn write_filters(&self, terms: &[Numbers], output: &mut [f32]) {
        for (number, filter) in output.chunks_exact_mut(self.blend.side * self.blend.side).enumerate() {
            let mut sums = vec![0.0; filter.len()];
            for term in terms {
                term.places.iter().zip(term.of(number)).for_each(|(&at, value)| sums[at] += term.factor * value);
            }
            filter.iter_mut().zip(sums).for_each(|(tap, sum)| *tap = sum as f32);
        }
    }
}

// SAFETY: `Blend::check` compares the lengths of all operands, and sees that there are those that the kernels read.
unsafe impl Operation for Op<'_> {
    const NAME: &'static str = "the filter of a pre-filter";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (blend, mut inputs) = (self.blend, inputs.iter().copied());
        let factors = blend.factors.and_then(|_| inputs.next()).unwrap_or_default();
        let numbers = |term: &Term<'_>| {
            let operands = term.part.operands().map(|operand| operand.and_then(|_| inputs.next()));
            Numbers::new(blend, term, factors, operands)
        };
        let terms: Vec<Numbers> = blend.terms.iter().map(numbers).collect();
        let Some(g) = inputs.next() else { return self.write_filters(&terms, output) };
        // The gradient by the filter, a channel after another, and its sum over the channels.
        let by_channel = || g.chunks_exact(blend.side * blend.side);
        let mut sums = vec![0.0; blend.side * blend.side];
        by_channel().for_each(|g| sums.iter_mut().zip(g).for_each(|(sum, g)| *sum += f64::from(*g)));
        let of_all = |term: &Numbers| term.values.len() == term.places.len();
        match self.what {
            What::Filter => {}
            What::Part(term) => {
                let Numbers { factor, places, .. } = &terms[term];
                if of_all(&terms[term]) {
                    output.iter_mut().zip(places).for_each(|(out, &at)| *out = (factor * sums[at]) as f32);
                } else {
                    let by_tap = by_channel().flat_map(|g| places.iter().map(|&at| f64::from(g[at])));
                    output.iter_mut().zip(by_tap).for_each(|(out, g)| *out = (factor * g) as f32);
                }
            }
            What::Factors => {
                let mut by_factors = vec![0.0; output.len()];
                for (term, numbers) in blend.terms.iter().zip(&terms) {
                    let by_factor: f64 = if of_all(numbers) {
                        numbers.places.iter().zip(&numbers.values).map(|(&at, value)| value * sums[at]).sum()
                    } else {
                        let by_tap = by_channel().flat_map(|g| numbers.places.iter().map(|&at| f64::from(g[at])));
                        numbers.values.iter().zip(by_tap).map(|(value, g)| value * g).sum()
                    };
                    term.factors.iter().for_each(|&place| by_factors[place] += by_factor);
                }
                output.iter_mut().zip(by_factors).for_each(|(out, g)| *out += g as f32);
            }
            What::Sigma { term, add } => {
                let Numbers { factor, slopes, places, .. } = &terms[term];
                let g: f64 = slopes.iter().zip(places).map(|(slope, &at)| slope * (factor * sums[at])).sum();
                output[0] = if add { output[0] + g as f32 } else { g as f32 };
            }
        }
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let Operands { inputs, output, .. } = operands;
        let blend = self.blend;
        let taps = blend.side * blend.side;
        let mut count = 0;
        let mut next = |there: bool| {
            count += usize::from(there);
            if there { Input(count - 1) } else { Absent }
        };
        let factors = next(blend.factors.is_some());
        let mut arguments = |term: &Term<'_>| -> Vec<Argument<'static>> {
            let [first, offset] = term.part.operands().map(|operand| next(operand.is_some()));
            let (kind, values, learned, sigma) = match term.part {
                Part::Centre => (0, Absent, Absent, 1.0),
                Part::Filter(_) => (1, first, Absent, 1.0),
                Part::Gaussian(gaussian) => (2, Absent, first, gaussian.sigma as f32),
            };
            let mask = term.factors.iter().fold(0, |mask, &place| mask | 1 << place);
            let sizes = [kind, mask, term.part.count(), term.part.side().unwrap_or(1), blend.side].map(Int);
            [&[factors, values, offset, learned, Float(sigma)], &sizes[..]].concat()
        };
        let terms: Vec<_> = blend.terms.iter().map(&mut arguments).collect();
        let g = next(self.what != What::Filter);
        let with = |term: usize, rest: &[Argument<'static>]| [&terms[term], rest].concat();
        let filters = Int(inputs.last().map_or(0, |g| g / taps));
        // Terms add to the sums, of which the first makes the first.
        let first = |term: usize| Int(usize::from(term == 0));
        let sums = |of: usize| vec![ScratchSize::Bytes(of * size_of::<f64>())];
        match self.what {
            What::Filter => {
                let add = |term| Launch::each(kernels::BLEND_TERM, output, with(term, &[Scratch(0), first(term)]));
                let last = Launch::each(kernels::BLEND_FILTER, output, [Scratch(0), Output]);
                GpuPlan { scratch: sums(output), launches: (0..terms.len()).map(add).chain([last]).collect() }
            }
            What::Part(term) => {
                let one = Launch::blocks(kernels::BLEND_BY_PART, output, with(term, &[g, Output, filters]));
                GpuPlan { scratch: Vec::new(), launches: vec![one] }
            }
            What::Factors => {
                let add = |term| {
                    Launch::blocks(kernels::BLEND_BY_TERM, output, with(term, &[g, Scratch(0), first(term), filters]))
                };
                let last = Launch::each(kernels::BLEND_BY_FACTORS, output, [Scratch(0), Output]);
                GpuPlan { scratch: sums(output), launches: (0..terms.len()).map(add).chain([last]).collect() }
            }
            What::Sigma { term, add } => {
                let rest = [g, Output, Int(usize::from(add)), filters];
                GpuPlan {
                    scratch: Vec::new(),
                    launches: vec![Launch::blocks(kernels::BLEND_BY_SIGMA, 1, with(term, &rest))],
                }
            }
        }
    }
}
