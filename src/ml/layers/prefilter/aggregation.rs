//! Aggregation: a learned sum of the other pre-filters before the dilated convolution (arXiv 1903.07992): `c0 x + c1
//! average(x) + c2 gaussian(x) + c3 separable(x)`, with one vector `c` for the whole network, 1/4 each at first.
//!
//! All four are depthwise, so their sum is one filter of `s` x `s` taps a channel, `s = 2d - 1`, and one pass over the
//! image. With a learned sigma, the reference's code exchanges `c1` and `c2`. Its softmax on `c` is never run.

use candle_core::Tensor;

use super::average::mean;
use super::bell::{self, Bell, FIXED, Kernel, ONE};
use super::separable::SeparableShared;
use super::smoothed::{Filter, Smoothed, add, host, overwrite, places, slot, small};
use super::{Entry, Extra, Layer, LayerGradients, LayerSize};
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;

pub(super) const ENTRY: Entry = Entry {
    name: "Aggregation",
    doc: "Adds up the image and what Average, Gaussian and SeparableShared make of it, \
          with four learned factors, before the dilated convolution. With a learned sigma, the second factor is the \
          Gaussian's and the third the average's, as in the reference's code.",
    args: || bell::args(&[FIXED, ONE]),
    build: |args| Ok(Box::new(Smoothed(Aggregation(Bell::new(args))))),
};

/// The sum of pre-filters. A layer's parameters are the averages, the separable filter and those of the Gaussian; the
/// network's are the factors and those of the Gaussian.
#[derive(Debug)]
struct Aggregation(Bell);

/// The parts of a layer's filter.
struct Parts {
    c: Vec<f64>,
    /// The places in `c` of the average's factor and of the Gaussian's.
    average: usize,
    gaussian: usize,
    /// The averages, one channel after another.
    means: Vec<f64>,
    kernel: Kernel,
    separable: Vec<f64>,
    channels: usize,
    /// Where the taps of averages and Gaussian lie in the filter.
    inner: Vec<usize>,
}

impl Aggregation {
    fn parts(&self, layer: &Layer<'_>) -> Result<Parts> {
        let (average, gaussian) = if self.0.one_learned() { (2, 1) } else { (1, 2) };
        let d = layer.op.dilation;
        Ok(Parts {
            c: host(&layer.shared[0])?,
            average,
            gaussian,
            means: host(&layer.own[0])?,
            kernel: self.0.kernel(layer, &layer.own[2..], &layer.shared[1..])?,
            separable: host(&layer.own[1])?,
            channels: layer.own[0].dims()[0],
            inner: places(bell::side(d), 2 * d - 1).collect(),
        })
    }
}

impl Filter for Aggregation {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        let mut parameters = vec![mean("average", size, true)];
        parameters.extend(SeparableShared.layer_parameters(size));
        parameters.extend(self.0.layer_parameters(size));
        parameters
    }

    fn network_parameters(&self) -> Vec<Extra> {
        let c = Extra { name: "factors", shape: vec![4], init: Init::Constant(0.25), trainable: true };
        std::iter::once(c).chain(self.0.network_parameters()).collect()
    }

    fn side(&self, dilation: usize) -> usize {
        2 * dilation - 1
    }

    fn filter(&self, layer: &Layer<'_>) -> Result<Tensor> {
        let Parts { c, average, gaussian, means, kernel, separable, channels, inner } = self.parts(layer)?;
        let (s, centre) = (2 * layer.op.dilation - 1, separable.len() / 2);
        let mut common: Vec<f64> = separable.iter().map(|w| c[3] * w).collect();
        common[centre] += c[0] + c[3];
        inner.iter().zip(&kernel.weights).for_each(|(&at, w)| common[at] += c[gaussian] * w);
        let mut filters = common.repeat(channels);
        for (filter, means) in filters.chunks_exact_mut(common.len()).zip(means.chunks_exact(inner.len())) {
            inner.iter().zip(means).for_each(|(&at, w)| filter[at] += c[average] * w);
        }
        small(&filters, &[channels, 1, s, s], layer.weights.device())
    }

    fn gradients(&self, layer: &Layer<'_>, filter: &Tensor, gradients: &LayerGradients) -> Result<()> {
        let Parts { c, average, gaussian, means, kernel, separable, channels: _, inner } = self.parts(layer)?;
        let filters = host(filter)?;
        let (taps, centre) = (separable.len(), separable.len() / 2);
        let mut sum = vec![0.0; taps];
        filters.chunks_exact(taps).for_each(|filter| sum.iter_mut().zip(filter).for_each(|(sum, g)| *sum += g));
        // By the averages, before their factor, one channel after another; by the Gaussian's weights, before its
        // factor.
        let by_mean: Vec<f64> = filters.chunks_exact(taps).flat_map(|g| inner.iter().map(|&at| g[at])).collect();
        let by_kernel: Vec<f64> = inner.iter().map(|&at| sum[at]).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let times = |factor: f64, values: &[f64]| values.iter().map(|value| factor * value).collect::<Vec<_>>();
        if let Some(slot) = slot(&gradients.shared, 0) {
            let mut by_c = [sum[centre], 0.0, 0.0, sum[centre] + dot(&separable, &sum)];
            by_c[average] = dot(&means, &by_mean);
            by_c[gaussian] = dot(&kernel.weights, &by_kernel);
            add(slot, &by_c)?;
        }
        if let Some(slot) = slot(&gradients.own, 0) {
            overwrite(slot, &times(c[average], &by_mean))?;
        }
        if let Some(slot) = slot(&gradients.own, 1) {
            overwrite(slot, &times(c[3], &sum))?;
        }
        let own = gradients.own.get(2..).unwrap_or_default();
        let shared = gradients.shared.get(1..).unwrap_or_default();
        self.0.gradients(&kernel, &times(c[gaussian], &by_kernel), own, shared)
    }
}
