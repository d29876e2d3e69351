//! Gaussian: a `k` x `k` Gaussian, `k = d - 1`, that all channels share, before the dilated convolution (arXiv
//! 1903.07992). With `d = 2` it is the identity; smoothing comes from group 5. What it is, see [`super::bell`].

use candle_core::Tensor;

use super::bell::{self, Bell, EACH, FIXED, ONE};
use super::smoothed::{Filter, Smoothed};
use super::{Entry, Extra, Layer, LayerGradients, LayerSize};
use crate::ml::error::Result;
use crate::ml::ops::blend::{Blend, Factors};

pub(super) const ENTRY: Entry = Entry {
    name: "Gaussian",
    doc: "Smooths by a Gaussian of (d-1) x (d-1) pixels, one for all channels, before the dilated convolution.",
    args: || bell::args(&[FIXED, ONE, EACH]),
    build: |args| Ok(Box::new(Smoothed(Gaussian(Bell::new(args))))),
};

/// The Gaussian pre-filter.
#[derive(Debug)]
struct Gaussian(Bell);

impl Filter for Gaussian {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        self.0.layer_parameters(size)
    }

    fn network_parameters(&self) -> Vec<Extra> {
        self.0.network_parameters()
    }

    fn side(&self, dilation: usize) -> usize {
        bell::side(dilation)
    }

    fn filter(&self, layer: &Layer<'_>) -> Result<Tensor> {
        self.blend(layer).filter(layer.weights.device())
    }

    fn gradients(&self, layer: &Layer<'_>, filter: &Tensor, gradients: &LayerGradients) -> Result<()> {
        self.0.gradients(&self.blend(layer), filter, &gradients.own, &gradients.shared)
    }
}

impl Gaussian {
    fn blend<'a>(&'a self, layer: &Layer<'a>) -> Blend<'a> {
        let side = bell::side(layer.op.dilation);
        let bell = Some(self.0.bell(layer.own, layer.shared));
        Blend { side, inner: side, factors: Factors::Only(2), means: None, bell, separable: None }
    }
}
