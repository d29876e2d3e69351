//! Aggregation: a learned sum of the other pre-filters before the dilated convolution (arXiv 1903.07992): `c0 x + c1
//! average(x) + c2 gaussian(x) + c3 separable(x)`, with one vector `c` for the whole network, 1/4 each at first.
//!
//! All four are depthwise, so their sum is one filter of `s` x `s` taps a channel, `s = 2d - 1`, and one pass over the
//! image. With a learned sigma, the reference's code exchanges `c1` and `c2`. Its softmax on `c` is never run.

use candle_core::Tensor;

use super::average::mean;
use super::contract::{DilatedLayer, Entry, Extra, LayerGradients, LayerSize};
use super::kernel::{self, FIXED, GaussianKernel, ONE};
use super::separable::SeparableShared;
use super::smoothed::{Filter, Smoothed, slot};
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::ops::blend::{Blend, Part, Term};

pub(super) const ENTRY: Entry = Entry {
    name: "Aggregation",
    doc: "Adds up the image and what Average, Gaussian and SeparableShared make of it, \
          with four learned factors, before the dilated convolution. With a learned sigma, the second factor is the \
          Gaussian's and the third the average's, as in the reference's code.",
    args: || kernel::args(&[FIXED, ONE]),
    build: |args| Ok(Box::new(Smoothed(Aggregation(GaussianKernel::new(args))))),
};

/// The sum of pre-filters. A layer's parameters are the averages, the separable filter and those of the Gaussian; the
/// network's are the factors and those of the Gaussian.
#[derive(Debug)]
struct Aggregation(GaussianKernel);

impl Aggregation {
    fn blend<'a>(&'a self, layer: &DilatedLayer<'a>) -> Blend<'a> {
        let (average, gaussian): (&[usize], &[usize]) = if self.0.one_learned() { (&[2], &[1]) } else { (&[1], &[2]) };
        let kernel = self.0.part(layer.op.dilation, &layer.own[2..], &layer.shared[1..]);
        // The separable filter starts at zero, and one is added at its centre.
        let terms = vec![
            Term { part: Part::Filter(&layer.own[1]), factors: &[3] },
            Term { part: Part::Centre, factors: &[0, 3] },
            Term { part: kernel, factors: gaussian },
            Term { part: Part::Filter(&layer.own[0]), factors: average },
        ];
        Blend { side: self.side(layer.op.dilation), factors: Some(&layer.shared[0]), terms }
    }
}

/// The places of terms in the sum.
const SEPARABLE: usize = 0;
const GAUSSIAN: usize = 2;
const AVERAGE: usize = 3;

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

    fn filter(&self, layer: &DilatedLayer<'_>) -> Result<Tensor> {
        self.blend(layer).filter(layer.weights.device())
    }

    fn gradients(&self, layer: &DilatedLayer<'_>, filter: &Tensor, gradients: &LayerGradients) -> Result<()> {
        let blend = self.blend(layer);
        if let Some(slot) = slot(&gradients.shared, 0) {
            blend.by_factors(filter, slot)?;
        }
        if let Some(slot) = slot(&gradients.own, 0) {
            blend.by_part(AVERAGE, filter, slot)?;
        }
        if let Some(slot) = slot(&gradients.own, 1) {
            blend.by_part(SEPARABLE, filter, slot)?;
        }
        let own = gradients.own.get(2..).unwrap_or_default();
        let shared = gradients.shared.get(1..).unwrap_or_default();
        self.0.gradients((&blend, GAUSSIAN), filter, own, shared)
    }
}
