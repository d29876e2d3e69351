//! Gaussian: a `k` x `k` Gaussian, `k = d - 1`, that all channels share, before the dilated convolution (arXiv
//! 1903.07992). With `d = 2` it is the identity; smoothing comes from group 5. What it is, see [`super::kernel`].

use candle_core::Tensor;

use super::contract::{DilatedLayer, Entry, Extra, LayerGradients, LayerSize};
use super::kernel::{self, EACH, FIXED, GaussianKernel, ONE};
use super::smoothed::{Filter, Smoothed};
use crate::ml::error::Result;
use crate::ml::ops::blend::{Blend, Term};

pub(super) const ENTRY: Entry = Entry {
    name: "Gaussian",
    doc: "Smooths by a Gaussian of (d-1) x (d-1) pixels, one for all channels, before the dilated convolution.",
    args: || kernel::args(&[FIXED, ONE, EACH]),
    build: |args| Ok(Box::new(Smoothed(Gaussian(GaussianKernel::new(args))))),
};

/// The Gaussian pre-filter.
#[derive(Debug)]
struct Gaussian(GaussianKernel);

impl Filter for Gaussian {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        self.0.layer_parameters(size)
    }

    fn network_parameters(&self) -> Vec<Extra> {
        self.0.network_parameters()
    }

    fn side(&self, dilation: usize) -> usize {
        kernel::side(dilation)
    }

    fn filter(&self, layer: &DilatedLayer<'_>) -> Result<Tensor> {
        self.blend(layer).filter(layer.weights.device())
    }

    fn gradients(&self, layer: &DilatedLayer<'_>, filter: &Tensor, gradients: &LayerGradients) -> Result<()> {
        self.0.gradients((&self.blend(layer), 0), filter, &gradients.own, &gradients.shared)
    }
}

impl Gaussian {
    fn blend<'a>(&'a self, layer: &DilatedLayer<'a>) -> Blend<'a> {
        let part = self.0.part(layer.op.dilation, layer.own, layer.shared);
        Blend { side: self.side(layer.op.dilation), factors: None, terms: vec![Term { part, factors: &[] }] }
    }
}
